"""Weighted mean and standard deviation of each column, in float64, chunk by chunk, in two passes.

A weight of k gives exactly the moments of k copies. Columns that do not vary get scale 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._validation import iter_slices

__all__ = ["column_moments"]

_CHUNK_ELEMENTS = 2**20


def column_moments(
    X: NDArray[Any], weight: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give mean and scale of the columns.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Finite numbers of any size; columns that reach 1e100 are shrunk on the way, so that squares
        stay finite.
    weight : ndarray of shape (n,), default=None
        Row weights ≥ 0, not all zero.

    Returns
    -------
    mean, scale : ndarray of shape (d,)
        `scale` is the standard deviation (1/n), or 1 where the column is constant to rounding.
    """
    chunks = list(iter_slices(len(X), max(1, _CHUNK_ELEMENTS // max(1, X.shape[1]))))
    top = np.zeros(X.shape[1])
    for rows in chunks:
        np.maximum(top, np.abs(X[rows]).max(axis=0), out=top)
    shrink = np.where(top > 1e100, top, 1.0)
    total = float(len(X)) if weight is None else float(weight.sum())
    mean = np.zeros(X.shape[1])
    for rows in chunks:
        mean += _weighted_sum(X[rows] / shrink, weight, rows) / total
    variance = np.zeros(X.shape[1])
    for rows in chunks:
        variance += _weighted_sum((X[rows] / shrink - mean) ** 2, weight, rows) / total
    std = np.sqrt(variance)
    tiny = 500 * np.finfo(np.float64).eps * top / shrink  # sums are float64 whatever X is
    return mean * shrink, np.where(std > tiny, std * shrink, 1.0)


def _weighted_sum(
    values: NDArray[np.float64], weight: NDArray[np.float64] | None, rows: slice
) -> NDArray[np.float64]:
    result: NDArray[np.float64] = values.sum(axis=0) if weight is None else weight[rows] @ values
    return result
