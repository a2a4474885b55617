"""Named thresholds on the anomaly score, computed from training scores by the rules of detectors.

"P40" is the 40th percentile (60 % of the training events lie above it and are called anomalies),
"median" the 50th, "mean" the mean; all count weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._validation import weighted_quantile

__all__ = ["Thresholds", "named_thresholds"]

Thresholds = float | str | Sequence[str] | Mapping[str, float] | None
"""A value, a rule, several rules, named values, or none."""


def named_thresholds(
    thresholds: Thresholds, scores: NDArray[np.float64], weight: NDArray[np.float64]
) -> dict[str, float]:
    """Return the value of each threshold.

    Parameters
    ----------
    thresholds : float, str, sequence of str, mapping of str to float, or None
        What to draw: a value, rules ("P40", "median", "mean"), or names with values.
    scores, weight : ndarray of shape (n_samples,)
        Training scores (higher = more anomalous) and weights that the rules look at.

    Returns
    -------
    values : dict of str to float
        Name → value, in the order given.

    Raises
    ------
    ValueError
        A rule is unknown or a value is not finite.
    """
    if thresholds is None:
        return {}
    if isinstance(thresholds, Mapping):
        values = {str(name): float(value) for name, value in thresholds.items()}
    elif isinstance(thresholds, (int, float, np.number)):
        values = {"threshold": float(thresholds)}
    else:
        rules = [thresholds] if isinstance(thresholds, str) else list(thresholds)
        values = {rule: _apply(rule, scores, weight) for rule in rules}
    wrong = [name for name, value in values.items() if not np.isfinite(value)]
    if wrong:
        raise ValueError(f"thresholds {wrong} are not finite numbers.")
    return values


def _apply(rule: str, scores: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    if rule == "mean":
        return float(np.average(scores, weights=weight))
    percentile = "50" if rule == "median" else rule.removeprefix("P")
    if rule != "median" and not re.fullmatch(r"P\d+(\.\d+)?", rule):
        raise ValueError(
            f"thresholds={rule!r} is no rule; known are 'P40' (any number), 'median' and 'mean'."
        )
    if float(percentile) > 100:
        raise ValueError(f"thresholds={rule!r}: a percentile lies between P0 and P100.")
    return float(weighted_quantile(scores, float(percentile) / 100, weight))
