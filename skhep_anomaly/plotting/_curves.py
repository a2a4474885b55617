"""ROC and SIC curves of one model, with bootstrap bands.

The band repeats the curves on events drawn with replacement, signal and background apart, and keeps
the central 68 %: vertically, at fixed background efficiency for ROC and at fixed signal efficiency
for SIC = ε_S/√ε_B. The scores are sorted once; a draw only changes the weights, so each costs O(n).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._random import numpy_generator, seed_sequence
from skhep_anomaly.metrics.roc import delong_roc_auc, weighted_roc_curve
from skhep_anomaly.metrics.selection import Scored, read_scored
from skhep_anomaly.metrics.sic import SICCurve, sic_curve

__all__ = ["Band", "ModelCurves", "model_curves"]

GRID = np.linspace(0.0, 1.0, 201)


class Band(NamedTuple):
    """Central 68 % of the bootstrap at each abscissa."""

    abscissa: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class ModelCurves(NamedTuple):
    """One model's curves, its AUC with error, and its largest SIC."""

    name: str
    background_efficiency: NDArray[np.float64]
    signal_efficiency: NDArray[np.float64]
    roc_auc: float
    roc_auc_std: float
    sic: SICCurve
    max_sic: float
    roc_band: Band | None
    sic_band: Band | None


def model_curves(
    name: str,
    y_true: Any,
    y_score: Any,
    sample_weight: Any,
    *,
    anomaly_label: Any,
    min_background_events: float,
    n_bootstrap: int,
    random_state: Any,
) -> ModelCurves:
    """Return the curves of one model.

    Parameters
    ----------
    name : str
        The model's name.
    y_true, y_score, sample_weight : array-like of shape (n_samples,)
        Labels, scores (higher = more anomalous), weights or None.
    anomaly_label : object
        The label of signal, or None.
    min_background_events : float
        SIC ends where fewer effective background events are left.
    n_bootstrap : int
        Draws of the band; 0: no band.
    random_state : int, RandomState, Generator or None
        Seed of the draws.

    Returns
    -------
    curves : ModelCurves
        Numbers to draw.
    """
    scored = read_scored(y_true, y_score, sample_weight, anomaly_label)
    roc = weighted_roc_curve(*scored)
    sic = sic_curve(*scored, min_background_events=min_background_events)
    auc = float(np.trapezoid(roc.true_positive_rate, roc.false_positive_rate))
    enough = min(scored.signal.sum(), (~scored.signal).sum()) >= 2
    roc_band, sic_band = None, None
    if n_bootstrap:
        roc_band, sic_band = _bands(
            scored, float(sic.signal_efficiency[0]), n_bootstrap, random_state
        )
    return ModelCurves(
        name,
        roc.false_positive_rate,
        roc.true_positive_rate,
        auc,
        float(delong_roc_auc(*scored).std) if enough else float("nan"),
        sic,
        float(sic.sic.max()),
        roc_band,
        sic_band,
    )


def _bands(
    scored: Scored, first_efficiency: float, n_bootstrap: int, random_state: Any
) -> tuple[Band, Band]:
    order = np.argsort(-scored.score, kind="stable")
    signal, score, weight = scored.signal[order], scored.score[order], scored.weight[order]
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    rng = numpy_generator(seed_sequence(random_state))
    efficiencies = GRID[first_efficiency <= GRID]
    roc, sic = [], []
    for _ in range(n_bootstrap):
        drawn = weight * _draw_counts(signal, rng)
        passed = [
            np.append(0.0, np.cumsum(np.where(rows, drawn, 0.0))[last])
            for rows in (signal, ~signal)
        ]
        tpr, fpr = (total / total[-1] for total in passed)
        roc.append(np.interp(GRID, fpr, tpr))
        with np.errstate(divide="ignore"):
            sic.append(efficiencies / np.sqrt(np.interp(efficiencies, tpr, fpr)))
    tails = (0.16, 0.84)
    return (
        Band(GRID, *np.quantile(roc, tails, axis=0)),
        Band(efficiencies, *np.quantile(sic, tails, axis=0, method="closest_observation")),
    )


def _draw_counts(signal: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how often each event is drawn, each class keeping its number of events."""
    counts = np.empty(len(signal))
    for rows in (signal, ~signal):
        n_rows = int(rows.sum())
        counts[rows] = np.bincount(rng.integers(n_rows, size=n_rows), minlength=n_rows)
    return counts
