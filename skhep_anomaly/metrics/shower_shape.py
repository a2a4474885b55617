"""Shape of a shower relative to its axis: response, centroid, widths, R90, hot windows, counts.

With e_c the deposit of cell c at r_c [cm] (its centre), Σ = Σ_c e_c, a the axis and u the direction
of the slope (`skhep_anomaly.metrics.shower_arrays`), the fifteen observables are

    response        Σ / E                                    (both in GeV)
    centroid_x, _y  Σ e r / Σ − a                            [cm]
    width_x, _y     √(Σ e (r − ⟨r⟩)² / Σ)                     [cm]
    width_along     the same along u;  width_across          across u [cm]
    asymmetry       (energy ahead of the axis along u − energy behind it) / Σ
    r90             radius about the centroid that holds 90 % of Σ, by cell centres [cm]
    f1 f4 f9 f25    share of the hottest cell, 2×2, 3×3 and 5×5 window
    n_above_0.06, n_above_1   number of cells above 0.06 and 1 MeV

An image without any deposit has all of them 0. A slope of zero has no direction: u is the x axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.metrics.shower_arrays import Geometry, Track

__all__ = ["SHAPE_NAMES", "SHAPE_UNITS", "cell_centres", "shape_observables"]

THRESHOLDS = (0.06, 1.0)  # MeV
WINDOWS = (1, 2, 3, 5)  # edges of the hot windows, in cells
MEV_PER_GEV = 1e3

_UNITS = {
    "response": "",
    "centroid_x": "cm",
    "centroid_y": "cm",
    "width_x": "cm",
    "width_y": "cm",
    "width_along": "cm",
    "width_across": "cm",
    "asymmetry": "",
    "r90": "cm",
    **{f"f{edge**2}": "" for edge in WINDOWS},
    **{f"n_above_{threshold:g}": "cells" for threshold in THRESHOLDS},
}
SHAPE_NAMES = tuple(_UNITS)
SHAPE_UNITS = tuple(_UNITS.values())


def cell_centres(n_cells: int, cell: float) -> NDArray[np.float64]:
    """Centres of a row of cells [cm]; the row is centred on 0."""
    return cell * (np.arange(n_cells, dtype=np.float64) - (n_cells - 1) / 2)


def shape_observables(
    images: NDArray[np.floating], track: Track, geometry: Geometry
) -> NDArray[np.float64]:
    """Give the observables of `SHAPE_NAMES`, shape (n, 15), of checked showers."""
    cells = np.asarray(images, dtype=np.float64)
    total = cells.sum(axis=(1, 2))
    lit = total > 0
    share = cells / np.where(lit, total, 1.0)[:, None, None]
    x, y = (cell_centres(size, geometry.cell) for size in cells.shape[1:])
    centroid, covariance = _moments(share, x, y)
    columns = [
        total / MEV_PER_GEV / track.energy,
        *(centroid - track.axis).T,
        *_widths(covariance, track.direction),
        *_along_and_radial(share, x, y, centroid, track),
        *(_hottest_window(share, edge) for edge in WINDOWS),
        *((cells > threshold).sum(axis=(1, 2)) for threshold in THRESHOLDS),
    ]
    return np.where(lit[:, None], np.column_stack(columns), 0.0).astype(np.float64)


def _moments(
    share: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centroid (n, 2) and covariance (n, 3: xx, xy, yy) of the deposits."""
    profile_x, profile_y = share.sum(axis=2), share.sum(axis=1)
    mean_x, mean_y = profile_x @ x, profile_y @ y
    variance_x = profile_x @ x**2 - mean_x**2
    variance_y = profile_y @ y**2 - mean_y**2
    mixed = ((share @ y) @ x) - mean_x * mean_y
    return np.column_stack([mean_x, mean_y]), np.column_stack([variance_x, mixed, variance_y])


def _widths(
    covariance: NDArray[np.float64], direction: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Give the spreads along x, y, the slope, and across the slope."""
    (xx, xy, yy), (ux, uy) = covariance.T, direction.T
    along = ux**2 * xx + 2 * ux * uy * xy + uy**2 * yy
    across = uy**2 * xx - 2 * ux * uy * xy + ux**2 * yy
    # rounding can leave −1e−16 for a single lit cell
    return [np.sqrt(np.maximum(variance, 0.0)) for variance in (xx, yy, along, across)]


def _along_and_radial(
    share: NDArray[np.float64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    centroid: NDArray[np.float64],
    track: Track,
) -> list[NDArray[np.float64]]:
    """Asymmetry along the slope and R90, from the cells that are lit."""
    row, ix, iy = np.nonzero(share)
    part = share[row, ix, iy]
    dx, dy = x[ix] - track.axis[row, 0], y[iy] - track.axis[row, 1]
    ahead = np.sign(dx * track.direction[row, 0] + dy * track.direction[row, 1])
    asymmetry = np.bincount(row, part * ahead, minlength=len(share)).astype(np.float64)
    radius = np.hypot(x[ix] - centroid[row, 0], y[iy] - centroid[row, 1])
    return [asymmetry, _radius_holding(0.9, row, radius, part, len(share))]


def _radius_holding(
    wanted: float,
    row: NDArray[np.intp],
    radius: NDArray[np.float64],
    part: NDArray[np.float64],
    n: int,
) -> NDArray[np.float64]:
    """Smallest radius of each row within which the parts sum to `wanted`."""
    found = np.zeros(n)
    if not len(row):
        return found
    order = np.lexsort((radius, row))
    radius, part = radius[order], part[order]  # `row` is sorted as it is
    count = np.bincount(row, minlength=n)
    start = np.cumsum(count) - count
    inside = np.cumsum(part)
    before = np.concatenate([[0.0], inside])[start]
    short = inside - before[row] < wanted - 1e-12
    last = start + np.bincount(row, short, minlength=n).astype(np.intp)
    lit = count > 0
    found[lit] = radius[last[lit]]
    return found


def _hottest_window(share: NDArray[np.float64], edge: int) -> NDArray[np.float64]:
    """Largest sum of a window of edge × edge cells (of the whole image where that is smaller)."""
    window = share
    for axis in (1, 2):
        lined_up = np.moveaxis(window, axis, 0)
        reach = min(edge, len(lined_up))
        places = len(lined_up) - reach + 1
        total = lined_up[:places].copy()
        for shift in range(1, reach):
            total += lined_up[shift : shift + places]
        window = np.moveaxis(total, 0, axis)
    return window.max(axis=(1, 2))
