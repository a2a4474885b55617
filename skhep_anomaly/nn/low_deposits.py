"""The smallest deposits, put right after training by a monotone map.

A loss hardly sees deposits of a few keV, a classifier does. Below a limit T the number N(t) of hits
between t and T is counted in real and in generated showers; a generated deposit t becomes the real
one of the same rank, N_real⁻¹(N_generated(t)), tabulated on even steps of ln t. Ranks count from T
downwards, so hits that are too many become empty cells.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["EMPTY", "LIMIT", "LOWEST", "STEP", "LowDeposits"]

LIMIT = 0.06  # T [MeV]
_KNOTS = 129
LOWEST = math.log(LIMIT) - 6.4
STEP = 6.4 / (_KNOTS - 1)
_NOTHING, EMPTY = -1e4, 1e-10  # ln t of no deposit; what counts as empty [MeV]
_FEWEST = 200


class LowDeposits(nn.Module):
    """Map of deposits below 0.06 MeV; until `learn` it only lifts those below 1e-4 MeV to that."""

    after: Tensor

    def __init__(self) -> None:
        super().__init__()
        knots = torch.linspace(LOWEST, math.log(LIMIT), _KNOTS, dtype=torch.float64)
        self.register_buffer("after", knots.float())

    @torch.no_grad()
    def learn(self, generated: NDArray[np.float32], real: NDArray[np.float32]) -> None:
        """Learn from as many generated cells (n, n_cells) as real ones, under like conditions."""
        made, wanted = (_low(cells) for cells in (generated, real))
        if min(len(made), len(wanted)) < _FEWEST:
            return
        knots = np.linspace(LOWEST, math.log(LIMIT), _KNOTS)
        ranks = len(made) - np.searchsorted(made[::-1], knots)
        after = np.interp(ranks, np.arange(len(wanted)) + 0.5, wanted)
        after[ranks > len(wanted)] = _NOTHING
        self.after.copy_(torch.from_numpy(after))

    def forward(self, cells: Tensor) -> Tensor:
        """Map cells [MeV]; overwrites them."""
        flat = cells.view(-1)
        low = torch.nonzero((flat > 0) & (flat < LIMIT)).squeeze(1)
        place = ((flat[low].log() - LOWEST) / STEP).clamp(0.0, _KNOTS - 1.001)
        left = place.long()
        mapped = torch.lerp(self.after[left], self.after[left + 1], place - left).exp()
        flat[low] = torch.where(mapped < EMPTY, 0.0, mapped)
        return cells


def _low(cells: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the logarithms of deposits below the limit, largest first."""
    low = cells[(cells > 0) & (cells < LIMIT)].astype(np.float64)
    return np.sort(np.log(low))[::-1]
