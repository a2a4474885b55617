"""Widths of dequantisation noise.

Uniform noise within the spacing of a column's values keeps a density on them finite.

A column needs it where one value is taken by a noticeable share of rows (a fill value, zeros) or
where it has few distinct values (jet counts, flags). Its width is the median gap between
neighbouring distinct values, in units of the column's scale and within [.05, 1].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["dequantization_widths", "whole"]

_MOST_ROWS = 50_000
_SHARE, _COUNT = 0.01, 4
_REPEATS = 10
_LEAST, _MOST = 0.05, 1.0


def dequantization_widths(
    X: NDArray[Any],
    weight: NDArray[np.float64] | None,
    scale: NDArray[np.float64],
    *,
    every: bool = False,
) -> NDArray[np.float64]:
    """Give the width of the noise for each column, 0 for columns without.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows; of more than 50,000 every k-th is looked at.
    weight : ndarray of shape (n,) or None
        Row weights.
    scale : ndarray of shape (d,)
        Unit of each column's width.
    every : bool, default=False
        Give a width to every column.

    Returns
    -------
    ndarray of shape (d,)
        In units of `scale`.
    """
    step = -(-len(X) // _MOST_ROWS)
    X = X[::step]
    weight = np.ones(len(X)) if weight is None else weight[::step]
    widths = np.zeros(X.shape[1])
    for j, column in enumerate(X.T):
        values, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
        share = np.bincount(inverse, weights=weight).max() / weight.sum()
        mass_point = share >= _SHARE and counts.max() >= _COUNT
        if every or mass_point or len(values) * _REPEATS <= len(X):
            gap = np.median(np.diff(values.astype(np.float64))) if len(values) > 1 else np.inf
            widths[j] = np.clip(gap / scale[j], _LEAST, _MOST)
    return widths


def whole(column: NDArray[Any]) -> bool:
    """Tell whether a column holds whole numbers only."""
    return bool((column == np.rint(column)).all())
