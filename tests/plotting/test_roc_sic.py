"""The curves agree with scikit-learn's and with what can be counted by hand."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from skhep_anomaly.plotting import RocSicDisplay, drawn_figure


@pytest.fixture
def events():
    rng = np.random.default_rng(5)
    y = np.repeat([0, 1], [1500, 500])
    return y, rng.normal(size=2000) + y, rng.uniform(0.2, 2.0, size=2000)


def legend_of(display):
    figure = drawn_figure(display)
    (legend,) = [ax.get_legend() for ax in figure.axes if ax.get_legend() is not None]
    return [text.get_text() for text in legend.get_texts()]


def test_auc_is_scikit_learns(events):
    y, score, weight = events
    display = RocSicDisplay.from_predictions(
        y, {"a": score, "b": -score}, sample_weight=weight, plot=False
    )
    auc = roc_auc_score(y, score, sample_weight=weight)
    assert display.roc_auc["a"] == pytest.approx(auc, abs=1e-12)
    assert display.roc_auc["b"] == pytest.approx(1 - auc, abs=1e-12)


def test_legend_tells_the_auc_best_first(events):
    y, score, weight = events
    worse = score + np.random.default_rng(0).normal(size=2000)
    display = RocSicDisplay.from_predictions(
        y, {"worse": worse, "better": score}, sample_weight=weight, plot=False
    )
    first, second = legend_of(display)
    auc = roc_auc_score(y, score, sample_weight=weight)
    assert first.startswith(f"better: {auc:.3f} ± 0.0")
    assert second.startswith(f"worse: {roc_auc_score(y, worse, sample_weight=weight):.3f} ± 0.0")


def test_perfect_separation():
    """All signal above all background: a cut that keeps 25 of 100 background events has SIC 2."""
    y = np.repeat([0, 1], [100, 40])
    display = RocSicDisplay.from_predictions(y, np.arange(140.0), plot=False)
    assert display.roc_auc == {"score": 1.0}
    assert display.max_sic["score"] == pytest.approx(2.0)
    tighter = RocSicDisplay.from_predictions(
        y, np.arange(140.0), min_background_events=1, plot=False
    )
    assert tighter.max_sic["score"] == pytest.approx(10.0)


def test_useless_score_has_sic_of_root_efficiency():
    y = np.tile([0, 1], 400)
    display = RocSicDisplay.from_predictions(y, np.repeat(np.arange(400.0), 2), plot=False)
    sic = display.curves[0].sic
    np.testing.assert_allclose(sic.sic, np.sqrt(sic.signal_efficiency), rtol=1e-12)
    assert display.roc_auc["score"] == pytest.approx(0.5)


def test_band_holds_the_curve_and_has_the_binomial_width(events):
    y, score, _ = events
    display = RocSicDisplay.from_predictions(y, score, n_bootstrap=300, random_state=0, plot=False)
    curve = display.curves[0]
    band = curve.roc_band
    at = np.interp(band.abscissa, curve.background_efficiency, curve.signal_efficiency)
    inner = slice(20, 180)
    assert ((band.low <= at + 5e-3) & (at - 5e-3 <= band.high))[inner].all()
    # At ε_B = .5 the signal adds √(ε(1−ε)/500), the background's quantile slope²·.25/1500.
    k = 100
    slope = (at[k + 8] - at[k - 8]) / (band.abscissa[k + 8] - band.abscissa[k - 8])
    sigma = np.sqrt(at[k] * (1 - at[k]) / 500 + slope**2 * 0.25 / 1500)
    assert (band.high[k] - band.low[k]) / 2 == pytest.approx(sigma, rel=0.25)
    assert curve.sic_band.high[50] > curve.sic_band.low[50]


def test_bands_repeat_with_the_seed_and_models_share_draws(events):
    y, score, _ = events
    first, second = (
        RocSicDisplay.from_predictions(
            y, {"a": score, "b": score}, n_bootstrap=5, random_state=7, plot=False
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.curves[0].roc_band.low, second.curves[0].roc_band.low)
    np.testing.assert_array_equal(first.curves[0].sic_band.high, first.curves[1].sic_band.high)
    assert RocSicDisplay.from_predictions(y, score, plot=False).curves[0].roc_band is None


def test_drawn_curve_ends_at_both_corners_and_is_light(events):
    y, score, _ = events
    display = RocSicDisplay.from_predictions(y, {"a": score}, n_bootstrap=5, plot=False)
    roc_ax, sic_ax = drawn_figure(display).axes
    line = roc_ax.get_lines()[1].get_xydata()
    np.testing.assert_array_equal(line[[0, -1]], [[0, 0], [1, 1]])
    assert len(line) <= 402
    assert np.trapezoid(line[:, 1], line[:, 0]) == pytest.approx(display.roc_auc["a"], abs=1e-3)
    assert len(roc_ax.collections) == len(sic_ax.collections) == 1
    assert sic_ax.get_ylim()[1] > display.max_sic["a"]


def test_many_models_have_their_legend_outside(events):
    y, score, _ = events
    display = RocSicDisplay.from_predictions(y, {f"m{i}": score for i in range(9)}, plot=False)
    texts = legend_of(display)
    assert len(texts) == 9
    assert texts[0].startswith("m0: ")  # equal AUC: the order given
    lines = drawn_figure(display).axes[0].get_lines()[1:]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 9


def test_from_estimator_reads_detectors_and_classifiers_alike():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = np.repeat([0, 1], [200, 100])
    X[y == 1] += 3
    models = {
        "forest": IsolationForest(random_state=0, n_estimators=20).fit(X[y == 0]),
        "logistic": LogisticRegression().fit(X, y),
    }
    display = RocSicDisplay.from_estimator(models, X, y, plot=False)
    assert display.roc_auc["forest"] > 0.9
    assert display.roc_auc["logistic"] == pytest.approx(
        roc_auc_score(y, models["logistic"].decision_function(X)), abs=1e-12
    )
    one = RocSicDisplay.from_estimator(models["forest"], X, y, plot=False)
    assert one.roc_auc == {"IsolationForest": display.roc_auc["forest"]}


def test_one_event_of_a_class_has_no_error():
    display = RocSicDisplay.from_predictions([1] + [0] * 50, np.arange(51.0)[::-1], plot=False)
    assert np.isnan(display.curves[0].roc_auc_std)
    assert legend_of(display) == ["score: 1.000"]


def test_plot_without_axes_uses_pyplot_like_scikit_learn(events):
    plt.switch_backend("agg")
    display = RocSicDisplay.from_predictions(*events[:2])
    assert display.figure_ is plt.gcf()
    assert len(display.axes_) == 2
    plt.close(display.figure_)


def test_single_axes_is_split(events):
    figure = Figure()
    display = RocSicDisplay.from_predictions(*events[:2], plot=False).plot(ax=figure.subplots())
    assert len(figure.axes) == 3
    assert display.ax_ is display.axes_[0]


WRONG = [
    ({"y_score": {}}, "y_score is empty; give the scores of at least one model"),
    ({"y_score": [0.0, np.inf, 1.0]}, "y_score contains NaN or infinity in 1 of 3 rows"),
    ({"y_true": [1, 1, 1]}, "ambiguous"),
    ({"y_true": [0, 0, 0]}, "holds one class only"),
    ({"n_bootstrap": 1}, "n_bootstrap=1 must be 0 (no bands) or at least 2"),
    ({"min_background_events": 25}, "effective background events are there"),
]


@pytest.mark.parametrize("change, text", WRONG)
def test_wrong_input(change, text):
    good = {"y_true": [0, 0, 1], "y_score": [0.0, 1.0, 2.0], "min_background_events": 1}
    with pytest.raises(ValueError) as caught:
        RocSicDisplay.from_predictions(**{**good, **change}, plot=False)
    assert text in str(caught.value)
