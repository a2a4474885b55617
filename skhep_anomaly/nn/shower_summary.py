"""Differentiable numbers that sum up a shower, each in units of its own fluctuation.

Response, centroid, widths along x, y, the slope and across it, asymmetry along the slope, shares of
the hottest 1, 2×2, 3×3 and 5×5 cells, numbers of cells between thresholds, of neighbouring, of
diagonal and of isolated hit cells. Counts are soft: a cell t counts as above the threshold θ to the
share tˢ/(tˢ + θˢ). Fluctuations shrink with energy, so each number is divided by exp(a + b ln E),
with a and b learnt from showers.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["ShowerSummary", "Track"]

_MEV = 1000.0
_TINY = 1e-6
_THRESHOLDS = (0.005, 0.02, 0.06, 0.15, 0.4, 1.0, 3.0, 10.0, 40.0, 150.0)  # MeV
_SHARP = 4.0
_HIT = 0.01  # MeV: a cell of so much is half a hit
_WINDOWS = (2, 3, 5)


class Track(NamedTuple):
    """What of the conditions the numbers refer to.

    Attributes
    ----------
    energy : Tensor of shape (n,)
        [GeV].
    axis : Tensor of shape (n, 2)
        Where the axis crosses the depth of the shower maximum, in cells.
    direction : Tensor of shape (n, 2)
        Unit vector of the slope; (1, 0) where it is zero.
    """

    energy: Tensor
    axis: Tensor
    direction: Tensor

    def repeat(self, times: int) -> Track:
        """Give the track `times` over."""
        return Track(
            self.energy.repeat(times), self.axis.repeat(times, 1), self.direction.repeat(times, 1)
        )

    @classmethod
    def of(cls, conditions: Tensor, shape: tuple[int, int], cell: float, depth: float) -> Track:
        """Take the track from conditions (n, 5) [GeV, cm] and the calorimeter's geometry."""
        momentum, slope = conditions[:, :3], conditions[:, :2] / conditions[:, 2:3]
        size = torch.linalg.vector_norm(slope, dim=1, keepdim=True)
        ahead = torch.tensor([1.0, 0.0]).to(slope)
        direction = torch.where(size > 0, slope / size.clamp_min(_TINY), ahead)
        middle = torch.tensor([(n - 1) / 2 for n in shape]).to(slope)
        axis = (conditions[:, 3:] + depth * slope) / cell + middle
        return cls(torch.linalg.vector_norm(momentum, dim=1), axis, direction)


class ShowerSummary(nn.Module):
    """Scaled summary numbers of showers.

    Parameters
    ----------
    shape : tuple of int
        Cells (nx, ny).
    """

    log_scale: Tensor
    slope: Tensor

    def __init__(self, shape: tuple[int, int]) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("log_scale", torch.zeros(self.n_numbers))
        self.register_buffer("slope", torch.zeros(self.n_numbers))

    @property
    def n_numbers(self) -> int:
        """How many numbers sum up a shower."""
        return self.n_shape + len(_THRESHOLDS) + 4

    @property
    def n_shape(self) -> int:
        """How many of them, the first, are no counts."""
        return 1 + 6 + 1 + 1 + len(_WINDOWS)

    def forward(self, cells: Tensor, track: Track) -> Tensor:
        """Give the numbers (n, n_numbers) of cells (n, n_cells) [MeV]."""
        log_energy = track.energy.log()[:, None]
        return self.raw(cells, track) * torch.exp(-self.log_scale - self.slope * log_energy)

    def raw(self, cells: Tensor, track: Track) -> Tensor:
        """Give the numbers unscaled."""
        images = cells.view(-1, *self.shape)
        total = cells.sum(dim=1).clamp_min(_TINY)
        parts = [(total / (track.energy * _MEV))[:, None], _moments(images, total, track)]
        parts += [((cells * self._ahead(track)).sum(dim=1) / total)[:, None]]
        parts += [self._shares(images, total), _spectrum(cells), self._neighbourhood(images)]
        return torch.cat(parts, dim=1)

    def _ahead(self, track: Track) -> Tensor:
        """Give 1 for cells ahead of the axis, along the slope, −1 for those behind."""
        x, y = (torch.arange(n).to(track.axis) for n in self.shape)
        along_x = (x - track.axis[:, :1]) * track.direction[:, :1]
        along_y = (y - track.axis[:, 1:]) * track.direction[:, 1:]
        return (along_x[:, :, None] + along_y[:, None, :]).sign().flatten(1)

    def _bands(self, k: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Give the matrices that sum over windows of k cells along x and along y."""
        return tuple(_band(n, k).to(like) for n in self.shape)  # type: ignore[return-value]

    def _shares(self, images: Tensor, total: Tensor) -> Tensor:
        """Shares of the hottest cell and of the hottest k × k window."""
        shares = [images.flatten(1).max(dim=1).values]
        for k in _WINDOWS:
            if k > min(self.shape):
                shares.append(total)
                continue
            along_x, along_y = self._bands(k, images)
            windows = along_x.T @ (images @ along_y)
            shares.append(windows.flatten(1).max(dim=1).values)
        return torch.stack(shares, dim=1) / total[:, None]

    def _neighbourhood(self, images: Tensor) -> Tensor:
        """Soft numbers of adjacent, diagonal, next but one pairs, and isolated hit cells."""
        hit = images / (images + _HIT)
        next_x, next_y = (torch.diag(torch.ones(n - 1), 1).to(images) for n in self.shape)
        right, down = hit @ next_y, next_x @ hit
        adjacent = (hit * (right + down)).sum(dim=(1, 2))
        diagonal = (down * (right + hit @ next_y.T)).sum(dim=(1, 2))
        # hit · Π (1 − hit) over the eight neighbours, as a sum of logarithms over 3 × 3 cells
        log_empty = math.log(_HIT) - (images + _HIT).log()
        apart = ((next_x @ down + right @ next_y) * hit).sum(dim=(1, 2))
        near_x, near_y = (one + one.T + torch.eye(len(one)).to(one) for one in (next_x, next_y))
        isolated = hit * ((near_x @ log_empty @ near_y) - log_empty).exp()
        return torch.stack([adjacent, diagonal, apart, isolated.sum(dim=(1, 2))], dim=1)

    @torch.no_grad()
    def learn(self, cells: Tensor, c: Tensor, track: Track, weight: Tensor | None = None) -> None:
        """Learn the fluctuation of each number from showers at scaled conditions `c`.

        What conditions explain is taken out by a quadratic fit; the logarithm of what remains is
        fitted by a + b ln E.
        """
        numbers = self.raw(cells, track).double()
        design = _quadratic(c.double())
        w = torch.ones_like(numbers[:, :1]) if weight is None else weight.double()[:, None]
        rest = (numbers - design @ _least_squares(design, numbers, w)).abs()
        floor = (w * rest).sum(dim=0) / w.sum() * 1e-2 + _TINY
        line = torch.stack([torch.ones_like(track.energy), track.energy.log()], dim=1).double()
        ab = _least_squares(line, (rest + floor).log(), w)
        # E ln|N(0, σ)| = ln σ − 0.635
        self.log_scale.copy_(ab[0] + 0.635)
        self.slope.copy_(ab[1])


def _least_squares(design: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    root = weight.sqrt()
    return torch.linalg.lstsq(root * design, root * y, driver="gelsd").solution


def _quadratic(c: Tensor) -> Tensor:
    rows, columns = torch.triu_indices(c.shape[1], c.shape[1])
    return torch.cat([torch.ones_like(c[:, :1]), c, c[:, rows] * c[:, columns]], dim=1)


def _moments(images: Tensor, total: Tensor, track: Track) -> Tensor:
    """Centroid, and widths along x, y, the slope and across it, in cells."""
    along_x, along_y = images.sum(dim=2), images.sum(dim=1)
    x, y = (torch.arange(n).to(images) for n in images.shape[1:])
    mx, my = along_x @ x / total, along_y @ y / total
    dx, dy = x - mx[:, None], y - my[:, None]
    xx = (along_x * dx.square()).sum(dim=1) / total
    yy = (along_y * dy.square()).sum(dim=1) / total
    xy = torch.einsum("nij,ni,nj->n", images, dx, dy) / total
    ux, uy = track.direction.unbind(1)
    along = ux.square() * xx + uy.square() * yy + 2.0 * ux * uy * xy
    widths = torch.stack([xx, yy, along, xx + yy - along], dim=1).clamp_min(_TINY).sqrt()
    return torch.cat([mx[:, None], my[:, None], widths], dim=1)


def _spectrum(cells: Tensor) -> Tensor:
    """Soft numbers of cells between neighbouring thresholds, and above the last."""
    log_cells = (cells + _TINY).log() * _SHARP
    above = [torch.sigmoid(log_cells - _SHARP * math.log(t)).sum(dim=1) for t in _THRESHOLDS]
    between = [low - high for low, high in itertools.pairwise(above)]
    return torch.stack([*between, above[-1]], dim=1)


def _band(n: int, k: int) -> Tensor:
    """Give the (n, n − k + 1) matrix whose columns sum over k neighbouring cells."""
    at, start = torch.arange(n)[:, None], torch.arange(n - k + 1)
    return ((at >= start) & (at < start + k)).float()
