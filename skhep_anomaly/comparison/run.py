"""One run: one detector, one seed. Split, fit, score, measure; what goes wrong is kept as text.

A run reads nothing but its arguments, so its result does not depend on which process makes it, and
when.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skhep_anomaly._validation import weighted_quantile
from skhep_anomaly.comparison.measures import measure
from skhep_anomaly.comparison.sketches import (
    sketch_history,
    sketch_latent,
    sketch_roc,
    sketch_scores,
)
from skhep_anomaly.comparison.split import draw_known, split_background, take_rows
from skhep_anomaly.metrics.scorers import anomaly_scores

__all__ = ["Events", "Plan", "Run", "make_run", "on_cpu", "with_seed"]


@dataclass(frozen=True)
class Events:
    """The data of a comparison; `X` is an array or a frame."""

    X: Any
    signal: NDArray[np.bool_]
    weight: NDArray[np.float64]
    groups: NDArray[Any] | None

    @property
    def totals(self) -> tuple[float, float]:
        """Expected signal and background events."""
        return float(self.weight[self.signal].sum()), float(self.weight[~self.signal].sum())


@dataclass(frozen=True)
class Plan:
    """What one run does; `sketch` asks for all figures' data, not only the ROC curve.

    Of each seed's `n_aside` signal events, which no detector is tested on, the first `n_known`
    train this one.
    """

    name: str
    detector: Any
    seed: int
    test_size: float
    percentile: float
    n_bootstrap: int
    sketch: bool
    n_known: int = 0
    n_aside: int = 0


@dataclass(frozen=True)
class Run:
    """What came out of one run; `failure` says why nothing did."""

    name: str
    seed: int
    values: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    resampled: list[float] = field(default_factory=list)
    fit_seconds: float = float("nan")
    fit_cpu_seconds: float = float("nan")
    rows_per_second: float = float("nan")
    n_train: int = 0
    n_test: int = 0
    sketches: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    failure: str | None = None
    n_known: int = 0


def make_run(plan: Plan, events: Events) -> Run:
    """Fit one detector on one split and measure it.

    Parameters
    ----------
    plan : Plan
        What to do.
    events : Events
        The data.

    Returns
    -------
    Run
        Never an exception of the detector: that is told in `failure`.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            run = _measured(plan, events)
        except Exception as error:  # whatever a detector, ours or foreign, may raise
            text = " ".join(f"{type(error).__name__}: {error}".split())
            run = Run(plan.name, plan.seed, failure=text[:500], n_known=plan.n_known)
    told = {f"{each.category.__name__}: {each.message}" for each in caught if _matters(each)}
    run.warnings.extend(sorted(told))
    return run


def _matters(warning: warnings.WarningMessage) -> bool:
    """Pass over what concerns authors of libraries, not users."""
    return not issubclass(warning.category, (DeprecationWarning, FutureWarning, ResourceWarning))


def _measured(plan: Plan, events: Events) -> Run:
    train, test = split_background(events.signal, events.groups, plan.seed, plan.test_size)
    aside = draw_known(events.signal, plan.seed, plan.n_aside)
    test = np.setdiff1d(test, aside, assume_unique=True)
    X_train, X_test = take_rows(events.X, train), take_rows(events.X, test)
    lesson = _lesson(events, train, aside[: plan.n_known])
    detector = with_seed(plan.detector, plan.seed)
    wall, cpu = time.perf_counter(), time.process_time()
    detector.fit(*lesson)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    train_score = anomaly_scores(detector, X_train)
    score, speed = _timed_scores(detector, X_test)
    threshold = float(weighted_quantile(train_score, plan.percentile / 100))
    measured = measure(
        events.signal[test],
        score,
        events.weight[test],
        threshold=threshold,
        totals=events.totals,
        n_bootstrap=plan.n_bootstrap,
        seed=plan.seed,
    )
    return Run(
        plan.name,
        plan.seed,
        *measured,
        fit_seconds=wall,
        fit_cpu_seconds=cpu,
        rows_per_second=speed,
        n_train=len(train),
        n_test=len(test),
        sketches=_sketches(plan, events, detector, (train, test), (train_score, score)),
        n_known=plan.n_known,
    )


def _lesson(events: Events, train: NDArray[np.intp], known: NDArray[np.intp]) -> tuple[Any, ...]:
    """Give what ``fit`` gets: background alone, or background and known signal with labels."""
    if not len(known):
        return (take_rows(events.X, train),)
    rows = np.concatenate([train, known])
    return take_rows(events.X, rows), events.signal[rows].astype(int)


def with_seed(detector: Any, seed: int) -> Any:
    """Give an unfitted copy whose every ``random_state`` is `seed`."""
    copy = clone(detector)
    names = [
        name
        for name in copy.get_params(deep=True)
        if name == "random_state" or name.endswith("__random_state")
    ]
    return copy.set_params(**dict.fromkeys(names, seed))


def on_cpu(detector: Any) -> bool:
    """Tell whether CPU seconds, which other load does not stretch, measure a detector fully."""
    params = detector.get_params(deep=True)
    devices = [v for k, v in params.items() if k == "device" or k.endswith("__device")]
    return all(device in ("cpu", None) for device in devices)


def _timed_scores(detector: Any, X: Any) -> tuple[NDArray[np.float64], float]:
    """Score all rows; give the rows per second of the faster of two passes."""
    clock = time.process_time if on_cpu(detector) else time.perf_counter
    seconds = []
    for _ in range(2):
        start = clock()
        score = anomaly_scores(detector, X)
        seconds.append(clock() - start)
    if not np.isfinite(score).all():
        bad = int((~np.isfinite(score)).sum())
        raise ValueError(f"the detector gives NaN or infinity for {bad} of {len(score)} rows.")
    return score, len(score) / max(min(seconds), 1e-9)


def _sketches(
    plan: Plan, events: Events, detector: Any, rows: tuple[Any, Any], scores: tuple[Any, Any]
) -> dict[str, Any]:
    """Give what the figures need; all but the ROC curve only where the plan asks for it."""
    (train, test), (train_score, score) = rows, scores
    signal, weight = events.signal[test], events.weight[test]
    found: dict[str, Any] = {"roc": sketch_roc(signal, score, weight)}
    if not plan.sketch:
        return found
    samples = signal, score, weight, train_score, events.weight[train]
    found["scores"] = sketch_scores(*samples)
    if events.groups is not None:
        found["group_scores"] = sketch_scores(*samples, events.groups[test], events.groups[train])
    last = detector[-1] if isinstance(detector, Pipeline) else detector
    found["history"] = sketch_history(getattr(last, "history_", []))
    if hasattr(last, "encode"):  # a latent variable model
        latent = np.asarray(detector.transform(take_rows(events.X, test)), dtype=np.float64)
        found["latent"] = sketch_latent(signal, latent, weight, plan.seed)
    return found
