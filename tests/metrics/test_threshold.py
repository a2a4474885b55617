"""MCC at a cut, the cut from training scores."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from skhep_anomaly.metrics import mcc_at_percentile, mcc_at_threshold

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, 200)
SCORE = RNG.normal(size=200) + Y
WEIGHT = RNG.exponential(size=200)


def test_counts_by_hand():
    # TP 2, FN 1, FP 1, TN 4
    y = [1, 1, 1, 0, 0, 0, 0, 0]
    score = [9, 8, 1, 7, 1, 2, 3, 4]
    assert mcc_at_threshold(y, score, 5) == pytest.approx((2 * 4 - 1) / np.sqrt(3 * 3 * 5 * 5))


def test_equality_is_normal():
    assert mcc_at_threshold([0, 1], [1.0, 2.0], 1.0) == 1.0
    assert mcc_at_threshold([0, 1], [1.0, 2.0], 2.0) == 0.0  # nothing is called


def test_weights_and_labels():
    expected = matthews_corrcoef(Y, SCORE > 0.3, sample_weight=WEIGHT)
    assert mcc_at_threshold(Y, SCORE, 0.3, WEIGHT) == pytest.approx(expected)
    assert mcc_at_threshold(1 - 2 * Y, SCORE, 0.3, WEIGHT) == pytest.approx(expected)


def test_percentile_of_the_training_scores():
    train = np.arange(1.0, 1001.0) / 500
    assert mcc_at_percentile(Y, SCORE, train) == mcc_at_threshold(Y, SCORE, 0.801)
    assert mcc_at_percentile(Y, SCORE, train, 50) == mcc_at_threshold(Y, SCORE, 1.001)
    # 60 % of the training rows lie above the 40th percentile
    odd = np.repeat([0, 1], 1000)
    flagged = mcc_at_percentile(odd, np.concatenate([np.zeros(1000), train]), train)
    tp, tn = 600, 1000
    assert flagged == pytest.approx(tp * tn / np.sqrt(600 * 1000 * 1000 * 1400))


def test_train_weights_move_the_threshold():
    train = np.array([0.0, 1.0, 2.0])
    assert mcc_at_percentile(Y, SCORE, train, 50, train_weight=[1, 0, 2]) == mcc_at_threshold(
        Y, SCORE, 2.0
    )


def test_refused():
    with pytest.raises(ValueError, match="percentile=101 must lie between 0 and 100"):
        mcc_at_percentile(Y, SCORE, SCORE, 101)
    with pytest.raises(ValueError, match="train_score must be finite"):
        mcc_at_percentile(Y, SCORE, [np.nan, 1.0])
    with pytest.raises(ValueError, match="train_weight not negative"):
        mcc_at_percentile(Y, SCORE, [0.0, 1.0], train_weight=[-1.0, 2.0])
