"""Energy score: how well an ensemble of generated rows foretells the one that happened.

    ES = mean_i |s_i − y| − ½ mean_{i≠j} |s_i − s_j|

A proper score: its mean over y is smallest when the s_i are drawn from the distribution of y. For
numbers it is the CRPS; of N(0, 1) against itself it is 1/√π. Here **lower is better**.

Source: T. Gneiting, A. Raftery, J. Am. Stat. Assoc. 102 (2007) 359, equation 22.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["energy_score"]


def energy_score(samples: Any, y: Any) -> NDArray[np.float64]:
    """Give the energy score of each row, from several samples of it.

    ES = mean_i |s_i − y| − ½ mean_{i≠j} |s_i − s_j|, without bias at any number of samples.

    Parameters
    ----------
    samples : array-like of shape (m, n, ...)
        At least two draws of each of the n rows, under the row's conditions.
    y : array-like of shape (n, ...)
        What happened. More dimensions, such as images, are flattened.

    Returns
    -------
    ndarray of shape (n,)
        Lower is better; single rows may be negative.

    Raises
    ------
    ValueError
        If there are fewer than two samples, shapes differ, or a value is not finite.

    Notes
    -----
    Costs O(m² n) distances.

    References
    ----------
    T. Gneiting, A. Raftery, J. Am. Stat. Assoc. 102 (2007) 359.

    Examples
    --------
    >>> from skhep_anomaly import energy_score
    >>> energy_score([[0.0], [2.0]], [1.0]).tolist()  # 1 − ½ · 2
    [0.0]
    """
    drawn, happened = np.asarray(samples, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if drawn.ndim < 2 or len(drawn) < 2 or drawn.shape[1:] != happened.shape:
        raise ValueError(
            f"samples.shape == {drawn.shape} and y.shape == {happened.shape}; expected at least "
            "two samples, (m, n, ...), of y, (n, ...)."
        )
    if not (np.isfinite(drawn).all() and np.isfinite(happened).all()):
        raise ValueError("samples or y hold NaN or infinity.")
    m, n = drawn.shape[:2]
    drawn, happened = drawn.reshape(m, n, -1), happened.reshape(n, -1)
    apart = sum(_distance(drawn[i], drawn[j]) for i in range(m) for j in range(i))
    away = sum(_distance(sample, happened) for sample in drawn)
    return np.asarray(away / m - apart / (m * (m - 1)))


def _distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(((a - b) ** 2).sum(axis=1))
