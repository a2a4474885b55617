"""Significance improvement: known curves and the guard against empty backgrounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skhep_anomaly.metrics import max_sic, sic_curve


def test_no_information_never_improves():
    score = np.tile(np.arange(1000.0), 2)
    curve = sic_curve(np.repeat([0, 1], 1000), score)
    np.testing.assert_allclose(curve.sic, np.sqrt(curve.signal_efficiency))
    assert max_sic(np.repeat([0, 1], 1000), score) == 1.0


def test_two_gaussians_follow_the_closed_form():
    n, shift = 40_000, 1.5
    quantiles = stats.norm.ppf((np.arange(n) + 0.5) / n)
    curve = sic_curve(np.repeat([0, 1], n), np.concatenate([quantiles, quantiles + shift]))
    efficiency = curve.background_efficiency
    expected = stats.norm.sf(stats.norm.isf(efficiency) - shift) / np.sqrt(efficiency)
    bulk = efficiency > 0.01
    np.testing.assert_allclose(curve.sic[bulk], expected[bulk], rtol=2e-3)


def test_guard_counts_effective_background_events():
    y = np.repeat([1, 0], [10, 100])
    score = np.concatenate([np.full(10, 200.0), np.arange(100.0)])
    curve = sic_curve(y, score)
    assert curve.background_efficiency[0] == pytest.approx(0.25)
    assert curve.sic.max() == pytest.approx(2.0)
    # Weights change nothing when they are equal, and count as fewer events when they are not.
    heavy = np.where(score == 99.0, 1e6, 1.0)
    assert sic_curve(y, score, 400 * np.ones(110)).sic.max() == pytest.approx(2.0)
    with pytest.raises(ValueError, match="Only 1 effective background events .* lower it"):
        sic_curve(y, score, heavy)


def test_guard_off_still_needs_background():
    curve = sic_curve([1, 0], [2.0, 1.0], min_background_events=0)
    assert curve.sic.tolist() == [1.0]
    assert curve.threshold.tolist() == [1.0]
