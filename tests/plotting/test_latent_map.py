"""The map shows the coordinates it is given, and its margins count all events."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from skhep_anomaly.plotting import LatentMapDisplay, drawn_figure


@pytest.fixture
def events():
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], [300, 100])
    latent = rng.normal(size=(400, 4)) * [1, 2, 5, 3] + y[:, None]
    return y, latent, rng.uniform(0.5, 2, size=400)


def test_first_two_coordinates(events):
    y, latent, _ = events
    display = LatentMapDisplay.from_predictions(y, latent, plot=False)
    np.testing.assert_array_equal(display.latent, latent[:, :2])
    assert display.names == ("$z_1$", "$z_2$")


def test_principal_components_are_scikit_learns(events):
    y, latent, _ = events
    display = LatentMapDisplay.from_predictions(y, latent, projection="pca", plot=False)
    pca = PCA(2).fit(latent)
    np.testing.assert_allclose(np.abs(display.latent), np.abs(pca.transform(latent)), rtol=1e-9)
    share = pca.explained_variance_ratio_
    assert display.names[0] == f"component 1 ({share[0]:.0%} of variance)"


def test_weight_two_is_two_rows_in_the_components(events):
    y, latent, _ = events
    weight = np.where(np.arange(400) % 3 == 0, 2.0, 1.0)
    weighted = LatentMapDisplay.from_predictions(
        y, latent, sample_weight=weight, projection="pca", plot=False
    )
    rows = np.repeat(np.arange(400), weight.astype(int))
    copied = LatentMapDisplay.from_predictions(y[rows], latent[rows], projection="pca", plot=False)
    np.testing.assert_allclose(weighted.latent[rows], copied.latent, atol=1e-9)
    assert weighted.names == copied.names


def test_margins_hold_the_weights_of_each_class(events):
    y, latent, weight = events
    display = LatentMapDisplay.from_predictions(y, latent, sample_weight=weight, plot=False)
    drawn_figure(display)
    _, above, right = display.axes_
    for axis, column in ((above, 0), (right, 1)):
        for patch, flag in zip(axis.patches, (0, 1), strict=True):
            values, edges, _ = patch.get_data()
            rows = (y == flag) & (latent[:, column] >= edges[0]) & (latent[:, column] <= edges[-1])
            share = weight[rows].sum() / weight[y == flag].sum()
            assert values.sum() == pytest.approx(share, rel=1e-9)
            assert values.sum() > 0.95


def test_at_most_max_points_of_a_class_are_drawn(events):
    y, latent, _ = events
    display = LatentMapDisplay.from_predictions(y, latent, plot=False)
    figure = drawn_figure(display, max_points=150)
    drawn = sum(len(portion.get_offsets()) for portion in display.ax_.collections)
    assert drawn == 150 + 100
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["background: 300", "signal: 100"]


def test_drawn_points_repeat_with_the_seed(events):
    y, latent, _ = events
    display = LatentMapDisplay.from_predictions(y, latent, plot=False)
    points = []
    for seed in (0, 0, 1):
        drawn_figure(display, max_points=20, random_state=seed)
        points.append(np.concatenate([c.get_offsets() for c in display.ax_.collections]))
    np.testing.assert_array_equal(points[0], points[1])
    assert not np.array_equal(points[0], points[2])


def test_from_estimator_transforms_and_names(events):
    y, X, _ = events
    pca = PCA(3).fit(X)
    display = LatentMapDisplay.from_estimator(pca, X, y, plot=False)
    np.testing.assert_array_equal(display.latent, pca.transform(X)[:, :2])
    assert display.names == ("$z_1$", "$z_2$")
    named = LatentMapDisplay.from_estimator(pca, X, y, names=["p [GeV]", "q", "r"], plot=False)
    assert named.names == ("p [GeV]", "q")


def test_plot_where_told(events):
    y, latent, _ = events
    ax = Figure().subplots()
    display = LatentMapDisplay.from_predictions(y, latent, plot=False)
    assert display.plot(ax=ax) is display
    assert display.ax_ is ax
    assert len(display.axes_) == 3


WRONG = [
    ({"latent": [[0.0], [1.0]]}, "latent has 1 coordinate(s), a map needs two"),
    ({"latent": [[0.0, 1.0]]}, "latent.shape == (1, 2), expected (2, n_latent)"),
    ({"latent": [[0.0, np.nan], [1.0, 1.0]]}, "latent contains NaN or infinity in 1 of 2 rows"),
    ({"y_true": [0, 0]}, "holds one class only"),
    ({"projection": "tsne"}, "projection='tsne'; allowed are 'first' and 'pca'"),
]


@pytest.mark.parametrize("change, text", WRONG)
def test_wrong_input(change, text):
    good = {"y_true": [0, 1], "latent": [[0.0, 1.0], [1.0, 0.0]]}
    with pytest.raises(ValueError) as caught:
        LatentMapDisplay.from_predictions(**{**good, **change}, plot=False)
    assert text in str(caught.value)


def test_wrong_number_of_points_and_estimator():
    display = LatentMapDisplay.from_predictions([0, 1], np.eye(2), plot=False)
    with pytest.raises(ValueError, match="max_points=0 must be at least 1"):
        drawn_figure(display, max_points=0)
    with pytest.raises(TypeError, match="LinearRegression has no transform"):
        LatentMapDisplay.from_estimator(LinearRegression().fit([[0.0]], [1.0]), [[0.0]], [0])
    assert display.latent.sum() == 2
