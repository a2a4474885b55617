"""The comparison as a function of arrays: checks, plans, runs, result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from skhep_anomaly.comparison.known import FEWEST, Entry, table_entries
from skhep_anomaly.comparison.result import ComparisonResult
from skhep_anomaly.comparison.run import Events, Plan, on_cpu, with_seed
from skhep_anomaly.comparison.workers import make_runs
from skhep_anomaly.metrics import anomaly_flags
from skhep_anomaly.metrics.selection import read_weights
from skhep_anomaly.report import machine_summary, package_versions

__all__ = ["compare_detectors"]


def compare_detectors(
    detectors: Mapping[str, Any],
    X: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    groups: Any = None,
    anomaly_label: Any = None,
    seeds: int | Sequence[int] = 3,
    test_size: float = 0.35,
    known_signal: int | Sequence[int] | None = None,
    percentile: float = 40.0,
    n_bootstrap: int = 100,
    n_jobs: int | None = None,
    verbose: int = 0,
    data: Mapping[str, Any] | None = None,
) -> ComparisonResult:
    """Fit detectors on background, several seeds each, and measure them on the same test events.

    For each seed the background is split anew at random; the training part alone trains, without
    weights; the rest and all signal test. Training and test share no event.

    Classifiers are fitted on K known signal events as well, once for each K in `known_signal`: rows
    "name (K=20)" of the result, K = 0 only where labels are optional, as those of `OPEClassifier`.
    The largest K of the signal events, drawn anew for each seed, then test no detector, so that all
    are tested on the same events.

    Parameters
    ----------
    detectors : mapping of str to estimator
        Name → unfitted outlier detector or binary classifier, or a Pipeline that ends in one; each
        is cloned. See `comparison_detectors` for ready ones.
    X : EventBunch or array-like of shape (n_samples, n_features)
        The events; a bunch brings `y`, `sample_weight` and a description along.
    y : array-like of shape (n_samples,), default=None
        1 (or True, or `anomaly_label`) is signal.
    sample_weight : array-like of shape (n_samples,), default=None
        Expected events that each row stands for; used in tests, not in training.
    groups : array-like of shape (n_samples,), default=None
        A label for each row: splits keep each group's share, figures show each group.
    anomaly_label : object, default=None
        The value of `y` that marks signal.
    seeds : int or sequence of int, default=3
        Seeds of split and training; a number k stands for 0, …, k − 1.
    test_size : float in (0, 1), default=0.35
        Share of the background that tests.
    known_signal : int or sequence of int, default=None
        Numbers K of known signal events that classifiers learn from, each at most half of the
        signal. None: 0, 20 and 200, those too large left out with a warning.
    percentile : float in [0, 100], default=40
        Threshold of the MCC: percentile of the training anomaly scores.
    n_bootstrap : int, default=100
        Resamplings of the test events for the errors; 0 leaves the spread over seeds alone.
    n_jobs : int or None, default=None
        Worker processes of one thread each; the numbers do not depend on how many. None runs in
        this process, with its threads.
    verbose : int, default=0
        1 shows a progress bar.
    data : mapping, default=None
        What to say about the events in the report, in addition to their numbers.

    Returns
    -------
    ComparisonResult
        Means over seeds with errors; a detector that failed is in ``failures``.

    Raises
    ------
    ValueError
        If labels, weights, groups or parameters are unusable, there is too little signal for a K
        asked for, or every run failed.
    TypeError
        If `detectors` is no mapping.

    Notes
    -----
    `percentile` is the thesis's 40th percentile: it flags 60 % of background on purpose. Weighted
    AUC and AMS count expected events; AUC, average precision and MCC count rows.

    Examples
    --------
    >>> from sklearn.ensemble import IsolationForest
    >>> from skhep_anomaly import compare_detectors, make_gaussian_anomalies
    >>> events = make_gaussian_anomalies(400, 60, random_state=0)
    >>> result = compare_detectors({"forest": IsolationForest()}, events, seeds=1, n_bootstrap=0)
    >>> result.names
    ['forest']
    """
    if y is None and hasattr(X, "feature_names"):
        X, y, sample_weight, data = _from_bunch(X, sample_weight, data)
    events = _read_events(X, y, sample_weight, groups, anomaly_label)
    chosen = _read_seeds(seeds)
    _check_settings(detectors, test_size, percentile, n_bootstrap, n_jobs)
    _check_counts(events, test_size)
    entries = table_entries(detectors, known_signal, int(events.signal.sum()))
    n_aside = max(entry.n_known for entry in entries)
    plans = [
        Plan(
            entry.name,
            entry.detector,
            seed,
            test_size,
            percentile,
            n_bootstrap,
            sketch=seed == chosen[0],
            n_known=entry.n_known,
            n_aside=n_aside,
        )
        for seed in chosen
        for entry in entries
    ]
    runs = make_runs(plans, events, n_jobs=n_jobs, verbose=verbose)
    result = ComparisonResult(
        runs=runs,
        setup={
            "seeds": chosen,
            "test_size": test_size,
            "percentile": percentile,
            "n_bootstrap": n_bootstrap,
            "clock": "CPU" if all(map(on_cpu, detectors.values())) else "wall",
            "threads": "one for each fit" if n_jobs is not None else "those of the process",
            **_known(entries),
        },
        data={**_counts(events), "weighted": sample_weight is not None, **(data or {})},
        parameters={entry.name: _parameters(entry.detector) for entry in entries},
        versions=package_versions(),
        machine=machine_summary(),
    )
    if len(result.failures) == len(runs):
        place, reason = next(iter(result.failures.items()))
        raise ValueError(f"every run failed; {place}: {reason}")
    return result


def _from_bunch(bunch: Any, sample_weight: Any, data: Any) -> tuple[Any, Any, Any, Any]:
    weight = bunch.sample_weight if sample_weight is None else sample_weight
    known = {"events": bunch.name, "features": list(bunch.feature_names), **bunch.source}
    return bunch.X, bunch.y, weight, {**known, **(data or {})}


def _read_events(X: Any, y: Any, sample_weight: Any, groups: Any, anomaly_label: Any) -> Events:
    signal = anomaly_flags(y, anomaly_label, name="y")
    rows = X if hasattr(X, "iloc") else np.ascontiguousarray(X)
    if len(rows) != len(signal):
        raise ValueError(f"X has {len(rows)} rows, but y has {len(signal)}.")
    weight = read_weights(sample_weight, len(signal))
    labels = None if groups is None else np.asarray(groups)
    if labels is not None and labels.shape != signal.shape:
        raise ValueError(f"groups.shape == {labels.shape}, expected {signal.shape} as y.")
    return Events(rows, signal, weight, labels)


def _read_seeds(seeds: int | Sequence[int]) -> list[int]:
    chosen = list(range(seeds)) if isinstance(seeds, int) else [int(seed) for seed in seeds]
    if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0:
        raise ValueError(f"seeds={seeds!r}: give a number ≥ 1, or different seeds ≥ 0.")
    return chosen


def _check_settings(
    detectors: Mapping[str, Any],
    test_size: float,
    percentile: float,
    n_bootstrap: int,
    n_jobs: int | None,
) -> None:
    if not isinstance(detectors, Mapping):
        raise TypeError(
            f"detectors is a {type(detectors).__name__}; give a mapping of names to detectors, "
            "such as {'AE': AEOutlierDetector()}."
        )
    if not detectors:
        raise ValueError("detectors is empty; give at least one detector.")
    if not (0 < test_size < 1 and 0 <= percentile <= 100 and n_bootstrap >= 0):
        raise ValueError(
            f"test_size={test_size} must lie between 0 and 1, percentile={percentile} between 0 "
            f"and 100, n_bootstrap={n_bootstrap} at 0 or above."
        )
    if n_jobs is not None and n_jobs < 1:
        raise ValueError(f"n_jobs={n_jobs} must be a number of processes ≥ 1, or None.")
    for detector in detectors.values():
        _check_parameters(with_seed(detector, 0))


def _check_parameters(detector: Any) -> None:
    """Let a detector and those inside it look at their parameters before the first fit."""
    for part in [detector, *detector.get_params(deep=True).values()]:
        if hasattr(part, "_parameter_constraints") and not isinstance(part, type):
            part._validate_params()


def _check_counts(events: Events, test_size: float) -> None:
    n_signal, n_background = int(events.signal.sum()), int((~events.signal).sum())
    n_test = round(test_size * n_background)
    if min(n_signal, n_test, n_background - n_test) < FEWEST:
        raise ValueError(
            f"{n_background} background and {n_signal} signal events are too few: at least "
            f"{FEWEST} background events must train, {FEWEST} test, and {FEWEST} signal events "
            "test."
        )
    if min(events.totals) <= 0:
        raise ValueError(
            f"the weights sum to {events.totals[0]:.6g} for signal and {events.totals[1]:.6g} for "
            "background; both sums must be positive."
        )


def _counts(events: Events) -> dict[str, Any]:
    negative = int((events.weight < 0).sum())
    counts: dict[str, Any] = {
        "signal events": int(events.signal.sum()),
        "background events": int((~events.signal).sum()),
        "sum of signal weights": float(f"{events.totals[0]:.9g}"),
        "sum of background weights": float(f"{events.totals[1]:.9g}"),
        "number of features": int(events.X.shape[1]),
    }
    return counts | ({"negative weights": negative} if negative else {})


def _known(entries: Sequence[Entry]) -> dict[str, list[int]]:
    """Say how many known signal events trained classifiers, where there are any."""
    learnt = {entry.n_known for entry in entries if is_classifier(entry.detector)}
    return {"known_signal": sorted(learnt)} if learnt else {}


def _parameters(detector: Any) -> dict[str, Any]:
    """Give a detector's parameters as plain values; random states come from the seeds."""
    steps = detector.steps if isinstance(detector, Pipeline) else [("", detector)]
    last = steps[-1][1]
    found: dict[str, Any] = {"class": type(last).__name__}
    found |= {name: _plain(value) for name, value in last.get_params(deep=True).items()}
    before = [" ".join(repr(step).split()) for _, step in steps[:-1]]
    return found | ({"behind": ", ".join(before)} if before else {})


def _plain(value: Any) -> Any:
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    simple = value is None or isinstance(value, (bool, int, float, str))
    return value if simple else " ".join(repr(value).split())
