"""From a score to a decision: decision_function = score_samples − offset_, predict = its sign.

A subclass gives ``score_samples`` and sets ``offset_``.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OutlierMixin

from skhep_anomaly._validation import check_weights, weighted_quantile

__all__ = ["OffsetMixin", "ScoreMixin", "normality"]


class ScoreMixin:
    """Gives what follows from ``score_samples`` alone, for detectors and classifiers."""

    offset_: float

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Score rows: higher = more normal."""
        raise NotImplementedError

    def anomaly_score(self, X: Any) -> NDArray[np.float64]:
        """Give ``-score_samples(X)``: higher = more anomalous.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return -self.score_samples(X)

    def set_threshold(self, X: Any, *, fpr: float, sample_weight: Any = None) -> Self:
        """Move ``offset_`` so that a share `fpr` of the (normal) rows `X` is flagged.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Normal rows, best not those of ``fit``.
        fpr : float in (0, 1)
            False positive rate wanted.
        sample_weight : array-like of shape (n_samples,), default=None
            Row weights ≥ 0.

        Returns
        -------
        self : estimator
            With another ``offset_``; nothing else changes.

        Raises
        ------
        ValueError
            If `fpr` is out of range, or the weights are unusable.
        """
        if not 0 < fpr < 1:
            raise ValueError(f"fpr={fpr!r} is out of range: give a rate strictly between 0 and 1.")
        score = self.score_samples(X)
        weight = check_weights(sample_weight, score, owner=type(self).__name__)
        self.offset_ = float(weighted_quantile(score, fpr, weight))
        return self


class OffsetMixin(ScoreMixin, OutlierMixin):  # type: ignore[misc]
    """Gives an outlier detector's decisions from ``score_samples`` and ``offset_``."""

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Give ``score_samples(X) - offset_``: below zero = outlier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Tell inliers (+1) from outliers (−1); a score equal to ``offset_`` is an inlier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return np.where(self.decision_function(X) < 0, -1, 1)


def normality(estimator: Any) -> Any:
    """Give the method whose values are higher for more normal rows.

    Raises
    ------
    TypeError
        If the estimator has none, is a class, or counts the other way, as PyOD's detectors do.
    """
    if isinstance(estimator, type):
        raise TypeError(
            f"{estimator.__name__} is a class; give an instance, {estimator.__name__}()."
        )
    if any(kind.__module__.startswith("pyod.") for kind in type(estimator).__mro__):
        raise TypeError(
            f"{type(estimator).__name__} is a detector of PyOD, whose scores count anomaly "
            "upwards; wrap it in PyODAdapter."
        )
    for name in ("score_samples", "decision_function"):
        if hasattr(estimator, name):
            return getattr(estimator, name)
    raise TypeError(
        f"{type(estimator).__name__} has neither score_samples nor decision_function, so it gives "
        "no score of normality; use an outlier detector (LocalOutlierFactor needs novelty=True)."
    )
