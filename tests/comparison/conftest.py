"""Detectors with known answers, and small comparisons of them."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, OutlierMixin

from skhep_anomaly import compare_detectors


class FirstColumn(OutlierMixin, BaseEstimator):
    """Anomaly score = factor · first column + noise; raises or warns when asked to."""

    def __init__(self, factor=1.0, fault=None, random_state=None):
        self.factor = factor
        self.fault = fault
        self.random_state = random_state

    def fit(self, X, y=None):
        if self.fault == "raise":
            raise RuntimeError("the detector <b>broke</b>")
        if self.fault == "interrupt":
            raise KeyboardInterrupt
        if self.fault == "warn":
            warnings.warn("not converged", UserWarning, stacklevel=2)
        self.seed_ = self.random_state
        self.rows_ = np.asarray(X).copy()
        return self

    def score_samples(self, X):
        score = -self.factor * np.asarray(X)[:, 0].astype(np.float64)
        return score * np.nan if self.fault == "nan" else score

    def predict(self, X):
        return np.where(self.score_samples(X) < 0, -1, 1)


class MeanDifference(ClassifierMixin, BaseEstimator):
    """Keep the rows of the fit in `lessons`; the anomaly score points from class 0 to class 1."""

    lessons: ClassVar[list] = []

    def __init__(self, optional=False, random_state=None):
        self.optional = optional
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = not self.optional
        return tags

    def fit(self, X, y=None):
        X = np.asarray(X, dtype=np.float64)
        type(self).lessons.append((X, y))
        self.classes_ = np.array([0, 1])
        self.coef_ = np.zeros(X.shape[1]) if y is None else X[y == 1].mean(0) - X[y == 0].mean(0)
        return self

    def decision_function(self, X):
        return np.asarray(X) @ self.coef_

    def predict(self, X):
        return (self.decision_function(X) > 0).astype(int)


@pytest.fixture(scope="session")
def mean_difference():
    return MeanDifference


@pytest.fixture(scope="session")
def first_column():
    return FirstColumn


@pytest.fixture(scope="session")
def gaussian_events():
    """Background N(0, 1), signal N(2, 1) in the first of two columns; weights; two groups."""
    rng = np.random.default_rng(5)
    y = np.r_[np.zeros(1200), np.ones(400)]
    X = np.c_[rng.normal(size=1600) + 2 * y, rng.integers(0, 2, 1600)].astype(np.float32)
    weight = np.where(y == 1, 0.01, 2.0) * rng.uniform(0.5, 1.5, 1600)
    return X, y, weight


@pytest.fixture(scope="session")
def result(gaussian_events):
    X, y, weight = gaussian_events
    detectors = {
        "right": FirstColumn(),
        "wrong": FirstColumn(-1.0),
        "bad": FirstColumn(fault="nan"),
    }
    return compare_detectors(
        detectors, X, y, sample_weight=weight, groups=X[:, 1], seeds=2, n_bootstrap=40
    )
