"""The numbers that judge a detector on test events, and their errors by the bootstrap.

Weighted AUC and AMS count expected events (weights); AUC, average precision and Matthews'
correlation (MCC) count simulated events, as the tables of the thesis do: with weights, H→ττ signal
is 0.2 % of the events, and both numbers would be that share in disguise.

A resampling is a vector of counts c_i: row i is there c_i times. The counts are drawn from the
seed alone, so two detectors tested on the same rows meet the same resamplings, and the error of
their *difference* can be had (paired), which is smaller than either's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.metrics import (
    ams_curve,
    max_sic,
    weighted_average_precision,
    weighted_roc_auc,
)

__all__ = ["METRICS", "Measured", "measure", "mcc_of_counts"]

METRICS = ("weighted_auc", "auc", "average_precision", "mcc_p40", "max_ams")
Array = NDArray[np.float64]


class Measured(NamedTuple):
    """Values and bootstrap errors by metric, and the resampled weighted AUC for paired errors."""

    values: dict[str, float]
    errors: dict[str, float]
    resampled: list[float]


def measure(
    signal: NDArray[np.bool_],
    score: Array,
    weight: Array,
    *,
    threshold: float,
    totals: tuple[float, float],
    n_bootstrap: int,
    seed: int,
) -> Measured:
    """Measure a detector on test events.

    Parameters
    ----------
    signal : ndarray of bool of shape (n_samples,)
        True for signal.
    score : ndarray of shape (n_samples,)
        Anomaly score.
    weight : ndarray of shape (n_samples,)
        Expected events that each row stands for.
    threshold : float
        Rows above it count as flagged in the MCC.
    totals : tuple of float
        Expected signal and background events of the full data: both classes are rescaled to them
        for the AMS.
    n_bootstrap : int
        Resamplings; 0 gives no errors (NaN).
    seed : int
        Seed of the resamplings.

    Returns
    -------
    Measured
        One number for each of `METRICS`, and ``max_sic`` without an error.
    """
    order = np.argsort(-score, kind="stable")  # sorting sorted scores again is cheap
    sorted_rows = signal[order], score[order], weight[order]
    values = _numbers(*sorted_rows, np.ones(len(score)), threshold, totals)
    draws = [
        _numbers(*sorted_rows, counts[order], threshold, totals)
        for counts in _resamplings(signal, weight, n_bootstrap, seed)
    ]
    errors = {
        name: float(np.std([draw[name] for draw in draws], ddof=1)) if len(draws) > 1 else np.nan
        for name in METRICS
    }
    values["max_sic"] = _max_sic(*sorted_rows)
    return Measured(values, errors, [draw["weighted_auc"] for draw in draws])


def _numbers(
    signal: NDArray[np.bool_],
    score: Array,
    weight: Array,
    copies: Array,
    threshold: float,
    totals: tuple[float, float],
) -> dict[str, float]:
    weight = weight * copies
    curve = ams_curve(signal, score, weight, s_total=totals[0], b_total=totals[1])
    return {
        "weighted_auc": weighted_roc_auc(signal, score, weight),
        "auc": weighted_roc_auc(signal, score, copies),
        "average_precision": weighted_average_precision(signal, score, copies),
        "mcc_p40": mcc_of_counts(signal, score > threshold, copies),
        "max_ams": float(curve.ams.max()),
    }


def mcc_of_counts(signal: NDArray[np.bool_], flagged: NDArray[np.bool_], copies: Array) -> float:
    """Give Matthews' correlation of two truth values, row i counting ``copies[i]`` times."""
    n_signal, n_background = copies[signal].sum(), copies[~signal].sum()
    true_flags, false_flags = copies[signal & flagged].sum(), copies[~signal & flagged].sum()
    n_flagged = true_flags + false_flags
    n_rest = n_signal + n_background - n_flagged
    spread = np.sqrt(n_signal * n_background * n_flagged * n_rest)
    cross = true_flags * (n_background - false_flags) - false_flags * (n_signal - true_flags)
    return float(cross / spread) if spread > 0 else 0.0


def _max_sic(signal: NDArray[np.bool_], score: Array, weight: Array) -> float:
    """Give the largest significance improvement, NaN where there is too little background."""
    try:
        return max_sic(signal, score, weight)
    except ValueError:
        return float("nan")


def _resamplings(
    signal: NDArray[np.bool_], weight: Array, n_bootstrap: int, seed: int
) -> Iterator[Array]:
    """Draw the rows of each class with replacement; negative weights may leave a draw useless."""
    rng = np.random.default_rng([seed, 100])
    counts = np.empty(len(signal))
    for _ in range(n_bootstrap):
        for rows in (signal, ~signal):
            n_rows = int(rows.sum())
            counts[rows] = np.bincount(rng.integers(n_rows, size=n_rows), minlength=n_rows)
        sums = [float((weight * counts)[rows].sum()) for rows in (signal, ~signal)]
        if min(sums) > 0:
            yield counts.copy()
