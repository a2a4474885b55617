"""The loss of a shower generator: energy scores of cells and of what physicists compute from them.

Every term compares two generated showers a, b and a real one y under the same conditions. Sums of
proper scores are proper: cells alone would do with endless data, the other terms say what matters.

    0.2 ES(u) + 0.03 CRPS(u)                      u = ln(1 + cell/τ), all cells
    + 0.016 Σ ES(2×2 patches) + 0.027 Σ ES(3×3 patches)
    + 0.3 [ES + 0.1 CRPS](ln block sums of 2², 3², 5² cells)
    + 0.3 [ES + 0.1 CRPS](ln row and column sums)
    + 0.05 CRPS(32 fresh sparse random projections of u)
    + [ES + 0.3 CRPS](`ShowerSummary`)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skhep_anomaly.nn.energy_score import crps, energy_score
from skhep_anomaly.nn.shower_summary import ShowerSummary

__all__ = ["ShowerScore"]

_TAU = 0.3  # MeV
_BLOCKS = (2, 3, 5)
_PATCHES = {2: 0.016, 3: 0.027}
_PROJECTIONS, _SPARSE = 32, 8


class ShowerScore(nn.Module):
    """Score of generated showers against real ones, row by row.

    Parameters
    ----------
    shape : tuple of int
        Cells (nx, ny).
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        super().__init__()
        self.shape = shape
        self.summary = ShowerSummary(shape)

    def forward(
        self,
        a: Tensor,
        b: Tensor,
        y: Tensor,
        energy: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Score rows.

        Parameters
        ----------
        a, b : Tensor of shape (n, n_cells)
            Two independent showers under each condition [MeV].
        y : Tensor of shape (n, n_cells)
            Real showers [MeV].
        energy : Tensor of shape (n,)
            [GeV].
        generator : torch.Generator, default=None
            Source of the random projections; None leaves that term out.

        Returns
        -------
        Tensor of shape (n,)
            Lower is better.
        """
        projections = None if generator is None else _projections(y.shape[1], generator)
        generated = self._terms(torch.cat([a, b]), energy.repeat(2), projections)
        with torch.no_grad():
            real = self._terms(y, energy, projections)
        score = torch.zeros_like(energy)
        for (features, es, each), (target, _, _) in zip(generated, real, strict=True):
            first, second = features.unflatten(0, (2, len(y))).unbind(0)
            if es:
                rows = energy_score(first, second, target).view(len(y), -1)
                score = score + es * rows.sum(dim=1)
            if each:
                score = score + each * crps(first, second, target)
        return score

    def _terms(
        self, cells: Tensor, energy: Tensor, projections: tuple[Tensor, Tensor] | None
    ) -> list[tuple[Tensor, float, float]]:
        """Give features with the weights of their energy score and of their CRPS."""
        u = (cells * (1.0 / _TAU)).log1p()
        terms = [(u, 0.2, 0.03)]
        terms += [(self._patches(u, k), weight, 0.0) for k, weight in _PATCHES.items()]
        for group in (self._blocks(cells), self._profiles(cells)):
            terms += [(each, 0.3 / len(group), 0.03 / len(group)) for each in group]
        if projections is not None:
            terms.append((_project(u, *projections), 0.0, 0.05))
        return [*terms, (self.summary(cells, energy), 1.0, 0.3)]

    def _patches(self, u: Tensor, k: int) -> Tensor:
        """Cut images into k × k patches, (n, n_patches, k²); what does not fit is left out."""
        nx, ny = (size // k * k for size in self.shape)
        images = u.view(-1, *self.shape)[:, :nx, :ny]
        patches = images.reshape(-1, nx // k, k, ny // k, k).transpose(2, 3)
        return patches.reshape(len(u), -1, k * k)

    def _blocks(self, cells: Tensor) -> list[Tensor]:
        return [
            (self._patches(cells, k).sum(dim=2) * (1.0 / _TAU)).log1p()
            for k in _BLOCKS
            if k <= min(self.shape)
        ]

    def _profiles(self, cells: Tensor) -> list[Tensor]:
        images = cells.view(-1, *self.shape)
        return [(images.sum(dim=axis) / _TAU).log1p() for axis in (1, 2)]


def _projections(n_cells: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw eight cells with signs for each of 32 sums."""
    size, device = (_PROJECTIONS, _SPARSE), generator.device
    chosen = torch.randint(n_cells, size, generator=generator, device=device)
    sign = torch.randint(2, size, generator=generator, device=device) * 2.0 - 1.0
    return chosen, sign


def _project(u: Tensor, chosen: Tensor, sign: Tensor) -> Tensor:
    """Give the sums over √8."""
    picked = u[:, chosen.flatten()].view(len(u), *chosen.shape)
    return (picked * sign).sum(dim=2) / _SPARSE**0.5
