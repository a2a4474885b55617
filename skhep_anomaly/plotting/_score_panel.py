"""From scores to what one panel of the score histogram shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.metrics.labels import anomaly_flags
from skhep_anomaly.metrics.selection import read_scored, read_weights
from skhep_anomaly.plotting._histogram import Histogram, bin_scores, choose_edges
from skhep_anomaly.plotting._scores import check_labels
from skhep_anomaly.plotting._thresholds import Thresholds, named_thresholds

__all__ = ["Events", "ScorePanel", "build_panel", "read_test", "read_train", "split_groups"]


class Events(NamedTuple):
    """Checked events of one sample: who is signal, score, weight, group."""

    signal: NDArray[np.bool_]
    score: NDArray[np.float64]
    weight: NDArray[np.float64]
    group: NDArray[Any]


@dataclass(frozen=True)
class ScorePanel:
    """Histograms that share axes.

    Parameters
    ----------
    title : str
        Name of the group; empty where there is one.
    edges : ndarray of shape (n_bins + 1,)
        Bin edges.
    histograms : sequence of Histogram
        Background and signal of the test sample, then those of the training sample.
    thresholds : dict of str to float
        Name → anomaly score.
    """

    title: str
    edges: NDArray[np.float64]
    histograms: Sequence[Histogram]
    thresholds: dict[str, float]


def read_test(y: Any, score: Any, weight: Any, groups: Any, anomaly_label: Any) -> Events:
    """Return the test events; both classes must be there."""
    signal = anomaly_flags(y, anomaly_label, name="y_true")
    read_scored(signal, score, weight)
    return _events(signal, score, weight, groups, "groups")


def read_train(y: Any, score: Any, weight: Any, groups: Any, anomaly_label: Any) -> Events | None:
    """Return the training events, all background where they have no labels; None without scores."""
    if score is None:
        return None
    values = np.asarray(score, dtype=np.float64).ravel()
    if len(values) == 0:
        raise ValueError("Found array with 0 sample(s) in y_score_train.")
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise ValueError(f"y_score_train contains NaN or infinity in {bad} of {len(values)} rows.")
    if y is None:
        signal = np.zeros(len(values), dtype=bool)
    else:
        signal = anomaly_flags(y, anomaly_label, both_classes=False, name="y_true_train")
        check_labels(signal, len(values), "y_true_train")
    return _events(signal, values, weight, groups, "groups_train")


def _events(signal: NDArray[np.bool_], score: Any, weight: Any, groups: Any, name: str) -> Events:
    n_rows = len(signal)
    group = np.zeros(n_rows) if groups is None else check_labels(groups, n_rows, name)
    return Events(signal, np.asarray(score, dtype=np.float64), read_weights(weight, n_rows), group)


def split_groups(test: Events, train: Events | None) -> Iterator[tuple[Any, Events, Events | None]]:
    """Yield each group's value, test events and training events.

    Parameters
    ----------
    test : Events
        Test events.
    train : Events or None
        Training events.

    Yields
    ------
    group : tuple
        Value, test events, training events (None where there are none at all).

    Raises
    ------
    ValueError
        A group lacks a class, or training events.
    """
    for value in np.unique(test.group):
        part = Events(*(column[test.group == value] for column in test))
        if part.signal.all() or not part.signal.any():
            only = "signal" if part.signal.any() else "background"
            raise ValueError(f"group {value!s} holds {only} only; leave its events out.")
        if train is None:
            yield value, part, None
            continue
        rows = train.group == value
        if not rows.any():
            raise ValueError(f"group {value!s} has no training events; pass groups_train with it.")
        yield value, part, Events(*(column[rows] for column in train))


def build_panel(
    title: str,
    test: Events,
    train: Events | None,
    *,
    thresholds: Thresholds,
    bins: Any,
    score_range: tuple[float, float] | None,
) -> ScorePanel:
    """Return the histograms and thresholds of one group.

    Parameters
    ----------
    title : str
        The panel's title.
    test, train : Events
        The group's events; `train` may be None.
    thresholds : float, str, sequence of str, mapping or None
        Values or rules; rules look at `train`, or at the background of `test` without it.
    bins : int or array-like
        Number of bins or their edges.
    score_range : tuple of float or None
        Range of the bins.

    Returns
    -------
    panel : ScorePanel
        Ready to be drawn.
    """
    samples = {"test": test} if train is None else {"test": test, "train": train}
    pooled = np.concatenate([events.score for events in samples.values()])
    edges = choose_edges(pooled, bins, score_range)
    histograms = [
        bin_scores(events.score[rows], events.weight[rows], edges, kind=kind, sample=sample)
        for sample, events in samples.items()
        for kind, rows in (("background", ~events.signal), ("signal", events.signal))
        if rows.any()
    ]
    learnt = test if train is None else train
    rows = ~learnt.signal if train is None else np.ones(len(learnt.signal), dtype=bool)
    values = named_thresholds(thresholds, learnt.score[rows], learnt.weight[rows])
    return ScorePanel(title, edges, histograms, values)
