"""Scores of several models on one scale, each map strictly increasing.

    raw         s
    rank        F(s), the weighted empirical distribution of the group's training scores
    robust_z    (s − median) / (1.4826 · median |s − median|)

F is linear between the mid-ranks of the distinct training scores. Outside their range it goes on,
F(min) / (1 + (min − s)/h) below and 1 − (1 − F(max)) / (1 + (s − max)/h) above, h the interquartile
range: a row odder than every training row still has its own place, and 0 and 1 are never reached.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._validation import weighted_quantile

__all__ = ["learn_scale", "to_scale"]


def learn_scale(
    kind: str, scores: NDArray[np.float64], weight: NDArray[np.float64] | None
) -> dict[str, Any]:
    """Give what `to_scale` needs to know of the training scores.

    Parameters
    ----------
    kind : {"raw", "rank", "robust_z"}
        The scale.
    scores : ndarray of shape (n,)
        Training scores of one group.
    weight : ndarray of shape (n,) or None
        Row weights.
    """
    if kind == "raw":
        return {}
    if kind == "robust_z":
        middle = float(weighted_quantile(scores, 0.5, weight))
        spread = 1.4826 * float(weighted_quantile(np.abs(scores - middle), 0.5, weight))
        return {"middle": middle, "spread": _positive(spread, scores)}
    knots, place = np.unique(scores, return_inverse=True)
    mass = np.bincount(place, weights=weight).astype(np.float64)
    ranks = (np.cumsum(mass) - mass / 2) / mass.sum()
    low, high = np.asarray(weighted_quantile(scores, [0.25, 0.75], weight))
    return {"knots": knots, "ranks": ranks, "width": _positive(float(high - low), scores)}


def to_scale(kind: str, scale: dict[str, Any], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map scores of the group that `scale` was learned from."""
    if kind == "raw":
        return scores
    if kind == "robust_z":
        return (scores - scale["middle"]) / scale["spread"]
    knots, ranks, width = scale["knots"], scale["ranks"], scale["width"]
    below = np.maximum(knots[0] - scores, 0.0) / width
    above = np.maximum(scores - knots[-1], 0.0) / width
    inside = np.interp(scores, knots, ranks)
    return np.where(
        below > 0,
        ranks[0] / (1 + below),
        np.where(above > 0, 1 - (1 - ranks[-1]) / (1 + above), inside),
    )


def _positive(spread: float, scores: NDArray[np.float64]) -> float:
    """Give a spread that can be divided by: 0 when more than half of the scores are equal."""
    for candidate in (spread, float(scores.std())):
        if candidate > 0:
            return candidate
    return 1.0
