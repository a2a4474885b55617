"""The box around the training rows, in whatever units they come."""

from __future__ import annotations

import numpy as np
import pytest

from skhep_anomaly.ope._rows import TrainingRows


def box(X, pad):
    return TrainingRows(X, np.zeros(len(X), bool), None).box("data", pad, lambda rows: rows)


@pytest.mark.parametrize("pad", [0.0, 0.1])
def test_box_follows_the_units(pad):
    """Rows in units of 1e-6 are not lost in a margin of fixed size."""
    X = np.random.default_rng(0).normal(size=(50, 3))
    np.testing.assert_allclose(box(1e-6 * X, pad), 1e-6 * box(X, pad))


def test_constant_column_has_a_width():
    X = np.random.default_rng(0).normal(size=(50, 2))
    X[:, 1] = 5.0
    np.testing.assert_allclose(box(X, 0.0)[:, 1], [4.999, 5.001])
    np.testing.assert_allclose(box(X, 0.1)[:, 1], [4.9, 5.1])
