"""Where signal and background lie in the latent space of a model.

A scatter of two coordinates (the first two, or the two principal components of all of them) with
the weighted distribution of each coordinate along its axis: A. Nardelli's thesis figures 4.2–4.5.
At most `max_points` events of a class are drawn, mixed, so that no class hides the other; the
distributions count all events.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skhep_anomaly._random import numpy_generator, seed_sequence
from skhep_anomaly.metrics.labels import anomaly_flags
from skhep_anomaly.metrics.selection import read_weights
from skhep_anomaly.plotting._axes import SMALL_SIZE, decorate, open_panels
from skhep_anomaly.plotting._histogram import choose_edges
from skhep_anomaly.plotting._palette import BACKGROUND, SIGNAL

__all__ = ["LatentMapDisplay"]

CLASSES = (("background", BACKGROUND, "o"), ("signal", SIGNAL, "^"))


class LatentMapDisplay:
    """Scatter of two latent coordinates by class, with their distributions.

    Use `from_estimator` or `from_predictions`.

    Parameters
    ----------
    latent : ndarray of shape (n_samples, 2)
        The two coordinates.
    signal : ndarray of bool of shape (n_samples,)
        True for signal.
    weight : ndarray of shape (n_samples,)
        Event weights.
    names : tuple of str
        Axis labels of the two coordinates.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The scatter.
    axes_ : ndarray of matplotlib.axes.Axes
        Scatter, distribution above it, distribution to its right.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> from skhep_anomaly.plotting import LatentMapDisplay
    >>> display = LatentMapDisplay.from_predictions(
    ...     [0, 0, 1], [[0.0, 1.0], [1.0, 0.0], [3.0, 3.0]], plot=False)
    >>> display.latent.shape, int(display.signal.sum())
    ((3, 2), 1)
    """

    def __init__(
        self,
        *,
        latent: NDArray[np.float64],
        signal: NDArray[np.bool_],
        weight: NDArray[np.float64],
        names: tuple[str, str],
    ) -> None:
        self.latent = latent
        self.signal = signal
        self.weight = weight
        self.names = names

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, names: Any = None, **parameters: Any
    ) -> Self:
        """Encode events with ``transform`` and draw the map.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``transform``.
        X : array-like of shape (n_samples, n_features)
            Events.
        y : array-like of shape (n_samples,)
            1 (or True, or ``anomaly_label``) is signal; with labels −1 and +1, −1 is.
        names : sequence of str, default=None
            Names of the latent coordinates; None: z₁, z₂.
        **parameters
            Further parameters of `from_predictions`.

        Returns
        -------
        display : LatentMapDisplay
            The Display, plotted unless ``plot=False``.

        Raises
        ------
        TypeError
            The estimator has no ``transform``.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "transform"):
            raise TypeError(
                f"{type(estimator).__name__} has no transform; pass its latent coordinates to "
                "from_predictions."
            )
        return cls.from_predictions(
            y, np.asarray(estimator.transform(X)), names=names, **parameters
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        latent: Any,
        *,
        sample_weight: Any = None,
        projection: str = "first",
        names: Any = None,
        anomaly_label: Any = None,
        plot: bool = True,
        **plot_parameters: Any,
    ) -> Self:
        """Draw the map of given latent coordinates.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            1 (or True, or `anomaly_label`) is signal; with labels −1 and +1, −1 is.
        latent : array-like of shape (n_samples, n_latent)
            Latent coordinates, two or more.
        sample_weight : array-like of shape (n_samples,), default=None
            Event weights; they count in the distributions and in the principal components.
        projection : {"first", "pca"}, default="first"
            The first two coordinates, or the two principal components of all.
        names : sequence of str, default=None
            Names of the latent coordinates; None: z₁, z₂.
        anomaly_label : object, default=None
            The label of signal.
        plot : bool, default=True
            Draw at once.
        **plot_parameters
            Passed to `plot`.

        Returns
        -------
        display : LatentMapDisplay
            The Display.

        Raises
        ------
        ValueError
            A class is missing, a coordinate is not finite, there are fewer than two, or
            `projection` is unknown.
        """
        signal = anomaly_flags(y_true, anomaly_label, name="y_true")
        points = _check_latent(latent, len(signal))
        weight = read_weights(sample_weight, len(signal))
        if projection == "first":
            found = ("$z_1$", "$z_2$") if names is None else (str(names[0]), str(names[1]))
            points = points[:, :2]
        elif projection == "pca":
            points, shares = _principal(points, weight)
            first, second = (
                f"component {i} ({s:.0%} of variance)" for i, s in enumerate(shares, 1)
            )
            found = (first, second)
        else:
            raise ValueError(f"projection={projection!r}; allowed are 'first' and 'pca'.")
        display = cls(latent=points, signal=signal, weight=weight, names=found)
        return display.plot(**plot_parameters) if plot else display

    @property
    def figure_size(self) -> tuple[float, float]:
        """Width and height [inch] that suit the figure."""
        return 5.8, 5.6

    def plot(
        self, ax: Any = None, *, max_points: int = 2000, bins: int = 40, random_state: Any = 0
    ) -> Self:
        """Draw the scatter and the two distributions.

        Parameters
        ----------
        ax : matplotlib Axes or Figure, default=None
            Where to draw the scatter; the distributions are set inside its upper and right margins.
        max_points : int, default=2000
            Events of each class that are drawn at most, chosen at random.
        bins : int, default=40
            Bins of the distributions.
        random_state : int, RandomState, Generator or None, default=0
            Chooses the events that are drawn.

        Returns
        -------
        self : LatentMapDisplay
            With ``ax_``, ``axes_`` and ``figure_``.

        Raises
        ------
        ValueError
            `max_points` is less than 1.
        """
        if max_points < 1:
            raise ValueError(f"max_points={max_points} must be at least 1.")
        self.figure_, (self.ax_,) = open_panels(ax, 1, n_columns=1, panel_size=self.figure_size)
        edges = [choose_edges(column, bins, None) for column in self.latent.T]
        self._draw_scatter(self.ax_, max_points, random_state)
        self.ax_.set(xlim=edges[0][[0, -1]], ylim=edges[1][[0, -1]])
        decorate(self.ax_, *self.names)
        above, right = self._draw_margins(self.ax_, edges)
        self.axes_ = np.array([self.ax_, above, right], dtype=object)
        return self

    def _draw_scatter(self, ax: Any, max_points: int, random_state: Any) -> None:
        """Draw both classes in small mixed portions, as pixels: thousands of vectors are slow."""
        rng = numpy_generator(seed_sequence(random_state))
        chosen = []
        for rows in (~self.signal, self.signal):
            index = np.flatnonzero(rows)
            chosen.append(rng.permutation(index)[:max_points])
        n_portions = 8
        for portion in range(n_portions):
            for index, (kind, colour, marker) in zip(chosen, CLASSES, strict=True):
                part = index[portion::n_portions]
                ax.scatter(
                    self.latent[part, 0],
                    self.latent[part, 1],
                    s=7,
                    marker=marker,
                    color=colour,
                    alpha=0.55,
                    linewidths=0,
                    rasterized=True,
                    label=self._entry(kind) if portion == 0 else None,
                )
        legend = ax.legend(
            frameon=True,
            framealpha=0.85,
            edgecolor="none",
            fontsize=SMALL_SIZE,
            markerscale=2.0,
            loc="upper right",
            handletextpad=0.2,
        )
        for handle in legend.legend_handles:
            handle.set_alpha(1.0)

    def _entry(self, kind: str) -> str:
        rows = self.signal if kind == "signal" else ~self.signal
        return f"{kind}: {int(rows.sum()):,}"

    def _draw_margins(self, ax: Any, edges: list[NDArray[np.float64]]) -> tuple[Any, Any]:
        """Draw each class's distribution, scaled to one, above and to the right of the scatter."""
        from matplotlib.ticker import MaxNLocator

        above = ax.inset_axes([0.0, 1.03, 1.0, 0.22], sharex=ax)
        right = ax.inset_axes([1.03, 0.0, 0.22, 1.0], sharey=ax)
        for axis, column, orientation in ((above, 0, "vertical"), (right, 1, "horizontal")):
            for kind, colour, _ in CLASSES:
                rows = self.signal if kind == "signal" else ~self.signal
                weight = self.weight[rows]
                counts, _ = np.histogram(self.latent[rows, column], edges[column], weights=weight)
                fill = kind == "background"
                axis.stairs(
                    counts / weight.sum(),
                    edges[column],
                    color=colour,
                    orientation=orientation,
                    fill=fill,
                    alpha=0.35 if fill else 1.0,
                    linewidth=1.5,
                )
        above.tick_params(which="both", direction="in", labelbottom=False, labelsize=8)
        right.tick_params(which="both", direction="in", labelleft=False, labelsize=8)
        above.set_ylabel("share / bin", fontsize=SMALL_SIZE)
        right.set_xlabel("share / bin", fontsize=SMALL_SIZE)
        above.yaxis.set_major_locator(MaxNLocator(3))
        right.xaxis.set_major_locator(MaxNLocator(2, prune="lower"))
        above.set_ylim(bottom=0)
        right.set_xlim(left=0)
        for axis in (above, right):
            axis.spines[["top", "right"]].set_visible(False)
        return above, right


def _check_latent(latent: Any, n_rows: int) -> NDArray[np.float64]:
    points = np.asarray(latent, dtype=np.float64)
    if points.ndim != 2 or len(points) != n_rows:
        raise ValueError(
            f"latent.shape == {points.shape}, expected ({n_rows}, n_latent) as y_true."
        )
    if points.shape[1] < 2:
        raise ValueError(
            f"latent has {points.shape[1]} coordinate(s), a map needs two; use "
            "ScoreHistogramDisplay.from_predictions for one."
        )
    bad = int((~np.isfinite(points)).any(axis=1).sum())
    if bad:
        raise ValueError(f"latent contains NaN or infinity in {bad} of {n_rows} rows.")
    return points


def _principal(
    points: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the first two weighted principal components and their shares of the variance."""
    centred = points - np.average(points, axis=0, weights=weight)
    covariance = (centred * weight[:, None]).T @ centred / weight.sum()
    variances, axes = np.linalg.eigh(covariance)
    axes = axes[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    return centred @ axes, variances[::-1][:2] / variances.sum()
