"""Rows that may not be written to, as joblib's workers get them, are taken in silence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from skhep_anomaly import OPEClassifier

pytestmark = pytest.mark.filterwarnings("ignore:.*has not converged")


@pytest.fixture
def every_warning():
    """Else torch warns of such memory once in a process, whoever comes first."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(before)


@pytest.mark.parametrize(
    "params",
    [
        {"max_iter": 5},
        {"max_iter": 5, "reference": "gmm"},
        {"max_iter": 5, "preprocessing": None, "sampler": "swap"},
        {"estimator": LogisticRegression()},
    ],
    ids=["uniform", "gmm", "raw", "estimator"],
)
def test_read_only_rows(every_warning, params):
    X = np.random.default_rng(0).normal(size=(120, 3))
    y = np.repeat([0, 1], [100, 20])
    kept = X.copy()
    X.flags.writeable = False
    est = OPEClassifier(random_state=0, **params).fit(X, y)
    want = OPEClassifier(random_state=0, **params).fit(kept, y).score_samples(kept)
    np.testing.assert_array_equal(est.score_samples(X), want)
