"""The bootstrap's error is the spread over fresh samples; classes keep their sizes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from skhep_anomaly.metrics import bootstrap_metric, weighted_roc_auc


def _mean_of_signal(y_true, y_score, sample_weight=None):
    return np.average(
        y_score[y_true], weights=None if sample_weight is None else sample_weight[y_true]
    )


Y = np.repeat([0, 1], [40, 400])


def test_mean_has_the_standard_error():
    score = np.random.default_rng(0).normal(size=440)
    got = bootstrap_metric(_mean_of_signal, Y, score, n_bootstrap=1000, random_state=1)
    assert got.value == pytest.approx(score[Y == 1].mean())
    assert got.std == pytest.approx(score[Y == 1].std() / 20, rel=0.1)
    low, high = got.interval
    assert (high - low) / got.std == pytest.approx(2 * 1.96, rel=0.1)


def test_confidence_sets_the_width():
    score = np.random.default_rng(0).normal(size=440)
    got = bootstrap_metric(
        _mean_of_signal, Y, score, n_bootstrap=1000, random_state=1, confidence=0.6827
    )
    assert (got.interval[1] - got.interval[0]) / got.std == pytest.approx(2.0, rel=0.1)


def test_weights_travel_with_their_rows():
    score = np.random.default_rng(0).normal(size=440)
    weight = np.where(np.arange(440) < 240, 1.0, 0.0)  # half of the signal counts
    got = bootstrap_metric(_mean_of_signal, Y, score, weight, n_bootstrap=800, random_state=1)
    assert got.value == pytest.approx(score[40:240].mean())
    assert got.std == pytest.approx(score[40:240].std() / np.sqrt(200), rel=0.15)


def test_seeds_decide_and_global_state_stays():
    score = np.random.default_rng(0).normal(size=440)
    before = np.random.get_state()[1].copy()  # noqa: NPY002

    def run(seed):
        return bootstrap_metric(weighted_roc_auc, Y, score, n_bootstrap=20, random_state=seed)

    assert run(3) == run(3)
    assert run(3).std != run(4).std
    assert run(None).std > 0
    assert run(np.random.RandomState(0)) == run(np.random.RandomState(0))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_tiny_class_is_never_lost_and_sklearn_metrics_fit():
    y = [1, *[0] * 99]
    auc = bootstrap_metric(weighted_roc_auc, y, np.arange(100.0), n_bootstrap=50, random_state=0)
    assert auc.value == 0.0
    assert auc.std == 0.0
    called = np.arange(100) < 2
    accuracy = bootstrap_metric(accuracy_score, y, called, n_bootstrap=50, random_state=0)
    assert accuracy.value == pytest.approx(0.99)


@pytest.mark.parametrize("option", [{"n_bootstrap": 1}, {"confidence": 1.0}])
def test_options_out_of_range(option):
    with pytest.raises(ValueError, match="must be at least 2 and confidence"):
        bootstrap_metric(weighted_roc_auc, [0, 1], [1, 2], **option)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match=r"y_score.shape == \(3,\), expected \(2,\)"):
        bootstrap_metric(weighted_roc_auc, [0, 1], [1, 2, 3])
    with pytest.raises(ValueError, match=r"sample_weight.shape == \(1,\), expected \(2,\)"):
        bootstrap_metric(weighted_roc_auc, [0, 1], [1, 2], [1])
