"""The anomaly score and the threshold of whatever estimator comes along: higher = more anomalous.

Which way an estimator's own score points is decided in one place, `skhep_anomaly.metrics.scorers`.
A detector calls an outlier what has score_samples < offset_, hence the threshold −offset_ here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

__all__ = ["check_labels", "estimator_name", "last_step", "own_threshold"]


def last_step(estimator: Any) -> Any:
    """Return what a search or a pipeline ends in, or the estimator itself."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            estimator = estimator[-1]
        else:
            return estimator


def own_threshold(estimator: Any) -> float | None:
    """Return the detector's threshold on the anomaly score, None where it has none."""
    offset = getattr(last_step(estimator), "offset_", None)
    return None if offset is None or np.size(offset) != 1 else -float(np.ravel(offset)[0])


def estimator_name(estimator: Any) -> str:
    """Return the class name that a legend shows."""
    return type(last_step(estimator)).__name__


def check_labels(labels: Any, n_rows: int, name: str) -> NDArray[Any]:
    """Return one label (a group, a name) for every row, or raise a ValueError."""
    values = np.asarray(labels)
    if values.shape != (n_rows,):
        raise ValueError(f"{name}.shape == {values.shape}, expected {(n_rows,)} as the scores.")
    return values
