"""Moments equal NumPy's, in chunks, with weights, far from zero."""

import numpy as np
import pytest

from skhep_anomaly.training import column_moments, moments


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(moments, "_CHUNK_ELEMENTS", 64)


def test_equal_to_numpy():
    X = np.random.default_rng(0).normal(3, 2, size=(1000, 7))
    mean, scale = column_moments(X)
    np.testing.assert_allclose(mean, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scale, X.std(axis=0), rtol=1e-12)


def test_weight_k_is_k_copies():
    rng = np.random.default_rng(1)
    X, k = rng.normal(size=(200, 3)), rng.integers(1, 5, 200)
    for got, want in zip(
        column_moments(X, k.astype(float)), column_moments(np.repeat(X, k, axis=0)), strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_large_offset_does_not_cancel():
    X = (1e6 + np.random.default_rng(2).normal(size=(5000, 1))).astype(np.float32)
    np.testing.assert_allclose(column_moments(X)[1], X.astype(float).std(axis=0), rtol=1e-9)


def test_huge_values_stay_finite():
    X = np.array([[1e300], [-1e300], [3e300]])
    mean, scale = column_moments(X)
    np.testing.assert_allclose([mean[0] / 1e300, scale[0] / 1e300], [1.0, np.sqrt(8 / 3)])


@pytest.mark.parametrize("value", [0.0, 5.0, -1e9, 0.1])
def test_constant_column_has_scale_one(value):
    X = np.full((300, 1), value, dtype=np.float32)
    mean, scale = column_moments(X)
    np.testing.assert_allclose(mean, X[0], rtol=1e-7)
    assert scale[0] == 1.0
