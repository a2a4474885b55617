"""Axes in the manner of high-energy physics: ticks inwards on all sides, labels at the axis ends.

Everything is set on the axes themselves; matplotlib's global settings are never touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["decorate", "drawn_figure", "open_grid", "open_panels", "plain_text"]

LABEL_SIZE = 10.5
SMALL_SIZE = 8.5


def open_panels(
    ax: Any, n_panels: int, *, n_columns: int, panel_size: tuple[float, float]
) -> tuple[Figure, list[Axes]]:
    """Return a figure and `n_panels` axes in it.

    Parameters
    ----------
    ax : None, matplotlib Axes, array-like of Axes or Figure
        None opens a pyplot figure; one Axes is split where several panels are needed; a Figure is
        filled with panels.
    n_panels : int
        Panels needed.
    n_columns : int
        Panels side by side in a figure opened here.
    panel_size : tuple of float
        Width and height of a panel [inch] in a figure opened here.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure that holds the panels.
    axes : list of matplotlib.axes.Axes
        One a panel.

    Raises
    ------
    ValueError
        `ax` holds another number of axes than needed.
    """
    from matplotlib.figure import Figure

    n_columns = min(n_columns, n_panels)
    n_rows = -(-n_panels // n_columns)
    if ax is None:
        import matplotlib.pyplot as plt

        size = (n_columns * panel_size[0], n_rows * panel_size[1])
        return _fill(plt.figure(figsize=size, layout="constrained"), n_panels, n_rows, n_columns)
    if isinstance(ax, Figure):
        return _fill(ax, n_panels, n_rows, n_columns)
    given = np.asarray(ax, dtype=object).ravel()
    if len(given) == 1 and n_panels > 1 and given[0].get_subplotspec() is not None:
        given[0].set_axis_off()
        grid = given[0].get_subplotspec().subgridspec(n_rows, n_columns)
        return _fill(given[0].figure, n_panels, n_rows, n_columns, grid)
    if len(given) != n_panels:
        raise ValueError(f"ax holds {len(given)} axes, but {n_panels} panels are to be drawn.")
    return given[0].figure, list(given)


def _fill(
    figure: Any, n_panels: int, n_rows: int, n_columns: int, grid: Any = None
) -> tuple[Figure, list[Axes]]:
    grid = figure.add_gridspec(n_rows, n_columns) if grid is None else grid
    return figure, [
        figure.add_subplot(grid[i // n_columns, i % n_columns]) for i in range(n_panels)
    ]


def open_grid(
    ax: Any, n_rows: int, n_columns: int, size: tuple[float, float], **spacing: Any
) -> tuple[Figure, Any]:
    """Return a figure and a grid in it, for panels of unequal size.

    Parameters
    ----------
    ax : None, matplotlib Axes or Figure
        None opens a pyplot figure; an Axes made by ``subplots`` gives its place away; a Figure is
        filled.
    n_rows, n_columns : int
        Size of the grid.
    size : tuple of float
        Width and height [inch] of a figure opened here.
    **spacing
        Passed to matplotlib: ``height_ratios``, ``width_ratios`` and the like.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure that holds the grid.
    grid : matplotlib.gridspec.GridSpecBase
        The grid.

    Raises
    ------
    ValueError
        `ax` is something else, or an Axes that is in no grid.
    """
    from matplotlib.figure import FigureBase

    if ax is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=size, layout="constrained")
        return figure, figure.add_gridspec(n_rows, n_columns, **spacing)
    if isinstance(ax, FigureBase):
        return ax, ax.add_gridspec(n_rows, n_columns, **spacing)  # type: ignore[return-value]
    place = getattr(ax, "get_subplotspec", lambda: None)()
    if place is None:
        raise ValueError(
            f"ax={ax!r} has no place in a grid that could be divided into several panels; "
            "pass None, a Figure, or one Axes made by plt.subplots."
        )
    ax.set_axis_off()
    return ax.figure, place.subgridspec(n_rows, n_columns, **spacing)


def decorate(ax: Axes, x_label: str, y_label: str, *, title: str = "") -> None:
    """Set labels at the axis ends, ticks inwards on all four sides, minor ticks between them."""
    ax.set_xlabel(x_label, loc="right", fontsize=LABEL_SIZE)
    ax.set_ylabel(y_label, loc="top", fontsize=LABEL_SIZE)
    if title:
        ax.set_title(title, loc="left", fontsize=LABEL_SIZE, fontweight="bold")
    ax.minorticks_on()
    ax.tick_params(which="both", direction="in", top=True, right=True, labelsize=9)
    ax.tick_params(which="major", length=5)
    ax.tick_params(which="minor", length=2.5)


def plain_text(name: str) -> str:
    """Return a user's name so that matplotlib does not read a "$" in it as mathematics."""
    return name.replace("$", r"\$")


def drawn_figure(display: Any, **plot_parameters: Any) -> Figure:
    """Plot a Display into a figure of its own that pyplot knows nothing of.

    For programs: no window is opened, nothing has to be closed, threads do not meet.

    Parameters
    ----------
    display : Display
        A Display of this package.
    **plot_parameters
        Passed to its ``plot``.

    Returns
    -------
    figure : matplotlib.figure.Figure
        With the Agg canvas, ready for ``savefig``.

    Examples
    --------
    >>> from skhep_anomaly.plotting import TrainingCurveDisplay, drawn_figure
    >>> display = TrainingCurveDisplay.from_history([{"epoch": 1, "train_loss": 2.0}])
    >>> len(drawn_figure(display).axes)
    1
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=display.figure_size, layout="constrained")
    FigureCanvasAgg(figure)
    display.plot(ax=figure, **plot_parameters)
    return figure
