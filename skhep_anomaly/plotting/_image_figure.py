"""Where the panels of a figure of shower images are: images, comparisons, profiles.

One image a sample: the images side by side; how each generator differs beside them (one generator)
or under them (several); the profiles with their ratio pads below. Groups: a row for each sample, a
column for each group, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.plotting._axes import LABEL_SIZE, SMALL_SIZE, decorate, open_grid, plain_text
from skhep_anomaly.plotting._image_panels import (
    DIFFERENCES,
    RATIO_TICKS,
    difference_end,
    draw_colour_bar,
    draw_deposits,
    draw_difference,
    known_differences,
)
from skhep_anomaly.plotting._mean_images import MeanImage, Values, compare_means
from skhep_anomaly.plotting._ratio_pad import draw_pad, draw_samples, split_pad

__all__ = ["ImageFigure"]

BOLD: dict[str, Any] = {"fontsize": LABEL_SIZE, "fontweight": "bold"}
ROOM = 30.0  # a logarithmic profile ends this far above its peak, so that the legend has room
DEPTH_OF_PROFILE = 1e-5  # and this far below it


@dataclass
class ImageFigure:
    """A figure being drawn.

    Parameters
    ----------
    edges : tuple of two ndarrays
        Cell edges along x and y.
    unit : str
        Unit of the edges.
    norm : matplotlib.colors.Normalize
        The one colour scale of deposits.
    view : tuple of float or None
        Ends of both axes.
    """

    edges: tuple[NDArray[np.float64], NDArray[np.float64]]
    unit: str
    norm: Any
    view: tuple[float, float] | None
    figure: Any = None
    image_axes: Any = None
    difference_axes: list[Any] = field(default_factory=list)
    profile_axes: list[tuple[Any, Any]] = field(default_factory=list)

    def draw_groups(self, ax: Any, size: Any, images: Sequence[Sequence[MeanImage]]) -> None:
        """Draw a row for each sample and a column for each group."""
        n_rows, n_columns = len(images), len(images[0])
        self.figure, grid = open_grid(ax, n_rows, n_columns, size)
        self.image_axes = np.empty((n_rows, n_columns), dtype=object)
        for (i, j), _ in np.ndenumerate(self.image_axes):
            panel = self._add(grid[i, j], left=j == 0, bottom=i == n_rows - 1)
            mesh = draw_deposits(panel, self.edges, images[i][j], self.norm)
            self.image_axes[i, j] = panel
            if i == 0:
                panel.set_title(plain_text(images[i][j].title), fontsize=LABEL_SIZE - 0.5)
            if j == 0:
                _note(panel, plain_text(images[i][j].sample), top=True, **BOLD)
        single = all(image.n_showers == 1 for row in images for image in row)
        self._deposit_bar(mesh, "deposit [MeV]" if single else "mean deposit [MeV]")

    def draw_whole(
        self,
        ax: Any,
        size: Any,
        images: Sequence[MeanImage],
        comparison: str | None,
        *,
        profiles: bool,
    ) -> None:
        """Draw one image a sample, the comparisons, the profiles."""
        n = len(images)
        below = n > 2 and comparison is not None
        beside = (n == 2 and comparison is not None) or (n == 1 and profiles)
        heights = [1.0 + below] + [1.0] * (profiles and n > 1)
        self.figure, rows = open_grid(ax, len(heights), 1, size, height_ratios=heights)
        top = rows[0].subgridspec(1 + below, n + beside)
        self._draw_images([top[0, i] for i in range(n)], images)
        if comparison is not None and n > 1:
            places = [top[1, i] for i in range(1, n)] if below else [top[0, 2]]
            self._draw_differences(places, images, comparison)
        if profiles:
            half = top[0, 1].subgridspec(2, 1) if n == 1 else rows[1].subgridspec(1, 2)
            for axis in (0, 1):
                self._draw_profile(half[axis], images, axis)

    def _draw_images(self, places: Sequence[Any], images: Sequence[MeanImage]) -> None:
        self.image_axes = np.empty((len(images), 1), dtype=object)
        for i, (place, image) in enumerate(zip(places, images, strict=True)):
            panel = self._add(place, left=i == 0)
            mesh = draw_deposits(panel, self.edges, image, self.norm)
            panel.set_title(plain_text(image.sample), loc="left", **BOLD)
            _note(panel, image.caption)
            self.image_axes[i, 0] = panel
        self._deposit_bar(mesh, "mean deposit [MeV]")

    def _deposit_bar(self, mesh: Any, label: str) -> None:
        axes = self.image_axes.ravel().tolist()
        draw_colour_bar(self.figure, mesh, axes, label)

    def _draw_differences(
        self, places: Sequence[Any], images: Sequence[MeanImage], kind: str
    ) -> None:
        """Draw how each generator differs, all on one colour scale."""
        real, *fakes = (image.cells for image in images)
        values = [known_differences(kind, real, fake) for fake in fakes]
        pulls = [compare_means("pull", real, fake).value for fake in fakes]
        end = difference_end(kind, values)
        label, sign = DIFFERENCES[kind]
        for i, place in enumerate(places):
            panel = self._add(place, left=i == 0 and len(places) > 1)
            mesh = draw_difference(panel, self.edges, kind, values[i], pulls[i], end)
            title = f"{images[i + 1].sample} {sign} {images[0].sample}"
            panel.set_title(plain_text(title), loc="left", **BOLD)
            self.difference_axes.append(panel)
        look: dict[str, Any] = {"extend": "neither" if kind == "difference" else "both"}
        look["ticks"] = RATIO_TICKS[end] if kind == "ratio" else ()
        draw_colour_bar(self.figure, mesh, self.difference_axes, label, **look)

    def _draw_profile(self, place: Any, images: Sequence[MeanImage], axis: int) -> None:
        """Draw the mean deposit along one axis, summed over the other."""
        panel, pad = self.figure.add_subplot(place), None
        samples: list[Values] = [image.profiles[axis] for image in images]
        label = f"{'xy'[axis]} [{self.unit}]"
        if len(samples) > 1:
            panel, pad = split_pad(panel)
            draw_pad(pad, self.edges[axis], samples)
        draw_samples(panel, self.edges[axis], samples, [plain_text(i.sample) for i in images])
        peak = max(float(values.value.max()) for values in samples)
        if peak > 0:
            panel.set_yscale("log")
            panel.set_ylim(DEPTH_OF_PROFILE * peak, ROOM * peak)
        panel.set_xlim(self.view or self.edges[axis][[0, -1]])
        decorate(panel, "" if pad else label, f"mean per {('column', 'row')[axis]} [MeV]")
        if pad:
            decorate(pad, label, "ratio")
        if axis == 0:
            panel.legend(frameon=False, fontsize=SMALL_SIZE, ncols=2, loc="upper left")
        self.profile_axes.append((panel, pad))

    def _add(self, place: Any, *, left: bool, bottom: bool = True) -> Any:
        """Add a panel for an image, with labels only where they are needed."""
        panel = self.figure.add_subplot(place)
        decorate(panel, f"x [{self.unit}]" * bottom, f"y [{self.unit}]" * left)
        panel.tick_params(labelbottom=bottom, labelleft=left)
        panel.set_xlim(self.view or self.edges[0][[0, -1]])
        panel.set_ylim(self.view or self.edges[1][[0, -1]])
        return panel


def _note(panel: Any, text: str, *, top: bool = False, **look: Any) -> None:
    """Write into a corner of an image, with a rim that keeps it readable on any colour."""
    from matplotlib.patheffects import withStroke

    rim = [withStroke(linewidth=2.5, foreground="white")]
    look = {"fontsize": SMALL_SIZE, "va": "top" if top else "bottom", **look}
    at = (0.05, 0.95 if top else 0.05)
    panel.annotate(text, at, xycoords="axes fraction", path_effects=rim, **look)
