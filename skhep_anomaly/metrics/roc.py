"""ROC and precision–recall curves with event weights, their areas, and the area's error.

With S and B the summed weights of signal and background, and s(t), b(t) those above a threshold:

    true positive rate, recall   ε_S = s / S
    false positive rate          ε_B = b / B
    precision                    s / (s + b)
    AUC = ∫ ε_S dε_B = P(score of a signal > score of a background row) + ½ P(equal)

scikit-learn has the same curves; these differ in that labels are read by `anomaly_flags` (a y in
{−1, +1} is not read upside down) and that the AUC stands negative Monte-Carlo weights, because it
is computed as the rank sum that it is. All scores: **higher = more anomalous, more signal-like**.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from skhep_anomaly.metrics.bootstrap import MetricEstimate
from skhep_anomaly.metrics.selection import Scored, Selection, read_scored, select_above

__all__ = [
    "PrecisionRecallCurve",
    "RocCurve",
    "delong_roc_auc",
    "weighted_average_precision",
    "weighted_precision_recall_curve",
    "weighted_roc_auc",
    "weighted_roc_curve",
]


class RocCurve(NamedTuple):
    """Rates of ``score >= threshold``; starts at (0, 0) with an infinite threshold."""

    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    threshold: NDArray[np.float64]


class PrecisionRecallCurve(NamedTuple):
    """Precision and recall of ``score >= threshold``, thresholds from high to low."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    threshold: NDArray[np.float64]


def weighted_roc_curve(
    y_true: Any, y_score: Any, sample_weight: Any = None, *, anomaly_label: Any = None
) -> RocCurve:
    """Give the ROC curve of weighted events.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels: {0, 1} (1 = anomaly), {-1, +1} (-1 = anomaly), bool, or with `anomaly_label`.
    y_score : array-like of shape (n_samples,)
        Scores, higher = more anomalous.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights.
    anomaly_label : object, default=None
        The value of `y_true` that marks an anomaly.

    Returns
    -------
    RocCurve
        ``false_positive_rate``, ``true_positive_rate``, ``threshold``; one point for each distinct
        score, after the point (0, 0) at threshold +∞.

    Raises
    ------
    ValueError
        If labels are ambiguous, scores not finite, or a class's weights sum to zero or less.

    Examples
    --------
    >>> curve = weighted_roc_curve([0, 1, 1], [1.0, 2.0, 3.0])
    >>> curve.true_positive_rate.tolist()
    [0.0, 0.5, 1.0, 1.0]
    """
    selection = _select(y_true, y_score, sample_weight, anomaly_label)
    start = np.zeros(1)
    return RocCurve(
        np.concatenate([start, selection.background / selection.background[-1]]),
        np.concatenate([start, selection.signal / selection.signal[-1]]),
        np.concatenate([start + np.inf, selection.threshold]),
    )


def weighted_roc_auc(
    y_true: Any, y_score: Any, sample_weight: Any = None, *, anomaly_label: Any = None
) -> float:
    """Give the area under the ROC curve of weighted events.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels, as in `weighted_roc_curve`.
    y_score : array-like of shape (n_samples,)
        Scores, higher = more anomalous.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights; negative ones are allowed as long as each class sums to more than zero.
    anomaly_label : object, default=None
        The value of `y_true` that marks an anomaly.

    Returns
    -------
    float
        Probability that an anomaly scores above a normal row, ties counted half. Below ½ the score
        points the wrong way; it is never turned round.

    Raises
    ------
    ValueError
        If labels are ambiguous, scores not finite, or a class's weights sum to zero or less.

    Examples
    --------
    >>> weighted_roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    >>> weighted_roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], [1, 1, 0, 1])
    1.0
    """
    curve = weighted_roc_curve(y_true, y_score, sample_weight, anomaly_label=anomaly_label)
    return float(np.trapezoid(curve.true_positive_rate, curve.false_positive_rate))


def weighted_precision_recall_curve(
    y_true: Any, y_score: Any, sample_weight: Any = None, *, anomaly_label: Any = None
) -> PrecisionRecallCurve:
    """Give precision against recall of weighted events.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels, as in `weighted_roc_curve`.
    y_score : array-like of shape (n_samples,)
        Scores, higher = more anomalous.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights.
    anomaly_label : object, default=None
        The value of `y_true` that marks an anomaly.

    Returns
    -------
    PrecisionRecallCurve
        ``precision``, ``recall``, ``threshold``; one point for each distinct score. Unlike
        scikit-learn's it runs from high thresholds to low ones and adds no point at recall 0.

    Raises
    ------
    ValueError
        If labels are ambiguous, scores not finite, or a class's weights sum to zero or less.

    Examples
    --------
    >>> curve = weighted_precision_recall_curve([0, 1, 1], [2.0, 1.0, 3.0])
    >>> curve.recall.tolist()
    [0.5, 0.5, 1.0]
    """
    selection = _select(y_true, y_score, sample_weight, anomaly_label)
    selected = selection.signal + selection.background
    # Negative weights can cancel to nothing selected: precision 0 there.
    precision = np.divide(
        selection.signal, selected, out=np.zeros_like(selected), where=selected != 0
    )
    return PrecisionRecallCurve(
        precision, selection.signal / selection.signal[-1], selection.threshold
    )


def weighted_average_precision(
    y_true: Any, y_score: Any, sample_weight: Any = None, *, anomaly_label: Any = None
) -> float:
    """Give the average precision, Σ (recall step) · precision, of weighted events.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels, as in `weighted_roc_curve`.
    y_score : array-like of shape (n_samples,)
        Scores, higher = more anomalous.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights.
    anomaly_label : object, default=None
        The value of `y_true` that marks an anomaly.

    Returns
    -------
    float
        Average precision; a score without information gives the anomalies' share of the weights.

    Raises
    ------
    ValueError
        If labels are ambiguous, scores not finite, or a class's weights sum to zero or less.

    Examples
    --------
    >>> round(weighted_average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 6)
    0.833333
    """
    curve = weighted_precision_recall_curve(
        y_true, y_score, sample_weight, anomaly_label=anomaly_label
    )
    return float(np.sum(np.diff(curve.recall, prepend=0.0) * curve.precision))


def delong_roc_auc(
    y_true: Any,
    y_score: Any,
    sample_weight: Any = None,
    *,
    confidence: float = 0.95,
    anomaly_label: Any = None,
) -> MetricEstimate:
    """Give the AUC with DeLong's error, without resampling.

    The AUC is the mean over signal rows of their placement V_i (the share of background below the
    row) and also the mean over background rows of theirs (the share of signal above). Its variance
    is var(V_signal) / n_signal + var(V_background) / n_background.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels, as in `weighted_roc_curve`; at least two rows of each class.
    y_score : array-like of shape (n_samples,)
        Scores, higher = more anomalous.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of events (not counts: an event of weight 2 is one event, so the error differs from
        that of two copies).
    confidence : float in (0, 1), default=0.95
        Content of the normal interval, cut at 0 and 1.
    anomaly_label : object, default=None
        The value of `y_true` that marks an anomaly.

    Returns
    -------
    MetricEstimate
        ``value``, ``std``, ``interval``.

    Raises
    ------
    ValueError
        If a class has fewer than two rows, or the input is refused by `weighted_roc_auc`.

    Notes
    -----
    Midranks as in Sun and Xu make it O(n log n). For weights the class means and variances become
    weighted ones: Σw²(V − AUC)² / (Σw)² · n / (n − 1).

    References
    ----------
    E. DeLong et al., Biometrics 44 (1988) 837. X. Sun, W. Xu, IEEE Signal Process. Lett. 21 (2014)
    1389.

    Examples
    --------
    >>> estimate = delong_roc_auc([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6])
    >>> round(estimate.value, 4), round(estimate.std, 4)
    (0.8889, 0.1571)
    """
    scored = read_scored(y_true, y_score, sample_weight, anomaly_label)
    signal, background = (_rows(scored, scored.signal), _rows(scored, ~scored.signal))
    if min(len(signal[0]), len(background[0])) < 2:
        raise ValueError(
            "DeLong's error needs at least two rows of each class; got "
            f"{len(signal[0])} anomalies and {len(background[0])} normal rows."
        )
    auc = weighted_roc_auc(scored.signal, scored.score, scored.weight)
    above = _share_below(signal[0], *background)
    below = 1 - _share_below(background[0], *signal)
    std = np.sqrt(_mean_variance(above, auc, signal[1]) + _mean_variance(below, auc, background[1]))
    reach = stats.norm.ppf((1 + confidence) / 2) * std
    return MetricEstimate(
        auc, float(std), (float(max(0.0, auc - reach)), float(min(1.0, auc + reach)))
    )


def _rows(scored: Scored, kept: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give scores and weights of one class, lowest score first."""
    order = np.argsort(scored.score[kept], kind="stable")
    return scored.score[kept][order], scored.weight[kept][order]


def _share_below(points: Any, score: Any, weight: Any) -> NDArray[np.float64]:
    """Give the weighted share of sorted `score` below each point, equal ones counted half."""
    total = np.concatenate([[0.0], np.cumsum(weight)])
    low, high = (total[np.searchsorted(score, points, side=side)] for side in ("left", "right"))
    return (low + high) / (2 * total[-1])


def _mean_variance(values: Any, mean: float, weight: Any) -> float:
    """Give the variance of the weighted mean of `values`."""
    n = len(values)
    return float(np.sum((weight * (values - mean)) ** 2) / weight.sum() ** 2 * n / (n - 1))


def _select(y_true: Any, y_score: Any, sample_weight: Any, anomaly_label: Any) -> Selection:
    """Select, and insist on a positive sum of weights in each class."""
    selection = select_above(read_scored(y_true, y_score, sample_weight, anomaly_label))
    if not (selection.signal[-1] > 0 and selection.background[-1] > 0):
        raise ValueError(
            f"The weights sum to {selection.signal[-1]} for anomalies and "
            f"{selection.background[-1]} for normal rows; rates need positive sums."
        )
    return selection
