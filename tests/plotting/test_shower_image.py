"""What is drawn is the mean, on one colour scale; errors count that conditions are shared."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from skhep_anomaly import ShowerImageDisplay
from skhep_anomaly.plotting import drawn_figure
from skhep_anomaly.plotting._image_panels import known_differences
from skhep_anomaly.plotting._mean_images import Values, compare_means, mean_image
from skhep_anomaly.plotting._palette import DEPOSITS, RATIOS

MAPS = (DEPOSITS, RATIOS)


@pytest.fixture
def showers():
    """200 showers of 6 × 4 cells: a common energy, times noise of each cell; and conditions."""
    rng = np.random.default_rng(5)
    energy = rng.uniform(1, 50, size=200)
    profile = np.outer([1, 4, 20, 30, 6, 0], [1, 10, 3, 0.5])
    real, fake = (
        profile * energy[:, None, None] * rng.gamma(50, 1 / 50, size=(200, 6, 4)) for _ in range(2)
    )
    slope = rng.normal(0, 0.2, size=(200, 2))
    pz = energy / np.sqrt(1 + (slope**2).sum(axis=1))
    X = np.column_stack([pz * slope[:, 0], pz * slope[:, 1], pz, rng.uniform(-1, 1, (200, 2))])
    return real, fake, X


def display(*data, **parameters):
    return ShowerImageDisplay.from_images(*data, plot=False, **parameters)


def meshes(ax):
    return [c for c in ax.collections if type(c).__name__ == "QuadMesh"]


def colours(ax):
    """The numbers behind the colours of an image, [ix, iy]."""
    (mesh,) = meshes(ax)
    return np.ma.filled(mesh.get_array(), np.nan).T


def test_the_plotted_mean_is_the_mean(showers):
    real, fake, _ = showers
    plotted = display(real, fake)
    drawn_figure(plotted)
    for (ax,), images in zip(plotted.axes_, (real, fake), strict=True):
        mean = images.mean(axis=0)
        low = meshes(ax)[0].norm.vmin
        expected = np.where(mean > 0, mean.clip(min=low), np.nan)
        np.testing.assert_allclose(colours(ax), expected, rtol=1e-12)
        assert np.isnan(colours(ax)[5]).all()  # no deposit: white


def test_first_axis_goes_to_the_right():
    image = np.zeros((1, 3, 2))
    image[0, 2, 0] = 1.0
    plotted = display(image, cell_size=2.0)
    drawn_figure(plotted)
    corners = meshes(plotted.ax_)[0].get_coordinates()
    np.testing.assert_array_equal(corners[0, :, 0], [-3, -1, 1, 3])
    np.testing.assert_array_equal(corners[:, 0, 1], [-2, 0, 2])
    assert meshes(plotted.ax_)[0].get_array()[0, 2] == 1.0


def test_all_images_share_one_scale(showers):
    real, fake, _ = showers
    plotted = display(real, {"a": fake, "b": 100 * fake})
    drawn_figure(plotted)
    norms = [meshes(ax)[0].norm for ax in plotted.axes_.ravel()]
    assert {(norm.vmin, norm.vmax) for norm in norms} == {(norms[0].vmin, norms[0].vmax)}
    assert norms[0].vmax == pytest.approx(100 * fake.mean(axis=0).max())
    assert norms[0].vmin >= 1e-5 * norms[0].vmax
    assert all(isinstance(norm, LogNorm) for norm in norms)


def test_given_limits_and_linear_scale(showers):
    plotted = display(showers[0])
    drawn_figure(plotted, scale="linear", deposit_limits=(2.0, 7.0))
    norm = meshes(plotted.ax_)[0].norm
    assert (norm.vmin, norm.vmax, isinstance(norm, LogNorm)) == (2.0, 7.0, False)
    drawn_figure(plotted, scale="linear")
    assert meshes(plotted.ax_)[0].norm.vmin == 0.0


def test_errors_of_independent_samples(showers):
    real, fake, _ = showers
    ratio, error = display(real, fake[:80]).compare("ratio")[0][:2]
    r, f = real[:, 2, 1], fake[:80, 2, 1]
    assert ratio[2, 1] == pytest.approx(f.mean() / r.mean())
    relative = np.hypot(r.std(ddof=1) / 200**0.5 / r.mean(), f.std(ddof=1) / 80**0.5 / f.mean())
    assert error[2, 1] == pytest.approx(ratio[2, 1] * relative)
    assert np.isnan(ratio[5]).all()


def test_shared_conditions_make_small_errors(showers):
    """The difference of a pair has the error of the mean of f − r."""
    real, fake, X = showers
    difference, error = display(real, fake, X).compare("difference")[0][:2]
    pairs = fake - real
    np.testing.assert_allclose(difference, pairs.mean(axis=0), rtol=1e-12, atol=1e-12)
    expected = pairs.std(axis=0, ddof=1) / 200**0.5
    np.testing.assert_allclose(error, expected, rtol=1e-9, atol=1e-12)
    assert error[2, 1] < 0.5 * display(real, fake).compare("difference")[0].error[2, 1]
    pull = display(real, fake, X).compare("pull")[0].value
    np.testing.assert_allclose(pull[:5], difference[:5] / error[:5], rtol=1e-9)
    assert np.nanstd(pull) == pytest.approx(1.0, abs=0.5)


def test_paired_ratio_against_the_bootstrap(showers):
    real, fake, X = showers
    error = display(real, fake, X).compare("ratio")[0].error[2, 1]
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 200, size=(2000, 200))
    ratios = fake[rows, 2, 1].mean(axis=1) / real[rows, 2, 1].mean(axis=1)
    assert error == pytest.approx(ratios.std(), rel=0.1)


def test_profiles_sum_the_other_axis_shower_by_shower(showers):
    real, fake, X = showers
    image = display(real, fake, X).images[1][0]
    for axis, values in zip((2, 1), image.profiles, strict=True):
        sums = fake.sum(axis=axis)
        np.testing.assert_allclose(values.value, sums.mean(axis=0))
        np.testing.assert_allclose(values.error, sums.std(axis=0, ddof=1) / 200**0.5)


def test_chunks_change_nothing(showers, monkeypatch):
    real, fake, _ = showers
    whole = mean_image("", fake, real)
    monkeypatch.setattr("skhep_anomaly.plotting._mean_images.CHUNK_ROWS", 7)
    parts = mean_image("", fake, real)
    for a, b in ((whole.cells, parts.cells), (whole.profiles[0], parts.profiles[0])):
        for left, right in zip(a, b, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-12)


def test_ratio_map_and_its_marks(showers):
    real, _, X = showers
    fake = real.copy()
    fake[:, 3] *= 1.5
    fake[:, 1] *= 0.9
    noise = np.random.default_rng(0).gamma(100, 0.01, size=real.shape)
    plotted = display(real, fake * noise, X, names=("Geant4", "net"))
    drawn_figure(plotted)
    (ax,) = plotted.difference_axes_
    drawn = colours(ax)
    ratio = (fake * noise).mean(axis=0) / np.where(real.mean(axis=0) > 0, real.mean(axis=0), np.nan)
    np.testing.assert_allclose(drawn[:5], ratio[:5], rtol=1e-9)
    assert np.isnan(drawn[5]).all()
    plus, minus = ax.lines
    np.testing.assert_allclose(plus.get_xdata(), 1.01)  # the middle of cells 3
    np.testing.assert_allclose(minus.get_xdata(), -3.03)
    assert len(plus.get_xdata()) == len(minus.get_xdata()) == 4
    assert ax.get_title(loc="left") == "net / Geant4"


@pytest.mark.parametrize("factor, end", [(1.05, 1.25), (1.7, 2.0), (9.0, 2.0)])
def test_end_of_the_ratio_colours(showers, factor, end):
    real = showers[0]
    plotted = display(real, factor * real)
    drawn_figure(plotted)
    norm = meshes(plotted.difference_axes_[0])[0].norm
    assert (norm.vmin, norm.vmax) == (pytest.approx(1 / end), end)
    assert np.nanmax(colours(plotted.difference_axes_[0])) == pytest.approx(min(factor, end))


def test_cells_with_few_deposits_are_unknown():
    real = np.zeros((100, 1, 2))
    real[:, 0, 0], real[0, 0, 1] = 1.0, 1.0
    values = [mean_image("", part).cells for part in (real, real)]
    np.testing.assert_array_equal(known_differences("ratio", *values), [[1.0, np.nan]])


def test_comparisons_by_hand():
    real, fake = (
        Values(np.array([4.0, 0.0]), np.array([0.3, 0.0])),
        Values(np.array([2.0, 1.0]), np.array([0.4, 0.1])),
    )
    np.testing.assert_allclose(compare_means("difference", real, fake).error, [0.5, 0.1])
    np.testing.assert_allclose(compare_means("pull", real, fake).value, [-4.0, 10.0])
    ratio = compare_means("ratio", real, fake)
    np.testing.assert_allclose(ratio.value, [0.5, np.nan])
    assert ratio.error[0] == pytest.approx(np.hypot(0.4, 0.5 * 0.3) / 4)


@pytest.mark.parametrize("kind", ["difference", "pull"])
def test_other_comparisons(showers, kind):
    plotted = display(*showers)
    drawn_figure(plotted, comparison=kind)
    norm = meshes(plotted.difference_axes_[0])[0].norm
    assert norm.vmin == -norm.vmax
    assert plotted.difference_axes_[0].get_title(loc="left") == "generated − real"
    labels = [ax.get_ylabel() for ax in plotted.figure_.axes]
    assert any({"difference": "[MeV]", "pull": "/ σ"}[kind] in label for label in labels)


def test_profile_pads_show_ratio_and_error(showers):
    real, fake, X = showers
    plotted = display(real, fake, X)
    drawn_figure(plotted)
    panel, pad = plotted.profile_axes_[0]
    expected = compare_means("ratio", *(row[0].profiles[0] for row in plotted.images))
    points = pad.containers[0]
    np.testing.assert_allclose(points.lines[0].get_ydata(), expected.value[:5])
    low, high = points.lines[2][0].get_segments()[2][:, 1]
    assert high - low == pytest.approx(2 * expected.error[2])
    assert len(pad.patches) == 0  # paired: no band beside the points' own errors
    assert panel.get_yscale() == "log"
    drawn_figure(display(real, fake))
    unpaired = display(real, fake)
    drawn_figure(unpaired)
    assert len(unpaired.profile_axes_[0][1].patches) == 1


def test_points_outside_the_pad_are_arrows(showers):
    real, fake, X = showers
    plotted = display(real, 4 * fake, X)
    drawn_figure(plotted)
    pad = plotted.profile_axes_[1][1]
    up = [line for line in pad.lines if line.get_marker() == "^"]
    assert sum(len(line.get_xdata()) for line in up) == 4
    assert pad.get_ylim() == (0.0, 2.0)


def test_labels_have_units(showers):
    real, fake, X = showers
    plotted = display(real, fake, X, names=("Geant4", "net"))
    figure = drawn_figure(plotted)
    assert plotted.ax_.get_xlabel() == "x [cm]"
    assert plotted.ax_.get_ylabel() == "y [cm]"
    labels = [ax.get_ylabel() for ax in figure.axes]
    assert {"mean deposit [MeV]", "mean per column [MeV]", "mean per row [MeV]"} <= set(labels)
    assert [ax.get_title(loc="left") for ax in plotted.axes_[:, 0]] == ["Geant4", "net"]
    energy = np.linalg.norm(X[:, :3], axis=1)
    (caption,) = (text.get_text() for text in plotted.ax_.texts)
    assert caption == f"200 showers, {energy.min():.3g}–{energy.max():.3g} GeV"
    cells = display(real, cell_size=None)
    drawn_figure(cells)
    assert cells.ax_.get_xlabel() == "x [cells]"
    assert cells.ax_.get_xlim() == (0, 6)


def test_centre_moves_the_axes(showers):
    plotted = display(showers[0], centre=(10.0, -5.0))
    drawn_figure(plotted)
    assert np.mean(plotted.ax_.get_xlim()) == pytest.approx(10.0)
    assert np.mean(plotted.ax_.get_ylim()) == pytest.approx(-5.0)
    drawn_figure(plotted, view=(-4, 4))
    assert plotted.ax_.get_xlim() == plotted.ax_.get_ylim() == (-4, 4)


def test_single_showers_have_titles_and_tracks(showers):
    real, fake, _ = showers
    X = np.tile([3.0, 0.0, 4.0, 0.5, -1.0], (200, 1))
    plotted = ShowerImageDisplay.from_showers(real, fake, X, n_showers=3, plot=False)
    drawn_figure(plotted)
    assert plotted.axes_.shape == (2, 3)
    for j in range(3):
        np.testing.assert_array_equal(plotted.images[0][j].cells.value, real[j])
        np.testing.assert_array_equal(plotted.images[1][j].cells.value, fake[j])
    assert plotted.ax_.get_title() == "5 GeV, 37°"
    way = plotted.ax_.lines[0]
    np.testing.assert_allclose(way.get_xdata(), [0.5, 0.5 + 12 * 0.75])
    np.testing.assert_allclose(way.get_ydata(), [-1.0, -1.0])
    assert "deposit [MeV]" in [ax.get_ylabel() for ax in plotted.figure_.axes]
    assert (plotted.difference_axes_, plotted.profile_axes_) == ([], [])


def test_single_showers_without_conditions(showers):
    plotted = ShowerImageDisplay.from_showers(showers[0], {"a": showers[1]}, plot=False)
    assert [image.title for image in plotted.images[1]] == [f"shower = {i}" for i in (1, 2, 3, 4)]
    assert [image.sample for row in plotted.images for image in row][::4] == ["real", "a"]
    assert len(ShowerImageDisplay.from_showers(showers[0], plot=False).images) == 1


def test_groups_are_averaged(showers):
    real, fake, X = showers
    energy = np.linalg.norm(X[:, :3], axis=1)
    bins = np.where(energy < 20, "low", "high")
    plotted = display(real, fake, X, groups=bins, group_name="energy")
    drawn_figure(plotted)
    low = plotted.images[1][1]
    assert low.title == "energy = low"
    np.testing.assert_allclose(low.cells.value, fake[energy < 20].mean(axis=0))
    assert low.energies == (energy[energy < 20].min(), energy[energy < 20].max())
    assert "mean deposit [MeV]" in [ax.get_ylabel() for ax in plotted.figure_.axes]


def test_empty_images_are_drawn():
    nothing = np.zeros((3, 4, 4))
    plotted = display(nothing, nothing)
    drawn_figure(plotted)
    assert np.isnan(colours(plotted.ax_)).all()
    assert np.isnan(plotted.compare("ratio")[0].value).all()
    for kind in ("difference", "pull"):
        drawn_figure(plotted, comparison=kind)
    assert (plotted.compare("difference")[0].value == 0).all()


def test_one_shower_has_no_error():
    one = np.ones((1, 2, 2))
    plotted = display(one, 2 * one)
    drawn_figure(plotted)
    assert np.isnan(plotted.compare("ratio")[0].error).all()
    np.testing.assert_array_equal(colours(plotted.difference_axes_[0]), np.full((2, 2), 2.0))
    assert plotted.images[0][0].caption == "1 shower"


@pytest.mark.parametrize("shape", [(200, 24), (200, 5, 5, 2), (30,), (200, 0, 3)])
def test_wrong_shapes_are_told(shape):
    with pytest.raises(ValueError, match=r"images of 'real'.*expected \(n, nx, ny\)"):
        display(np.zeros(shape))


def test_forms_of_images(showers):
    flat = np.random.default_rng(0).random((5, 16))
    for images in (flat, flat.reshape(5, 4, 4, 1), flat.tolist()):
        np.testing.assert_allclose(
            display(images).images[0][0].cells.value, flat.mean(axis=0).reshape(4, 4)
        )


def test_colours_are_read_in_grey():
    """Deposits get darker throughout; ratios are white in the middle and darker to both ends."""
    import matplotlib as mpl

    steps = np.linspace(0, 1, 33)
    deposits, ratios = (mpl.colormaps[m](steps)[:, :3] @ [0.299, 0.587, 0.114] for m in MAPS)
    assert (np.diff(deposits) < 0).all()
    assert ratios[16] > 0.95
    assert (np.diff(ratios[:17]) > 0).all()
    assert (np.diff(ratios[16:]) < 0).all()


class Doubling:
    """A "generator" that remembers its seed."""

    def __init__(self, images):
        self.images = images

    def sample(self, X, random_state=None):
        self.seed = random_state
        return 2 * self.images


def test_from_estimator(showers):
    real, _, X = showers
    model = Doubling(real)
    frame = pd.DataFrame(X, columns=["px", "py", "pz", "x", "y"])[["y", "x", "pz", "py", "px"]]
    plotted = ShowerImageDisplay.from_estimator(model, frame, real, random_state=3, plot=False)
    assert model.seed == 3
    assert [row[0].sample for row in plotted.images] == ["real", "Doubling"]
    np.testing.assert_allclose(plotted.compare("ratio")[0].value[:5], 2.0)
    np.testing.assert_allclose(plotted.compare("ratio")[0].error[:5], 0.0, atol=1e-6)
    several = ShowerImageDisplay.from_estimator({"a": model, "b": model}, X, real, plot=False)
    assert [row[0].sample for row in several.images] == ["real", "a", "b"]


def test_places_to_draw(showers):
    real, fake, _ = showers
    plotted = ShowerImageDisplay.from_images(real, fake, profiles=False, comparison=None)
    assert plotted.figure_.number in plt.get_fignums()
    assert (plotted.difference_axes_, plotted.profile_axes_) == ([], [])
    plt.close(plotted.figure_)
    figure = Figure()
    _, right = figure.subplots(1, 2)
    display(real).plot(ax=right)
    assert len(figure.axes) == 6  # two given, image and its bar, two profiles
    with pytest.raises(ValueError, match="has no place in a grid"):
        display(real, fake).plot(ax=Figure().add_axes((0, 0, 1, 1)))
    with pytest.raises(ValueError, match="has no place in a grid"):
        display(real).plot(ax="here")


CASES = [
    ({"comparison": "quotient"}, "comparison='quotient'; allowed are 'ratio'"),
    ({"scale": "sqrt"}, "scale='sqrt'; allowed are 'log' and 'linear'"),
    ({"deposit_limits": (0.0, 1.0)}, "deposit_limits=.*above zero for 'log'"),
    ({"deposit_limits": (2.0, 1.0)}, "two increasing numbers"),
]


@pytest.mark.parametrize("parameters, told", CASES)
def test_wrong_plot_parameters(showers, parameters, told):
    with pytest.raises(ValueError, match=told):
        drawn_figure(display(*showers), **parameters)


def test_wrong_input_is_told(showers):
    real, fake, X = showers
    with pytest.raises(ValueError, match=r"X.shape == \(200, 3\), expected \(n, 5\)"):
        display(real, fake, X[:, :3])
    with pytest.raises(ValueError, match="numbers of showers differ: .*'generated': 9"):
        display(real, fake[:9], X)
    with pytest.raises(ValueError, match=r"have \(4, 4\) cells, expected \(6, 4\) as in 'real'"):
        display(real, np.zeros((2, 4, 4)))
    with pytest.raises(ValueError, match="Two samples are called 'real'"):
        display(real, {"real": fake})
    with pytest.raises(ValueError, match=r"groups.shape == \(3,\), expected \(200,\)"):
        display(real, groups=[1, 2, 3])
    with pytest.raises(ValueError, match="n_showers=0 must be 1 or more"):
        ShowerImageDisplay.from_showers(real, n_showers=0)
    for cell in (np.nan, -1.0):
        bad = real.copy()
        bad[7, 0, 0] = cell
        with pytest.raises(ValueError, match="images of 'generated' holds (NaN|negative)"):
            display(real, bad)
