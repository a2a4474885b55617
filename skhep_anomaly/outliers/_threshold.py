"""From training scores to the offset between inliers and outliers."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._validation import Interval, StrOptions, weighted_quantile

__all__ = ["THRESHOLD_CONSTRAINTS", "offset_from_scores"]

THRESHOLD_CONSTRAINTS: dict[str, list[Any]] = {
    "threshold": [
        StrOptions({"contamination", "percentile", "median", "mean"}),
        Interval(Real, None, None, closed="neither"),
        callable,
    ],
    "percentile": [Interval(Real, 0, 100, closed="both")],
    "contamination": [Interval(Real, 0, 0.5, closed="right"), StrOptions({"min"})],
}


def offset_from_scores(
    scores: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    *,
    threshold: str | float | Callable[[NDArray[np.float64]], float] = "contamination",
    percentile: float = 40,
    contamination: float | str = 0.1,
) -> float:
    """Give ``offset_``: rows that score below it are outliers.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        ``score_samples`` of the training rows, higher = more normal.
    weight : ndarray of shape (n,) or None
        Row weights.
    threshold : {"contamination", "percentile", "median", "mean"}, float or callable
        Rule. "contamination" flags that share of the training weight. "percentile", "median" and
        "mean" flag what has an anomaly score above that statistic of the training rows' anomaly
        scores. A number is the offset itself; a callable maps `scores` to it.
    percentile : float in [0, 100], default=40
        For "percentile": 40 flags 60 % of the training rows.
    contamination : float in (0, 0.5] or "min", default=0.1
        For "contamination"; "min" is the lowest training score, so that no training row is flagged.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a callable gives no finite number.
    """
    if callable(threshold):
        offset = float(threshold(scores))
        if not np.isfinite(offset):
            raise ValueError(
                f"threshold={threshold!r} gave {offset}; it must give a finite number."
            )
        return offset
    if threshold == "contamination":
        if contamination == "min":
            return float(scores.min())
        return float(weighted_quantile(scores, contamination, weight))
    if threshold == "percentile":
        return -float(weighted_quantile(-scores, percentile / 100, weight))
    if threshold == "median":
        return -float(weighted_quantile(-scores, 0.5, weight))
    if threshold == "mean":
        return float(np.average(scores, weights=weight))
    return float(threshold)
