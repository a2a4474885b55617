"""Noise of calorimeter cells: what a cell of mean λ holds, read from a learnt table of quantiles.

A cell of mean λ [MeV] and a standard normal number ε give the deposit

    t = T₀ (eᵛ − 1),   v = max(0, Q[l, ε]),   l = ln(λ/T₀),

Q bilinear between the knots of a table. Its rows are quantile functions, so zeros are exactly zero
and as frequent as Q says, the discrete deposits of thin cells and the nearly Gaussian ones of
thick cells are the same object, and the whole is differentiable in λ, ε and the table. It starts
from the quantiles of a compound Poisson process: N ~ Poisson(λ/μ) deposits drawn from the spectrum
of cells that are hit rarely (mean μ).

ε of a cell is the sum of its own normal number and those of its eight neighbours, weighted and
scaled by numbers and maps that are learnt: deposits come in clusters, above all in thin cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import gamma
from torch import Tensor, nn

__all__ = [
    "E_GRID",
    "L_GRID",
    "THICK",
    "THIN",
    "THRESHOLD",
    "TableNoise",
    "compound_poisson_table",
    "table_lookup",
]

THRESHOLD = 0.05  # T₀ [MeV]
THICK, THIN = float(np.log(5.0)), float(np.log(0.01))  # ln λ, λ in MeV
_L_LOW, _L_HIGH, _L_STEP = -7.0, 13.0, 0.5
_E_HIGH, _E_STEP = 3.75, 0.0625
L_GRID, E_GRID = (_L_LOW, _L_STEP), (-_E_HIGH, _E_STEP)  # first knot, step
_DRAWS, _MANY = 40_000, 40.0


class _Lookup(torch.autograd.Function):
    """Bilinear interpolation in a table, with gradients to the table and both coordinates."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, a: Tensor, b: Tensor) -> Tensor:  # type: ignore[override]
        columns = table.shape[1]
        a = a.clamp(0.0, table.shape[0] - 1.001)
        b = b.clamp(0.0, columns - 1.001)
        row, column = a.long(), b.long()
        fa, fb = a - row, b - column
        index = (row * columns + column).flatten()
        flat = table.flatten()
        corner = [flat.take(index + shift).view_as(a) for shift in (0, 1, columns, columns + 1)]
        low = torch.lerp(corner[0], corner[1], fb)
        high = torch.lerp(corner[2], corner[3], fb)
        ctx.save_for_backward(index, fa, fb, high - low, *corner)
        ctx.size = table.shape
        return torch.lerp(low, high, fa)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        index, fa, fb, slope_a, c00, c01, c10, c11 = ctx.saved_tensors
        columns = ctx.size[1]
        to_table = grad.new_zeros(ctx.size[0] * columns)
        upper = grad * fa
        lower = grad - upper
        for part, shift in ((lower, 0), (upper, columns)):
            right = part * fb
            to_table.scatter_add_(0, index + shift, (part - right).flatten())
            to_table.scatter_add_(0, index + (shift + 1), right.flatten())
        slope_b = torch.lerp(c01 - c00, c11 - c10, fa)
        return to_table.view(ctx.size), grad * slope_a, grad * slope_b


def table_lookup(table: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Interpolate bilinearly.

    Parameters
    ----------
    table : Tensor of shape (n_rows, n_columns)
        Values at integer coordinates.
    a, b : Tensor
        Coordinates along rows and columns; outside the table its edge counts.

    Returns
    -------
    Tensor of the shape of `a`
        Differentiable once in all three.
    """
    value: Tensor = _Lookup.apply(table, a, b)
    return value


class TableNoise(nn.Module):
    """Deposits from cell means.

    Parameters
    ----------
    map_shape : tuple of int
        Cells of the map on which scale and mixing of ε are learnt.
    """

    def __init__(self, map_shape: tuple[int, int]) -> None:
        super().__init__()
        rows = round((_L_HIGH - _L_LOW) / _L_STEP) + 1
        columns = round(2 * _E_HIGH / _E_STEP) + 1
        self.table = nn.Parameter(torch.zeros(rows, columns))
        n_map = map_shape[0] * map_shape[1]
        self.log_scale = nn.Parameter(torch.zeros(n_map))
        self.mixing = nn.Parameter(torch.zeros(n_map))
        # of adjacent and diagonal neighbours in thick cells, and what thin ones add to it
        self.share = nn.Parameter(torch.tensor([0.05, 0.0, 0.2, 0.1]))

    @torch.no_grad()
    def start(self, spectrum: NDArray[np.float64], generator: np.random.Generator) -> None:
        """Fill the table from the spectrum of single deposits [MeV]."""
        self.table.copy_(torch.from_numpy(compound_poisson_table(spectrum, generator)))

    def forward(self, log_mean: Tensor, eps: Tensor, cells: Tensor, shape: Any) -> Tensor:
        """Draw deposits.

        Parameters
        ----------
        log_mean : Tensor of shape (n, n_cells)
            ln λ, λ in MeV.
        eps : Tensor of shape (n, n_cells)
            Standard normal numbers.
        cells : Tensor of shape (n, n_cells)
            Places of the cells on the map.
        shape : tuple of int
            Cells (nx, ny) of the calorimeter.

        Returns
        -------
        Tensor of shape (n, n_cells)
            Deposits [MeV] ≥ 0.
        """
        a = (log_mean - (np.log(THRESHOLD) + _L_LOW)) / _L_STEP
        b = (self.mixed(eps, cells, shape, log_mean.detach()) + _E_HIGH) / _E_STEP
        return torch.relu(table_lookup(self.table, a, b)).expm1() * THRESHOLD

    def mixed(self, eps: Tensor, cells: Tensor, shape: Any, log_mean: Tensor) -> Tensor:
        """Mix each ε with its neighbours', and scale it.

        The weights of the adjacent and of the diagonal neighbours rise from those of thick cells
        (5 MeV and above) to those of thin ones (0.01 MeV and below), linearly in ln λ.
        """
        scale, near_thick, far_thick, near_thin, far_thin = self.weights()
        thin = ((THICK - log_mean) / (THICK - THIN)).clamp(0.0, 1.0)
        near, far = near_thick[cells] + near_thin * thin, far_thick + far_thin * thin
        adjacent, diagonal = _neighbours(eps, shape)
        norm = torch.rsqrt(1.0 + 4.0 * (near.square() + far.square()))
        return scale[cells] * norm * (eps + near * adjacent + far * diagonal)

    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Give scale and adjacent weight of each cell of the map, and three numbers.

        These are the diagonal weight of thick cells, and what is added to the adjacent and to the
        diagonal weight in thin cells.
        """
        near, far, near_thin, far_thin = self.share.unbind()
        return self.log_scale.exp(), near + self.mixing, far, near_thin, far_thin


def _neighbours(eps: Tensor, shape: Any) -> tuple[Tensor, Tensor]:
    """Sum over the four adjacent and over the four diagonal neighbours of each cell."""
    image = eps.view(-1, *shape)
    across = _beside(image, 2)
    return (_beside(image, 1) + across).view_as(eps), _beside(across, 1).view_as(eps)


def _beside(image: Tensor, axis: int) -> Tensor:
    """Sum over both neighbours along an axis."""
    total = torch.zeros_like(image)
    n = image.shape[axis] - 1
    total.narrow(axis, 1, n).add_(image.narrow(axis, 0, n))
    total.narrow(axis, 0, n).add_(image.narrow(axis, 1, n))
    return total


def compound_poisson_table(
    spectrum: NDArray[np.float64], generator: np.random.Generator
) -> NDArray[np.float32]:
    """Give the quantiles v = ln(1 + t/T₀) of a compound Poisson process at the knots.

    Parameters
    ----------
    spectrum : ndarray of shape (n,)
        Single deposits [MeV] > 0.
    generator : numpy.random.Generator
        Source of the draws; above 40 deposits a Gamma distribution of the same two moments serves.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        Where the quantile is zero, the first knot continues the slope on its right, and those
        further left fall on.
    """
    mean = spectrum.mean()
    rate = np.exp(np.arange(_L_LOW, _L_HIGH + _L_STEP / 2, _L_STEP)) * THRESHOLD / mean
    level = ndtr(np.arange(-_E_HIGH, _E_HIGH + _E_STEP / 2, _E_STEP))
    ratio = np.mean(spectrum**2) / mean  # variance over mean of the sum
    rows = []
    for r in rate:
        if r > _MANY:
            rows.append(gamma.ppf(level, r * mean / ratio, scale=ratio))
        else:
            rows.append(_sums_quantiles(r, spectrum, level, generator))
    return np.stack([_continued(np.log1p(row / THRESHOLD)) for row in rows]).astype(np.float32)


def _sums_quantiles(
    rate: float, spectrum: NDArray[np.float64], level: NDArray[np.float64], generator: Any
) -> NDArray[np.float64]:
    """Give quantiles of the sum of a Poisson number of deposits, hit cells drawn alone."""
    empty = np.exp(-rate)
    count = generator.poisson(rate, size=_DRAWS) if rate > 1.0 else None
    if count is None:  # rare hits: the number given that there is one
        weight = np.cumprod(rate / np.arange(1, 30))
        count = 1 + generator.choice(29, size=_DRAWS, p=weight / weight.sum())
    else:
        count = count[count > 0]
    deposits = generator.choice(spectrum, size=int(count.sum()))
    sums = np.sort(np.add.reduceat(deposits, np.concatenate([[0], np.cumsum(count)[:-1]])))
    inside = np.clip((level - empty) / (1.0 - empty), 0.0, 1.0)
    return np.where(level > empty, np.quantile(sums, inside), 0.0)


def _continued(v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Let a row go on below zero, by the slope at its first positive knots."""
    positive = np.flatnonzero(v > 0)
    if len(positive) == 0:
        return np.linspace(-2.0, -1e-3, len(v))
    first = positive[0]
    slope = v[first + 1] - v[first] if first + 1 < len(v) else 0.1
    slope = float(np.clip(slope, 0.02, 0.25))
    v[:first] = v[first] - slope * np.arange(first, 0, -1)
    return v
