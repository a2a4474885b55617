"""What the classifiers and distances of showers look at.

    marginal   observables that know no condition: Σ, centroid on the face, widths, R90, f1 … counts
    high       the 15 observables relative to the shower's axis, and the conditions
    extended   the same with the spectrum of the deposits
    cells      ln(1 + cell / 0.05 MeV) of each cell, and ln E, slopes and point

"marginal" and "high" hold the same physics; only "high" can see that a shower belongs to another
particle. With the cells the conditions are given too: without them no classifier could, and one
that reads ½ on showers under shuffled conditions says little when it reads ½ on a generator. They
are given four times, or five columns drown among 900: the network with its weight decay reads .90
on spoilt showers with one copy and .97 with four.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._random import numpy_generator, seed_sequence
from skhep_anomaly.metrics.shower_arrays import (
    Geometry,
    read_conditions,
    read_geometry,
    read_images,
    read_track,
)
from skhep_anomaly.metrics.shower_observables import ShowerObservables, shower_observables

__all__ = ["shower_features", "spoil_showers"]

KINDS = ("marginal", "high", "extended", "cells")
CELL_SCALE = 0.05  # MeV
CONDITION_COPIES = 4
RELATIVE = ("response", "centroid_x", "centroid_y", "width_along", "width_across", "asymmetry")


def shower_features(
    images: Any,
    X: Any,
    kind: str = "high",
    *,
    geometry: tuple[float, float] = Geometry(),
) -> NDArray[np.float64] | NDArray[np.float32]:
    """Give the columns on which two samples of showers are compared.

    Parameters
    ----------
    images : array-like of shape (n, nx, ny), (n, nx, ny, 1) or (n, nx · ny) for a square
        Deposits [MeV].
    X : array-like or frame of shape (n, 5)
        Conditions px, py, pz [GeV], x, y [cm].
    kind : {"high", "extended", "cells", "marginal"}, default="high"
        "high": the 15 observables and the conditions. "extended": with the spectrum of the deposits
        too. "cells": logarithms of all cells, and four copies of the conditions. "marginal":
        observables that are not relative to the conditions, and no conditions.
    geometry : (float, float), default=(2.02, 12.0)
        Edge of a cell and the depth at which the axis is taken [cm].

    Returns
    -------
    ndarray of shape (n, k)
        For `classifier_auc`; float32 for "cells".

    Raises
    ------
    ValueError
        If `kind` is unknown, or showers and conditions are refused by `shower_observables`.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly import shower_features
    >>> shower_features(np.ones((2, 30, 30)), [[0, 0, 9.0, 0, 0]] * 2).shape
    (2, 20)
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is not known; use one of {KINDS}.")
    if kind == "cells":
        return _cells(read_images(images), X, read_geometry(geometry))
    table = shower_observables(images, X, extended=kind == "extended", geometry=geometry)
    if kind == "marginal":
        return _marginal(table, X, read_geometry(geometry))
    return np.hstack([table.values, read_conditions(X)])


def _cells(images: NDArray[Any], X: Any, geometry: Geometry) -> NDArray[np.float32]:
    track = read_track(X, len(images), geometry)
    conditions = np.column_stack([np.log(track.energy), track.slope, read_conditions(X)[:, 3:]])
    cells = np.log1p(images.reshape(len(images), -1) / CELL_SCALE)
    return np.hstack([cells, *[conditions] * CONDITION_COPIES]).astype(np.float32)


def _marginal(table: ShowerObservables, X: Any, geometry: Geometry) -> NDArray[np.float64]:
    track = read_track(X, len(table), geometry)
    kept = [table[name] for name in table.names if name not in RELATIVE]
    centroid = np.column_stack([table["centroid_x"], table["centroid_y"]]) + track.axis
    return np.column_stack([table["response"] * track.energy, centroid, *kept])


def spoil_showers(
    images: Any, X: Any, *, smear: float = 0.3, random_state: Any = None
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Give smeared showers under conditions of others: a control that every test must catch.

    Parameters
    ----------
    images : array-like of showers
        Deposits [MeV]; use others than those they are compared with.
    X : array-like or frame of shape (n, 5)
        Their conditions.
    smear : float
        Each cell is multiplied by exp(smear · N(0, 1)).
    random_state : int, RandomState, Generator or None
        Seed.

    Returns
    -------
    images : ndarray of shape (n, nx, ny)
    X : ndarray of shape (n, 5)
        The conditions in another order.
    """
    rng = numpy_generator(seed_sequence(random_state))
    cells = read_images(images)
    factor = np.exp(smear * rng.normal(size=cells.shape)).astype(cells.dtype)
    return cells * factor, rng.permutation(read_conditions(X, len(cells)))
