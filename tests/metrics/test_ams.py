"""AMS: values known by hand, tiny signals, subsamples, the best threshold."""

from __future__ import annotations

from decimal import Decimal, getcontext

import numpy as np
import pytest

from skhep_anomaly.metrics import ams, ams_curve, ams_score, max_ams


@pytest.mark.parametrize(
    "s, b, expected",
    [
        (691.9886077, 410999.8473, 1.0790735),
        (691.9886077, 0.0, 67.7111229),  # often quoted as 67.7111224; test below: 14 digits
        (10.0, 100.0, 0.9395374),
        (0.0, 100.0, 0.0),
    ],
)
def test_known_values(s, b, expected):
    assert ams(s, b) == pytest.approx(expected, abs=5e-8)


def _exact(s, b):
    """AMS with 60 digits."""
    getcontext().prec = 60
    s, b = Decimal(s), Decimal(b) + 10
    return float((2 * ((s + b) * (1 + s / b).ln() - s)).sqrt())


@pytest.mark.parametrize("b", [0.0, 3.0, 4.1e5])
def test_no_digit_is_lost_from_tiny_to_huge_signals(b):
    for s in np.logspace(-12, 8, 81):
        assert ams(s, b) == pytest.approx(_exact(float(s), b), rel=2e-14)


def test_arrays_broadcast_and_need_no_background():
    got = ams([[0.0], [10.0]], [0.0, 100.0])
    assert got.shape == (2, 2)
    assert got[1, 1] == pytest.approx(0.9395374, abs=5e-8)
    assert ams([0.0, 1.0], 0.0, b_reg=0.0).tolist() == [0.0, np.inf]


@pytest.mark.parametrize("s, b, b_reg", [(-1, 1, 10), (1, -1, 10), (1, 1, -1), (np.nan, 1, 10)])
def test_negative_sums_are_refused(s, b, b_reg):
    with pytest.raises(ValueError, match="s >= 0, b >= 0 and b_reg >= 0"):
        ams(s, b, b_reg)


Y = np.array([1, 1, 0, 0])
WEIGHT = np.array([10.0, 5.0, 100.0, 900.0])


def test_score_counts_the_selected_weights():
    assert ams_score(Y, [1, 0, 1, 0], WEIGHT) == pytest.approx(ams(10, 100))
    assert ams_score(Y, np.ones(4, dtype=int), WEIGHT) == pytest.approx(ams(15, 1000))
    assert ams_score(Y, np.zeros(4, dtype=int), WEIGHT) == 0.0
    assert ams_score(Y, [1, 0, 1, 0]) == pytest.approx(ams(1, 1))
    assert ams_score(Y, [1, 0, 1, 0], WEIGHT, b_reg=0) == pytest.approx(ams(10, 100, 0))


def test_score_reads_every_coding():
    expected = ams(10, 100)
    selected = np.array([True, False, True, False])
    assert ams_score(Y == 1, selected, WEIGHT) == pytest.approx(expected)
    outlier = np.where(Y == 1, -1, 1)
    assert ams_score(outlier, np.where(selected, -1, 1), WEIGHT) == pytest.approx(expected)
    words = np.where(Y == 1, "s", "b")
    got = ams_score(words, np.where(selected, "s", "b"), WEIGHT, anomaly_label="s")
    assert got == pytest.approx(expected)


@pytest.mark.needs_data
def test_all_signal_on_the_challenge_events(data_file):
    """250,000 events of the Higgs challenge: calling all of them signal gives AMS 1.079."""
    with np.load(data_file("higgsml/weights_labels_250k.npz")) as events:
        weight, signal = events["KaggleWeight"].astype(float), events["is_signal"].astype(bool)
    everything = np.ones(len(signal), dtype=bool)
    assert ams_score(signal, everything, weight) == pytest.approx(1.0790735, abs=1e-6)
    # A fifth of the events, rescaled to the sums of all, says nearly the same.
    part = np.arange(len(signal)) % 5 == 0
    total = {"s_total": weight[signal].sum(), "b_total": weight[~signal].sum()}
    got = ams_score(signal[part], everything[part], weight[part], **total)
    assert got == pytest.approx(1.0790735, abs=1e-6)


def test_totals_rescale_a_subsample():
    got = ams_score(Y, [1, 0, 1, 0], WEIGHT, s_total=150.0, b_total=2000.0)
    assert got == pytest.approx(ams(100, 200))
    curve = ams_curve(Y, [4, 2, 3, 1], WEIGHT, s_total=150.0, b_total=2000.0)
    assert curve.ams[1] == pytest.approx(got)
    with pytest.raises(ValueError, match=r"s_total=3.0 cannot be reached: .* sum to 0.0"):
        ams_score([False, False], [True, True], s_total=3.0)


def test_background_alone_has_no_significance():
    assert ams_score([0, 0], [0, 1], [3.0, 4.0]) == 0.0
    assert ams_score([True, True], [True, False], [3.0, 4.0]) == pytest.approx(ams(3, 0))


def test_curve_is_the_score_at_every_threshold():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    score = rng.integers(0, 12, 60).astype(float)  # ties
    weight = rng.uniform(0.1, 3.0, 60)
    curve = ams_curve(y, score, weight)
    assert curve.threshold.tolist() == sorted(set(score), reverse=True)
    for value, threshold in zip(curve.ams, curve.threshold, strict=True):
        assert value == pytest.approx(ams_score(y, score >= threshold, weight), rel=1e-12)


def test_negative_weights_never_give_less_than_nothing():
    curve = ams_curve([1, 0, 1, 0], [4.0, 3.0, 2.0, 1.0], [-1.0, 5.0, 3.0, -8.0])
    assert curve.signal.tolist() == [0.0, 0.0, 2.0, 2.0]
    assert curve.background.tolist() == [0.0, 5.0, 5.0, 0.0]
    assert ams_score([1, 0], [1, 1], [-1.0, 5.0]) == 0.0


def test_max_ams_finds_the_cut():
    best = max_ams(Y, [4.0, 2.0, 1.0, 0.0], WEIGHT)
    assert best.value == pytest.approx(ams(15, 0))
    assert best.threshold == 2.0
    assert np.isnan(best.error)


def test_max_ams_error_is_the_spread_over_samples():
    def draw(seed):
        rng = np.random.default_rng(seed)
        y = np.repeat([1, 0], [200, 800])
        return y, rng.normal(size=1000) + 1.5 * y

    values = [max_ams(*draw(seed), b_reg=10).value for seed in range(200)]
    best = max_ams(*draw(0), n_bootstrap=200, random_state=0)
    assert best.error == pytest.approx(np.std(values), rel=0.3)
    again = max_ams(*draw(0), n_bootstrap=200, random_state=0)
    assert again == best


@pytest.mark.parametrize("total", [-1.0, np.nan])
def test_expected_events_are_not_negative(total):
    assert max_ams([0, 1], [1.0, 2.0], s_total=0.0).value == 0.0
    with pytest.raises(ValueError, match="must be a sum of weights ≥ 0, or None"):
        max_ams([0, 1], [1.0, 2.0], s_total=total)
