"""Histograms hold every shower, ratios and their errors are right, and W₁/sd has its floor."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import wasserstein_distance

from skhep_anomaly import ShowerHistogramDisplay
from skhep_anomaly.metrics.shower_observables import ShowerObservables, shower_observables
from skhep_anomaly.plotting import drawn_figure
from skhep_anomaly.plotting._mean_images import Values
from skhep_anomaly.plotting._observable_drawing import observable_label
from skhep_anomaly.plotting._ratio_pad import draw_pad


def table(**columns):
    units = {"r90": "cm", "n_above_1": "cells"}
    values = np.column_stack([np.asarray(column, dtype=float) for column in columns.values()])
    return ShowerObservables(values, tuple(columns), tuple(units.get(c, "") for c in columns))


def display(real, fake=None, **parameters):
    return ShowerHistogramDisplay.from_observables(real, fake, plot=False, **parameters)


@pytest.fixture
def tables():
    rng = np.random.default_rng(2)
    return [
        table(
            response=rng.normal(0.17 + shift, 0.02, n),
            r90=rng.gamma(4, 1, n),
            n_above_1=rng.poisson(9, n),
        )
        for n, shift in ((1000, 0.0), (500, 0.01))
    ]


def test_every_shower_is_counted(tables):
    real, fake = tables
    for panel in display(real, fake).panels:
        assert panel.samples["real"].value.sum() == panel.n_showers["real"] == 1000
        assert panel.samples["generated"].value.sum() == panel.n_showers["generated"] == 500
        np.testing.assert_allclose(panel.samples["real"].error ** 2, panel.samples["real"].value)


def test_distance_is_wasserstein_over_the_real_spread(tables):
    real, fake = tables
    for panel in display(real, {"a": fake, "b": real}).panels:
        r, f = real[panel.name], fake[panel.name]
        assert panel.distances["a"] == pytest.approx(wasserstein_distance(r, f) / r.std())


def test_a_shift_by_half_a_standard_deviation():
    values = np.random.default_rng(0).normal(size=4000)
    panel = display(table(response=values), table(response=values + 0.5 * values.std())).panels[0]
    assert panel.distances["generated"] == pytest.approx(0.5)


def test_the_floor_is_what_two_samples_of_one_distribution_show():
    rng = np.random.default_rng(1)
    distances = [
        display(table(response=a), table(response=b)).panels[0].distances
        for a, b in (rng.normal(size=(2, 500)) for _ in range(40))
    ]
    seen = np.mean([d["generated"] for d in distances])
    assert np.mean([d["real"] for d in distances]) == pytest.approx(seen, rel=0.1)


def test_no_spread_has_no_distance():
    panel = display(table(response=np.ones(9)), table(response=np.ones(5))).panels[0]
    assert np.isnan(panel.distances["real"])
    assert np.isnan(panel.distances["generated"])
    ax = drawn_figure(display(table(response=np.ones(9)), table(response=np.ones(5)))).axes[0]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["floor –", "–"]


def test_drawn_densities_and_ratio(tables):
    real, fake = tables
    plotted = display(real, fake, observables=["response"], bins=[0.0, 0.16, 0.18, 0.5])
    drawn_figure(plotted)
    filled, _, line = plotted.ax_.patches
    n = [np.histogram(t["response"], [0, 0.16, 0.18, 0.5])[0] for t in (real, fake)]
    np.testing.assert_allclose(filled.get_data().values, n[0] / 1000)
    np.testing.assert_allclose(line.get_data().values, n[1] / 500)
    (pad,) = plotted.ratio_axes_
    points = pad.containers[0]
    ratio = (n[1] / 500) / (n[0] / 1000)
    inside = np.abs(ratio - 1) < pad.get_ylim()[1] - 1
    np.testing.assert_allclose(points.lines[0].get_ydata(), ratio[inside])
    ends = np.diff([segment[:, 1] for segment in points.lines[2][0].get_segments()], axis=1)
    expected = 2 * np.sqrt(n[1]) / 500 / (n[0] / 1000)
    np.testing.assert_allclose(ends[:, 0], expected[inside])
    (band,) = pad.patches
    np.testing.assert_allclose(band.get_data().values, 1 + 1 / np.sqrt(n[0]))
    assert plotted.ax_.get_ylabel() == "fraction / bin"


def test_counts_are_scaled_to_the_real_sample(tables):
    plotted = display(*tables, observables=["r90"])
    drawn_figure(plotted, density=False)
    filled, _, line = plotted.ax_.patches
    assert filled.get_data().values.sum() == line.get_data().values.sum() == 1000
    assert plotted.ax_.get_ylabel().startswith("showers / ")
    assert plotted.ax_.get_ylabel().endswith(" cm")


def test_counts_of_cells_have_whole_bins(tables):
    (panel,) = display(*tables, observables=["n_above_1"]).panels
    np.testing.assert_allclose(panel.edges % 1, 0.5)
    np.testing.assert_allclose(np.diff(panel.edges), 1.0)
    (wide,) = display(*tables, observables=["n_above_1"], bins=4).panels
    assert len(wide.edges) <= 5
    assert (np.diff(wide.edges) == np.diff(wide.edges)[0]).all()
    assert wide.samples["real"].value.sum() == 1000


def test_a_bad_generator_does_not_widen_the_range():
    rng = np.random.default_rng(0)
    real, fake = rng.uniform(0, 1, 800), rng.uniform(0, 100, 800)
    (panel,) = display(table(response=real), table(response=fake)).panels
    assert panel.edges[0] >= 0.0
    assert panel.edges[-1] < 1.4
    assert panel.n_outside[1] > 700
    plotted = display(table(response=real), table(response=fake))
    drawn_figure(plotted)
    assert plotted.ratio_axes_[0].get_xlabel() == "visible fraction Σ/E  (with overflow)"
    (given,) = display(table(response=real), limits={"response": (0.2, 0.6)}).panels
    assert (given.edges[0], given.edges[-1]) == (0.2, 0.6)


def test_labels_legend_and_units(tables):
    plotted = display(tables[0], {"net": tables[1], "GFLASH": tables[1]}, names=("Geant4", ""))
    figure = drawn_figure(plotted)
    labels = [pad.get_xlabel().split("  ")[0] for pad in plotted.ratio_axes_]
    assert labels == [
        "visible fraction Σ/E",
        "radius of 90 % of the energy [cm]",
        "cells above 1 MeV",
    ]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "Geant4: 1,000",
        "net: 500",
        "GFLASH: 500",
    ]
    own = plotted.ax_.get_legend()
    assert own.get_title().get_text() == "W₁/sd"
    distance = plotted.panels[0].distances
    assert [text.get_text() for text in own.get_texts()] == [
        f"floor {distance['Geant4']:.3f}",
        f"{distance['net']:.3f}",
        f"{distance['GFLASH']:.3f}",
    ]
    lines = [patch for patch in plotted.ax_.patches if not patch.get_fill()][1:]
    assert len({(str(p.get_edgecolor()), str(p.get_linestyle())) for p in lines}) == 2


@pytest.mark.parametrize(
    "name, unit, label",
    [
        ("n_0.06-0.15", "cells", "cells of 0.06 to 0.15 MeV"),
        ("n_150-inf", "cells", "cells above 150 MeV"),
        ("longitudinal_width", "cm", "longitudinal width [cm]"),
        ("log10_smallest", "log10 MeV", "log₁₀ smallest deposit [MeV]"),
        ("isolated", "cells", "isolated cells"),
    ],
)
def test_observables_in_words(name, unit, label):
    assert observable_label(name, unit) == label


def test_pad_draws_what_lies_outside_as_arrows():
    ax = Figure().subplots()
    real = Values(np.array([10.0, 10.0, 10.0, 0.0]), np.array([1.0, 1.0, 1.0, 0.0]))
    fake = Values(np.array([11.0, 45.0, 9.0, 3.0]), np.array([1.0, 1.0, 1.0, 1.0]))
    draw_pad(ax, np.arange(5.0), [real, fake])
    (up,) = [line for line in ax.lines if line.get_marker() == "^"]
    assert up.get_xdata().tolist() == [1.5, 3.5]
    ratio = ax.containers[0].lines[0]
    np.testing.assert_allclose(ratio.get_ydata(), [1.1, 0.9])
    assert ax.get_ylim() == (0.0, 2.0)


def test_pad_without_a_single_ratio():
    ax = Figure().subplots()
    nothing = Values(np.zeros(2), np.zeros(2))
    draw_pad(ax, np.arange(3.0), [nothing, nothing])
    assert ax.get_ylim() == (0.9, 1.1)


def test_log_axis_and_no_pads(tables):
    plotted = display(*tables)
    drawn_figure(plotted, y_scale="log", ratio=False)
    assert len(plotted.ratio_axes_) == 0
    assert {ax.get_yscale() for ax in plotted.axes_} == {"log"}
    assert plotted.axes_[1].get_xlabel().startswith("radius of 90 %")


def test_real_showers_alone(tables):
    plotted = display(tables[0])
    drawn_figure(plotted)
    assert (len(plotted.axes_), len(plotted.ratio_axes_)) == (3, 0)


def test_from_images_measures_each_sample_at_the_conditions():
    rng = np.random.default_rng(0)
    real, fake = rng.gamma(0.2, 10.0, size=(2, 60, 10, 10))
    X = np.column_stack([rng.normal(0, 1, (60, 2)), np.full(60, 5.0), np.zeros((60, 2))])
    plotted = ShowerHistogramDisplay.from_images(real, {"a": fake}, X, bins=5, plot=False)
    assert [panel.name for panel in plotted.panels][:2] == ["response", "centroid_x"]
    assert len(plotted.panels) == 9
    r, f = (shower_observables(images, X)["f9"] for images in (real, fake))
    panel = next(panel for panel in plotted.panels if panel.name == "f9")
    assert panel.distances["a"] == pytest.approx(wasserstein_distance(r, f) / r.std())
    other = ShowerHistogramDisplay.from_images(real, fake, X, convention="mlhep2019", plot=False)
    assert len(other.panels) == len(shower_observables(real[:1], X[:1], "mlhep2019").names)
    with pytest.raises(ValueError, match="X has 59 rows, but there are 60 showers"):
        ShowerHistogramDisplay.from_images(real, fake, X[:59])
    with pytest.raises(ValueError, match=r"images of 'generated'.shape == \(60, 99\), expected"):
        ShowerHistogramDisplay.from_images(real, fake[:, 0].repeat(10, axis=1)[:, :99], X)
    empty = ShowerHistogramDisplay.from_images(0 * real, 0 * fake, X, plot=False)
    assert all(np.isnan(panel.distances["generated"]) for panel in empty.panels)
    drawn_figure(empty)


class Copy:
    """A "generator" of the images it was given."""

    def __init__(self, images):
        self.images = images

    def sample(self, X, random_state=None):
        self.seed = random_state
        return self.images


def test_from_estimator():
    rng = np.random.default_rng(0)
    real = rng.gamma(0.2, 10.0, size=(30, 6, 6))
    X = np.tile([0.0, 0.0, 5.0, 0.0, 0.0], (30, 1))
    model = Copy(real)
    plotted = ShowerHistogramDisplay.from_estimator(model, X, real, random_state=4, plot=False)
    assert model.seed == 4
    assert [panel.distances["Copy"] for panel in plotted.panels] == [0.0] * 9


def test_places_to_draw(tables):
    plotted = ShowerHistogramDisplay.from_observables(*tables, observables=["response", "r90"])
    assert plotted.figure_.number in plt.get_fignums()
    plt.close(plotted.figure_)
    axes = Figure().subplots(1, 2)
    plotted.plot(ax=axes)
    texts = plotted.ax_.get_legend().get_texts()
    assert [text.get_text().split(":")[0] for text in texts] == ["real", "generated"]
    with pytest.raises(ValueError, match="ax holds 2 axes, but 3 panels"):
        display(*tables).plot(ax=Figure().subplots(1, 2))
    free = Figure().add_axes((0.1, 0.1, 0.8, 0.8))
    with pytest.raises(ValueError, match="is in no grid, so that no ratio pad"):
        display(*tables, observables=["r90"]).plot(ax=free)
    display(*tables, observables=["r90"]).plot(ax=free, ratio=False)


def test_wrong_input_is_told(tables):
    real, fake = tables
    with pytest.raises(ValueError, match="y_scale='cubic'; allowed are 'linear' and 'log'"):
        display(real).plot(y_scale="cubic")
    for names in (["mass"], []):
        with pytest.raises(ValueError, match="choose at least one of"):
            display(real, fake, observables=names)
    with pytest.raises(ValueError, match=r"are \['r90'\], expected those of 'real'"):
        display(real, table(r90=[1.0]))
    with pytest.raises(ValueError, match="Two samples are called 'real'"):
        display(real, {"real": fake})
