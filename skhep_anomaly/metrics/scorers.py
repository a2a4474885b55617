"""Scorers with which one search compares detectors of every origin, and classifiers.

A scorer asks a fitted estimator how anomalous rows are, and a metric how well that fits y. The two
have to agree on a direction, and a string such as ``scoring="roc_auc"`` does not see that: with y
in {0, 1} it reads scikit-learn's detectors upside down. Here both sides become "anomaly" first:

- y by `anomaly_flags`: {0, 1}, {−1, +1}, bool, or ``anomaly_label=``;
- a detector's score is −``score_samples`` (higher = more anomalous), its prediction −1 an anomaly;
- a classifier's score is its ``decision_function`` (or probability) of ``classes_[1]``, negated
  where ``classes_[0]`` is the anomaly; ``classes_`` is read like y.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_classifier, is_outlier_detector
from sklearn.metrics import matthews_corrcoef
from sklearn.utils.metadata_routing import UNUSED

from skhep_anomaly.metrics.ams import ams_score, max_ams
from skhep_anomaly.metrics.labels import anomaly_flags
from skhep_anomaly.metrics.roc import weighted_average_precision, weighted_roc_auc

__all__ = [
    "OutlierScorer",
    "anomaly_scores",
    "make_ams_scorer",
    "make_outlier_scorer",
    "outlier_average_precision_scorer",
    "outlier_mcc_scorer",
    "outlier_roc_auc_scorer",
]


class OutlierScorer(BaseEstimator):
    """Callable ``scorer(estimator, X, y, sample_weight=None)``; use `make_outlier_scorer`.

    It is a ``BaseEstimator`` only to be cloned, compared and routed as scikit-learn's objects are
    (``set_score_request``, ``get_metadata_routing``); it is never fitted.

    Parameters
    ----------
    metric : callable
        ``metric(y_true, y_response, sample_weight=..., **metric_params)`` -> float, called with
        bool labels (True = anomaly).
    response : {"score", "predict"}, default="score"
        Whether `metric` gets anomaly scores (higher = more anomalous) or bool predictions.
    greater_is_better : bool, default=True
        False negates the metric.
    anomaly_label : object, default=None
        The value of y that marks an anomaly.
    metric_params : dict, default=None
        Further keyword arguments of `metric`.

    Examples
    --------
    >>> OutlierScorer(weighted_roc_auc, anomaly_label="s").response
    'score'
    """

    # `score` carries the routing request; its first argument is no metadata.
    __metadata_request__score = {"estimator": UNUSED}  # noqa: RUF012 - read by scikit-learn

    def __init__(
        self,
        metric: Callable[..., float],
        *,
        response: str = "score",
        greater_is_better: bool = True,
        anomaly_label: Any = None,
        metric_params: dict[str, Any] | None = None,
    ) -> None:
        self.metric = metric
        self.response = response
        self.greater_is_better = greater_is_better
        self.anomaly_label = anomaly_label
        self.metric_params = metric_params

    def __call__(self, estimator: Any, X: Any, y_true: Any, sample_weight: Any = None) -> float:
        """Give the metric of a fitted estimator, see `score`."""
        return self.score(estimator, X, y_true, sample_weight)

    def score(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Give the metric of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted detector or binary classifier, or a Pipeline or search around one.
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Labels as in `anomaly_flags`; both classes are needed.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        float
            The metric, negated where lower is better.

        Raises
        ------
        TypeError
            If `estimator` gives no score of a known direction.
        ValueError
            If y is ambiguous or `response` unknown.
        """
        if self.response not in ("score", "predict"):
            raise ValueError(f"response={self.response!r} must be 'score' or 'predict'.")
        anomaly = anomaly_flags(y, self.anomaly_label)
        respond = _predict_anomaly if self.response == "predict" else anomaly_scores
        params = dict(self.metric_params or {})
        if sample_weight is not None:
            params["sample_weight"] = np.asarray(sample_weight, dtype=np.float64)
        value = float(self.metric(anomaly, respond(estimator, X, self.anomaly_label), **params))
        return value if self.greater_is_better else -value

    def _accept_sample_weight(self) -> bool:
        """Tell scikit-learn's searches that weights may be passed (they look for this name)."""
        return True


def make_outlier_scorer(
    metric: Callable[..., float],
    *,
    response: str = "score",
    greater_is_better: bool = True,
    anomaly_label: Any = None,
    **metric_params: Any,
) -> OutlierScorer:
    """Make a scorer from a metric, for detectors of every origin and for classifiers.

    Parameters
    ----------
    metric : callable
        ``metric(y_true, y_response, sample_weight=..., **metric_params)`` -> float. It is called
        with bool labels (True = anomaly), so scikit-learn's metrics fit as well.
    response : {"score", "predict"}, default="score"
        "score": `metric` gets anomaly scores, higher = more anomalous; "predict": bool predictions.
    greater_is_better : bool, default=True
        False negates the metric.
    anomaly_label : object, default=None
        The value of y that marks an anomaly; None: y in {0, 1}, {-1, +1} or bool.
    **metric_params
        Further keyword arguments of `metric`.

    Returns
    -------
    OutlierScorer
        For ``scoring=`` of a search or a cross-validation. Weights reach it by metadata routing,
        ``scorer.set_score_request(sample_weight=True)``.

    Notes
    -----
    PyOD's own detectors have scikit-learn's class but the other sign; they are refused. Wrap them
    in `PyODAdapter`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skhep_anomaly.metrics import mcc_at_threshold
    >>> X = np.r_[np.zeros((50, 1)), [[9.0]]]
    >>> forest = IsolationForest(random_state=0).fit(X)
    >>> scorer = make_outlier_scorer(mcc_at_threshold, threshold=0.6)
    >>> scorer(forest, X, y_true=[0] * 50 + [1])
    1.0
    """
    return OutlierScorer(
        metric,
        response=response,
        greater_is_better=greater_is_better,
        anomaly_label=anomaly_label,
        metric_params=metric_params or None,
    )


def make_ams_scorer(
    b_reg: float = 10.0,
    s_total: float | None = None,
    b_total: float | None = None,
    *,
    best_threshold: bool = False,
    anomaly_label: Any = None,
) -> OutlierScorer:
    """Make a scorer that gives the approximate median significance.

    Parameters
    ----------
    b_reg : float, default=10
        Regularisation of the background.
    s_total, b_total : float, default=None
        Sums of weights of the full sample. Give them in a cross-validation: a fold holds only a
        part of the events, and AMS grows with their number.
    best_threshold : bool, default=False
        False judges ``predict``; True the best threshold on the score (see `max_ams` for its bias).
    anomaly_label : object, default=None
        The value of y that marks signal.

    Returns
    -------
    OutlierScorer
        Pass it the weights of the events: without them every row counts as one event.

    Examples
    --------
    >>> make_ams_scorer(s_total=692.0, b_total=411000.0).metric_params["b_reg"]
    10.0
    """
    return make_outlier_scorer(
        _max_ams_value if best_threshold else ams_score,
        response="score" if best_threshold else "predict",
        anomaly_label=anomaly_label,
        b_reg=b_reg,
        s_total=s_total,
        b_total=b_total,
    )


def _max_ams_value(y_true: Any, y_score: Any, sample_weight: Any = None, **params: Any) -> float:
    """Give the largest AMS as a plain number."""
    return max_ams(y_true, y_score, sample_weight, **params).value


def anomaly_scores(estimator: Any, X: Any, anomaly_label: Any = None) -> NDArray[np.float64]:
    """Give the scores of a detector of any origin or of a classifier, higher = more anomalous.

    Parameters
    ----------
    estimator : estimator
        A fitted detector or binary classifier, or a Pipeline or search around one.
    X : array-like of shape (n_samples, n_features)
        Rows.
    anomaly_label : object, default=None
        The value in a classifier's ``classes_`` that marks an anomaly.

    Returns
    -------
    ndarray of float64 of shape (n_samples,)
        Scores in which anomalies are high.

    Raises
    ------
    TypeError
        If `estimator` gives no score of a known direction.
    """
    if is_classifier(estimator):
        if hasattr(estimator, "decision_function"):
            score = np.asarray(estimator.decision_function(X), dtype=np.float64)
        else:
            score = np.asarray(estimator.predict_proba(X), dtype=np.float64)[:, -1]
        return score if _classes(estimator, anomaly_label)[1] else -score
    if hasattr(estimator, "score_samples"):
        return -np.asarray(estimator.score_samples(X), dtype=np.float64)
    _predict_anomaly(estimator, X, anomaly_label)  # refuses decision functions of other signs
    if not hasattr(estimator, "decision_function"):
        raise TypeError(_no_direction(estimator))
    return -np.asarray(estimator.decision_function(X), dtype=np.float64)


def _predict_anomaly(estimator: Any, X: Any, anomaly_label: Any) -> NDArray[np.bool_]:
    """Give bool predictions, True = anomaly."""
    if is_classifier(estimator):
        first, second = np.asarray(estimator.classes_)
        anomaly = second if _classes(estimator, anomaly_label)[1] else first
        return np.asarray(np.asarray(estimator.predict(X)) == anomaly, dtype=bool)
    if not is_outlier_detector(estimator):
        raise TypeError(_no_direction(estimator))
    predicted = np.asarray(estimator.predict(X))
    if not np.isin(predicted, [-1, 1]).all():
        raise TypeError(_no_direction(estimator))
    return np.asarray(predicted == -1, dtype=bool)


def _classes(estimator: Any, anomaly_label: Any) -> NDArray[np.bool_]:
    """Tell which of a binary classifier's two classes is the anomaly."""
    if len(estimator.classes_) != 2:
        raise ValueError(
            f"{type(estimator).__name__} knows {len(estimator.classes_)} classes; a scorer of "
            "anomalies needs a classifier of two."
        )
    return anomaly_flags(estimator.classes_, anomaly_label, name="classes_")


def _no_direction(estimator: Any) -> str:
    """Say that an estimator does not tell which way its scores point."""
    return (
        f"{type(estimator).__name__} is neither a classifier nor a detector that predicts -1 and "
        "+1 and scores normal rows higher. Wrap a PyOD detector in PyODAdapter; give another "
        "estimator score_samples (higher = more normal)."
    )


outlier_roc_auc_scorer = make_outlier_scorer(weighted_roc_auc)
outlier_average_precision_scorer = make_outlier_scorer(weighted_average_precision)
outlier_mcc_scorer = make_outlier_scorer(matthews_corrcoef, response="predict")
