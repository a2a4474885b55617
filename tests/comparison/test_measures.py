"""Numbers of a detector and their bootstrap errors, against the metrics themselves."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from skhep_anomaly.comparison.measures import METRICS, mcc_of_counts, measure
from skhep_anomaly.metrics import (
    delong_roc_auc,
    max_ams,
    max_sic,
    weighted_average_precision,
    weighted_roc_auc,
)


@pytest.fixture(scope="module")
def scored():
    rng = np.random.default_rng(0)
    signal = rng.random(1500) < 0.4
    return signal, rng.normal(size=1500) + signal, rng.uniform(0.2, 2.0, 1500)


def measured(scored, **changes):
    settings = {"threshold": 0.3, "totals": (700.0, 4e5), "n_bootstrap": 0, "seed": 0}
    return measure(*scored, **(settings | changes))


def test_values_are_those_of_the_metrics(scored):
    signal, score, weight = scored
    values = measured(scored).values
    ones = np.ones(1500)
    assert values["weighted_auc"] == pytest.approx(weighted_roc_auc(signal, score, weight))
    assert values["auc"] == pytest.approx(weighted_roc_auc(signal, score))
    assert values["average_precision"] == pytest.approx(weighted_average_precision(signal, score))
    assert values["mcc_p40"] == pytest.approx(matthews_corrcoef(signal, score > 0.3))
    best = max_ams(signal, score, weight, s_total=700.0, b_total=4e5).value
    assert values["max_ams"] == pytest.approx(best)
    assert values["max_sic"] == pytest.approx(max_sic(signal, score, weight))
    assert mcc_of_counts(signal, score > 9, ones) == 0.0


def test_counts_in_the_mcc_are_copies_of_rows():
    signal = np.array([True, True, False, False, False])
    flagged = np.array([True, False, True, False, False])
    copies = np.array([3.0, 1.0, 2.0, 0.0, 5.0])
    rows = np.repeat(np.arange(5), copies.astype(int))
    expected = matthews_corrcoef(signal[rows], flagged[rows])
    assert mcc_of_counts(signal, flagged, copies) == pytest.approx(expected)


def test_bootstrap_error_of_the_auc_is_delongs(scored):
    signal, score, _ = scored
    found = measured(scored, n_bootstrap=300)
    assert found.errors["auc"] == pytest.approx(delong_roc_auc(signal, score).std, rel=0.15)
    assert np.std(found.resampled, ddof=1) == pytest.approx(found.errors["weighted_auc"])
    assert all(found.errors[name] > 0 for name in METRICS)


def test_two_scores_meet_the_same_resamplings(scored):
    signal, score, weight = scored
    one = measured(scored, n_bootstrap=20).resampled
    shifted = measured((signal, score * 2 + 1, weight), n_bootstrap=20).resampled
    assert one == pytest.approx(shifted, abs=1e-12)
    assert one != measured(scored, n_bootstrap=20, seed=1).resampled


def test_no_resampling_no_error(scored):
    found = measured(scored)
    assert found.resampled == []
    assert np.isnan([found.errors[name] for name in METRICS]).all()


def test_too_little_background_for_sic():
    signal = np.r_[np.zeros(10, bool), np.ones(10, bool)]
    values = measured((signal, np.arange(20.0), np.ones(20))).values
    assert np.isnan(values["max_sic"])
    assert values["auc"] == 1.0


def test_negative_weights_are_measured(scored):
    signal, score, weight = scored
    weight = np.where(np.arange(1500) % 20 == 0, -weight, weight)
    found = measured((signal, score, weight), n_bootstrap=30)
    assert found.values["weighted_auc"] == pytest.approx(weighted_roc_auc(signal, score, weight))
    assert 0 < found.errors["weighted_auc"] < 0.1
