"""Level sets of scores in a plane of two features, model beside model.

Where does a model end what it takes for normal? Each colour is a region that holds a given share of
the normal rows, so that models whose scores have nothing in common can be compared: a good one
wraps its regions closely around the normal rows, a two-class model leaves them open where no
anomaly was known. The line is the model's own decision boundary, score = offset_.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._random import numpy_generator, seed_sequence
from skhep_anomaly.metrics.labels import anomaly_flags
from skhep_anomaly.metrics.selection import read_weights
from skhep_anomaly.plotting._axes import SMALL_SIZE, decorate, open_panels, plain_text
from skhep_anomaly.plotting._level_maps import LevelMap, level_map, read_plane, spread_grid
from skhep_anomaly.plotting._palette import BACKGROUND, INK, SIGNAL
from skhep_anomaly.plotting._scores import estimator_name

__all__ = ["DensityLevelDisplay"]

SHARES = (0.5, 0.75, 0.9, 0.95, 0.99)
TINTS = (0.85, 0.15)  # of the innermost and the outermost region
BOUNDARY: dict[str, Any] = {"colors": INK, "linewidths": 1.5, "linestyles": "-", "zorder": 2}
POINTS: tuple[tuple[dict[str, Any], str], ...] = (
    (
        {"s": 4, "marker": "o", "color": INK, "alpha": 0.55, "linewidths": 0, "zorder": 1.5},
        "normal",
    ),
    (
        {"s": 26, "marker": "^", "color": SIGNAL, "edgecolors": "white", "linewidths": 0.6},
        "known anomalies",
    ),
)


class DensityLevelDisplay:
    """Regions that hold given shares of the normal rows, one panel a model.

    Use `from_estimators` or `from_estimator`.

    Parameters
    ----------
    maps : sequence of LevelMap
        Scores on the grid, levels and boundary of each model.
    grid : tuple of two ndarrays of shape (n_grid,)
        The grid's axes.
    shares : ndarray of shape (n_shares,)
        Share of the normal weight in each region, increasing.
    normal : ndarray of shape (n_normal, 2)
        Normal rows.
    anomalies : ndarray of shape (n_anomalies, 2)
        Known anomalies; may be empty.
    names : tuple of str
        Axis labels.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes
        One panel a model.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> from sklearn.ensemble import IsolationForest
    >>> from skhep_anomaly import DensityLevelDisplay, make_moons_anomalies
    >>> moons = make_moons_anomalies(200, 10, random_state=0)
    >>> forest = IsolationForest(random_state=0).fit(moons.X)
    >>> display = DensityLevelDisplay.from_estimator(forest, moons.X, moons.y, plot=False)
    >>> display.areas["IsolationForest"].round(1).tolist()
    [1.5, 2.2, 3.3, 3.7, 5.2]
    """

    def __init__(
        self,
        *,
        maps: Sequence[LevelMap],
        grid: tuple[NDArray[np.float64], NDArray[np.float64]],
        shares: NDArray[np.float64],
        normal: NDArray[np.floating],
        anomalies: NDArray[np.floating],
        names: tuple[str, str],
    ) -> None:
        self.maps = maps
        self.grid = grid
        self.shares = shares
        self.normal = normal
        self.anomalies = anomalies
        self.names = names

    @property
    def areas(self) -> dict[str, NDArray[np.float64]]:
        """Area of each model's regions within the grid: at equal shares, smaller is sharper."""
        cell = np.prod([axis[1] - axis[0] for axis in self.grid])
        return {
            m.name: np.array([(m.score >= level).sum() * cell for level in m.levels])
            for m in self.maps
        }

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: Any = None, **parameters: Any) -> Self:
        """Draw the level sets of one model.

        Parameters
        ----------
        estimator : estimator
            Fitted detector or classifier.
        X : array-like of shape (n_samples, 2)
            Rows, best those of `fit`.
        y : array-like of shape (n_samples,), default=None
            Labels.
        **parameters
            Further parameters of `from_estimators`.

        Returns
        -------
        display : DensityLevelDisplay
            The Display, plotted unless ``plot=False``.

        Raises
        ------
        ValueError
            As `from_estimators`.
        """
        return cls.from_estimators({estimator_name(estimator): estimator}, X, y, **parameters)

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any],
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        shares: Any = SHARES,
        limits: Any = None,
        n_grid: int = 150,
        anomaly_label: Any = None,
        names: Any = None,
        plot: bool = True,
        **plot_parameters: Any,
    ) -> Self:
        """Score a grid with each model and draw the level sets.

        Parameters
        ----------
        estimators : mapping of str to estimator
            Fitted detectors or classifiers of two classes, with their names.
        X : array-like of shape (n_samples, 2)
            Rows, best those of `fit`; a frame's column names are given to the models and to the
            axes.
        y : array-like of shape (n_samples,), default=None
            1 (or True, or `anomaly_label`) is a known anomaly; with labels −1 and +1, −1 is. None:
            all rows are normal.
        sample_weight : array-like of shape (n_samples,), default=None
            Event weights ≥ 0, for the shares.
        shares : array-like of shape (n_shares,), default=(0.5, 0.75, 0.9, 0.95, 0.99)
            Shares of the normal rows to hold, increasing, in (0, 1).
        limits : ((low, high), (low, high)), default=None
            Ends of the axes; None: the range of the rows and 15 % more on either side.
        n_grid : int, default=150
            Points along each axis.
        anomaly_label : object, default=None
            The label of anomalies.
        names : sequence of str, default=None
            Axis labels; None: the frame's, or x₁ and x₂.
        plot : bool, default=True
            Draw at once.
        **plot_parameters
            Passed to `plot`.

        Returns
        -------
        display : DensityLevelDisplay
            The Display.

        Raises
        ------
        ValueError
            There is no model, `X` has other than two features, a score is not finite, or shares,
            limits, weights or labels are not as they must be.
        TypeError
            An estimator gives no score of a known direction.
        """
        if not estimators:
            raise ValueError("estimators is empty; give at least one model with its name.")
        held = _check_shares(shares)
        plane = read_plane(X)
        odd = _read_anomalies(y, len(plane.values), anomaly_label)
        weight = _check_positive(read_weights(sample_weight, len(odd)), odd)
        x_axis, y_axis = spread_grid(plane.values, limits, n_grid)
        corners = np.stack([c.ravel() for c in np.meshgrid(x_axis, y_axis)], axis=1)
        rows = plane.like(corners), plane.like(plane.values[~odd])
        maps = [
            level_map(str(name), model, *rows, weight[~odd], held, anomaly_label)
            for name, model in estimators.items()
        ]
        display = cls(
            maps=maps,
            grid=(x_axis, y_axis),
            shares=held,
            normal=plane.values[~odd],
            anomalies=plane.values[odd],
            names=plane.names if names is None else (str(names[0]), str(names[1])),
        )
        return display.plot(**plot_parameters) if plot else display

    @property
    def figure_size(self) -> tuple[float, float]:
        """Width and height [inch] that suit the panels and the legend under them."""
        n = len(self.maps)
        columns = min(3, n)
        return (5.4, 4.8) if n == 1 else (3.5 * columns, 3.1 * -(-n // columns) + 0.7)

    def plot(
        self, ax: Any = None, *, max_points: int = 500, random_state: Any = 0, aspect: str = "auto"
    ) -> Self:
        """Draw one panel a model, all with the same colours.

        Parameters
        ----------
        ax : matplotlib Axes, one for each model, or Figure, default=None
            Where to draw; None opens a figure, one Axes is split where there are several models.
        max_points : int, default=500
            Normal rows and known anomalies that are drawn at most, chosen at random.
        random_state : int, RandomState, Generator or None, default=0
            Chooses the rows that are drawn.
        aspect : {"auto", "equal"}, default="auto"
            "equal": one unit is as long on both axes.

        Returns
        -------
        self : DensityLevelDisplay
            With ``ax_``, ``axes_`` and ``figure_``.

        Raises
        ------
        ValueError
            `max_points` is negative, or `ax` holds another number of axes than there are models.
        """
        if max_points < 0:
            raise ValueError(f"max_points={max_points} must be 0 or more.")
        from matplotlib.figure import Figure

        columns = min(3, len(self.maps))
        width, height = self.figure_size
        size = (width / columns, height / -(-len(self.maps) // columns))
        self.figure_, axes = open_panels(ax, len(self.maps), n_columns=3, panel_size=size)
        self.axes_ = np.array(axes, dtype=object)
        self.ax_ = axes[0]
        rng = numpy_generator(seed_sequence(random_state))
        points = [rng.permutation(rows)[:max_points] for rows in (self.normal, self.anomalies)]
        for i, (panel, axis) in enumerate(zip(self.maps, axes, strict=True)):
            self._draw_panel(axis, panel, points)
            first, last = i % columns == 0, i + columns >= len(axes)
            decorate(
                axis,
                self.names[0] if last else "",
                self.names[1] if first else "",
                title=plain_text(panel.name) if len(axes) > 1 else "",
            )
            axis.set(xlim=self.grid[0][[0, -1]], ylim=self.grid[1][[0, -1]], aspect=aspect)
        self._draw_legend(own_figure=ax is None or isinstance(ax, Figure))
        return self

    def _draw_panel(self, ax: Any, panel: LevelMap, points: list[NDArray[np.floating]]) -> None:
        """Draw regions from the outermost on, the boundary, and the rows."""
        edges: list[float] = []
        colours = []
        for level, colour in zip(panel.levels[::-1], self._colours()[::-1], strict=True):
            if not edges or level > edges[-1]:  # of equal levels the larger share is true
                edges.append(float(level))
                colours.append(colour)
        edges.append(max(float(panel.score.max()), edges[-1]) + 1.0)
        ax.contourf(*self.grid, panel.score, levels=edges, colors=colours, zorder=0.5)
        if panel.boundary is not None and panel.score.min() < panel.boundary < panel.score.max():
            ax.contour(*self.grid, panel.score, levels=[panel.boundary], **BOUNDARY)
        for (style, _), rows in zip(POINTS, points, strict=True):
            ax.scatter(rows[:, 0], rows[:, 1], rasterized=True, **style)

    def _colours(self) -> list[tuple[float, float, float]]:
        """Return tints of one hue, the innermost region the darkest."""
        from matplotlib.colors import to_rgb

        hue = np.array(to_rgb(BACKGROUND))
        strength = np.linspace(*TINTS, len(self.shares)) if len(self.shares) > 1 else TINTS[:1]
        return [tuple(1 - tint * (1 - hue)) for tint in strength]

    def _draw_legend(self, *, own_figure: bool) -> None:
        """Explain the colours once: under the panels, or beside the last of the user's axes."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        handles: list[Any] = []
        for (style, name), rows in zip(POINTS, (self.normal, self.anomalies), strict=True):
            if len(rows):
                look: dict[str, Any] = {
                    "marker": style["marker"],
                    "color": style["color"],
                    "linestyle": "",
                }
                handles.append(Line2D([], [], label=f"{name}: {len(rows):,}", **look))
        if any(panel.boundary is not None for panel in self.maps):
            line: dict[str, Any] = {
                "color": BOUNDARY["colors"],
                "linewidth": BOUNDARY["linewidths"],
            }
            handles.append(Line2D([], [], label="decision boundary", **line))
        handles += [
            Patch(facecolor=colour, edgecolor="none", label=f"{100 * share:g} %")
            for share, colour in zip(self.shares, self._colours(), strict=True)
        ]
        texts: dict[str, Any] = {
            "handles": handles,
            "frameon": False,
            "fontsize": SMALL_SIZE,
            "title": "blue regions hold this share of the normal rows",
            "title_fontsize": SMALL_SIZE,
        }
        if own_figure:
            columns = len(handles) if len(self.maps) > 1 else -(-len(handles) // 2)
            self.figure_.legend(loc="outside lower center", ncols=min(columns, 8), **texts)
        else:
            corner: dict[str, Any] = {
                "loc": "upper left",
                "bbox_to_anchor": (1.02, 1.0),
                "borderaxespad": 0.0,
            }
            self.axes_[-1].legend(**corner, **texts)


def _check_shares(shares: Any) -> NDArray[np.float64]:
    values = np.asarray(shares, dtype=np.float64)
    inside = values.ndim == 1 and len(values) > 0 and ((values > 0) & (values < 1)).all()
    if not inside or not (np.diff(values) > 0).all():
        raise ValueError(f"shares={shares!r} must be increasing numbers between 0 and 1.")
    return values


def _read_anomalies(y: Any, n_rows: int, anomaly_label: Any) -> NDArray[np.bool_]:
    """Return who is a known anomaly."""
    if y is None:
        return np.zeros(n_rows, dtype=bool)
    odd = anomaly_flags(y, anomaly_label, both_classes=False)
    if len(odd) != n_rows:
        raise ValueError(f"y has {len(odd)} rows, X has {n_rows}.")
    if odd.all():
        raise ValueError("y holds anomalies only; levels are shares of the normal rows.")
    return odd


def _check_positive(weight: NDArray[np.float64], odd: NDArray[np.bool_]) -> NDArray[np.float64]:
    if (weight < 0).any() or not weight[~odd].any():
        raise ValueError(
            "sample_weight must be ≥ 0, and above zero for some normal row: levels are quantiles."
        )
    return weight
