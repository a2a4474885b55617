"""Put scores of different kinds on one scale through their training tail probability.

LLP(s) = log(1 − log p(s)), where p(s) is the share of training rows with an anomaly score of at
least s; beyond the 95 % quantile p continues as an exponential with the mean excess found there, so
that rows farther out than any training row keep their order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._validation import weighted_quantile

__all__ = ["learn_tail", "log_log_tail"]

_KNEE = 0.95
_N_GRID = 512
_SAME = 1e-9  # scores that differ by less, in relation, are equal but for rounding


def learn_tail(scores: NDArray[np.float64], weight: NDArray[np.float64] | None) -> dict[str, Any]:
    """Give the training distribution of `scores` as {"grid", "share", "excess"}.

    Shares of equal scores are averaged, so that p is continuous: rounding never moves a row by a
    step.
    """
    levels = np.linspace(0, _KNEE, _N_GRID)
    values = np.asarray(weighted_quantile(scores, levels, weight))
    rises = np.diff(values) > _SAME * np.abs(values[1:])
    grid, where = values[np.append(rises, True)], np.append(0, np.cumsum(rises))
    share = np.bincount(where, levels) / np.bincount(where)
    beyond = scores - grid[-1] > _SAME * abs(grid[-1])
    excess = scores[beyond] - grid[-1]
    part = None if weight is None else weight[beyond]
    mean = float(np.average(excess, weights=part)) if len(excess) else 0.0
    spread = float(grid[-1] - grid[0])
    return {"grid": grid, "share": share, "excess": mean if mean > 0 else max(spread, 1e-12)}


def log_log_tail(scores: NDArray[np.float64], tail: dict[str, Any]) -> NDArray[np.float64]:
    """Give LLP of anomaly scores, ≥ 0, rising with the score."""
    below = np.interp(scores, tail["grid"], tail["share"])
    over = np.maximum(scores - tail["grid"][-1], 0.0) / tail["excess"]
    result: NDArray[np.float64] = np.log1p(over - np.log1p(-below))
    return result
