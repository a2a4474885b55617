"""From a score of normality to a binary classifier's decisions, in the order of ``classes_``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import ClassifierMixin

from skhep_anomaly.outliers._offset import ScoreMixin

__all__ = ["DecisionsMixin"]


class DecisionsMixin(ScoreMixin, ClassifierMixin):  # type: ignore[misc]
    """Gives what follows from ``score_samples``, ``offset_``, ``classes_`` and ``anomaly_class_``.

    A row is an anomaly where its score is below ``offset_``.
    """

    classes_: NDArray[Any]
    anomaly_class_: Any

    @property
    def _direction(self) -> int:
        """+1 where ``classes_[1]`` is normal, −1 where it is the anomaly."""
        return -1 if self.classes_[1] == self.anomaly_class_ else 1

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
