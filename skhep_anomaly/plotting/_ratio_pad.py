"""The pad under a histogram: each generator divided by the real sample.

Where both samples come from the same particles, points carry the error of their ratio. Else they
carry the generator's error, and the band around one is that of the real sample: neither is counted
twice. Points outside the pad are drawn as arrows at its edge: nothing is silently cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.plotting._mean_images import Values, compare_means
from skhep_anomaly.plotting._palette import DASHES, GUIDE, SERIES

__all__ = ["draw_pad", "draw_samples", "shifted_centres", "split_pad"]

HEIGHTS = (0.1, 0.2, 0.5, 1.0)  # half the height of the pad: the smallest that holds the points
COVERED = 0.9  # share of the points that it must hold
MARKERS = "osD^vPX*"
REAL_FILL = "#B8B8B8"
REAL_LINE = "#555555"


def split_pad(ax: Any) -> tuple[Any, Any]:
    """Turn one axes into a large panel above a small one with the same horizontal axis.

    Parameters
    ----------
    ax : matplotlib Axes
        Made by ``subplots`` or a gridspec; it is replaced.

    Returns
    -------
    upper, lower : matplotlib Axes
        The two panels.

    Raises
    ------
    ValueError
        `ax` has no place in a grid.
    """
    if ax.get_subplotspec() is None:
        raise ValueError(
            "ax is in no grid, so that no ratio pad can be put under it; "
            "make it with plt.subplots, or pass ratio=False."
        )
    grid = ax.get_subplotspec().subgridspec(2, 1, height_ratios=(2.6, 1), hspace=0.0)
    figure = ax.figure
    ax.remove()
    upper = figure.add_subplot(grid[0])
    upper.tick_params(labelbottom=False)
    return upper, figure.add_subplot(grid[1], sharex=upper)


def shifted_centres(edges: NDArray[np.float64], i: int, n: int) -> NDArray[np.float64]:
    """Return bin centres, moved aside a little so that error bars of `n` samples do not overlap."""
    return (edges[1:] + edges[:-1]) / 2 + np.diff(edges) * 0.14 * (i - (n - 1) / 2)


def draw_samples(
    ax: Any, edges: NDArray[np.float64], samples: Sequence[Values], labels: Sequence[str]
) -> None:
    """Draw the first sample filled, with its error, the others as lines with error bars."""
    real, *fakes = samples
    ax.stairs(real.value, edges, fill=True, color=REAL_FILL, alpha=0.55, label=labels[0], zorder=1)
    ax.stairs(real.value, edges, color=REAL_LINE, linewidth=0.9, zorder=1.5)
    _error_bars(ax, edges, real, color=REAL_LINE, zorder=1.6)
    for i, (values, label) in enumerate(zip(fakes, labels[1:], strict=True)):
        look: dict[str, Any] = {"color": SERIES[(i + 1) % len(SERIES)], "zorder": 2 + 0.1 * i}
        dashes = DASHES[i % len(DASHES)]
        ax.stairs(
            values.value, edges, baseline=None, linewidth=1.5, linestyle=dashes, label=label, **look
        )
        _error_bars(ax, edges, values, place=(i, len(fakes)), **look)


def _error_bars(
    ax: Any,
    edges: NDArray[np.float64],
    values: Values,
    place: tuple[int, int] = (0, 1),
    **look: Any,
) -> None:
    seen = values.error > 0
    x = shifted_centres(edges, *place)[seen]
    ax.errorbar(
        x,
        values.value[seen],
        yerr=values.error[seen],
        fmt="none",
        elinewidth=0.9,
        ecolor=look["color"],
        zorder=look["zorder"],
    )


def draw_pad(ax: Any, edges: NDArray[np.float64], samples: Sequence[Values]) -> None:
    """Draw the ratio of the second and later samples to the first, and set the limits.

    Parameters
    ----------
    ax : matplotlib Axes
        The lower panel.
    edges : ndarray of shape (n_bins + 1,)
        Bin edges.
    samples : sequence of Values of shape (n_bins,)
        Real first; density or mean with error.
    """
    real, *fakes = samples
    ax.axhline(1.0, color=GUIDE, linewidth=0.9, zorder=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = [_ratio(real, fake) for fake in fakes]
        band = np.where(real.value > 0, real.error / real.value, 0.0)
    if any(fake.covariance is None for fake in fakes):
        fill: dict[str, Any] = {"color": REAL_FILL, "alpha": 0.55, "zorder": 0}
        ax.stairs(1 + band, edges, baseline=1 - band, fill=True, **fill)
    half = _half_height([ratio.value for ratio in ratios])
    for i, ratio in enumerate(ratios):
        _draw_points(ax, shifted_centres(edges, i, len(ratios)), ratio, half, i)
    ax.set_ylim(1 - half, 1 + half)


def _ratio(real: Values, fake: Values) -> Values:
    """Return the ratio with its error, or with the generator's part of it."""
    if fake.covariance is not None:
        return compare_means("ratio", real, fake)
    return Values(fake.value / real.value, fake.error / real.value)


def _half_height(ratios: Sequence[NDArray[np.float64]]) -> float:
    """Return the smallest of a few half heights that holds nearly all points."""
    away = np.concatenate([np.abs(r[np.isfinite(r)] - 1) for r in ratios])
    if len(away) == 0:
        return HEIGHTS[0]
    needed = np.quantile(away, COVERED)
    return next((height for height in HEIGHTS if height >= needed), HEIGHTS[-1])


def _draw_points(ax: Any, x: NDArray[np.float64], ratio: Values, half: float, i: int) -> None:
    colour = SERIES[(i + 1) % len(SERIES)]
    away = ratio.value - 1
    inside = np.abs(away) <= half
    ax.errorbar(
        x[inside],
        ratio.value[inside],
        yerr=ratio.error[inside],
        fmt=MARKERS[i % len(MARKERS)],
        markersize=2.8,
        elinewidth=0.9,
        color=colour,
        zorder=2,
    )
    for beyond, edge, marker in ((away > half, 1.0, "^"), (away < -half, -1.0, "v")):
        at = np.full(int(beyond.sum()), 1 + 0.9 * edge * half)
        ax.plot(x[beyond], at, marker, markersize=3.5, markerfacecolor="none", color=colour)
