"""Read showers and the conditions they were made under; every shower metric begins here.

Images are deposits in MeV, ``[ix, iy]``, on a grid centred on the origin of the calorimeter's
face; conditions are (px, py, pz, x, y) in GeV and cm. The particle flies from (x, y) on the face
along its momentum and crosses the depth d at

    axis = (x, y) + d · (px, py) / pz            [cm]

Observables are measured relative to that axis and to the slope's direction: this is what tells a
shower with right marginals and wrong conditions from a right one.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONDITIONS", "Geometry", "Track", "read_geometry", "read_images", "read_track"]

CONDITIONS = ("px", "py", "pz", "x", "y")
FLAT, IMAGES, WITH_CHANNEL = 2, 3, 4  # dimensions of the array


class Geometry(NamedTuple):
    """Edge of a cell and the depth at which the shower's axis is taken [cm]."""

    cell: float = 2.02
    depth: float = 12.0


class Track(NamedTuple):
    """Where the particles went."""

    energy: NDArray[np.float64]  # (n,) GeV
    axis: NDArray[np.float64]  # (n, 2) cm, at the geometry's depth
    slope: NDArray[np.float64]  # (n, 2) px/pz, py/pz
    direction: NDArray[np.float64]  # (n, 2) unit vector of the slope; (1, 0) where it is zero


def read_geometry(geometry: Any) -> Geometry:
    """Give cell and depth, checked.

    Raises
    ------
    ValueError
        If `geometry` is not two numbers, the cell's edge > 0 and the depth ≥ 0.
    """
    try:
        cell, depth = (float(value) for value in geometry)
    except (TypeError, ValueError):
        cell = depth = math.nan
    if not (0 < cell < math.inf and 0 <= depth < math.inf):
        raise ValueError(
            f"geometry={geometry!r} must be (cell edge > 0, depth >= 0) in cm; the default is "
            "(2.02, 12.0)."
        )
    return Geometry(cell, depth)


def read_images(images: Any, name: str = "images") -> NDArray[np.floating]:
    """Give showers as a float array of shape (n, nx, ny), without copying where possible.

    Parameters
    ----------
    images : array-like of shape (n, nx, ny), (n, nx, ny, 1) or (n, m²)
        Deposits [MeV]; a flat row is a square image.
    name : str
        What messages call it.

    Returns
    -------
    ndarray of shape (n, nx, ny)

    Raises
    ------
    ValueError
        If the shape is none of these, or a cell is NaN, infinite or negative.
    """
    array = np.asarray(images)
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    edge = math.isqrt(array.shape[1]) if array.ndim == FLAT else 0
    if array.ndim == WITH_CHANNEL and array.shape[3] == 1:
        array = array[..., 0]
    elif array.ndim == FLAT and edge**2 == array.shape[1]:
        array = array.reshape(len(array), edge, edge)
    if array.ndim != IMAGES or 0 in array.shape:
        raise ValueError(
            f"{name}.shape == {np.shape(images)}, expected (n, nx, ny), (n, nx, ny, 1) or flat "
            "squares (n, 900) with n >= 1."
        )
    _check_deposits(array, name)
    return array


def _check_deposits(array: NDArray[np.floating], name: str) -> None:
    lowest, highest = array.min(), array.max()
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        bad = int((~np.isfinite(array)).any(axis=(1, 2)).sum())
        raise ValueError(f"{name} holds NaN or infinity in {bad} of {len(array)} showers.")
    if lowest < 0:
        bad = int((array < 0).any(axis=(1, 2)).sum())
        raise ValueError(
            f"{name} holds negative deposits (down to {lowest:.4g} MeV) in {bad} of {len(array)} "
            "showers; clip them at zero, or apply the readout's threshold first."
        )


def read_conditions(X: Any, n: int | None = None, name: str = "X") -> NDArray[np.float64]:
    """Give conditions as (n, 5) float64 in the order px, py, pz, x, y.

    Parameters
    ----------
    X : array-like or frame of shape (n, 5)
        px, py, pz [GeV], x, y [cm]; a frame's columns are found by name, in any order.
    n : int, default=None
        Number of rows expected.
    name : str
        What messages call it.

    Returns
    -------
    ndarray of shape (n, 5)

    Raises
    ------
    ValueError
        If columns are missing, the shape is wrong, a value is not finite, or a pz is not positive.
    """
    array = np.asarray(_by_name(X, name), dtype=np.float64)
    if array.ndim != FLAT or array.shape[1] != len(CONDITIONS):
        raise ValueError(
            f"{name}.shape == {array.shape}, expected (n, 5): px, py, pz in GeV and x, y in cm."
        )
    if n is not None and len(array) != n:
        raise ValueError(f"{name} has {len(array)} rows, but there are {n} showers.")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).any(axis=1).sum())
        raise ValueError(f"{name} holds NaN or infinity in {bad} of {len(array)} rows.")
    if (array[:, 2] <= 0).any():
        bad = int((array[:, 2] <= 0).sum())
        raise ValueError(
            f"{name} has pz <= 0 in {bad} of {len(array)} rows: these particles do not fly into "
            "the calorimeter."
        )
    return array


def _by_name(X: Any, name: str) -> Any:
    columns = [str(column) for column in getattr(X, "columns", ())]
    if not columns:
        return X
    missing = [column for column in CONDITIONS if column not in columns]
    if missing:
        raise ValueError(
            f"{name} lacks the columns {missing}; it has {columns}. Conditions are named "
            f"{list(CONDITIONS)}."
        )
    return X[list(CONDITIONS)]


def read_track(X: Any, n: int | None, geometry: Geometry, name: str = "X") -> Track:
    """Give energy, axis and direction of the particles with conditions `X`."""
    conditions = read_conditions(X, n, name)
    momentum, point = conditions[:, :3], conditions[:, 3:]
    slope = momentum[:, :2] / momentum[:, 2:]
    length = np.hypot(slope[:, 0], slope[:, 1])[:, None]
    along_x = np.broadcast_to([1.0, 0.0], slope.shape)
    direction = np.where(length > 0, slope / np.where(length > 0, length, 1.0), along_x)
    energy = np.sqrt((momentum**2).sum(axis=1))
    return Track(energy, point + geometry.depth * slope, slope, direction)
