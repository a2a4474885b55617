"""The histograms hold every event with its weight; thresholds follow the rules of detectors."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skhep_anomaly._validation import weighted_quantile
from skhep_anomaly.plotting import ScoreHistogramDisplay, drawn_figure


@pytest.fixture
def events():
    rng = np.random.default_rng(3)
    y = np.repeat([0, 1], [400, 100])
    score = np.where(y == 1, 2.0, 0.0) + rng.standard_t(2, size=500)
    return y, score, rng.uniform(0.5, 3.0, size=500)


def hist(display, kind, sample="test", panel=0):
    (found,) = [h for h in display.panels[panel].histograms if (h.kind, h.sample) == (kind, sample)]
    return found


def numbers(**parameters):
    return ScoreHistogramDisplay.from_predictions(plot=False, **parameters)


@pytest.mark.parametrize("bins", [1, 7, 40, np.array([-1.0, 0.0, 0.5, 3.0])])
def test_counts_sum_to_the_weights(events, bins):
    """Far tails are folded into the end bins: no event is lost."""
    y, score, weight = events
    display = numbers(y_true=y, y_score=score, sample_weight=weight, bins=bins)
    for kind, flag in (("background", 0), ("signal", 1)):
        found = hist(display, kind)
        assert found.counts.sum() == pytest.approx(weight[y == flag].sum(), rel=1e-12)
        assert (found.errors**2).sum() == pytest.approx((weight[y == flag] ** 2).sum(), rel=1e-12)
        assert found.n_events == (y == flag).sum()


def test_hand_counts():
    display = numbers(
        y_true=[0, 0, 0, 1],
        y_score=[0.0, 0.2, 0.9, 1.0],
        sample_weight=[1, 2, 4, 8],
        bins=2,
        score_range=(0.0, 1.0),
    )
    assert hist(display, "background").counts.tolist() == [3.0, 4.0]
    assert hist(display, "signal").counts.tolist() == [0.0, 8.0]
    np.testing.assert_allclose(hist(display, "background").errors, [5**0.5, 4.0])


def test_weight_two_is_two_events(events):
    y, score, _ = events
    twice = numbers(y_true=np.r_[y, y], y_score=np.r_[score, score], score_range=(-3, 5))
    weighted = numbers(
        y_true=y, y_score=score, sample_weight=np.full(500, 2.0), score_range=(-3, 5)
    )
    for kind in ("signal", "background"):
        np.testing.assert_array_equal(hist(twice, kind).counts, hist(weighted, kind).counts)


def test_overflow_is_counted_and_said(events):
    y, score, _ = events
    display = numbers(y_true=y, y_score=score, score_range=(-1.0, 1.0))
    assert hist(display, "signal").n_outside[1] == (score[y == 1] > 1.0).sum() > 0
    ax = drawn_figure(display).axes[0]
    assert "end bins: under- and overflow" in ax.get_xlabel()
    inside = numbers(y_true=y, y_score=score, score_range=(score.min(), score.max()))
    assert drawn_figure(inside).axes[0].get_xlabel() == "anomaly score"


def test_range_leaves_out_a_far_tail():
    score = np.r_[np.linspace(0, 1, 999), 1e6]
    display = numbers(y_true=np.arange(1000) % 2, y_score=score)
    assert display.panels[0].edges[-1] < 1.1
    assert display.panels[0].edges[0] == 0.0


def test_equal_scores_still_have_a_range():
    display = numbers(y_true=[0, 1], y_score=[2.0, 2.0])
    assert display.panels[0].edges[0] < 2.0 < display.panels[0].edges[-1]
    assert hist(display, "signal").counts.sum() == 1


def test_thresholds_are_the_rules_on_training_scores(events):
    y, score, weight = events
    train = score[y == 0][:200]
    display = numbers(
        y_true=y,
        y_score=score,
        y_score_train=train,
        sample_weight_train=weight[:200],
        thresholds=("P40", "median", "mean"),
    )
    values = display.panels[0].thresholds
    assert values["P40"] == weighted_quantile(train, 0.4, weight[:200])
    assert values["median"] == weighted_quantile(train, 0.5, weight[:200])
    assert values["mean"] == pytest.approx(np.average(train, weights=weight[:200]))
    assert list(values) == ["P40", "median", "mean"]


def test_rules_look_at_background_where_there_is_no_training_sample(events):
    y, score, _ = events
    display = numbers(y_true=y, y_score=score, thresholds="median")
    assert display.panels[0].thresholds == {"median": np.median(score[y == 0])}


@pytest.mark.parametrize("thresholds, values", [(1.5, {"threshold": 1.5}), ({"a": 1}, {"a": 1.0})])
def test_given_thresholds(events, thresholds, values):
    display = numbers(y_true=events[0], y_score=events[1], thresholds=thresholds)
    assert display.panels[0].thresholds == values


def test_training_points_are_scaled_to_the_test_sample(events):
    y, score, _ = events
    display = numbers(y_true=y, y_score=score, y_score_train=score[y == 0][::2], bins=10)
    assert hist(display, "background", "train").counts.sum() == 200
    ax = drawn_figure(display).axes[0]
    heights = ax.containers[0].lines[0].get_ydata()
    assert heights.sum() == pytest.approx(400)


def test_density_scales_each_class_to_one(events):
    y, score, weight = events
    display = numbers(y_true=y, y_score=score, sample_weight=weight)
    ax = drawn_figure(display, density=True).axes[0]
    for patch in ax.patches:
        assert patch.get_data().values.sum() == pytest.approx(1.0)
    assert ax.get_ylabel().startswith("fraction of class / ")


def test_labelled_training_sample(events):
    y, score, _ = events
    display = numbers(y_true=y, y_score=score, y_score_train=score, y_true_train=y)
    assert hist(display, "signal", "train").n_events == 100
    assert len(drawn_figure(display).axes[0].containers) == 2


def test_groups_have_their_own_panels_and_thresholds(events):
    y, score, _ = events
    jets = np.arange(500) % 3
    shifted = score + 10 * jets
    display = numbers(
        y_true=y, y_score=shifted, groups=jets, thresholds="median", group_name="jets"
    )
    assert [panel.title for panel in display.panels] == ["jets = 0", "jets = 1", "jets = 2"]
    for jet, panel in enumerate(display.panels):
        rows = (jets == jet) & (y == 0)
        assert panel.thresholds["median"] == np.median(shifted[rows])
        assert panel.histograms[0].counts.sum() == rows.sum()
    assert [ax.get_title(loc="left") for ax in drawn_figure(display).axes] == [
        "jets = 0",
        "jets = 1",
        "jets = 2",
    ]


def test_groups_of_the_training_sample(events):
    y, score, _ = events
    jets = np.arange(500) % 2
    display = numbers(
        y_true=y, y_score=score, groups=jets, y_score_train=score[y == 0], groups_train=jets[y == 0]
    )
    assert hist(display, "background", "train", panel=1).n_events == (jets[y == 0] == 1).sum()


def test_legend_counts(events):
    y, score, weight = events
    display = numbers(y_true=y, y_score=score, sample_weight=weight * 100, thresholds=0.5)
    texts = [t.get_text() for t in drawn_figure(display).axes[0].get_legend().get_texts()]
    assert texts == [
        f"background: 400, Σw = {100 * weight[:400].sum():,.0f}",
        f"signal: 100, Σw = {100 * weight[400:].sum():,.0f}",
        "threshold",
    ]


def test_axis_is_logarithmic_where_one_class_dwarfs_the_other():
    y = np.repeat([0, 1], [5000, 20])
    score = np.random.default_rng(0).normal(size=5020)
    display = numbers(y_true=y, y_score=score)
    assert drawn_figure(display).axes[0].get_yscale() == "log"
    assert drawn_figure(display, y_scale="linear").axes[0].get_yscale() == "linear"
    assert drawn_figure(display, y_scale="linear").axes[0].get_ylim()[0] == 0


def test_from_estimator_draws_the_detectors_own_threshold():
    X = np.random.default_rng(0).normal(size=(200, 3))
    X[:20] += 6
    y = np.r_[np.ones(20), np.zeros(180)]
    detector = make_pipeline(StandardScaler(), IsolationForest(random_state=0, n_estimators=20))
    detector.fit(X[20:])
    display = ScoreHistogramDisplay.from_estimator(detector, X, y, X_train=X[20:], plot=False)
    assert display.panels[0].thresholds == {"threshold": -detector[-1].offset_}
    assert hist(display, "background", "train").n_events == 180
    score = -detector.score_samples(X)
    alike = numbers(y_true=y, y_score=score, y_score_train=score[20:])
    np.testing.assert_array_equal(hist(display, "signal").counts, hist(alike, "signal").counts)
    none = ScoreHistogramDisplay.from_estimator(detector, X, y, thresholds=None, plot=False)
    assert none.panels[0].thresholds == {}


def test_labels_of_other_codings(events):
    y, score, _ = events
    minus = numbers(y_true=np.where(y == 1, -1, 1), y_score=score)
    named = numbers(y_true=np.where(y == 1, "s", "b"), y_score=score, anomaly_label="s")
    for display in (minus, named):
        assert hist(display, "signal").n_events == 100


def test_plot_returns_itself_and_draws_where_told(events):
    figure = Figure()
    ax = figure.subplots()
    display = numbers(y_true=events[0], y_score=events[1])
    assert display.plot(ax=ax) is display
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert len(ax.patches) == 3


def test_one_axes_is_split_for_groups(events):
    y, score, _ = events
    ax = Figure().subplots()
    display = numbers(y_true=y, y_score=score, groups=np.arange(500) % 4).plot(ax=ax)
    assert len(display.axes_) == 4
    assert not ax.axison


def test_settings_of_matplotlib_stay(events):
    before = dict(mpl.rcParams)
    drawn_figure(numbers(y_true=events[0], y_score=events[1]))
    assert dict(mpl.rcParams) == before
    assert len(before) > 100


def test_dollar_in_a_name_is_no_mathematics(events):
    y, score, _ = events
    display = numbers(y_true=y, y_score=score, thresholds={"$5_{": 1.0}, groups=["a$b_$"] * 500)
    figure = drawn_figure(display)
    figure.canvas.draw()
    assert len(figure.axes) == 1


WRONG = [
    ({"y_score": [0.0, np.nan, 1.0, 2.0]}, "y_score contains NaN or infinity in 1 of 4 rows"),
    ({"y_true": [0, 0, 0, 0]}, "holds one class only"),
    ({"y_true": []}, "0 sample"),
    ({"groups": [0, 0, 1, 1]}, "group 0 holds background only"),
    ({"groups": [1, 0, 0, 1], "y_true": [1, 0, 1, 1]}, "group 1 holds signal only"),
    ({"groups": [0, 0]}, "groups.shape == (2,), expected (4,)"),
    ({"sample_weight": [1.0]}, "sample_weight.shape"),
    ({"bins": 0}, "must be a number of bins"),
    ({"bins": [1.0, 1.0]}, "edges must increase"),
    ({"score_range": (1.0, 1.0)}, "is empty; the first end must be smaller"),
    ({"thresholds": "Q40"}, "is no rule; known are 'P40'"),
    ({"thresholds": "P140"}, "a percentile lies between P0 and P100"),
    ({"thresholds": {"a": np.inf}}, "are not finite numbers"),
    ({"y_score_train": []}, "0 sample(s) in y_score_train"),
    ({"y_score_train": [np.nan]}, "y_score_train contains NaN or infinity in 1 of 1 rows"),
    ({"y_score_train": [1.0], "y_true_train": [0, 1]}, "y_true_train.shape == (2,)"),
    (
        {"y_score_train": [1.0], "groups": [0, 0, 0, 0], "groups_train": [5]},
        "group 0 has no training events",
    ),
]


@pytest.mark.parametrize("change, text", WRONG)
def test_wrong_input(change, text):
    good = {"y_true": [0, 0, 1, 1], "y_score": [0.0, 1.0, 2.0, 3.0]}
    with pytest.raises(ValueError) as caught:
        numbers(**{**good, **change})
    assert text in str(caught.value)


def test_wrong_plot_parameters():
    display = numbers(y_true=[0, 1], y_score=[0.0, 1.0])
    with pytest.raises(ValueError, match="y_scale='cubic'; allowed are 'auto', 'linear' and 'log'"):
        drawn_figure(display, y_scale="cubic")
    with pytest.raises(ValueError, match="ax holds 2 axes, but 1 panels"):
        display.plot(ax=Figure().subplots(1, 2))
