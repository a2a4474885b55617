"""From a score of normality to a binary classifier's decisions, in the order of ``classes_``."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import ClassifierMixin

from skhep_anomaly._validation import check_weights, weighted_quantile

__all__ = ["DecisionsMixin"]


class DecisionsMixin(ClassifierMixin):  # type: ignore[misc]
    """Gives what follows from ``score_samples``, ``offset_``, ``classes_`` and ``anomaly_class_``.

    A row is an anomaly where its score is below ``offset_``.
    """

    offset_: float
    classes_: NDArray[Any]
    anomaly_class_: Any

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Score rows: higher = more normal, whatever the labels were."""
        raise NotImplementedError

    @property
    def _direction(self) -> int:
        """+1 where ``classes_[1]`` is normal, −1 where it is the anomaly."""
        return -1 if self.classes_[1] == self.anomaly_class_ else 1

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

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Give the score of ``classes_[1]``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            y in {0, 1}: ``offset_ - score_samples(X)``, higher = anomaly. y in {−1, +1} or none:
            ``score_samples(X) - offset_``, higher = normal. Above zero: ``classes_[1]``.
        """
        score = self.score_samples(X)
        return self._direction * (score - self.offset_)

    def predict(self, X: Any) -> NDArray[Any]:
        """Give the label of each row; one at ``offset_`` is normal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Values of ``classes_``; without labels in ``fit``, +1 (normal) and −1.
        """
        anomalous = self.score_samples(X) < self.offset_
        second = anomalous if self._direction < 0 else ~anomalous
        labels: NDArray[Any] = self.classes_[second.astype(int)]
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Give σ(score − ``offset_``) as the probability of "normal", and one minus it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            Columns in the order of ``classes_``.
        """
        decision = self.decision_function(X)
        return np.column_stack([expit(-decision), expit(decision)])

    def set_threshold(self, X: Any, *, fpr: float, sample_weight: Any = None) -> Self:
        """Move ``offset_`` so that a share `fpr` of the (normal) rows `X` is called anomalous.

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
