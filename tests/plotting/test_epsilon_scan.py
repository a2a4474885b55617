"""The scan draws the areas of the fits it makes; with a linear slider they are known by hand."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from joblib import parallel_config
from matplotlib.figure import Figure
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skhep_anomaly import EpsilonScanDisplay, OPEClassifier
from skhep_anomaly.plotting import drawn_figure


class Slider(ClassifierMixin, BaseEstimator):
    """Score ε x₀ + (1 − ε) x₁: ε = 1 sees the first feature only, ε = 0 the second."""

    def __init__(self, eps=0.5):
        self.eps = eps

    def fit(self, X, y=None, sample_weight=None):
        self.classes_ = np.array([0, 1])
        self.weight_ = 0.0 if sample_weight is None else float(np.sum(sample_weight))
        return self

    def decision_function(self, X):
        return self.eps * X[:, 0] + (1 - self.eps) * X[:, 1]

    def predict(self, X):
        return (self.decision_function(X) > 0).astype(int)


class SeededSlider(Slider):
    """Its seed is added to the second feature's factor."""

    def __init__(self, eps=0.5, random_state=None):
        super().__init__(eps)
        self.random_state = random_state

    def decision_function(self, X):
        return self.eps * X[:, 0] + (1 - self.eps) * X[:, 1] * (1 + self.random_state)


class WeightedSlider(Slider):
    """Points the other way once it was fitted with weights."""

    def decision_function(self, X):
        return super().decision_function(X) * (-1 if self.weight_ else 1)


X_FIT, Y_FIT = np.zeros((4, 2)), [0, 0, 0, 1]
# normal rows on a cross; kind "a" shows in the first feature only, kind "b" in the second
X_TEST = np.array([[-1, 0], [1, 0], [0, -1], [0, 1], [3, 0], [3, 0], [0, 3], [0, 3.0]])
Y_TEST = np.array([0, 0, 0, 0, 1, 1, 1, 1])
KIND = np.array(["normal"] * 4 + ["a", "a", "b", "b"])
GOOD = {"y_true": Y_TEST, "y_score": np.zeros((2, 8)), "eps": [0.0, 1.0], "plot": False}


def scan(estimator, *, X_test=X_TEST, **changes):
    parameters = {"kind_test": KIND, "known_kinds": "a", "plot": False, **changes}
    return EpsilonScanDisplay.from_estimator(estimator, X_FIT, Y_FIT, X_test, Y_TEST, **parameters)


def test_areas_counted_by_hand():
    """ε = 1: x₀ = 3 is above all, 0 above one of four and tied with two; ε = 0 the reverse."""
    display = scan(Slider(), eps=[0, 0.5, 1])
    np.testing.assert_array_equal(display.roc_auc["known kinds"], [[0.5], [1.0], [1.0]])
    np.testing.assert_array_equal(display.roc_auc["unseen kinds"], [[1.0], [1.0], [0.5]])
    assert display.eps.tolist() == [0, 0.5, 1]


def test_default_scan_has_both_ends():
    assert scan(Slider()).eps.tolist() == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]


def test_without_kinds_all_anomalies_are_one_group():
    display = scan(Slider(), eps=[0, 1], kind_test=None, known_kinds=None)
    assert {name: areas.tolist() for name, areas in display.roc_auc.items()} == {
        "all anomalies": [[0.75], [0.75]]
    }


def test_the_estimator_given_is_not_fitted():
    slider = Slider(0.3)
    scan(slider, eps=[0, 1])
    assert slider.eps == 0.3
    assert not hasattr(slider, "classes_")


def test_weight_k_is_k_copies():
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(8, 2)), np.array([1, 2, 3, 1, 2, 1, 3, 2])
    rows = np.repeat(np.arange(8), weight)
    weighted = scan(Slider(), X_test=X, sample_weight_test=weight, eps=[0, 0.4])
    copied = EpsilonScanDisplay.from_estimator(
        *(Slider(), X_FIT, Y_FIT, X[rows], Y_TEST[rows]),
        kind_test=KIND[rows],
        known_kinds=["a"],
        eps=[0, 0.4],
        plot=False,
    )
    for group, areas in weighted.roc_auc.items():
        np.testing.assert_allclose(areas, copied.roc_auc[group], atol=1e-12)


def test_weights_reach_fit():
    plain, weighted = (scan(WeightedSlider(), eps=[1], sample_weight=w) for w in (None, np.ones(4)))
    assert plain.roc_auc["known kinds"] == 1.0
    assert weighted.roc_auc["known kinds"] == 0.0


def test_pipeline_has_its_eps_found_and_its_weights_sent():
    pipeline = make_pipeline(StandardScaler(with_std=False), WeightedSlider())
    assert scan(pipeline, eps=[1]).roc_auc["known kinds"] == 1.0
    assert scan(pipeline, eps=[1], sample_weight=np.ones(4)).roc_auc["known kinds"] == 0.0
    with config_context(enable_metadata_routing=True):
        routed = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=True),
            WeightedSlider().set_fit_request(sample_weight=True),
        )
        assert scan(routed, eps=[1], sample_weight=np.ones(4)).roc_auc["known kinds"] == 0.0


def test_seeds_are_those_asked_for():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(8, 2))
    display = scan(SeededSlider(), X_test=X, eps=[0.2, 0.8], seeds=[5, 0])
    rows = KIND != "b"
    for i, eps in enumerate([0.2, 0.8]):
        for j, seed in enumerate([5, 0]):
            score = SeededSlider(eps, seed).decision_function(X)
            area = roc_auc_score(Y_TEST[rows], score[rows])
            assert display.roc_auc["known kinds"][i, j] == pytest.approx(area, abs=1e-12)
    numbered = scan(SeededSlider(), X_test=X, eps=[0.2], seeds=2)
    listed = scan(SeededSlider(), X_test=X, eps=[0.2], seeds=np.array([0, 1]))
    np.testing.assert_array_equal(numbered.roc_auc["unseen kinds"], listed.roc_auc["unseen kinds"])
    assert numbered.roc_auc["unseen kinds"].shape == (1, 2)


def test_workers_change_nothing():
    X = np.random.default_rng(2).normal(size=(8, 2))
    alone = scan(SeededSlider(), X_test=X, seeds=2)
    with parallel_config(backend="threading"):
        together = scan(SeededSlider(), X_test=X, seeds=2, n_jobs=2)
    for group in alone.roc_auc:
        np.testing.assert_array_equal(alone.roc_auc[group], together.roc_auc[group])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_classifier_of_the_package_is_fitted_as_by_hand():
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(60, 2)), np.repeat([0, 1], [50, 10])
    X[y == 1] += 3
    kind = np.where(np.arange(60) % 2, "a", "b")
    settings = {"max_iter": 20, "hidden_layer_sizes": (8,)}
    display = EpsilonScanDisplay.from_estimator(
        *(OPEClassifier(**settings), X, y, X, y),
        kind_test=kind,
        known_kinds="a",
        eps=[0, 1],
        seeds=[4],
        plot=False,
    )
    for i, eps in enumerate([0, 1]):
        model = OPEClassifier(eps=eps, random_state=4, **settings).fit(X, y)
        rows = (y == 0) | (kind == "b")
        area = roc_auc_score(y[rows], model.anomaly_score(X[rows]))
        assert display.roc_auc["unseen kinds"][i, 0] == pytest.approx(area, abs=1e-12)


def test_labels_of_other_codings():
    score = Slider(0.2).decision_function(X_TEST)[None]
    areas = [
        EpsilonScanDisplay.from_predictions(
            y, score, eps=[0.2], kind=KIND, known_kinds={"a"}, anomaly_label=label, plot=False
        ).mean["known kinds"][0]
        for y, label in [
            (Y_TEST, None),
            (1 - 2 * Y_TEST, None),
            (np.array(["n", "s"])[Y_TEST], "s"),
        ]
    ]
    assert areas[0] == areas[1] == areas[2] == roc_auc_score(Y_TEST[:6], score[0, :6])


def test_lines_and_bands_are_mean_and_spread():
    areas = {"known kinds": [[0.8, 0.9], [0.9, 1.0]], "unseen kinds": [[0.9, 0.9], [0.4, 0.5]]}
    display = EpsilonScanDisplay(eps=[0, 1], roc_auc=areas)
    figure = drawn_figure(display)
    (ax,) = figure.axes
    known, unseen = ax.get_lines()[:2]
    np.testing.assert_allclose(known.get_xydata(), [[0, 0.85], [1, 0.95]])
    np.testing.assert_allclose(unseen.get_xydata(), [[0, 0.9], [1, 0.45]])
    assert (known.get_label(), unseen.get_label()) == ("known kinds", "unseen kinds")
    half = 0.1 / np.sqrt(2)
    at_one = [
        vertex[1]
        for band in ax.collections
        for vertex in band.get_paths()[0].vertices
        if vertex[0] == 1
    ]
    assert min(at_one) == pytest.approx(0.45 - half)
    assert max(at_one) == pytest.approx(0.95 + half)
    assert ax.get_ylim()[0] < 0.45 - half
    texts = {text.get_text() for text in ax.texts}
    assert texts == {"one-class", "two-class", "random"}
    assert ax.get_legend().get_title().get_text() == "mean ± std of 2 fits"


def test_one_fit_has_no_spread():
    display = EpsilonScanDisplay(eps=[0, 1], roc_auc={"all $a$": [0.9, 0.95]})
    assert np.isnan(display.std["all $a$"]).all()
    ax = drawn_figure(display).axes[0]
    assert len(ax.collections) == 0
    assert ax.get_legend().get_title().get_text() == ""
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [r"all \$a\$"]
    assert ax.get_ylim()[0] > 0.5
    assert {text.get_text() for text in ax.texts} == {"one-class", "two-class"}


def test_groups_may_have_different_numbers_of_fits():
    display = EpsilonScanDisplay(eps=[0.5], roc_auc={"a": [[0.7, 0.8]], "b": [0.9]})
    ax = drawn_figure(display).axes[0]
    assert ax.get_legend().get_title().get_text() == "mean ± std of fits"
    assert display.mean["a"] == pytest.approx(0.75)


def test_plot_where_told_or_in_pyplot():
    plt.switch_backend("agg")
    ax = Figure().subplots()
    display = EpsilonScanDisplay(eps=[0, 1], roc_auc={"a": [0.5, 0.6]})
    assert display.plot(ax=ax).ax_ is ax
    assert EpsilonScanDisplay.from_predictions(**{**GOOD, "plot": True}).figure_ is plt.gcf()
    plt.close("all")


@pytest.mark.parametrize("eps", [[], [0.5, 0.5], [0.5, 0.1], [0, 1.1], [np.nan], 0.5])
def test_wrong_eps(eps):
    with pytest.raises(ValueError, match=r"must be increasing numbers in \[0, 1\], one or more"):
        scan(Slider(), eps=eps)


@pytest.mark.parametrize("seeds", [0, -1, True, 1.5, [], [1, 1], [0.5], "12", None])
def test_wrong_seeds(seeds):
    with pytest.raises(ValueError, match="must be a number of fits at each ε, at least 1"):
        scan(SeededSlider(), seeds=seeds)


def test_two_classes_without_labels():
    """Told before the fits at smaller ε, which may take hours."""
    with pytest.raises(ValueError, match="y=None: ε = 1 needs known anomalies; leave it out"):
        EpsilonScanDisplay.from_estimator(Slider(), X_FIT, None, X_TEST, Y_TEST)


def test_eps_that_cannot_be_found():
    with pytest.raises(ValueError, match=r"LogisticRegression has 0 parameters named eps \[\]"):
        scan(LogisticRegression())
    two = make_pipeline(Slider(), SeededSlider())
    with pytest.raises(ValueError, match="has 2 parameters named eps .*slider__eps"):
        scan(two)
    with pytest.raises(ValueError, match="eps_name='gamma' is no parameter of Slider; found"):
        scan(Slider(), eps_name="gamma")


def test_eps_may_be_named():
    class Twice(Slider):
        def __init__(self, eps=0.5, other=0.5):
            super().__init__(eps)
            self.other = other

        def decision_function(self, X):
            return self.other * X[:, 0]

    assert scan(Twice(), eps=[1], eps_name="other").roc_auc["known kinds"] == 1.0


@pytest.mark.parametrize(
    "change, text",
    [
        ({"kind_test": None}, "kinds need both: the kind of each test row is missing"),
        ({"known_kinds": None}, "kinds need both: known_kinds is missing"),
        ({"known_kinds": "c"}, "must be some, not all, of the test anomalies' kinds ['a', 'b']"),
        ({"known_kinds": ["a", "b"]}, "must be some, not all, of the test anomalies'"),
        ({"known_kinds": []}, "must be some, not all, of the test anomalies'"),
        ({"known_kinds": "normal"}, "must be some, not all, of the test anomalies'"),
        ({"kind_test": KIND[1:]}, "kind.shape == (7,), expected (8,)"),
        ({"anomaly_label": "s"}, "holds no row with anomaly_label='s'"),
    ],
)
def test_wrong_kinds_before_any_fit(change, text):
    class NeverFitted(Slider):
        def fit(self, X, y=None, sample_weight=None):
            raise AssertionError

    with pytest.raises(ValueError) as caught:
        scan(NeverFitted(), **change)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "change, text",
    [
        ({"y_score": np.zeros((2, 7))}, "y_score has shape (2, 7), expected (2, 8) or (2, n_s"),
        ({"y_score": np.zeros((3, 2, 8))}, "y_score has shape (3, 2, 8), expected (2, 8)"),
        ({"y_score": np.zeros(8)}, "y_score has shape (8,), expected (2, 8) or (2, n_seeds, 8)"),
        ({"y_score": np.full((2, 8), np.nan)}, "y_score contains NaN or infinity in 8 of 8 rows"),
        ({"y_true": np.zeros(8)}, "holds one class only"),
        ({"sample_weight": [1, 2]}, "sample_weight.shape == (2,), expected (8,)"),
    ],
)
def test_wrong_predictions(change, text):
    with pytest.raises(ValueError) as caught:
        EpsilonScanDisplay.from_predictions(**{**GOOD, **change})
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "areas, text",
    [
        ({}, "roc_auc is empty; give the areas of at least one group"),
        ({"a": [0.5]}, "roc_auc['a'] has shape (1,), expected (2,) or (2, n_seeds)"),
        ({"a": [[], []]}, "roc_auc['a'] has shape (2, 0), expected (2,) or (2, n_seeds)"),
        ({"a": [0.5, 1.2]}, "roc_auc['a'] holds areas outside [0, 1], or NaN"),
        ({"a": [0.5, np.nan]}, "roc_auc['a'] holds areas outside [0, 1], or NaN"),
    ],
)
def test_wrong_areas(areas, text):
    with pytest.raises(ValueError) as caught:
        EpsilonScanDisplay(eps=[0, 1], roc_auc=areas)
    assert text in str(caught.value)
