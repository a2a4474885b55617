"""Draws one observable: histograms, the pad with their ratio, and the list of distances."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from skhep_anomaly.plotting._axes import SMALL_SIZE, decorate, plain_text
from skhep_anomaly.plotting._mean_images import Values
from skhep_anomaly.plotting._observable_panel import ObservablePanel
from skhep_anomaly.plotting._ratio_pad import draw_pad, draw_samples

__all__ = ["draw_panel", "list_distances", "observable_label"]

TEXTS = {
    "response": "visible fraction Σ/E",
    "centroid_x": "centroid x − axis",
    "centroid_y": "centroid y − axis",
    "width_x": "width along x",
    "width_y": "width along y",
    "width_along": "width along the slope",
    "width_across": "width across the slope",
    "asymmetry": "asymmetry along the slope",
    "r90": "radius of 90 % of the energy",
    "f1": "share of the hottest cell",
    "f4": "share of the hottest 2 × 2 cells",
    "f9": "share of the hottest 3 × 3 cells",
    "f25": "share of the hottest 5 × 5 cells",
    "n_above_0.06": "cells above 0.06 MeV",
    "n_above_1": "cells above 1 MeV",
    "isolated": "isolated cells",
    "adjacent": "pairs of adjacent cells",
    "log10_smallest": "log₁₀ smallest deposit [MeV]",
}
NUMBERS = ("cells", "pairs")
HIGHEST = 2.5  # a generator's bin may reach this far above the highest of the real sample


def draw_panel(ax: Any, pad: Any, panel: ObservablePanel, *, density: bool, y_scale: str) -> None:
    """Draw the histograms of all samples, and their ratio if there is a pad.

    Parameters
    ----------
    ax, pad : matplotlib Axes
        Where to draw; `pad` may be None.
    panel : ObservablePanel
        What to draw.
    density : bool
        Scale every sample to one, else to the number of real showers.
    y_scale : {"linear", "log"}
        Vertical axis.
    """
    real, *_ = panel.n_showers.values()
    scales = {n: 1 / k if density else real / k for n, k in panel.n_showers.items()}
    samples = [Values(v.value * scales[n], v.error * scales[n]) for n, v in panel.samples.items()]
    draw_samples(ax, panel.edges, samples, [plain_text(name) for name in panel.samples])
    _set_heights(ax, samples, y_scale)
    ax.set_xlim(panel.edges[0], panel.edges[-1])
    label = observable_label(panel.name, panel.unit) + _outside(panel)
    decorate(ax, "" if pad else label, _height_label(panel, density=density))
    if pad:
        draw_pad(pad, panel.edges, samples)
        decorate(pad, label, "ratio")


def _set_heights(ax: Any, samples: Sequence[Values], y_scale: str) -> None:
    """Leave room for the list of distances; a pile of overflow does not flatten the rest."""
    top = max(float(values.value.max()) for values in samples)
    top = min(top, HIGHEST * float(samples[0].value.max()))
    if y_scale == "linear":
        ax.set_ylim(0, 1.4 * top)
        return
    lowest = min(float(v.value[v.value > 0].min()) for v in samples)
    ax.set_yscale("log")
    ax.set_ylim(0.5 * lowest, top * (2 * top / lowest) ** 0.4)


def observable_label(name: str, unit: str) -> str:
    """Return the axis label of an observable, in words and with its unit."""
    counted = re.fullmatch(r"n_([\d.]+)-([\d.]+|inf)", name)
    if counted:
        low, high = counted.groups()
        return f"cells above {low} MeV" if high == "inf" else f"cells of {low} to {high} MeV"
    text = TEXTS.get(name, name.replace("_", " "))
    return text if unit in ("", *NUMBERS) or "[" in text else f"{text} [{unit}]"


def _height_label(panel: ObservablePanel, *, density: bool) -> str:
    what = "fraction" if density else "showers"
    widths = np.diff(panel.edges)
    if not np.allclose(widths, widths[0]):
        return f"{what} / bin"
    if panel.unit in NUMBERS and widths[0] == 1:
        return what
    unit = "" if panel.unit.startswith("log") else panel.unit
    return f"{what} / {widths[0]:.2g} {unit}".rstrip()


def _outside(panel: ObservablePanel) -> str:
    """Say which end bins hold showers from outside the range."""
    below, above = (n > 0 for n in panel.n_outside)
    ends = {(True, True): "overflows", (True, False): "underflow"}
    return f"  (with {ends.get((below, above), 'overflow')})" if below or above else ""


def list_distances(ax: Any, panel: ObservablePanel, *, named: bool) -> None:
    """List W₁/sd of each sample beside its line, with its name if `named`; of the real the floor.

    Parameters
    ----------
    ax : matplotlib Axes
        The panel.
    panel : ObservablePanel
        What was drawn.
    named : bool
        Whether names are not listed elsewhere.
    """
    handles, labels = ax.get_legend_handles_labels()
    floor, *others = (_number(distance) for distance in panel.distances.values())
    texts = [f"floor {floor}", *others]
    if named:
        texts = [f"{label}: {text}" for label, text in zip(labels, texts, strict=True)]
    look: dict[str, Any] = {"fontsize": SMALL_SIZE - 0.5, "title_fontsize": SMALL_SIZE - 0.5}
    ax.legend(handles, texts, title="W₁/sd", frameon=False, handlelength=1.6, **look)


def _number(distance: float) -> str:
    if not np.isfinite(distance):
        return "–"
    return f"{distance:.3f}" if distance < 1 else f"{distance:.3g}"
