"""Energy score: the distance of an observation from draws of a forecast, less that between draws.

    ES(F, y) = E‖a − y‖ − ½ E‖a − b‖,   a, b ~ F independent

(Gneiting and Raftery 2007, doi:10.1198/016214506000001437, eq. 22). Its mean over y ~ G is least
for F = G alone: a strictly proper score. In one dimension it is the CRPS. Two draws per condition
estimate it and its gradient without bias, so a generator can be trained on it without a critic.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["crps", "energy_score"]

_TINY = 1e-12  # the slope of a norm at zero is undefined


def _norm(difference: Tensor) -> Tensor:
    return (difference.square().sum(dim=-1) + _TINY).sqrt()


def energy_score(a: Tensor, b: Tensor, y: Tensor) -> Tensor:
    """Estimate the energy score over the last axis from two draws.

    Parameters
    ----------
    a, b : Tensor of shape (..., d)
        Independent draws under the condition of `y`.
    y : Tensor of shape (..., d)
        Observations.

    Returns
    -------
    Tensor of shape (...)
    """
    return 0.5 * (_norm(a - y) + _norm(b - y) - _norm(a - b))


def crps(a: Tensor, b: Tensor, y: Tensor) -> Tensor:
    """Estimate the sum of the CRPS of each number of the last axis from two draws.

    Parameters
    ----------
    a, b : Tensor of shape (..., d)
        Independent draws under the condition of `y`.
    y : Tensor of shape (..., d)
        Observations.

    Returns
    -------
    Tensor of shape (...)
    """
    total = (a - y).abs() + (b - y).abs() - (a - b).abs()
    return 0.5 * torch.sum(total, dim=-1)
