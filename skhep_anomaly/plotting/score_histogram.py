"""Anomaly scores of signal and background: what a threshold lets through.

Background is filled, signal an open line; training events are points with their error √Σw², scaled
to the test sample of their class, so that overtraining shows as points off the histogram. One panel
a group (a jet multiplicity, say): A. Nardelli's thesis figures 4.6 and 4.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from skhep_anomaly.metrics.scorers import anomaly_scores
from skhep_anomaly.plotting._axes import SMALL_SIZE, decorate, open_panels, plain_text
from skhep_anomaly.plotting._histogram import Histogram
from skhep_anomaly.plotting._palette import BACKGROUND, GUIDE, INK, SIGNAL
from skhep_anomaly.plotting._score_panel import (
    ScorePanel,
    build_panel,
    read_test,
    read_train,
    split_groups,
)
from skhep_anomaly.plotting._scores import own_threshold
from skhep_anomaly.plotting._thresholds import Thresholds

__all__ = ["ScoreHistogramDisplay"]

COLOURS = {"background": BACKGROUND, "signal": SIGNAL}
LINES = ("-", "--", ":", "-.")
FAR_APART = 20.0  # peaks of two classes with a larger ratio need a logarithmic axis


class ScoreHistogramDisplay:
    """Histograms of the anomaly score by class, with thresholds.

    Use `from_estimator` or `from_predictions`. Higher score = more anomalous.

    Parameters
    ----------
    panels : sequence of ScorePanel
        What to draw, one panel a group.
    score_name : str, default="anomaly score"
        Label of the horizontal axis, with its unit if there is one: ``"−ELBO [nats]"``.
    weighted : bool, default=False
        Whether events have weights (it is said on the vertical axis).

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes
        All panels.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> from skhep_anomaly.plotting import ScoreHistogramDisplay
    >>> display = ScoreHistogramDisplay.from_predictions(
    ...     [0, 0, 0, 1], [0.1, 0.2, 0.3, 0.9], bins=2, thresholds="median", plot=False)
    >>> display.panels[0].histograms[0].counts.tolist(), display.panels[0].thresholds
    ([3.0, 0.0], {'median': 0.2})
    """

    def __init__(
        self,
        *,
        panels: Sequence[ScorePanel],
        score_name: str = "anomaly score",
        weighted: bool = False,
    ) -> None:
        self.panels = panels
        self.score_name = score_name
        self.weighted = weighted

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        X_train: Any = None,
        y_train: Any = None,
        thresholds: Thresholds = "own",
        anomaly_label: Any = None,
        **parameters: Any,
    ) -> Self:
        """Score events and draw the histograms.

        Parameters
        ----------
        estimator : estimator
            A fitted detector, or a pipeline or search that ends in one.
        X : array-like of shape (n_samples, n_features)
            Test events.
        y : array-like of shape (n_samples,)
            1 (or True, or `anomaly_label`) is signal; with labels −1 and +1, −1 is.
        X_train : array-like, default=None
            Training events, drawn as points.
        y_train : array-like, default=None
            Their labels; None: background only.
        thresholds : float, str, sequence or mapping, default="own"
            "own" is the detector's ``-offset_`` (none where it has none); else as in
            `from_predictions`.
        anomaly_label : object, default=None
            The label of signal.
        **parameters
            Further parameters of `from_predictions`.

        Returns
        -------
        display : ScoreHistogramDisplay
            The Display, plotted unless ``plot=False``.

        Raises
        ------
        ValueError
            As `from_predictions`.
        """
        if isinstance(thresholds, str) and thresholds == "own":
            own = own_threshold(estimator)
            thresholds = None if own is None else {"threshold": own}
        train = None if X_train is None else anomaly_scores(estimator, X_train, anomaly_label)
        return cls.from_predictions(
            y,
            anomaly_scores(estimator, X, anomaly_label),
            y_score_train=train,
            y_true_train=y_train,
            thresholds=thresholds,
            anomaly_label=anomaly_label,
            **parameters,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_score: Any,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        y_score_train: Any = None,
        y_true_train: Any = None,
        sample_weight_train: Any = None,
        groups_train: Any = None,
        thresholds: Thresholds = None,
        bins: Any = 40,
        score_range: tuple[float, float] | None = None,
        group_name: str = "group",
        score_name: str = "anomaly score",
        anomaly_label: Any = None,
        plot: bool = True,
        **plot_parameters: Any,
    ) -> Self:
        """Bin anomaly scores and draw the histograms.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            1 (or True, or `anomaly_label`) is signal; with labels −1 and +1, −1 is.
        y_score : array-like of shape (n_samples,)
            Anomaly scores, higher = more anomalous.
        sample_weight : array-like of shape (n_samples,), default=None
            Event weights.
        groups : array-like of shape (n_samples,), default=None
            One panel for each value, with its own range and thresholds.
        y_score_train, y_true_train, sample_weight_train, groups_train : array-like, default=None
            The training sample, drawn as points; without labels it is background only.
        thresholds : float, str, sequence of str, mapping or None, default=None
            A value; rules on the training scores ("P40", "median", "mean"; on the background of
            `y_score` where there are none); or a mapping of names to values.
        bins : int or array-like, default=40
            Number of bins or their edges.
        score_range : tuple of float, default=None
            Range of the bins; None: that of the scores without a far tail. What lies outside is
            counted in the first and last bin.
        group_name : str, default="group"
            Panel titles are ``group_name = value``.
        score_name : str, default="anomaly score"
            Axis label.
        anomaly_label : object, default=None
            The label of signal.
        plot : bool, default=True
            Draw at once.
        **plot_parameters
            Passed to `plot`.

        Returns
        -------
        display : ScoreHistogramDisplay
            The Display.

        Raises
        ------
        ValueError
            A class is missing (also in a group), scores are not finite, or groups are missing.
        """
        test = read_test(y_true, y_score, sample_weight, groups, anomaly_label)
        train = read_train(
            y_true_train, y_score_train, sample_weight_train, groups_train, anomaly_label
        )
        panels = [
            build_panel(
                f"{group_name} = {value}" if groups is not None else "",
                events,
                train_events,
                thresholds=thresholds,
                bins=bins,
                score_range=score_range,
            )
            for value, events, train_events in split_groups(test, train)
        ]
        display = cls(panels=panels, score_name=score_name, weighted=sample_weight is not None)
        return display.plot(**plot_parameters) if plot else display

    @property
    def figure_size(self) -> tuple[float, float]:
        """Width and height [inch] that suit the panels."""
        if len(self.panels) == 1:
            return 6.4, 4.4
        return 9.6, 3.6 * (-(-len(self.panels) // 2))

    def plot(self, ax: Any = None, *, density: bool = False, y_scale: str = "auto") -> Self:
        """Draw the histograms.

        Parameters
        ----------
        ax : matplotlib Axes, array-like of Axes or Figure, default=None
            Where to draw; None opens a figure, one Axes is split where there are several panels.
        density : bool, default=False
            Scale every class to one, to compare shapes.
        y_scale : {"auto", "linear", "log"}, default="auto"
            "auto" is logarithmic where one class dwarfs the other.

        Returns
        -------
        self : ScoreHistogramDisplay
            With ``ax_``, ``axes_`` and ``figure_``.

        Raises
        ------
        ValueError
            `y_scale` is unknown or `ax` holds another number of axes than there are panels.
        """
        if y_scale not in ("auto", "linear", "log"):
            raise ValueError(f"y_scale={y_scale!r}; allowed are 'auto', 'linear' and 'log'.")
        width, height = self.figure_size
        columns = min(2, len(self.panels))
        size = (width / columns, height / -(-len(self.panels) // columns))
        self.figure_, axes = open_panels(ax, len(self.panels), n_columns=2, panel_size=size)
        self.axes_ = np.array(axes, dtype=object)
        self.ax_ = axes[0]
        for panel, axis in zip(self.panels, axes, strict=True):
            self._draw_panel(axis, panel, density, y_scale)
        return self

    def _draw_panel(self, ax: Any, panel: ScorePanel, density: bool, y_scale: str) -> None:
        sums = {(h.kind, h.sample): h.counts.sum() for h in panel.histograms}
        drawn = []
        for histogram in panel.histograms:
            # Training events are scaled to the test events of their class.
            own = sums[histogram.kind, histogram.sample]
            scale = (1.0 if density else sums[histogram.kind, "test"]) / own
            draw = _draw_test if histogram.sample == "test" else _draw_train
            draw(ax, panel.edges, histogram, scale, _legend_entry(histogram, self.weighted))
            drawn.append(histogram.counts * scale)
        for (name, value), line in zip(panel.thresholds.items(), LINES * 9, strict=False):
            ax.axvline(
                value, color=GUIDE, linestyle=line, linewidth=1.3, label=plain_text(name), zorder=1
            )
        peaks = [counts.max() for counts in drawn]
        is_log = y_scale == "log" or (y_scale == "auto" and max(peaks) > FAR_APART * min(peaks))
        _set_heights(ax, drawn, is_log)
        ax.set_xlim(panel.edges[0], panel.edges[-1])
        decorate(
            ax,
            self.score_name + _outside_note(panel),
            self._y_label(panel, density),
            title=plain_text(panel.title),
        )
        _draw_legend(ax, len(panel.thresholds))

    def _y_label(self, panel: ScorePanel, density: bool) -> str:
        widths = np.diff(panel.edges)
        size = f"{widths[0]:.2g}" if np.allclose(widths, widths[0]) else "bin"
        if density:
            return f"fraction of class / {size}"
        return f"{'weighted events' if self.weighted else 'events'} / {size}"


def _draw_test(ax: Any, edges: Any, histogram: Histogram, scale: float, label: str) -> None:
    """Draw a filled histogram (background) or an open line (signal)."""
    colour = COLOURS[histogram.kind]
    counts = histogram.counts * scale
    if histogram.kind == "background":
        ax.stairs(counts, edges, fill=True, color=colour, alpha=0.28, label=label)
        ax.stairs(counts, edges, color=colour, linewidth=1.0)
    else:
        ax.stairs(counts, edges, color=colour, linewidth=1.8, label=label)


def _draw_train(ax: Any, edges: Any, histogram: Histogram, scale: float, label: str) -> None:
    """Draw points with errors at the bins that hold events."""
    held = histogram.errors > 0
    ax.errorbar(
        ((edges[1:] + edges[:-1]) / 2)[held],
        histogram.counts[held] * scale,
        yerr=histogram.errors[held] * scale,
        fmt="o" if histogram.kind == "background" else "s",
        markersize=3.2,
        linewidth=0.9,
        color=INK if histogram.kind == "background" else COLOURS["signal"],
        label=label,
    )


def _legend_entry(histogram: Histogram, weighted: bool) -> str:
    name = histogram.kind if histogram.sample == "test" else f"{histogram.kind}, train (scaled)"
    total = histogram.counts.sum()
    weights = f", Σw = {f'{total:,.0f}' if total >= 1000 else f'{total:.4g}'}" if weighted else ""
    return f"{name}: {histogram.n_events:,}{weights}"


def _draw_legend(ax: Any, n_thresholds: int) -> None:
    """List samples first, thresholds after them."""
    from matplotlib.lines import Line2D

    handles, labels = ax.get_legend_handles_labels()
    lines = [i for i, handle in enumerate(handles) if isinstance(handle, Line2D)][:n_thresholds]
    order = [*(i for i in range(len(handles)) if i not in lines), *lines]
    ax.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        frameon=False,
        fontsize=SMALL_SIZE,
        loc="upper right",
        handlelength=1.8,
    )


def _outside_note(panel: ScorePanel) -> str:
    """Say which end bins hold events from outside the range."""
    below = any(histogram.n_outside[0] for histogram in panel.histograms)
    above = any(histogram.n_outside[1] for histogram in panel.histograms)
    ends = {
        (True, True): "end bins: under- and overflow",
        (True, False): "first bin: underflow",
        (False, True): "last bin: overflow",
    }
    return f"   ({ends[below, above]})" if below or above else ""


def _set_heights(ax: Any, drawn: Sequence[Any], is_log: bool) -> None:
    """Leave room for the legend above the histograms."""
    top = max(counts.max() for counts in drawn)
    if not is_log:
        ax.set_ylim(0, 1.45 * top)
        return
    bottom = 0.5 * min(counts[counts > 0].min() for counts in drawn if (counts > 0).any())
    bottom = max(bottom, 1e-7 * top)
    ax.set_yscale("log")
    ax.set_ylim(bottom, top * (top / bottom) ** 0.35)
