"""Differentiable numbers that sum up a shower, each in units of its own fluctuation.

Response, centroid, widths and covariance, shares of the hottest 1, 2×2, 3×3 and 5×5 cells, numbers
of cells between thresholds, of neighbouring, diagonal and isolated hit cells. Counts are soft:
a cell t counts as above the threshold θ to the share tˢ/(tˢ + θˢ). Calorimeter fluctuations shrink
with energy, so each number is divided by exp(a + b ln E) with a and b learnt from showers.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

__all__ = ["ShowerSummary"]

_MEV = 1000.0
_TINY = 1e-6
_THRESHOLDS = (0.005, 0.02, 0.06, 0.15, 0.4, 1.0, 3.0, 10.0, 40.0, 150.0)  # MeV
_SHARP = 4.0
_HIT = 0.02  # MeV: a cell of so much is half a hit
_WINDOWS = (2, 3, 5)


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
        return 1 + 5 + 1 + len(_WINDOWS) + len(_THRESHOLDS) + 3

    def forward(self, cells: Tensor, energy: Tensor) -> Tensor:
        """Give the numbers (n, n_numbers) of cells (n, n_cells) [MeV] at energies (n,) [GeV]."""
        log_energy = energy.log()[:, None]
        return self.raw(cells, energy) * torch.exp(-self.log_scale - self.slope * log_energy)

    def raw(self, cells: Tensor, energy: Tensor) -> Tensor:
        """Give the numbers unscaled."""
        images = cells.view(-1, *self.shape)
        total = cells.sum(dim=1).clamp_min(_TINY)
        parts = [(total / (energy * _MEV))[:, None], _moments(images, total)]
        parts += [self._shares(images, total), _spectrum(cells), self._neighbourhood(images)]
        return torch.cat(parts, dim=1)

    def _bands(self, k: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Give the matrices that sum over windows of k cells along x and along y."""
        return tuple(_band(n, k).to(like) for n in self.shape)  # type: ignore[return-value]

    def _shares(self, images: Tensor, total: Tensor) -> Tensor:
        """Shares of the hottest cell and of the hottest k × k window."""
        shares = [images.flatten(1).amax(dim=1)]
        for k in _WINDOWS:
            if k > min(self.shape):
                shares.append(total)
                continue
            along_x, along_y = self._bands(k, images)
            shares.append((along_x.T @ (images @ along_y)).flatten(1).amax(dim=1))
        return torch.stack(shares, dim=1) / total[:, None]

    def _neighbourhood(self, images: Tensor) -> Tensor:
        """Soft numbers of adjacent pairs, diagonal pairs and isolated hit cells."""
        hit = images / (images + _HIT)
        next_x, next_y = (torch.diag(torch.ones(n - 1), 1).to(images) for n in self.shape)
        right, down = hit @ next_y, next_x @ hit
        adjacent = (hit * (right + down)).sum(dim=(1, 2))
        diagonal = (down * (right + hit @ next_y.T)).sum(dim=(1, 2))
        # hit · Π (1 − hit) over the eight neighbours, as a sum of logarithms over 3 × 3 cells
        log_empty = math.log(_HIT) - (images + _HIT).log()
        near_x, near_y = (one + one.T + torch.eye(len(one)).to(one) for one in (next_x, next_y))
        isolated = hit * ((near_x @ log_empty @ near_y) - log_empty).exp()
        return torch.stack([adjacent, diagonal, isolated.sum(dim=(1, 2))], dim=1)

    @torch.no_grad()
    def learn(self, cells: Tensor, c: Tensor, energy: Tensor) -> None:
        """Learn the fluctuation of each number from showers at scaled conditions `c`.

        What conditions explain is taken out by a quadratic fit; the logarithm of what remains is
        fitted by a + b ln E.
        """
        numbers = self.raw(cells, energy).double()
        design = _quadratic(c.double())
        fit = torch.linalg.lstsq(design, numbers, driver="gelsd").solution
        rest = (numbers - design @ fit).abs()
        floor = rest.mean(dim=0) * 1e-2 + _TINY
        line = torch.stack([torch.ones_like(energy), energy.log()], dim=1).double()
        ab = torch.linalg.lstsq(line, (rest + floor).log(), driver="gelsd").solution
        # E ln|N(0, σ)| = ln σ − 0.635
        self.log_scale.copy_(ab[0] + 0.635)
        self.slope.copy_(ab[1])


def _quadratic(c: Tensor) -> Tensor:
    rows, columns = torch.triu_indices(c.shape[1], c.shape[1])
    return torch.cat([torch.ones_like(c[:, :1]), c, c[:, rows] * c[:, columns]], dim=1)


def _moments(images: Tensor, total: Tensor) -> Tensor:
    """Centroid, widths and covariance in cells."""
    along_x, along_y = images.sum(dim=2), images.sum(dim=1)
    x = torch.arange(images.shape[1], dtype=images.dtype, device=images.device)
    y = torch.arange(images.shape[2], dtype=images.dtype, device=images.device)
    mx, my = along_x @ x / total, along_y @ y / total
    dx, dy = x - mx[:, None], y - my[:, None]
    wx = ((along_x * dx.square()).sum(dim=1) / total + _TINY).sqrt()
    wy = ((along_y * dy.square()).sum(dim=1) / total + _TINY).sqrt()
    cov = torch.einsum("nij,ni,nj->n", images, dx, dy) / total
    return torch.stack([mx, my, wx, wy, cov], dim=1)


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
