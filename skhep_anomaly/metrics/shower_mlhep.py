"""The observables of the 2019 school's competition on these showers, with their mistakes mended.

The competition judged longitudinal and transverse asymmetry, longitudinal and transverse width, and
the sparsity. A line through the axis of the shower along its slope (or across it) cuts the image:

    asymmetry   (energy ahead of the line across the slope − behind it) / Σ        longitudinal
                (energy left of the line along the slope − right of it) / Σ         transverse
    width       standard deviation of the image read along the line along the slope, and across it
    sparsity    share of the cells with at least α Σ, here for α = 10⁻⁵ … 10⁻¹

What its script did and this does not:

- it took cell numbers (−14.5 … 14.5) and the point on the face (cm) for the same unit, and
  followed the axis over 25 of them. Here all is cm, and the depth is the geometry's.
- its lines had the slopes py/px and px/py, infinite or 0/0 at normal incidence. Here a line is a
  point and a unit vector (the x axis where there is no slope).
- its lines for the widths were not the shower's own: one is mirrored, the other has px and py
  exchanged, and lengths along both were stretched by the same factor.
- it called the sparsity's relative threshold "GeV".
- it scored images by embedding the true showers twice, so that its score of images was always 1.
  That is no observable; `prd_auc` takes real and generated showers apart.

Source: the public scoring script and starter code of the competition, read for what it does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.metrics.shower_arrays import Geometry, Track
from skhep_anomaly.metrics.shower_shape import cell_centres

__all__ = ["MLHEP_NAMES", "MLHEP_UNITS", "mlhep_observables"]

ALPHA = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
N_POINTS = 100  # read along a line

MLHEP_NAMES = (
    "longitudinal_asymmetry",
    "transverse_asymmetry",
    "longitudinal_width",
    "transverse_width",
    *(f"sparsity_{alpha:g}" for alpha in ALPHA),
)
MLHEP_UNITS = ("", "", "cm", "cm", *["" for _ in ALPHA])


def mlhep_observables(
    images: NDArray[np.floating], track: Track, geometry: Geometry
) -> NDArray[np.float64]:
    """Give the observables of `MLHEP_NAMES`, shape (n, 9), of checked showers."""
    cells = np.asarray(images, dtype=np.float64)
    total = cells.sum(axis=(1, 2))
    lit = total > 0
    safe = np.where(lit, total, 1.0)
    across = np.column_stack([-track.direction[:, 1], track.direction[:, 0]])
    directions = (track.direction, across)
    columns = [
        *(_asymmetry(cells, track.axis, u, geometry.cell) / safe for u in directions),
        *(_width(cells, track.axis, u, geometry.cell) for u in directions),
        *((cells >= (alpha * safe)[:, None, None]).mean(axis=(1, 2)) for alpha in ALPHA),
    ]
    return np.where(lit[:, None], np.column_stack(columns), 0.0)


def _asymmetry(
    cells: NDArray[np.float64],
    axis: NDArray[np.float64],
    direction: NDArray[np.float64],
    cell: float,
) -> NDArray[np.float64]:
    """Energy of the cells ahead of the axis along `direction`, less that of those behind [MeV]."""
    row, ix, iy = np.nonzero(cells)
    x, y = (cell_centres(size, cell) for size in cells.shape[1:])
    ahead = (x[ix] - axis[row, 0]) * direction[row, 0] + (y[iy] - axis[row, 1]) * direction[row, 1]
    signed = cells[row, ix, iy] * np.sign(ahead)
    return np.bincount(row, signed, minlength=len(cells)).astype(np.float64)


def _width(
    cells: NDArray[np.float64],
    axis: NDArray[np.float64],
    direction: NDArray[np.float64],
    cell: float,
) -> NDArray[np.float64]:
    """Measure the spread of the image along a line through the axis [cm]."""
    shape = np.array(cells.shape[1:])
    length = np.linspace(-0.5, 0.5, N_POINTS) * np.hypot(*shape) * cell
    points = axis[:, None, :] + length[:, None] * direction[:, None, :]
    deposit = _read_between(cells, points / cell + (shape - 1) / 2)
    total = deposit.sum(axis=1)
    weight = deposit / np.where(total > 0, total, 1.0)[:, None]
    mean = weight @ length
    return np.sqrt(np.maximum(weight @ length**2 - mean**2, 0.0))


def _read_between(cells: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bilinear interpolation between cell centres; 0 outside the grid."""
    low = np.floor(place).astype(np.intp)
    fraction = place - low
    rows = np.arange(len(cells))[:, None]
    value = np.zeros(place.shape[:2])
    for step in ((0, 0), (0, 1), (1, 0), (1, 1)):
        index = low + step
        inside = np.all((index >= 0) & (index < cells.shape[1:]), axis=2)
        weight = np.where(step, fraction, 1 - fraction).prod(axis=2)
        ix, iy = np.where(inside[:, :, None], index, 0).transpose(2, 0, 1)
        value += np.where(inside, weight * cells[rows, ix, iy], 0.0)
    return value
