"""What figures need of a run, small enough for a file: curves on a grid, histograms, a sample.

A report can then be drawn again without the events and without another fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.metrics import sic_curve, weighted_roc_curve
from skhep_anomaly.plotting import LatentMapDisplay, ScoreHistogramDisplay

__all__ = [
    "ROC_GRID",
    "sketch_history",
    "sketch_latent",
    "sketch_roc",
    "sketch_scores",
]

ROC_GRID = np.unique(np.concatenate([[0.0], np.geomspace(1e-4, 0.1, 61), np.linspace(0, 1, 201)]))
"""Background efficiencies at which ROC curves are kept."""
RULES = ["P40", "median", "mean"]
_MOST_EPOCHS = 400
_MOST_POINTS = 1500


def sketch_roc(
    signal: NDArray[np.bool_], score: NDArray[np.float64], weight: NDArray[np.float64]
) -> dict[str, Any]:
    """Give signal efficiencies on `ROC_GRID`, and where the SIC curve begins."""
    curve = weighted_roc_curve(signal, score, weight)
    rising = np.maximum.accumulate(curve.false_positive_rate)  # negative weights go back
    try:
        start = float(sic_curve(signal, score, weight).background_efficiency[0])
    except ValueError:  # too little background for any cut
        start = 1.0
    found = np.interp(ROC_GRID, rising, curve.true_positive_rate)
    return {"signal_efficiency": _short(found), "sic_start": min(max(start, 0.0), 1.0)}


def sketch_scores(
    signal: NDArray[np.bool_],
    score: NDArray[np.float64],
    weight: NDArray[np.float64],
    train_score: NDArray[np.float64],
    train_weight: NDArray[np.float64],
    groups: NDArray[Any] | None = None,
    train_groups: NDArray[Any] | None = None,
) -> list[dict[str, Any]]:
    """Give the histograms of the anomaly score, one panel for each group with both classes."""
    options: dict[str, Any] = {}
    if groups is not None and train_groups is not None:
        kept = [
            label
            for label in np.unique(groups)
            if (train_groups == label).any() and len(set(signal[groups == label])) == 2
        ]
        if not 2 <= len(kept) <= 9:
            return []
        rows, train_rows = np.isin(groups, kept), np.isin(train_groups, kept)
        options = {"groups": groups[rows], "groups_train": train_groups[train_rows]}
        signal, score, weight = signal[rows], score[rows], weight[rows]
        train_score, train_weight = train_score[train_rows], train_weight[train_rows]
    display = ScoreHistogramDisplay.from_predictions(
        signal,
        score,
        sample_weight=weight,
        y_score_train=train_score,
        sample_weight_train=train_weight,
        thresholds=RULES,
        group_name="",
        plot=False,
        **options,
    )
    return [_panel(panel) for panel in display.panels]


def _panel(panel: Any) -> dict[str, Any]:
    return {
        "title": panel.title.removeprefix(" = "),
        "edges": panel.edges.tolist(),
        "thresholds": dict(panel.thresholds),
        "histograms": [
            {
                "kind": each.kind,
                "sample": each.sample,
                "counts": each.counts.tolist(),
                "errors": each.errors.tolist(),
                "n_events": each.n_events,
                "n_outside": list(each.n_outside),
            }
            for each in panel.histograms
        ],
    }


def sketch_history(history: Any) -> list[dict[str, float]]:
    """Give epochs and losses of a training, thinned where there are very many."""
    rows = [
        {
            key: float(value)
            for key, value in row.items()
            if (key == "epoch" or key.endswith("_loss")) and np.isfinite(value)
        }
        for row in history
        if isinstance(row, Mapping)
    ]
    return rows[:: -(-len(rows) // _MOST_EPOCHS)] if rows else []


def sketch_latent(
    signal: NDArray[np.bool_], latent: NDArray[np.float64], weight: NDArray[np.float64], seed: int
) -> dict[str, Any]:
    """Give two latent coordinates (principal components of all) of some events of each class."""
    if latent.ndim != 2 or latent.shape[1] < 2 or not (weight >= 0).all():
        return {}
    kind = "pca" if latent.shape[1] > 2 else "first"
    display = LatentMapDisplay.from_predictions(
        signal, latent, sample_weight=weight, projection=kind, plot=False
    )
    rng = np.random.default_rng([seed, 7])
    chosen = np.concatenate(
        [rng.permutation(np.flatnonzero(rows))[:_MOST_POINTS] for rows in (~signal, signal)]
    )
    return {
        "latent": [_short(point) for point in display.latent[chosen]],
        "signal": signal[chosen].tolist(),
        "weight": weight[chosen].tolist(),
        "names": list(display.names),
        "n_latent": latent.shape[1],
    }


def _short(values: Any) -> list[float]:
    """Four digits are as fine as the eye."""
    return [float(f"{value:.4g}") for value in values]
