"""One frame for all showers: mirror, transpose and shift until the axis is where it always is.

A square calorimeter looks the same after the eight reflections and rotations of the square, and,
far from its edge, after a shift by whole cells. The *canonical frame* uses both. Slopes
tx = px/pz and ty = py/pz are made non-negative by reflections and tx ≥ ty by a transposition; then
the cell where the shower has its centre of gravity,

    x + d·px/|p|,   d = d₀ + d₁ ln E,

becomes the centre of a map that is larger than the calorimeter by `max_shift` cells on each side.
The depth d along the path grows by a radiation length per unit of ln E; d₀ and d₁ are fitted to
showers. What is left for a net to learn are five numbers: ln |p|, the two slopes, and the place of
the centre inside its cell. A generator in this frame is exactly equivariant, without copies of the
training showers.

``forward`` says for each cell of the calorimeter where it lies on the map; a net gives the map.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["Framed", "PlainFrame", "ShowerFrame"]

N_CONDITIONS = 5
_LEAST_SLOPE = 0.02  # root mean square, below which no depth can be fitted
_ROUNDS = 20


class Framed(NamedTuple):
    """Conditions as a net sees them.

    Attributes
    ----------
    c : Tensor of shape (n, 5)
        Scaled conditions in the frame, float32.
    energy : Tensor of shape (n,)
        Momentum |p| [GeV], float32.
    cells : Tensor of shape (n, n_cells)
        For each cell of the calorimeter, row by row, its index in the flattened map; int64.
    """

    c: Tensor
    energy: Tensor
    cells: Tensor


class PlainFrame(nn.Module):
    """No frame: the map is the calorimeter, the conditions are ln |p|, tx, ty, x, y.

    Parameters
    ----------
    shape : tuple of int
        Cells (nx, ny) of the calorimeter.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, shape: tuple[int, int]) -> None:
        super().__init__()
        self.shape = self.map_shape = (shape[0], shape[1])
        self.register_buffer("center", torch.zeros(N_CONDITIONS, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(N_CONDITIONS, dtype=torch.float64))

    @property
    def n_cells(self) -> int:
        """Cells of the calorimeter."""
        return self.shape[0] * self.shape[1]

    def learn(self, conditions: NDArray[Any], weight: NDArray[np.float64] | None) -> None:
        """Take centre and scale of the conditions in the frame from training rows."""
        u = self.unscaled(torch.from_numpy(np.asarray(conditions, np.float64)))[0].numpy()
        mean = np.average(u, axis=0, weights=weight)
        spread = np.sqrt(np.average((u - mean) ** 2, axis=0, weights=weight))
        self.center.copy_(torch.from_numpy(mean))
        self.scale.copy_(torch.from_numpy(np.where(spread > 1e-6, spread, 1.0)))

    def unscaled(self, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Give the five numbers in float64, and the cells' places on the map."""
        p, tx, ty, x, y = split_conditions(conditions)
        places = torch.arange(self.n_cells, device=conditions.device)
        return torch.stack([p.log(), tx, ty, x, y], dim=1), places.expand(len(p), -1)

    def scaled(self, conditions: Tensor) -> Tensor:
        """Give the scaled conditions (n, 5) alone."""
        return ((self.unscaled(conditions)[0] - self.center) / self.scale).float()

    def forward(self, conditions: Tensor) -> Framed:
        """Bring conditions (n, 5) [GeV, cm] into the frame."""
        u, places = self.unscaled(conditions)
        c = ((u - self.center) / self.scale).float()
        return Framed(c, u[:, 0].exp().float(), places)


class ShowerFrame(PlainFrame):
    """The canonical frame.

    Parameters
    ----------
    shape : tuple of int
        Cells (nx, ny) of the calorimeter. If they differ, there is no transposition.
    cell : float, default=2.02
        Width of a cell [cm].
    depth : float, default=12.0
        Depth along the path of the centre of gravity [cm], until `learn_depth` has seen showers.
    max_shift : int, default=5
        Largest shift [cells]; showers further out keep the rest as their place inside the cell.
    """

    depth: Tensor

    def __init__(
        self, shape: tuple[int, int], cell: float = 2.02, depth: float = 12.0, max_shift: int = 5
    ) -> None:
        super().__init__(shape)
        self.cell, self.max_shift = cell, max_shift
        self.register_buffer("depth", torch.tensor([depth, 0.0], dtype=torch.float64))
        self.map_shape = (shape[0] + 2 * max_shift, shape[1] + 2 * max_shift)

    def learn_depth(
        self,
        conditions: NDArray[Any],
        centroids: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
    ) -> None:
        """Fit d₀ and d₁ to centroids (n, 2) [cm] of showers, robustly.

        Absolute deviations are minimised (by reweighting): showers that leak out of the side have
        centroids far off. Where slopes are too alike to tell, the depth stays as it is.
        """
        p, tx, ty, x, y = (u.numpy() for u in split_conditions(torch.from_numpy(conditions)))
        path = np.concatenate([tx, ty]) / np.tile(np.sqrt(1.0 + tx**2 + ty**2), 2)
        off = np.concatenate([centroids[:, 0] - x, centroids[:, 1] - y])
        design = np.column_stack([path, path * np.tile(np.log(p), 2)])
        w = np.ones(len(off)) if weight is None else np.tile(weight, 2)
        if np.average(path**2, weights=w) < _LEAST_SLOPE**2:
            return
        pull = w
        for _ in range(_ROUNDS):
            matrix = design.T @ (pull[:, None] * design)
            ridge = 1e-6 * np.trace(matrix) * np.eye(2)
            d = np.linalg.solve(matrix + ridge, design.T @ (pull * off))
            pull = w / np.maximum(np.abs(off - design @ d), 0.05 * self.cell)
        self.depth.copy_(torch.from_numpy(d))

    def unscaled(self, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Give the five numbers in float64, and the cells' places on the map."""
        p, tx, ty, x, y = split_conditions(conditions)
        mirror_x, mirror_y = tx < 0, ty < 0
        u, v = _mirrored(x, mirror_x), _mirrored(y, mirror_y)
        tx, ty = tx.abs(), ty.abs()
        swap = (ty > tx) & (self.shape[0] == self.shape[1])
        tx, ty = torch.where(swap, ty, tx), torch.where(swap, tx, ty)
        u, v = torch.where(swap, v, u), torch.where(swap, u, v)
        path = (self.depth[0] + self.depth[1] * p.log()) / (1.0 + tx * tx + ty * ty).sqrt()
        base_u, inside_u = self._place(u + path * tx, self.shape[0])
        base_v, inside_v = self._place(v + path * ty, self.shape[1])
        numbers = torch.stack([p.log(), tx, ty, inside_u, inside_v], dim=1)
        return numbers, self._places(mirror_x, mirror_y, swap, base_u, base_v)

    def _place(self, at: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Give the shift [cells] that centres the axis, and what is left of it."""
        at = at / self.cell + (0.5 if n % 2 else 0.0)
        shift = at.floor().clamp(-self.max_shift, self.max_shift)
        return shift.long(), at - shift - 0.5

    def _places(
        self, mirror_x: Tensor, mirror_y: Tensor, swap: Tensor, base_u: Tensor, base_v: Tensor
    ) -> Tensor:
        nx, ny = self.shape
        ix = torch.arange(nx, device=swap.device).expand(len(swap), -1)
        iy = torch.arange(ny, device=swap.device).expand(len(swap), -1)
        ix = torch.where(mirror_x[:, None], nx - 1 - ix, ix)
        iy = torch.where(mirror_y[:, None], ny - 1 - iy, iy)
        stride = self.map_shape[1]
        # each coordinate of the cell runs along u or, where the axes are swapped, along v
        along_x = torch.where(
            swap[:, None],
            ix + self.max_shift - base_v[:, None],
            (ix + self.max_shift - base_u[:, None]) * stride,
        )
        along_y = torch.where(
            swap[:, None],
            (iy + self.max_shift - base_u[:, None]) * stride,
            iy + self.max_shift - base_v[:, None],
        )
        return (along_x[:, :, None] + along_y[:, None, :]).flatten(1)


def _mirrored(position: Tensor, mirror: Tensor) -> Tensor:
    return torch.where(mirror, -position, position)


def split_conditions(conditions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Give |p|, tx, ty, x, y of conditions (n, 5), in float64."""
    px, py, pz, x, y = conditions.double().unbind(1)
    return (px * px + py * py + pz * pz).sqrt(), px / pz, py / pz, x, y
