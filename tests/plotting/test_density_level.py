"""Regions hold the shares they name, and the line is where predictions change."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.base import BaseEstimator
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skhep_anomaly import DensityLevelDisplay, OPEClassifier
from skhep_anomaly.metrics.scorers import anomaly_scores
from skhep_anomaly.plotting import drawn_figure


class Radius(BaseEstimator):
    """Score −r, threshold at r = radius; remembers what it was asked to score."""

    def __init__(self, radius=1.0, flat=False):
        self.radius = radius
        self.flat = flat

    def fit(self, X, y=None):
        self.offset_ = -self.radius
        self.seen_ = []
        return self

    def score_samples(self, X):
        self.seen_.append(X)
        return -np.hypot(*np.asarray(X, dtype=np.float64).T) * (not self.flat)


@pytest.fixture
def rows():
    """Eight rings of 50 normal rows each, radii 0.25 to 2, and three anomalies."""
    angle = np.tile(np.linspace(0, 2 * np.pi, 50, endpoint=False), 8)
    radius = np.repeat(np.arange(1, 9) / 4, 50)
    normal = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    X = np.concatenate([normal, [[2.5, 2.5], [-2.5, 2.5], [2.5, -2.5]]])
    return X, np.repeat([0, 1], [400, 3])


def radii(path_vertices):
    return np.hypot(path_vertices[:, 0], path_vertices[:, 1])


def contours(ax):
    """The filled contours, then the line (or None)."""
    sets = [c for c in ax.collections if type(c).__name__ == "QuadContourSet"]
    return sets[0], sets[1] if len(sets) > 1 else None


def test_levels_are_quantiles_of_normal_rows(rows):
    """Half of the rings lie within r = 1, three quarters within 1.5."""
    X, y = rows
    display = DensityLevelDisplay.from_estimator(
        Radius().fit(X), X, y, shares=[0.51, 0.76], n_grid=401, plot=False
    )
    np.testing.assert_allclose(display.maps[0].levels, [-1.25, -1.75], atol=1e-12)
    np.testing.assert_allclose(
        display.areas["Radius"], np.pi * np.array([1.25, 1.75]) ** 2, rtol=1e-2
    )
    assert display.shares.tolist() == [0.51, 0.76]
    assert (len(display.normal), len(display.anomalies)) == (400, 3)


def test_grid_covers_the_rows_and_a_margin(rows):
    X, y = rows
    display = DensityLevelDisplay.from_estimator(Radius().fit(X), X, y, n_grid=11, plot=False)
    x_axis, y_axis = display.grid
    np.testing.assert_allclose(x_axis, np.linspace(-2.5 - 0.75, 2.5 + 0.75, 11))
    np.testing.assert_allclose(y_axis, x_axis)
    ((score,),) = [[m.score for m in display.maps]]
    np.testing.assert_allclose(score, -np.hypot(*np.meshgrid(x_axis, y_axis)))


def test_features_are_not_mixed_up():
    X = np.array([[0.0, 5.0], [1.0, 7.0]])

    class Second(Radius):
        def score_samples(self, X):
            return X[:, 1].astype(float)

    display = DensityLevelDisplay.from_estimator(
        Second().fit(X), X, limits=((0, 1), (4, 8)), n_grid=5, plot=False
    )
    np.testing.assert_array_equal(display.maps[0].score, np.tile([[4], [5], [6], [7], [8.0]], 5))


def test_weight_k_is_k_copies(rows):
    X, y = rows
    weight = np.random.default_rng(0).integers(0, 4, size=len(X))
    copies = np.repeat(np.arange(len(X)), weight)
    weighted = DensityLevelDisplay.from_estimator(
        Radius().fit(X), X, y, sample_weight=weight, plot=False
    )
    copied = DensityLevelDisplay.from_estimator(Radius().fit(X), X[copies], y[copies], plot=False)
    np.testing.assert_allclose(weighted.maps[0].levels, copied.maps[0].levels, atol=1e-12)


def test_drawn_regions_and_boundary_are_circles(rows):
    X, y = rows
    display = DensityLevelDisplay.from_estimator(
        Radius(1.2).fit(X), X, y, shares=[0.51, 0.76], plot=False
    )
    drawn_figure(display)
    filled, line = contours(display.ax_)
    outer, inner = filled.get_paths()
    np.testing.assert_allclose(radii(inner.vertices), 1.25, atol=0.01)
    found = radii(outer.vertices)  # a ring from 1.25 to 1.75
    np.testing.assert_allclose(found, np.where(found < 1.5, 1.25, 1.75), atol=0.01)
    assert found.min() < 1.3 < 1.7 < found.max()
    np.testing.assert_allclose(radii(line.get_paths()[0].vertices), 1.2, atol=0.01)


def test_colours_mean_the_same_share_for_every_model(rows):
    """A monotonous change of the scores changes nothing that is drawn."""
    X, y = rows

    class Cubed(Radius):
        def score_samples(self, X):
            return super().score_samples(X) ** 3 + 100

    models = {"r": Radius().fit(X), "r3": Cubed().fit(X)}
    display = DensityLevelDisplay.from_estimators(models, X, y, shares=[0.51, 0.76], n_grid=401)
    first, second = (contours(ax)[0] for ax in display.axes_)
    np.testing.assert_array_equal(first.get_facecolor(), second.get_facecolor())
    for a, b in zip(first.get_paths(), second.get_paths(), strict=True):
        np.testing.assert_allclose(radii(a.vertices).max(), radii(b.vertices).max(), atol=1e-3)
    outer, inner = first.get_facecolor()[:, :3].sum(axis=1)
    assert inner < outer < 3
    plt.close("all")


def labelled():
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.normal(size=(80, 2)), rng.normal(2.5, 1, size=(30, 2))])
    return X, np.repeat([0, 1], [80, 30])


def texts_of(y):
    return np.array(["n", "s"])[y]


SUBJECTS = {
    "forest": (IsolationForest(n_estimators=10, random_state=0), None, None),
    "pipeline": (make_pipeline(StandardScaler(), IsolationForest(random_state=0)), None, None),
    "lof": (LocalOutlierFactor(novelty=True), None, None),
    "logistic 0/1": (LogisticRegression(), lambda y: y, None),
    "logistic ±1": (LogisticRegression(), lambda y: 1 - 2 * y, None),
    "logistic texts": (LogisticRegression(), texts_of, "s"),
    "logistic other text": (LogisticRegression(), lambda y: texts_of(1 - y), "n"),
    "decision only": (LinearSVC(random_state=0), lambda y: y, None),
    "probability 0/1": (GaussianNB(), lambda y: y, None),
    "probability ±1": (GaussianNB(), lambda y: 1 - 2 * y, None),
    "ope 0/1": (OPEClassifier(max_iter=150, random_state=0), lambda y: y, None),
    "ope ±1": (OPEClassifier(max_iter=150, random_state=0), lambda y: 1 - 2 * y, None),
    "ope without labels": (OPEClassifier(max_iter=150, random_state=0), None, None),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", SUBJECTS)
def test_inside_the_boundary_is_what_is_predicted_normal(name):
    """Sign, scale and threshold of detectors and classifiers, whatever their labels."""
    model, coding, label = SUBJECTS[name]
    X, flags = labelled()
    y = None if coding is None else coding(flags)
    model.fit(X) if y is None else model.fit(X, y)
    display = DensityLevelDisplay.from_estimators(
        {name: model}, X, y, anomaly_label=label, n_grid=20, plot=False
    )
    (found,) = display.maps
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*display.grid)], axis=1)
    normal = 1 if y is None else y[0]
    inside = found.score.ravel() >= found.boundary
    np.testing.assert_array_equal(inside, model.predict(grid) == normal)
    assert 0 < inside.mean() < 1
    rows = X if y is None else X[flags == 0]
    assert len(display.normal) == len(rows)
    known = hasattr(model, "score_samples")
    score = model.score_samples(rows) if known else -anomaly_scores(model, rows, label)
    assert (score >= found.levels[2]).mean() == pytest.approx(0.9, abs=0.02)


def test_density_without_threshold_has_no_boundary(rows):
    X, y = rows
    display = DensityLevelDisplay.from_estimator(
        GaussianMixture(random_state=0).fit(X), X, y, plot=False
    )
    assert display.maps[0].boundary is None
    figure = drawn_figure(display)
    assert contours(display.ax_)[1] is None
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["normal: 400", "known anomalies: 3", "50 %", "75 %", "90 %", "95 %", "99 %"]


def test_boundary_out_of_sight_is_not_drawn(rows):
    X, y = rows
    display = DensityLevelDisplay.from_estimator(Radius(50).fit(X), X, y, plot=False)
    figure = drawn_figure(display)
    assert contours(display.ax_)[1] is None
    assert "decision boundary" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_equal_scores_are_one_region_of_the_largest_share(rows):
    X, y = rows
    display = DensityLevelDisplay.from_estimator(
        Radius(flat=True).fit(X), X, y, shares=[0.5, 0.9], plot=False
    )
    drawn_figure(display)
    filled, _ = contours(display.ax_)
    assert len(filled.get_facecolor()) == 1
    np.testing.assert_allclose(filled.get_facecolor()[0, 0], 0.85, atol=1e-9)  # the lightest tint
    np.testing.assert_array_equal(display.maps[0].levels, [0, 0])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_keep_their_names(rows, library):
    frames = pytest.importorskip(library)
    X, y = rows
    frame = frames.DataFrame({"mass $m$": X[:, 0], "pt": X[:, 1]})
    model = Radius().fit(frame)
    display = DensityLevelDisplay.from_estimator(model, frame, y, n_grid=5, plot=False)
    assert display.names == (r"mass \$m\$", "pt")
    assert [list(seen.columns) for seen in model.seen_] == [["mass $m$", "pt"]] * 2
    assert all(isinstance(seen, frames.DataFrame) for seen in model.seen_)
    ax = drawn_figure(display).axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == display.names


def test_estimators_that_check_names_are_content(rows):
    X, y = rows
    frame = pd.DataFrame(X, columns=["a", "b"])
    forest = IsolationForest(n_estimators=5, random_state=0).fit(frame)
    display = DensityLevelDisplay.from_estimator(
        forest, frame, y, names=["a [GeV]", "b"], plot=False
    )
    assert display.names == ("a [GeV]", "b")
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*display.grid)], axis=1)
    expected = forest.score_samples(pd.DataFrame(grid, columns=["a", "b"]))
    np.testing.assert_array_equal(display.maps[0].score.ravel(), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, int])
def test_dtype_of_the_rows_is_kept(dtype):
    X = np.array([[0, 0], [1, 1], [2, 3]], dtype=dtype)
    model = Radius().fit(X)
    DensityLevelDisplay.from_estimator(model, X, n_grid=3, plot=False)
    assert {seen.dtype for seen in model.seen_} == {np.dtype(np.float64 if dtype is int else dtype)}


def test_points_drawn_repeat_and_are_limited(rows):
    X, y = rows
    display = DensityLevelDisplay.from_estimator(Radius().fit(X), X, y, plot=False)
    drawn = []
    for seed in (0, 0, 1):
        drawn_figure(display, max_points=20, random_state=seed)
        normal, odd = (c.get_offsets() for c in display.ax_.collections[-2:])
        assert (len(normal), len(odd)) == (20, 3)
        drawn.append(normal)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_panels_and_legend(rows):
    X, y = rows
    models = {f"m{i} $": Radius(r).fit(X) for i, r in enumerate([1, 2, 3, 4])}
    display = DensityLevelDisplay.from_estimators(models, X, y, n_grid=20, plot=False)
    figure = drawn_figure(display, aspect="equal")
    assert [ax.get_title(loc="left") for ax in display.axes_] == [rf"m{i} \$" for i in range(4)]
    assert [bool(ax.get_ylabel()) for ax in display.axes_] == [True, False, False, True]
    assert [bool(ax.get_xlabel()) for ax in display.axes_] == [False, True, True, True]
    assert len(figure.legends) == 1
    assert display.ax_.get_aspect() == 1


def test_plot_where_told(rows):
    X, y = rows
    axes = Figure().subplots(1, 2)
    models = {"a": Radius().fit(X), "b": Radius(2).fit(X)}
    display = DensityLevelDisplay.from_estimators(models, X, y, n_grid=20, ax=axes)
    assert list(display.axes_) == list(axes)
    assert axes[1].get_legend() is not None
    assert not display.figure_.legends
    with pytest.raises(ValueError, match="ax holds 3 axes, but 2 panels are to be drawn"):
        display.plot(ax=Figure().subplots(1, 3))


def test_without_labels_all_rows_are_normal(rows):
    X, _ = rows
    display = DensityLevelDisplay.from_estimator(Radius().fit(X), X, n_grid=20, plot=False)
    assert (len(display.normal), len(display.anomalies)) == (403, 0)
    texts = [text.get_text() for text in drawn_figure(display).legends[0].get_texts()]
    assert texts[:2] == ["normal: 403", "decision boundary"]


class Broken(Radius):
    def score_samples(self, X):
        score = super().score_samples(X)
        score[0] = np.nan
        return score


WRONG = [
    ({"estimators": {}}, "estimators is empty; give at least one model with its name"),
    ({"X": np.zeros((3, 3))}, "X has shape (3, 3), but level sets are drawn in a plane"),
    ({"X": np.zeros(3)}, "X has shape (3,), but level sets are drawn in a plane"),
    ({"X": [[0.0, np.nan], [0, 0], [1, 1]]}, "X contains NaN or infinity in 1 of 3 rows"),
    ({"y": [0, 1]}, "y has 2 rows, X has 3"),
    ({"y": [1, 1, -1], "anomaly_label": 2}, "holds no row with anomaly_label=2"),
    ({"y": [True, True, True]}, "y holds anomalies only; levels are shares of the normal rows"),
    ({"sample_weight": [1, -1, 1]}, "sample_weight must be ≥ 0, and above zero for some normal"),
    ({"y": [0, 1, 1], "sample_weight": [0, 1, 1]}, "and above zero for some normal row"),
    ({"sample_weight": [1]}, "sample_weight.shape == (1,), expected (3,)"),
    ({"shares": [0.9, 0.5]}, "shares=[0.9, 0.5] must be increasing numbers between 0 and 1"),
    ({"shares": [0.5, 1.0]}, "must be increasing numbers between 0 and 1"),
    ({"shares": []}, "must be increasing numbers between 0 and 1"),
    ({"n_grid": 1}, "n_grid=1 must be at least 2"),
    ({"limits": ((0, 1), (1, 0))}, "must be ((low, high), (low, high)), low below high"),
    ({"limits": (0, 1)}, "must be ((low, high), (low, high)), low below high"),
    ({"estimators": {"m": Broken().fit(None)}, "n_grid": 2}, "m scores 2 of 7 rows as NaN or inf"),
]


@pytest.mark.parametrize("change, text", WRONG)
def test_wrong_input(change, text):
    X = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    good = {"estimators": {"r": Radius().fit(X)}, "X": X, "plot": False}
    with pytest.raises(ValueError) as caught:
        DensityLevelDisplay.from_estimators(**{**good, **change})
    assert text in str(caught.value)


def test_wrong_number_of_points_and_estimator(rows):
    X, y = rows
    display = DensityLevelDisplay.from_estimator(Radius().fit(X), X, y, n_grid=20, plot=False)
    with pytest.raises(ValueError, match="max_points=-1 must be 0 or more"):
        drawn_figure(display, max_points=-1)
    with pytest.raises(TypeError, match="LinearRegression is neither a classifier nor a det"):
        DensityLevelDisplay.from_estimator(LinearRegression().fit(X, y), X, y)
