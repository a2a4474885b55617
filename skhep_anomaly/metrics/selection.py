"""What a cut on a score selects: summed weights above every threshold.

All curves of this room come from one pass: sort the scores from high to low, add up the weights of
signal s(t) and background b(t) with ``score >= t``, and keep one point for each distinct score.
A weight of k is then k copies of the row, and a weight of 0 its absence, to rounding. The score's
direction is that of ``roc_curve``: **higher = more signal-like, more anomalous**; for a detector
pass ``detector.anomaly_score(X)`` or ``-detector.score_samples(X)``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.metrics.labels import anomaly_flags

__all__ = ["Scored", "Selection", "read_scored", "read_weights", "select_above"]


class Scored(NamedTuple):
    """Checked input of a metric: who is signal, score, weight; rows of weight 0 are gone."""

    signal: NDArray[np.bool_]
    score: NDArray[np.float64]
    weight: NDArray[np.float64]


class Selection(NamedTuple):
    """Weights selected by ``score >= threshold``, thresholds from high to low."""

    threshold: NDArray[np.float64]
    signal: NDArray[np.float64]
    background: NDArray[np.float64]
    n_background: NDArray[np.float64]


def read_weights(sample_weight: Any, n_rows: int) -> NDArray[np.float64]:
    """Check the weights of `n_rows` rows; negative Monte-Carlo weights are allowed.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,), float or None
        Weights; None means one each.
    n_rows : int
        Rows expected.

    Returns
    -------
    ndarray of float64 of shape (n_rows,)
        The weights.

    Raises
    ------
    ValueError
        If the length is wrong, a weight is NaN or infinite, or all are zero.
    """
    if sample_weight is None:
        return np.ones(n_rows)
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.ndim == 0:
        weight = np.full(n_rows, weight)
    if weight.shape != (n_rows,):
        raise ValueError(f"sample_weight.shape == {weight.shape}, expected {(n_rows,)}!")
    bad = int((~np.isfinite(weight)).sum())
    if bad:
        raise ValueError(f"Input sample_weight contains NaN or infinity in {bad} of {n_rows} rows.")
    if not weight.any():
        raise ValueError("All sample weights are zero: no row is left to judge.")
    return weight


def read_scored(
    y_true: Any, y_score: Any, sample_weight: Any = None, anomaly_label: Any = None
) -> Scored:
    """Check labels, scores and weights together.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels as in `anomaly_flags`; both classes must be there with a weight other than 0.
    y_score : array-like of shape (n_samples,)
        Scores, higher = more anomalous.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights.
    anomaly_label : object, default=None
        The value of `y_true` that marks an anomaly.

    Returns
    -------
    Scored
        Rows of weight 0 are left out.

    Raises
    ------
    ValueError
        If lengths differ, scores are not finite, or a class is missing.
    """
    signal = anomaly_flags(y_true, anomaly_label, name="y_true")
    score = np.asarray(y_score, dtype=np.float64)
    if score.shape != signal.shape:
        raise ValueError(f"y_score.shape == {score.shape}, expected {signal.shape} as y_true.")
    bad = int((~np.isfinite(score)).sum())
    if bad:
        raise ValueError(f"y_score contains NaN or infinity in {bad} of {len(score)} rows.")
    weight = read_weights(sample_weight, len(signal))
    kept = weight != 0
    if not (signal[kept].any() and (~signal[kept]).any()):
        raise ValueError("All rows of one class have weight zero; both classes are needed.")
    return Scored(signal[kept], score[kept], weight[kept])


def select_above(scored: Scored) -> Selection:
    """Add up the weights above every distinct score.

    Parameters
    ----------
    scored : Scored
        Checked rows.

    Returns
    -------
    Selection
        One point for each distinct score, from the highest to the lowest; the last one holds all.
        ``n_background`` is the effective number of events, (Σw)²/Σw².
    """
    order = np.argsort(-scored.score, kind="stable")
    score, weight, signal = scored.score[order], scored.weight[order], scored.signal[order]
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    background_weight = np.where(signal, 0.0, weight)
    background = np.cumsum(background_weight)[last]
    squared = np.cumsum(background_weight**2)[last]
    n_background = np.divide(background**2, squared, out=np.zeros_like(squared), where=squared > 0)
    return Selection(
        score[last], np.cumsum(np.where(signal, weight, 0.0))[last], background, n_background
    )
