"""Curves and areas against scikit-learn, the closed form and resampling."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from skhep_anomaly.metrics import (
    bootstrap_metric,
    delong_roc_auc,
    weighted_average_precision,
    weighted_precision_recall_curve,
    weighted_roc_auc,
    weighted_roc_curve,
)


@pytest.fixture(params=["smooth", "ties"])
def sample(request):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 300)
    score = rng.normal(size=300) + y
    if request.param == "ties":
        score = score.round()
    return y, score, rng.exponential(size=300)


def test_roc_equals_sklearn(sample):
    y, score, weight = sample
    got = weighted_roc_curve(y, score, weight)
    expected = roc_curve(y, score, sample_weight=weight, drop_intermediate=False)
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)
    assert weighted_roc_auc(y, score, weight) == pytest.approx(
        roc_auc_score(y, score, sample_weight=weight), abs=1e-12
    )


def test_precision_recall_equals_sklearn(sample):
    y, score, weight = sample
    got = weighted_precision_recall_curve(y, score, weight)
    precision, recall, threshold = precision_recall_curve(y, score, sample_weight=weight)
    np.testing.assert_allclose(got.precision, precision[:-1][::-1], rtol=1e-12)
    np.testing.assert_allclose(got.recall, recall[:-1][::-1], rtol=1e-12)
    np.testing.assert_allclose(got.threshold, threshold[::-1])
    assert weighted_average_precision(y, score, weight) == pytest.approx(
        average_precision_score(y, score, sample_weight=weight), abs=1e-12
    )


def test_two_gaussians_have_the_known_area():
    n = 20_000
    quantiles = stats.norm.ppf((np.arange(n) + 0.5) / n)
    y = np.repeat([0, 1], n)
    score = np.concatenate([quantiles, quantiles + 1.0])
    assert weighted_roc_auc(y, score) == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=2e-4)


def test_direction_is_kept(sample):
    y, score, weight = sample
    auc = weighted_roc_auc(y, score, weight)
    assert weighted_roc_auc(y, -score, weight) == pytest.approx(1 - auc, abs=1e-12)
    assert weighted_roc_auc(np.where(y == 1, -1, 1), score, weight) == pytest.approx(auc)


def test_negative_weights_give_the_rank_sum():
    rng = np.random.default_rng(2)
    y, score = rng.integers(0, 2, 50), rng.integers(0, 9, 50)
    weight = rng.normal(1.0, 0.8, 50)
    above = (score[:, None] > score) + 0.5 * (score[:, None] == score)
    pairs = np.outer(weight * (y == 1), weight * (y == 0))
    assert weighted_roc_auc(y, score, weight) == pytest.approx((pairs * above).sum() / pairs.sum())


def test_cancelled_weights_select_nothing():
    curve = weighted_precision_recall_curve(
        [1, 0, 1, 0], [3.0, 3.0, 1.0, 0.0], [1.0, -1.0, 3.0, 2.0]
    )
    assert curve.precision[0] == 0.0


@pytest.mark.parametrize(
    "y, score, weight, message",
    [
        ([0, 1], [1.0, np.nan], None, "y_score contains NaN or infinity in 1 of 2 rows"),
        ([0, 1], [1.0, np.inf], None, "y_score contains NaN or infinity"),
        ([0, 1], [1.0], None, r"y_score.shape == \(1,\), expected \(2,\)"),
        ([0, 1], [1.0, 2.0], [1.0], r"sample_weight.shape == \(1,\), expected \(2,\)"),
        ([0, 1], [1.0, 2.0], [1.0, np.nan], "sample_weight contains NaN or infinity in 1 of 2"),
        ([0, 1], [1.0, 2.0], [0.0, 0.0], "All sample weights are zero"),
        ([0, 1], [1.0, 2.0], [1.0, 0.0], "one class have weight zero"),
        ([0, 1, 1], [1.0, 2.0, 3.0], [1.0, 1.0, -2.0], "rates need positive sums"),
        ([0, 0], [1.0, 2.0], None, "one class only"),
    ],
)
def test_refused(y, score, weight, message):
    with pytest.raises(ValueError, match=message):
        weighted_roc_auc(y, score, weight)


def test_scalar_weight_is_no_weight(sample):
    y, score, _ = sample
    assert weighted_roc_auc(y, score, 3.0) == pytest.approx(weighted_roc_auc(y, score), abs=1e-12)


def test_delong_by_hand():
    # placements: signal {2/3, 1, 1}, background {1, 1, 2/3}: variance 1/27 each, over 3 rows
    got = delong_roc_auc([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6])
    assert got.value == pytest.approx(8 / 9)
    assert got.std == pytest.approx(np.sqrt(2 / 81))
    assert got.interval == pytest.approx((8 / 9 - 1.959964 * np.sqrt(2 / 81), 1.0))


@pytest.mark.parametrize("weighted", [False, True])
def test_delong_agrees_with_the_bootstrap(sample, weighted):
    y, score, weight = sample
    weight = weight if weighted else None
    exact = delong_roc_auc(y, score, weight)
    drawn = bootstrap_metric(weighted_roc_auc, y, score, weight, n_bootstrap=600, random_state=0)
    assert exact.value == drawn.value == weighted_roc_auc(y, score, weight)
    assert exact.std == pytest.approx(drawn.std, rel=0.12)
    assert exact.interval == pytest.approx(drawn.interval, abs=0.015)


def test_delong_covers():
    rng = np.random.default_rng(3)
    truth = stats.norm.cdf(1 / np.sqrt(2))
    y = np.repeat([0, 1], [150, 100])
    hits = 0
    for _ in range(400):
        low, high = delong_roc_auc(y, rng.normal(size=250) + y, confidence=0.9).interval
        hits += low <= truth <= high
    assert hits / 400 == pytest.approx(0.9, abs=0.05)


def test_delong_scale_of_weights_is_free(sample):
    y, score, weight = sample
    one, seven = delong_roc_auc(y, score, weight), delong_roc_auc(y, score, 7 * weight)
    assert seven[:2] == pytest.approx(one[:2], rel=1e-12)


def test_delong_needs_two_rows():
    with pytest.raises(ValueError, match="two rows of each class; got 1 anomalies and 2 normal"):
        delong_roc_auc([0, 0, 1], [1, 2, 3])
