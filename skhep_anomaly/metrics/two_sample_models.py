"""The classifiers of the two-sample test, and how one is fitted and asked.

- trees: histogram boosting, 100 rounds, 15 leaves, 64 bins. With more than 100 columns a split
  looks at a fifth of them only, which costs nothing in AUC and saves most of the time.
- mlp: 128-64-64 ReLU, 40 epochs, strong weight decay, on columns of variance one. A column's spread
  is floored at a tenth of the typical one: cells that are almost always empty would otherwise come
  in as huge rare values. Early stopping on 10 % of the rows stops too soon here (measured: showers
  under wrong conditions read .72 with it and .90 without).
- logistic: the linear check.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from skhep_anomaly._random import seeded_clone

__all__ = ["make_classifier", "score_of_fake"]

MANY_COLUMNS = 100
CLIP = 10.0  # standard deviations


class FlooredScaler(TransformerMixin, BaseEstimator):
    """Columns of mean zero and variance one, no spread below a tenth of the typical one."""

    def fit(self, X: NDArray[Any], y: Any = None) -> FlooredScaler:
        """Learn means and spreads."""
        self.mean_ = X.mean(axis=0)
        spread = X.std(axis=0)
        typical = float(np.sqrt(np.mean(spread**2)))
        self.spread_ = np.maximum(spread, 0.1 * typical if typical > 0 else 1.0)
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Scale and clip."""
        return np.clip((X - self.mean_) / self.spread_, -CLIP, CLIP)


class ScaledClassifier(BaseEstimator):
    """A classifier behind a `FlooredScaler`; unlike a pipeline it takes ``sample_weight``."""

    def __init__(self, classifier: Any, random_state: Any = None) -> None:
        self.classifier = classifier
        self.random_state = random_state

    def fit(self, X: NDArray[Any], y: Any, **weights: Any) -> ScaledClassifier:
        """Fit scaler and classifier."""
        self.scaler_ = FlooredScaler().fit(X)
        self.classifier_ = clone(self.classifier).set_params(random_state=self.random_state)
        with warnings.catch_warnings():
            # a fixed number of epochs is meant, not convergence
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.classifier_.fit(self.scaler_.transform(X), y, **weights)
        return self

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:
        """Give the probabilities of both classes."""
        return self.classifier_.predict_proba(self.scaler_.transform(X))


def _trees() -> Any:
    return HistGradientBoostingClassifier(
        max_iter=100, max_leaf_nodes=15, max_bins=64, early_stopping=False
    )


def _mlp() -> Any:
    # scikit-learn divides alpha by the batch: 3/128 is the weight decay
    return ScaledClassifier(MLPClassifier((128, 64, 64), max_iter=40, alpha=3.0, batch_size=128))


def _logistic() -> Any:
    return ScaledClassifier(LogisticRegression(max_iter=200))


MODELS = {"trees": _trees, "mlp": _mlp, "logistic": _logistic}


def make_classifier(model: Any, seed: int) -> Any:
    """Give an unfitted classifier that draws from `seed`.

    Raises
    ------
    ValueError
        If `model` is neither a known name nor a classifier.
    """
    if isinstance(model, str) and model in MODELS:
        return seeded_clone(MODELS[model](), seed)
    asked = any(hasattr(model, name) for name in ("predict_proba", "decision_function"))
    if isinstance(model, (str, type)) or not (hasattr(model, "get_params") and asked):
        raise ValueError(
            f"model={model!r} is not known; use one of {list(MODELS)} or a scikit-learn classifier."
        )
    return seeded_clone(model, seed)


def score_of_fake(
    classifier: Any,
    rows: NDArray[Any],
    label: NDArray[np.bool_],
    weight: NDArray[np.float64] | None,
    test: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Fit a copy on the rows outside `test` and give the scores of those inside."""
    train = ~test
    alive = np.ptp(rows[train], axis=0) > 0
    if not alive.any():
        return np.zeros(int(test.sum()))
    fitted = clone(classifier)
    if isinstance(fitted, HistGradientBoostingClassifier) and alive.sum() > MANY_COLUMNS:
        fitted.set_params(max_features=0.2)
    weights = {} if weight is None else {"sample_weight": weight[train]}
    fitted.fit(rows[train][:, alive], label[train], **weights)
    asked = rows[test][:, alive]
    if hasattr(fitted, "predict_proba"):
        return np.asarray(fitted.predict_proba(asked)[:, 1], dtype=np.float64)
    return np.asarray(fitted.decision_function(asked), dtype=np.float64)
