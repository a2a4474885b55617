"""`random_state` seeds the estimators inside, too, except those that have a seed of their own."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skhep_anomaly import OPEClassifier, SemiSupervisedAEClassifier

pytestmark = pytest.mark.filterwarnings("ignore:.*has not converged")


class Turned(TransformerMixin, BaseEstimator):
    """Project rows to two random directions."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y=None):
        rng = np.random.default_rng(self.random_state)
        self.directions_ = rng.normal(size=(X.shape[1], 2))
        return self

    def transform(self, X):
        return X @ self.directions_


@pytest.fixture(scope="module")
def events():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 4)), np.repeat([0, 1], [100, 20])
    X[y == 1] += 2
    return X, y


def directions(est):
    part = est.transformers_[0] if hasattr(est, "transformers_") else est.autoencoder_
    return (part if isinstance(part, Turned) else part[-1]).directions_


@pytest.mark.parametrize(
    "make",
    [
        lambda part, seed: OPEClassifier(latent_transform=part, max_iter=5, random_state=seed),
        lambda part, seed: OPEClassifier(
            latent_transform=part, estimator=LogisticRegression(), random_state=seed
        ),
        lambda part, seed: OPEClassifier(preprocessing=part, max_iter=5, random_state=seed),
        lambda part, seed: SemiSupervisedAEClassifier(
            autoencoder=part, max_iter=5, random_state=seed
        ),
    ],
    ids=["latent_transform", "estimator", "preprocessing", "autoencoder"],
)
@pytest.mark.parametrize("nested", [False, True])
def test_parts_are_seeded(events, make, nested):
    def fit(own, seed):
        part = make_pipeline(StandardScaler(), Turned(own)) if nested else Turned(own)
        return directions(make(part, seed).fit(*events))

    np.testing.assert_array_equal(fit(None, 0), fit(None, 0))
    assert (fit(None, 0) != fit(None, 1)).all()
    np.testing.assert_array_equal(fit(7, 0), fit(7, 1))
