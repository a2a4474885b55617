"""The other direction at PyOD's border: a scikit-learn outlier detector as a PyOD detector.

PyOD's score is the negative of ours, its labels are 1 = outlier and 0 = inlier. Imported only when
`as_pyod` is called, because it needs PyOD.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pyod.models.base import BaseDetector
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skhep_anomaly.outliers._offset import normality

__all__ = ["EstimatorDetector"]


class EstimatorDetector(BaseDetector):  # type: ignore[misc]
    """A PyOD detector that trains and asks a clone of `estimator`; made by `as_pyod`."""

    def __init__(self, estimator: Any, contamination: float = 0.1) -> None:
        super().__init__(contamination=contamination)
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train a clone of the estimator and set PyOD's attributes of a fitted detector."""
        self._set_n_classes(None)
        self.estimator_ = clone(self.estimator).fit(X)
        self.decision_scores_ = self.decision_function(X)
        self._process_decision_scores()
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Give PyOD's score: higher = more anomalous."""
        check_is_fitted(self, "estimator_")
        return -np.asarray(normality(self.estimator_)(X), dtype=np.float64).ravel()
