"""Matthews' correlation (MCC) of a cut on the score, the cut taken from training scores.

The threshold rules of detectors are quantiles of the *training* scores; P40 calls the 60 % oddest
training rows anomalies. With weighted counts TP, FP, TN, FN

    MCC = (TP·TN − FP·FN) / √((TP+FP)(TP+FN)(TN+FP)(TN+FN)),   0 where a factor is 0.

Scores: higher = more anomalous. A row is an anomaly where ``score > threshold``: equality counts as
normal, as everywhere in detectors (the curves of this room select ``score >= threshold``, as
``roc_curve`` does).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import matthews_corrcoef

from skhep_anomaly._validation import weighted_quantile
from skhep_anomaly.metrics.selection import read_scored, read_weights

__all__ = ["mcc_at_percentile", "mcc_at_threshold"]


def mcc_at_threshold(
    y_true: Any,
    y_score: Any,
    threshold: float,
    sample_weight: Any = None,
    *,
    anomaly_label: Any = None,
) -> float:
    """Give Matthews' correlation between the truth and ``y_score > threshold``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels: {0, 1} (1 = anomaly), {-1, +1} (-1 = anomaly), bool, or with `anomaly_label`.
    y_score : array-like of shape (n_samples,)
        Scores, higher = more anomalous.
    threshold : float
        Rows above it are called anomalies.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights.
    anomaly_label : object, default=None
        The value of `y_true` that marks an anomaly.

    Returns
    -------
    float
        Between −1 and 1; 0 for a cut without information.

    Raises
    ------
    ValueError
        If labels are ambiguous, scores not finite or weights unusable.

    Examples
    --------
    >>> mcc_at_threshold([0, 0, 1, 1], [1.0, 2.0, 3.0, 4.0], threshold=2.0)
    1.0
    """
    scored = read_scored(y_true, y_score, sample_weight, anomaly_label)
    called = scored.score > threshold
    return float(matthews_corrcoef(scored.signal, called, sample_weight=scored.weight))


def mcc_at_percentile(
    y_true: Any,
    y_score: Any,
    train_score: Any,
    percentile: float = 40.0,
    sample_weight: Any = None,
    *,
    train_weight: Any = None,
    anomaly_label: Any = None,
) -> float:
    """Give Matthews' correlation at a percentile of the training scores.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels of the test rows, as in `mcc_at_threshold`.
    y_score : array-like of shape (n_samples,)
        Scores of the test rows, higher = more anomalous.
    train_score : array-like of shape (n_train,)
        Scores of the training rows, higher = more anomalous.
    percentile : float in [0, 100], default=40
        Training rows (in percent of their weight) below the threshold; larger flags fewer rows.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the test rows.
    train_weight : array-like of shape (n_train,), default=None
        Weights of the training rows.
    anomaly_label : object, default=None
        The value of `y_true` that marks an anomaly.

    Returns
    -------
    float
        Between −1 and 1.

    Raises
    ------
    ValueError
        If `percentile` is out of range, or the input is refused by `mcc_at_threshold`.

    Examples
    --------
    >>> mcc_at_percentile([0, 0, 1, 1], [1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 2.0, 3.0, 4.0], 60)
    1.0
    """
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile={percentile} must lie between 0 and 100.")
    train = np.asarray(train_score, dtype=np.float64)
    weight = None if train_weight is None else read_weights(train_weight, len(train))
    if not np.isfinite(train).all() or (weight is not None and (weight < 0).any()):
        raise ValueError("train_score must be finite and train_weight not negative.")
    threshold = float(weighted_quantile(train, percentile / 100, weight))
    return mcc_at_threshold(y_true, y_score, threshold, sample_weight, anomaly_label=anomaly_label)
