"""(1+ε)-class classification by one weighted fit of any classifier.

Reference samplers need nothing of f but that it can be fitted with weights: normal rows, known
anomalies and pseudo-anomalies go into one table, each kind normalised by its own weight sum,

    Σ w = 1 : γ : (1 − ε),   times the number of normal rows,

so that the classifier's own regularisation sees weights of the usual size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from skhep_anomaly._random import seeded_clone

__all__ = ["classifier_logit", "fit_weighted", "fits_weights"]

_LEAST = 1e-12


def fits_weights(estimator: Any) -> bool:
    """Tell whether ``fit`` takes row weights; a pipeline hands them to its last step."""
    if isinstance(estimator, Pipeline):
        return fits_weights(estimator.steps[-1][1])
    if isinstance(estimator, VotingClassifier):
        return all(fits_weights(part) for _, part in estimator.estimators if part != "drop")
    return bool(has_fit_parameter(estimator, "sample_weight"))


def fit_weighted(
    estimator: Any,
    parts: list[tuple[NDArray[Any], float, NDArray[np.float64] | None]],
    seed: int,
) -> Any:
    """Fit a clone of `estimator`: 1 = normal, 0 = anomaly.

    Parameters
    ----------
    estimator : classifier
        Takes ``sample_weight``.
    parts : list of (rows, share, weights of mean one or None)
        Normal rows first (share 1), then all that are anomalies.
    seed : int
        Becomes every ``random_state`` that is None.

    Returns
    -------
    classifier
        Fitted.
    """
    n_normal = len(parts[0][0])
    rows = np.concatenate([rows for rows, _, _ in parts])
    target = np.concatenate([np.full(len(p[0]), int(k == 0)) for k, p in enumerate(parts)])
    weight = np.concatenate(
        [
            (np.ones(len(rows)) if weight is None else weight) * share * n_normal / len(rows)
            for rows, share, weight in parts
        ]
    )
    model = seeded_clone(estimator, seed)
    last = f"{model.steps[-1][0]}__" if isinstance(model, Pipeline) else ""
    return model.fit(rows, target, **{f"{last}sample_weight": weight})


def classifier_logit(model: Any, rows: NDArray[Any]) -> NDArray[np.float64]:
    """Give the log-odds of "normal": from probabilities where there are any, else the decision."""
    if hasattr(model, "predict_proba"):
        p = np.asarray(model.predict_proba(rows)[:, 1], dtype=np.float64).clip(_LEAST, 1 - _LEAST)
        logit: NDArray[np.float64] = np.log(p) - np.log1p(-p)
        return logit
    return np.asarray(model.decision_function(rows), dtype=np.float64)
