"""A table of numbers a shower, each measured relative to the shower's own conditions.

The two conventions are `skhep_anomaly.metrics.shower_shape` (with the spectrum of the deposits as
an extension) and `skhep_anomaly.metrics.shower_mlhep`; their heads define every column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._validation import iter_slices
from skhep_anomaly.metrics.shower_arrays import (
    Geometry,
    Track,
    read_geometry,
    read_images,
    read_track,
)
from skhep_anomaly.metrics.shower_mlhep import MLHEP_NAMES, MLHEP_UNITS, mlhep_observables
from skhep_anomaly.metrics.shower_shape import SHAPE_NAMES, SHAPE_UNITS, shape_observables
from skhep_anomaly.metrics.shower_spectrum import (
    SPECTRUM_NAMES,
    SPECTRUM_UNITS,
    spectrum_observables,
)

__all__ = ["ShowerObservables", "shower_observables"]

CHUNK = 512  # showers; their float64 copies stay in the cache
CONVENTIONS = ("physical", "mlhep2019")


@dataclass(frozen=True)
class ShowerObservables:
    """Observables of showers: a matrix with names; ``np.asarray(table)`` is the matrix.

    Parameters
    ----------
    values : ndarray of shape (n, k)
        One row a shower.
    names : tuple of str
        The columns.
    units : tuple of str
        Their units; "" for plain numbers.
    """

    values: NDArray[np.float64]
    names: tuple[str, ...]
    units: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=copy)

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        if name not in self.names:
            raise KeyError(f"{name!r} is not among the observables {list(self.names)}")
        return self.values[:, self.names.index(name)]


def shower_observables(
    images: Any,
    X: Any,
    convention: str = "physical",
    *,
    extended: bool = False,
    geometry: tuple[float, float] = Geometry(),
) -> ShowerObservables:
    """Give the observables of calorimeter showers.

    With e_c the deposit of cell c and Σ their sum: response Σ/E, centroid minus the shower's axis,
    widths along x, y, the slope and across it, asymmetry along the slope, R90, the shares f1, f4,
    f9, f25 of the hottest windows, and the numbers of cells above 0.06 and 1 MeV: fifteen.

    Parameters
    ----------
    images : array-like of shape (n, nx, ny), (n, nx, ny, 1) or (n, nx · ny) for a square
        Deposits [MeV], first axis x.
    X : array-like or frame of shape (n, 5)
        Conditions px, py, pz [GeV], x, y [cm]; a frame's columns are found by name.
    convention : {"physical", "mlhep2019"}, default="physical"
        "mlhep2019": asymmetries, widths and sparsities of the 2019 school's competition, without
        its mistakes of units and at normal incidence.
    extended : bool, default=False
        Append the spectrum of the deposits: ten counts between 0, 0.02, 0.06, 0.15, 0.4, 1, 3, 10,
        40, 150 MeV and above, isolated cells, adjacent pairs, the smallest deposit.
    geometry : (float, float), default=(2.02, 12.0)
        Edge of a cell and the depth at which the axis is taken [cm].

    Returns
    -------
    ShowerObservables
        ``values`` of shape (n, k), ``names``, ``units``; one column by ``table["r90"]``.

    Raises
    ------
    ValueError
        If shapes do not fit, a cell is NaN, infinite or negative, conditions are not finite or have
        pz ≤ 0, or `convention` or `geometry` is none of the known.

    Notes
    -----
    An image without any deposit gives 0 in every column, −12 in ``log10_smallest``. 10,000 showers
    of 30 × 30 take about a second of one core, in chunks.

    References
    ----------
    V. Chekalina et al., "Generative models for fast calorimeter simulation: the LHCb case",
    arXiv:1812.01319.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly import shower_observables
    >>> images = np.zeros((1, 30, 30))
    >>> images[0, 15, 15] = 1750.0  # MeV, in the cell whose centre is (1.01, 1.01) cm
    >>> table = shower_observables(images, [[0.0, 0.0, 10.0, 0.0, 0.0]])
    >>> [float(table[name][0].round(3)) for name in ("response", "centroid_x", "f1")]
    [0.175, 1.01, 1.0]
    """
    if convention not in CONVENTIONS:
        raise ValueError(f"convention={convention!r} is not known; use one of {CONVENTIONS}.")
    geometry = read_geometry(geometry)
    images = read_images(images)
    track = read_track(X, len(images), geometry)
    measure = shape_observables if convention == "physical" else mlhep_observables
    rows = []
    for chunk in iter_slices(len(images), CHUNK):
        part = images[chunk]
        values = measure(part, Track(*(column[chunk] for column in track)), geometry)
        rows.append(np.hstack([values, spectrum_observables(part)]) if extended else values)
    names, units = _columns(convention, extended=extended)
    return ShowerObservables(np.vstack(rows), names, units)


def _columns(convention: str, *, extended: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    physical = convention == "physical"
    names = SHAPE_NAMES if physical else MLHEP_NAMES
    units = SHAPE_UNITS if physical else MLHEP_UNITS
    if extended:
        names, units = names + SPECTRUM_NAMES, units + SPECTRUM_UNITS
    return names, units
