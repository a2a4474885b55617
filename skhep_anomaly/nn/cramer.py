"""Cramér loss: the energy distance in the critic's features h.

Two distributions P (data) and G lie 2E‖h(x) − h(g)‖ − E‖h(x) − h(x′)‖ − E‖h(g) − h(g′)‖ apart. Its
gradient is estimated without bias from finite batches, which that of the Wasserstein distance is
not (Bellemare et al. 2017, arXiv:1705.10743, algorithm 1). The generator makes the parts that
depend on it small; the critic makes f(x) = ‖h(x) − h(g′)‖ − ‖h(x)‖ differ between data and
generated rows, where h = 0 stands for the second real row that one condition does not have.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skhep_anomaly.nn.energy_score import energy_score

__all__ = ["cramer_critic", "cramer_rows"]

_TINY = 1e-12


def cramer_rows(real: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Give the generator's loss of each row, ‖h(x) − h(g)‖ + ‖h(x) − h(g′)‖ − ‖h(g) − h(g′)‖.

    Parameters
    ----------
    real : Tensor of shape (n, k)
        Features of real rows.
    first, second : Tensor of shape (n, k)
        Features of two independent generated rows each.

    Returns
    -------
    Tensor of shape (n,)
        Its mean less E‖h(x) − h(x′)‖ is the energy distance.
    """
    return 2.0 * energy_score(first, second, real)


def cramer_critic(features: Tensor, generated: Tensor) -> Tensor:
    """Give f = ‖h − h(g′)‖ − ‖h‖ of each row (n,), from features (n, k)."""
    return _norm(features - generated) - _norm(features)


def _norm(features: Tensor) -> Tensor:
    return torch.sqrt(features.square().sum(dim=1) + _TINY)
