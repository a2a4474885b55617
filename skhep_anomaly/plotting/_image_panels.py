"""Draws images of showers: deposits on one colour scale, and where two mean images differ.

Cells are drawn as (ix, iy) → (x, y): the first axis of an image goes to the right. A cell without
any deposit is white. In a map of differences, a cell that is off by more than three standard
deviations carries its sign, which is read without colours, too; a cell whose deposits are too few
to tell is grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.plotting._axes import SMALL_SIZE
from skhep_anomaly.plotting._mean_images import MeanImage, Track, Values, compare_means
from skhep_anomaly.plotting._palette import DEPOSITS, INK, RATIOS

__all__ = [
    "DIFFERENCES",
    "RATIO_TICKS",
    "cell_edges",
    "deposit_scale",
    "difference_end",
    "draw_colour_bar",
    "draw_deposits",
    "draw_difference",
    "known_differences",
]

SPAN = 1e-5  # lowest colour of a logarithmic scale, in units of the highest
MARKED = 3.0  # standard deviations beyond which a cell is marked
UNKNOWN = "#DDDDDD"
KNOWN = 0.15  # error in units of the sum, above which a difference is drawn as unknown
RATIO_TICKS = {1.25: (0.8, 0.9, 1.0, 1.1, 1.25), 2.0: (0.5, 0.7, 1.0, 1.4, 2.0)}  # by the end
COVERED = 0.9  # share of the cells that must lie inside the smaller end
PULL_END = 5.0
OFF = f"   (+ −: more than {MARKED:g}σ off)"
DIFFERENCES = {  # what is on the colour bar, and the sign between the two names
    "ratio": (f"ratio{OFF}", "/"),
    "difference": (f"difference [MeV]{OFF}", "−"),
    "pull": ("difference / σ", "−"),
}


def cell_edges(n_cells: int, cell_size: float | None, centre: float) -> NDArray[np.float64]:
    """Return the edges of cells along an axis, in cm, or in cells where `cell_size` is None."""
    if cell_size is None:
        return np.arange(n_cells + 1, dtype=np.float64)
    steps = np.arange(n_cells + 1, dtype=np.float64) - n_cells / 2
    return np.asarray(steps * cell_size + centre, dtype=np.float64)


def deposit_scale(
    images: Sequence[MeanImage], scale: str, limits: tuple[float, float] | None
) -> Any:
    """Return one colour scale for all images: from 1e-5 of the highest cell, or from zero.

    Parameters
    ----------
    images : sequence of MeanImage
        All that will be drawn.
    scale : {"log", "linear"}
        Kind of the scale.
    limits : tuple of float or None
        Ends [MeV]; None: from the images.

    Returns
    -------
    norm : matplotlib.colors.Normalize
        The scale.

    Raises
    ------
    ValueError
        `scale` is unknown, or `limits` do not increase from above zero.
    """
    from matplotlib.colors import LogNorm, Normalize

    if scale not in ("log", "linear"):
        raise ValueError(f"scale={scale!r}; allowed are 'log' and 'linear'.")
    cells = np.concatenate([image.cells.value.ravel() for image in images])
    high = float(cells.max()) or 1.0
    low = max(float(cells[cells > 0].min()), SPAN * high) if (cells > 0).any() else SPAN
    low, high = (low if scale == "log" else 0.0, high) if limits is None else limits
    low = low / 2 if low == high else low
    if not low < high or (scale == "log" and low <= 0):
        raise ValueError(
            f"deposit_limits={limits}: two increasing numbers are needed, above zero for 'log'."
        )
    return (LogNorm if scale == "log" else Normalize)(low, high)


def draw_deposits(
    ax: Any,
    edges: tuple[NDArray[np.float64], NDArray[np.float64]],
    image: MeanImage,
    norm: Any,
) -> Any:
    """Draw one image; cells without deposit stay white, those below the scale its lowest colour."""
    cells = image.cells.value
    shown = np.ma.masked_array(cells.clip(min=norm.vmin), mask=cells <= 0)
    mesh = ax.pcolormesh(*edges, shown.T, norm=norm, cmap=DEPOSITS, rasterized=True)
    ax.set_aspect("equal")
    if image.track is not None:
        _draw_track(ax, image.track)
    return mesh


def _draw_track(ax: Any, track: Track) -> None:
    """Mark the entry point and, at the end of a line, the axis in the depth."""
    from matplotlib.patheffects import withStroke

    x, y = zip(*track, strict=True)
    halo = [withStroke(linewidth=2.4, foreground="white")]
    ax.plot(x, y, color=INK, linewidth=1.0, path_effects=halo)
    ax.plot(x[:1], y[:1], "o", color="white", markeredgecolor=INK, markersize=4.5)
    ax.plot(x[1:], y[1:], "x", color=INK, markersize=5.5, path_effects=halo)


def difference_end(kind: str, values: Sequence[NDArray[np.float64]]) -> float:
    """Return the end of the colours, one for all generators."""
    if kind == "pull":
        return PULL_END
    known = np.concatenate([v[np.isfinite(v)] for v in values])
    if kind == "difference":
        return float(np.abs(known).max(initial=0.0)) or 1.0
    near, far = RATIO_TICKS
    inside = (known > 1 / near) & (known < near)
    return near if inside.sum() >= COVERED * known.size else far


def known_differences(kind: str, real: Values, fake: Values) -> NDArray[np.float64]:
    """Return a comparison, NaN where σ(f − r) is above 15 % of f + r, the ratio's error above 30 %.

    The rule does not change when the samples change places: else cells where one of them happens to
    be low would be drawn and their opposites not.
    """
    unknown = compare_means("difference", real, fake).error > KNOWN * (real.value + fake.value)
    return np.where(unknown, np.nan, compare_means(kind, real, fake).value)


def draw_difference(
    ax: Any,
    edges: tuple[NDArray[np.float64], NDArray[np.float64]],
    kind: str,
    values: NDArray[np.float64],
    pull: NDArray[np.float64],
    end: float,
) -> Any:
    """Draw a ratio, difference or pull, with the signs of cells that are off by more than 3σ.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    edges : tuple of two ndarrays
        Cell edges.
    kind : {"ratio", "difference", "pull"}
        What `values` are.
    values : ndarray of shape (nx, ny)
        NaN: unknown.
    pull : ndarray of shape (nx, ny)
        Differences in standard deviations.
    end : float
        End of the colours: the largest ratio, or difference.

    Returns
    -------
    mesh : matplotlib QuadMesh
        For the colour bar.
    """
    from matplotlib.colors import LogNorm, Normalize

    norm = LogNorm(1 / end, end) if kind == "ratio" else Normalize(-end, end)
    known = np.isfinite(values)
    shown = np.where(known, values, 1.0)
    if kind == "ratio":
        shown = shown.clip(1 / end, end)  # zero has no logarithm
    shown = np.ma.masked_array(shown, mask=~known)
    ax.set_facecolor(UNKNOWN)
    mesh = ax.pcolormesh(*edges, shown.T, norm=norm, cmap=RATIOS, rasterized=True)
    ax.set_aspect("equal")
    x, y = ((e[1:] + e[:-1]) / 2 for e in edges)
    for off, sign in ((pull > MARKED, "+"), (pull < -MARKED, "_")):
        ix, iy = np.nonzero(off & known)
        ax.plot(x[ix], y[iy], sign, color=INK, markersize=4.0, markeredgewidth=0.9)
    return mesh


def draw_colour_bar(
    figure: Any,
    mesh: Any,
    axes: Any,
    label: str,
    *,
    ticks: Sequence[float] = (),
    extend: str = "neither",
) -> None:
    """Draw the colour bar beside `axes`, with plain numbers at `ticks` if there are any."""
    bar = figure.colorbar(mesh, ax=axes, extend=extend, pad=0.02)
    bar.set_label(label, fontsize=SMALL_SIZE)
    if ticks:
        bar.minorticks_off()
        bar.set_ticks(list(ticks), labels=[f"{tick:g}" for tick in ticks])
    bar.ax.tick_params(labelsize=SMALL_SIZE, direction="in", which="both")
