"""The loss of a shower generator: energy scores of cells and of what physicists compute from them.

Every term compares two generated showers a, b and a real one y under the same conditions. Sums of
proper scores are proper: cells alone would do with endless data, the other terms say what matters.

    0.2 ES(u) + 0.03 CRPS(u)                      u = ln(1 + cell/τ), all cells
    + 0.016 Σ ES(2×2 patches) + 0.027 Σ ES(3×3 patches)
    + 0.3 [ES + 0.1 CRPS](ln block sums of 2², 3², 5² cells)
    + 0.3 [ES + 0.1 CRPS](ln row and column sums)
    + 0.05 CRPS(32 fresh sparse random projections of u)
    + [1.5 ES + 0.5 CRPS](shapes of `ShowerSummary`) + [0.25 ES + 0.1 CRPS](its counts)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skhep_anomaly.nn.energy_score import crps, energy_score
from skhep_anomaly.nn.shower_summary import ShowerSummary, Track

__all__ = ["ShowerScore"]

_TAU = 0.3  # MeV
_TINY = 1e-12
_SHAPE = (1.5, 0.5)  # energy score, CRPS
_COUNTS = (0.25, 0.1)
_BLOCKS = (2, 3, 5)
_PATCHES = {2: 0.016, 3: 0.027}
_PROJECTIONS, _SPARSE = 32, 8


class ShowerScore(nn.Module):
    """Score of generated showers against real ones, row by row.

    Parameters
    ----------
    shape : tuple of int
        Cells (nx, ny).
    cell, depth : float
        Width of a cell, and depth at which axes are taken [cm].
    """

    def __init__(self, shape: tuple[int, int], cell: float = 2.02, depth: float = 12.0) -> None:
        super().__init__()
        self.shape, self.cell, self.depth = shape, cell, depth
        self.summary = ShowerSummary(shape)

    def forward(
        self,
        a: Tensor,
        b: Tensor,
        y: Tensor,
        conditions: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Score rows.

        Parameters
        ----------
        a, b : Tensor of shape (n, n_cells)
            Two independent showers under each condition [MeV].
        y : Tensor of shape (n, n_cells)
            Real showers [MeV].
        conditions : Tensor of shape (n, 5)
            [GeV, cm].
        generator : torch.Generator, default=None
            Source of the random projections; None leaves that term out.

        Returns
        -------
        Tensor of shape (n,)
            Lower is better.
        """
        projections = None if generator is None else _projections(y.shape[1], generator)
        track = self.track(conditions)
        generated = self._terms(torch.cat([a, b]), track.repeat(2), projections)
        with torch.no_grad():
            real = self._terms(y, track, projections)
        score = torch.zeros_like(y[:, 0])
        for (features, es, each), (target, _, _) in zip(generated, real, strict=True):
            first, second = features.unflatten(0, (2, len(y))).unbind(0)
            if es:
                score = score + es * energy_score(first, second, target)
            if each:
                score = score + each * crps(first, second, target)
        return score + self._cells_score(a, b, y)

    def track(self, conditions: Tensor) -> Track:
        """Take energies, axes and directions from conditions."""
        return Track.of(conditions, self.shape, self.cell, self.depth)

    def _cells_score(self, a: Tensor, b: Tensor, y: Tensor) -> Tensor:
        """Score all cells together, each alone, and in patches, from the same differences."""
        first, second, target = (_log(cells) for cells in (a, b, y))
        gap = torch.stack([first - target, second - target, first - second])
        squares = gap.square()
        sums = 0.2 * (squares.sum(dim=2) + _TINY).sqrt() + 0.03 * gap.abs().sum(dim=2)
        images = squares.view(3, len(y), *self.shape)
        for k, weight in _PATCHES.items():
            norms = (self._tiled(images, k) + _TINY).sqrt()
            sums = sums + weight * norms.sum(dim=(2, 3))
        return 0.5 * (sums[0] + sums[1] - sums[2])

    def _terms(
        self, cells: Tensor, track: Track, projections: tuple[Tensor, Tensor] | None
    ) -> list[tuple[Tensor, float, float]]:
        """Give features with the weights of their energy score and of their CRPS."""
        images = cells.view(-1, *self.shape)
        blocks = [self._tiled(images, k).flatten(1) for k in _BLOCKS if k <= min(self.shape)]
        terms = []
        for group in (blocks, [images.sum(dim=1), images.sum(dim=2)]):
            terms += [(_log(each), 0.3 / len(group), 0.03 / len(group)) for each in group]
        if projections is not None:
            terms.append((_project(_log(cells), *projections), 0.0, 0.05))
        numbers = self.summary(cells, track)
        shape, counts = numbers[:, : self.summary.n_shape], numbers[:, self.summary.n_shape :]
        return [*terms, (shape, *_SHAPE), (counts, *_COUNTS)]

    def _tiled(self, images: Tensor, k: int) -> Tensor:
        """Sum over k × k tiles; what does not fit into one is left out."""
        along_x, along_y = (_tiles(n, k).to(images) for n in self.shape)
        return along_x.T @ (images @ along_y)


def _log(cells: Tensor) -> Tensor:
    return (cells * (1.0 / _TAU)).log1p()


def _tiles(n: int, k: int) -> Tensor:
    """Give the (n, n // k) matrix whose columns sum over k cells each."""
    return (torch.arange(n)[:, None] // k == torch.arange(n // k)).float()


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
