"""Observables of real and generated showers, with the ratio under each histogram.

Real showers are filled, generators are lines, both with errors √n; the pad shows their ratio. The
numbers in a panel are W₁/sd: how far a generator's distribution is from the real one, in units
of its spread, and beside the real sample's name the floor of that number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from skhep_anomaly.metrics.shower_arrays import Geometry
from skhep_anomaly.metrics.shower_observables import ShowerObservables, shower_observables
from skhep_anomaly.plotting._axes import SMALL_SIZE, open_panels, plain_text
from skhep_anomaly.plotting._observable_drawing import draw_panel, list_distances
from skhep_anomaly.plotting._observable_panel import ObservablePanel, observable_panel
from skhep_anomaly.plotting._ratio_pad import split_pad
from skhep_anomaly.plotting._shower_samples import generate, named_samples, read_samples

__all__ = ["ShowerHistogramDisplay"]

CHOSEN = (  # drawn unless others are asked for
    "response",
    "centroid_x",
    "width_along",
    "width_across",
    "r90",
    "f1",
    "f9",
    "n_above_0.06",
    "n_above_1",
)
COLUMNS = 3
PANEL = (3.7, 3.3)  # inch


class ShowerHistogramDisplay:
    """Histograms of shower observables, real against generated.

    Use `from_images`, `from_estimator` or `from_observables`.

    Parameters
    ----------
    panels : sequence of ObservablePanel
        What to draw, one panel an observable.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes
        All panels.
    ratio_axes_ : ndarray of matplotlib.axes.Axes
        The pad under each panel; empty without.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    ShowerImageDisplay : Mean images and single showers.
    shower_observables : What each observable is.

    Notes
    -----
    Observables are measured relative to each shower's own particle, so that showers with the
    right distributions and the wrong conditions show. Sampled at the same conditions a perfect
    generator lies somewhat below the floor, which is that of independent particles.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly import ShowerHistogramDisplay
    >>> showers = np.random.default_rng(0).gamma(1.0, 2.0, size=(50, 4, 4))
    >>> X = np.tile([0.0, 0.0, 10.0, 0.0, 0.0], (50, 1))
    >>> display = ShowerHistogramDisplay.from_images(
    ...     showers, showers, X, observables=["response", "f1"], bins=5, plot=False)
    >>> [panel.distances["generated"] for panel in display.panels]
    [0.0, 0.0]
    """

    def __init__(self, *, panels: Sequence[ObservablePanel]) -> None:
        self.panels = panels

    @classmethod
    def from_images(
        cls,
        real: Any,
        fake: Any,
        X: Any,
        *,
        names: tuple[str, str] = ("real", "generated"),
        convention: str = "physical",
        extended: bool = False,
        geometry: tuple[float, float] = Geometry(),
        **parameters: Any,
    ) -> Self:
        """Measure showers and draw the histograms.

        Parameters
        ----------
        real : array-like of shape (n, nx, ny), (n, nx, ny, 1) or (n, nx * nx)
            Deposits [MeV], first axis x.
        fake : array-like, mapping of str to array-like, or None
            Generated showers, row by row at the conditions `X`; several generators with their
            names.
        X : array-like or frame of shape (n, 5)
            Conditions (px, py, pz, x, y) [GeV, cm].
        names : tuple of two str, default=("real", "generated")
            Names of the real sample and of a single generator.
        convention : {"physical", "mlhep2019"}, default="physical"
            Which observables, as in `shower_observables`.
        extended : bool, default=False
            Measure the spectrum of the deposits, too.
        geometry : (float, float), default=(2.02, 12.0)
            Edge of a cell and the depth at which the axis is taken [cm].
        **parameters
            Further parameters of `from_observables`.

        Returns
        -------
        display : ShowerHistogramDisplay
            The Display, plotted unless ``plot=False``.

        Raises
        ------
        ValueError
            Images or conditions have other shapes than expected, or impossible values.
        """
        samples = read_samples(real, fake, names)
        tables = {
            name: shower_observables(images, X, convention, extended=extended, geometry=geometry)
            for name, images in samples.items()
        }
        real_table = tables.pop(names[0])
        return cls.from_observables(real_table, tables, names=names, **parameters)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        random_state: Any = None,
        names: tuple[str, str] | None = None,
        **parameters: Any,
    ) -> Self:
        """Generate one shower for each condition and draw the histograms.

        Parameters
        ----------
        estimator : estimator or mapping of str to estimator
            Fitted generator with ``sample(X, random_state=…)``; several with their names.
        X : array-like of shape (n, 5)
            Conditions (px, py, pz, x, y) [GeV, cm].
        y : array-like of shape (n, nx, ny)
            Real showers of these conditions [MeV].
        random_state : int, RandomState, Generator or None, default=None
            Passed to ``sample``.
        names : tuple of two str, default=None
            Names of the real sample and of the generator; None: "real" and the class's name.
        **parameters
            Further parameters of `from_images`.

        Returns
        -------
        display : ShowerHistogramDisplay
            The Display, plotted unless ``plot=False``.

        Raises
        ------
        ValueError
            As `from_images`.
        """
        fake, names = generate(estimator, X, random_state, names)
        return cls.from_images(y, fake, X, names=names, **parameters)

    @classmethod
    def from_observables(
        cls,
        real: ShowerObservables,
        fake: Any = None,
        *,
        names: tuple[str, str] = ("real", "generated"),
        observables: Sequence[str] | None = None,
        bins: Any = 30,
        limits: Mapping[str, tuple[float, float]] | None = None,
        plot: bool = True,
        **plot_parameters: Any,
    ) -> Self:
        """Bin observables and draw the histograms.

        Parameters
        ----------
        real : ShowerObservables
            Table of `shower_observables`.
        fake : ShowerObservables, mapping of str to ShowerObservables, or None, default=None
            Table of generated showers; several generators with their names.
        names : tuple of two str, default=("real", "generated")
            Names of the real sample and of a single generator.
        observables : sequence of str, default=None
            Columns to draw; None: nine telling ones, or all of another convention.
        bins : int or array-like, default=30
            Number of bins, or edges. Counts of cells get bins of whole numbers.
        limits : mapping of str to (low, high), default=None
            Ends of the range of observables; else from the samples, without a far tail. What lies
            outside is counted in the first and last bin.
        plot : bool, default=True
            Draw at once.
        **plot_parameters
            Passed to `plot`.

        Returns
        -------
        display : ShowerHistogramDisplay
            The Display.

        Raises
        ------
        ValueError
            An observable is unknown, tables have unlike columns, or bins or limits are impossible.
        """
        tables = {names[0]: real, **named_samples(fake, names)}
        for name, table in tables.items():
            if table.names != real.names:
                raise ValueError(
                    f"observables of {name!r} are {list(table.names)}, expected those of "
                    f"{names[0]!r}: {list(real.names)}."
                )
        panels = [
            observable_panel(
                name,
                real.units[real.names.index(name)],
                {sample: table[name] for sample, table in tables.items()},
                bins,
                (limits or {}).get(name),
            )
            for name in _choose(observables, real.names)
        ]
        display = cls(panels=panels)
        return display.plot(**plot_parameters) if plot else display

    @property
    def figure_size(self) -> tuple[float, float]:
        """Width and height [inch] that suit the panels and the legend above them."""
        columns = min(COLUMNS, len(self.panels))
        rows = -(-len(self.panels) // columns)
        return PANEL[0] * columns + 0.6 * (columns == 1), PANEL[1] * rows + 0.4

    def plot(
        self, ax: Any = None, *, density: bool = True, ratio: bool = True, y_scale: str = "linear"
    ) -> Self:
        """Draw one panel an observable.

        Parameters
        ----------
        ax : matplotlib Axes, one for each observable, or Figure, default=None
            Where to draw; None opens a figure, one Axes is split where there are several panels.
        density : bool, default=True
            Scale every sample to one; otherwise to the number of real showers.
        ratio : bool, default=True
            Put a pad with the ratio to the real sample under each panel.
        y_scale : {"linear", "log"}, default="linear"
            Vertical axis of the histograms.

        Returns
        -------
        self : ShowerHistogramDisplay
            With ``ax_``, ``axes_``, ``ratio_axes_`` and ``figure_``.

        Raises
        ------
        ValueError
            `y_scale` is unknown, `ax` holds another number of axes than there are panels, or is
            in no grid with ``ratio=True``.
        """
        if y_scale not in ("linear", "log"):
            raise ValueError(f"y_scale={y_scale!r}; allowed are 'linear' and 'log'.")
        from matplotlib.figure import FigureBase

        self.figure_, axes = open_panels(
            ax, len(self.panels), n_columns=COLUMNS, panel_size=self._panel_size()
        )
        with_pads = ratio and len(self.panels[0].samples) > 1
        pairs = [split_pad(panel) if with_pads else (panel, None) for panel in axes]
        own_figure = ax is None or isinstance(ax, FigureBase)
        for panel, (upper, pad) in zip(self.panels, pairs, strict=True):
            draw_panel(upper, pad, panel, density=density, y_scale=y_scale)
            list_distances(upper, panel, named=not own_figure)
        self.axes_ = np.array([upper for upper, _ in pairs], dtype=object)
        self.ratio_axes_ = np.array([pad for _, pad in pairs if pad is not None], dtype=object)
        self.ax_ = self.axes_[0]
        if own_figure:
            handles, _ = self.ax_.get_legend_handles_labels()
            texts = [f"{plain_text(n)}: {k:,}" for n, k in self.panels[0].n_showers.items()]
            place: dict[str, Any] = {"loc": "outside upper center", "ncols": len(texts)}
            self.figure_.legend(handles, texts, frameon=False, fontsize=SMALL_SIZE + 1, **place)
        return self

    def _panel_size(self) -> tuple[float, float]:
        columns = min(COLUMNS, len(self.panels))
        width, height = self.figure_size
        return width / columns, height / -(-len(self.panels) // columns)


def _choose(observables: Sequence[str] | None, names: Sequence[str]) -> Sequence[str]:
    if observables is None:
        return CHOSEN if set(CHOSEN) <= set(names) else names
    unknown = [name for name in observables if name not in names]
    if unknown or len(observables) == 0:
        raise ValueError(f"observables={list(observables)}: choose at least one of {list(names)}.")
    return observables
