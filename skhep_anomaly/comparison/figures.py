"""The figures of a comparison, drawn from what the runs kept of their scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skhep_anomaly.comparison.result import ComparisonResult
from skhep_anomaly.comparison.sketches import ROC_GRID
from skhep_anomaly.metrics import SICCurve
from skhep_anomaly.plotting import (
    LatentMapDisplay,
    RocSicDisplay,
    ScoreHistogramDisplay,
    TrainingCurveDisplay,
    drawn_figure,
)
from skhep_anomaly.plotting._curves import ModelCurves
from skhep_anomaly.plotting._histogram import Histogram
from skhep_anomaly.plotting._score_panel import ScorePanel
from skhep_anomaly.report import Picture

__all__ = ["all_pictures"]


def all_pictures(result: ComparisonResult) -> list[Picture]:
    """Draw every figure that the runs have data for.

    Parameters
    ----------
    result : ComparisonResult
        The numbers and sketches.

    Returns
    -------
    list of Picture
        ROC and SIC curves, score histograms, training curves, latent map.
    """
    pictures = _roc_pictures(result)
    for name in _shown(result):
        pictures += _score_pictures(result, name)
    return [*pictures, *_training_pictures(result), *_latent_pictures(result)]


def _shown(result: ComparisonResult) -> list[str]:
    """Name the best without and with known signal, and the best that is not PyOD's."""
    alone, taught = _by_lesson(result)
    best = alone or taught
    ours = [n for n in best if result.parameters.get(n, {}).get("class") != "PyODAdapter"]
    return list(dict.fromkeys([best[0], *ours[:1], *taught[:1]]))


def _by_lesson(result: ComparisonResult) -> tuple[list[str], list[str]]:
    """Name those that learnt from background alone, and those that learnt from known signal too."""
    known = {name: result.known_signal(name) for name in result.names}
    return [n for n, k in known.items() if not k], [n for n, k in known.items() if k]


def _sketch(result: ComparisonResult, name: str, kind: str) -> Any:
    """Give a sketch of the first seed that kept one."""
    kept = [run.sketches[kind] for run in result.runs_of(name) if run.sketches.get(kind)]
    return kept[0] if kept else None


def _roc_pictures(result: ComparisonResult) -> list[Picture]:
    """Draw curves; those of detectors with known signal have a figure of their own."""
    alone, taught = _by_lesson(result)
    kinds = [("Trained on background alone. ", alone), ("With K known signal events. ", taught)]
    return [_roc_picture(result, names, words if taught else "") for words, names in kinds if names]


def _roc_picture(result: ComparisonResult, names: list[str], words: str) -> Picture:
    curves = [_mean_curves(result, name) for name in names]
    best = curves[0]
    return Picture(
        f"{words}Left: signal efficiency against background efficiency of a cut on the anomaly "
        "score, mean over seeds; weighted AUC with its error in the legend. Right: the factor by "
        "which the cut raises s/√b; curves end where fewer than 25 effective background events are "
        "left.",
        drawn_figure(RocSicDisplay(curves=curves)),
        alt=f"ROC and significance improvement curves of {len(curves)} detectors; "
        f"the highest area is {best.roc_auc:.3f} ({best.name})",
    )


def _mean_curves(result: ComparisonResult, name: str) -> ModelCurves:
    """Average signal efficiencies at fixed background efficiency."""
    sketches = [run.sketches["roc"] for run in result.runs_of(name)]
    found = np.mean([sketch["signal_efficiency"] for sketch in sketches], axis=0)
    start = max(float(sketch["sic_start"]) for sketch in sketches)
    kept = (start <= ROC_GRID) & (ROC_GRID > 0)
    kept[-1] = True
    sic = found[kept] / np.sqrt(ROC_GRID[kept])
    value, error = result.estimate(name, "weighted_auc")
    curve = SICCurve(found[kept], sic, ROC_GRID[kept], np.full(int(kept.sum()), np.nan))
    return ModelCurves(name, ROC_GRID, found, value, error, curve, float(sic.max()), None, None)


def _score_pictures(result: ComparisonResult, name: str) -> list[Picture]:
    pictures = []
    by_group = f" by {_group_name(result)}"
    for kind, words, heights in (
        ("scores", "", "weighted events"),
        ("group_scores", by_group, "every class scaled to one, to compare shapes"),
    ):
        panels = _sketch(result, name, kind)
        if not panels:
            continue
        display = ScoreHistogramDisplay(
            panels=[_panel(panel, result) for panel in panels],
            score_name=f"anomaly score of {name}",
            weighted=bool(result.data.get("weighted", False)),
        )
        pictures.append(
            Picture(
                f"Anomaly score of {name}{words} (higher = odder), first seed, {heights}: "
                "background filled, signal as a line, training background as points. Points off "
                "the histogram would be overtraining. Thresholds are rules on the training scores: "
                "40th percentile (P40), median, mean.",
                drawn_figure(display, density=kind == "group_scores"),
                alt=f"histograms of the anomaly score of {name}{words} for signal and background",
            )
        )
    return pictures


def _group_name(result: ComparisonResult) -> str:
    return str(result.data.get("group", "group"))


def _panel(panel: Mapping[str, Any], result: ComparisonResult) -> ScorePanel:
    title = f"{_group_name(result)} = {panel['title']}" if panel["title"] else ""
    histograms = [
        Histogram(
            str(each["kind"]),
            str(each["sample"]),
            np.asarray(each["counts"], dtype=np.float64),
            np.asarray(each["errors"], dtype=np.float64),
            int(each["n_events"]),
            (int(each["n_outside"][0]), int(each["n_outside"][1])),
        )
        for each in panel["histograms"]
    ]
    edges = np.asarray(panel["edges"], dtype=np.float64)
    return ScorePanel(title, edges, histograms, dict(panel["thresholds"]))


def _training_pictures(result: ComparisonResult) -> list[Picture]:
    """Draw the losses of all nets that kept a history, one panel each."""
    histories = {name: _sketch(result, name, "history") for name in result.names}
    histories = {name: history for name, history in histories.items() if history}
    displays = {
        name: TrainingCurveDisplay.from_history(history, plot=False)
        for name, history in histories.items()
        if len(history) > 1
    }
    if not displays:
        return []
    figure = _panels(list(displays))
    for axes, (name, display) in zip(figure.axes, displays.items(), strict=True):
        display.plot(ax=axes)
        axes.set_title(name.replace("$", r"\$"), loc="left", fontsize=10.5, fontweight="bold")
    return [
        Picture(
            "Loss against the epoch of the nets, first seed. A curve that still falls at the end "
            "asks for more epochs. A VAE's loss may rise while its KL term is being switched on; a "
            "GAN's losses need not fall; an epoch of OPE is about 100 steps. Different "
            "detectors have different units.",
            figure,
            alt=f"training losses of {', '.join(displays)}",
        )
    ]


def _panels(names: list[str]) -> Any:
    """Open a figure of panels, two side by side, that pyplot knows nothing of."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n_columns = min(2, len(names))
    n_rows = -(-len(names) // n_columns)
    figure = Figure(figsize=(4.6 * n_columns, 2.9 * n_rows), layout="constrained")
    FigureCanvasAgg(figure)
    for place in range(len(names)):
        figure.add_subplot(n_rows, n_columns, place + 1)
    return figure


def _latent_pictures(result: ComparisonResult) -> list[Picture]:
    pictures = []
    for name in result.names:
        sketch = _sketch(result, name, "latent")
        if not sketch:
            continue
        names = [str(each) for each in sketch["names"]]
        display = LatentMapDisplay(
            latent=np.asarray(sketch["latent"], dtype=np.float64),
            signal=np.asarray(sketch["signal"], dtype=bool),
            weight=np.asarray(sketch["weight"], dtype=np.float64),
            names=(names[0], names[1]),
        )
        pictures.append(
            Picture(
                f"Where test events lie in the {sketch['n_latent']}-dimensional latent space of "
                f"{name}, first seed: a random sample of each class, with the weighted "
                "distribution of each coordinate.",
                drawn_figure(display),
                alt=f"scatter of signal and background in the latent space of {name}",
            )
        )
    return pictures
