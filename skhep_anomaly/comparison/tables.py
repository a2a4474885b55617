"""A comparison as tables: the numbers, the differences, each seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skhep_anomaly.comparison.result import ComparisonResult
from skhep_anomaly.metrics import ams
from skhep_anomaly.report import Table, format_value

__all__ = ["difference_table", "main_table", "seed_table"]

SMALLEST_ERROR = 1e-3  # smaller errors are rounded up to it in tables


def main_table(result: ComparisonResult) -> Table:
    """Give the table of the main job.

    Parameters
    ----------
    result : ComparisonResult
        The numbers.

    Returns
    -------
    Table
        One row a detector, the best first.
    """
    on_cpu = result.setup.get("clock", "CPU") == "CPU"
    fit = "fit_cpu_seconds" if on_cpu else "fit_seconds"
    rows = [
        [
            name,
            _cell(result.estimate(name, "weighted_auc")),
            _cell(result.estimate(name, "average_precision")),
            _cell(result.estimate(name, "mcc_p40")),
            _cell(result.estimate(name, "max_ams")),
            result.cost(name, fit),
            _rounded(result.cost(name, "rows_per_second")),
        ]
        for name in result.names
    ]
    mcc = f"MCC at P{result.setup.get('percentile', 40.0):g}"
    rated = ("weighted AUC", "average precision", mcc, "max AMS")
    return Table(
        _caption(result),
        ["model", *rated, "fit", "scoring"],
        rows,
        units={"fit": "CPU s" if on_cpu else "s", "scoring": "rows/s"},
        best=dict.fromkeys(rated, "max"),
        notes=_notes(result, mcc),
    )


def difference_table(result: ComparisonResult) -> Table:
    """Give the distances to the best detector with paired errors, and further numbers.

    With known signal, the best is that of the same K.

    Parameters
    ----------
    result : ComparisonResult
        The numbers.

    Returns
    -------
    Table
        One row a detector, in the order of `main_table`.
    """
    peers = result.peers()
    best = {name: names[0] for names in peers.values() for name in names}
    rows = [
        [
            name,
            None if name == best[name] else _cell(result.difference(name, best[name])),
            _cell(result.estimate(name, "auc")),
            _cell(result.estimate(name, "max_sic"))[0],
            result.cost(name, "fit_seconds"),
        ]
        for name in result.names
    ]
    return Table(
        f"Distance to {_bests(peers)} in weighted AUC, and further numbers",
        ["model", "weighted AUC − best", "AUC", "max SIC", "fit"],
        rows,
        units={"fit": "wall s"},
        notes=[
            (
                "The error of a difference is paired: both detectors were tested on the same "
                "events and the same resamplings of them, so it is smaller than those of the two."
            ),
            (
                "AUC counts rows instead of expected events. Max SIC is the largest factor by "
                "which a cut raises s/√b, with at least 25 effective background events left; 1 is "
                "no cut."
            ),
        ],
    )


def seed_table(result: ComparisonResult) -> Table:
    """Give the weighted AUC of each seed.

    Parameters
    ----------
    result : ComparisonResult
        The numbers.

    Returns
    -------
    Table
        One row a detector, one column a seed.
    """
    seeds = sorted({run.seed for run in result.runs})
    rows = []
    for name in result.names:
        found = {run.seed: run.values["weighted_auc"] for run in result.runs_of(name)}
        rows.append([name, *(found.get(seed) for seed in seeds)])
    return Table(
        "Weighted AUC of each seed (its own split, its own training)",
        ["model", *(f"seed {seed}" for seed in seeds)],
        rows,
        best={f"seed {seed}": "max" for seed in seeds},
    )


def _bests(peers: Mapping[int, list[str]]) -> str:
    """Name the best, or say that it is one for each K."""
    names = [each[0] for each in peers.values()]
    return names[0] if len(names) == 1 else f"the best of the same K ({', '.join(names)})"


def _n_aside(result: ComparisonResult) -> int:
    """Give the signal events that are kept out of every detector's test."""
    return max(result.setup.get("known_signal", [0]))


def _n_signal(result: ComparisonResult) -> int:
    """Give the signal events of a test."""
    return int(result.data.get("signal events", 0)) - _n_aside(result)


def _caption(result: ComparisonResult) -> str:
    run = result.runs_of(result.names[0])[0]
    n_signal = _n_signal(result)
    lesson = "events and K known signal events" if _n_aside(result) else "events alone"
    n_seeds = len(result.setup.get("seeds", [run.seed]))
    return (
        f"{result.data.get('events', 'Events')}: trained on {run.n_train:,} background {lesson}, "
        f"tested on {run.n_test - n_signal:,} other background and {n_signal:,} signal "
        f"events; mean of {n_seeds} seed{'s' if n_seeds > 1 else ''} ± error"
    )


def _notes(result: ComparisonResult, mcc: str) -> list[str]:
    run = result.runs_of(result.names[0])[0]
    signal_sum = float(result.data.get("sum of signal weights", 0.0))
    background_sum = float(result.data.get("sum of background weights", 0.0))
    share = _n_signal(result) / max(run.n_test, 1)
    everything = float(ams(max(signal_sum, 0.0), max(background_sum, 0.0)))
    return [
        *_known_notes(result),
        (
            "Error² = variance under resampling of the test events + (spread over seeds)² / number "
            "of seeds; each seed has its own split. Detectors share events: compare two by their "
            "difference, whose error is smaller. Errors below 0.001 are rounded up to it."
        ),
        (
            "Weighted AUC and AMS count expected events; average precision and MCC count rows, "
            f"where chance gives {share:.3f} and 0."
        ),
        f"{mcc}: flagged is what exceeds that percentile of the training anomaly scores.",
        (
            "Max AMS: both classes rescaled to the sums of all their weights; the threshold is the "
            "best on the test events themselves, so it is too large; selecting everything gives "
            f"{format_value(everything, digits=4)}."
        ),
    ]


def _known_notes(result: ComparisonResult) -> list[str]:
    """Say what K means."""
    n_aside = _n_aside(result)
    if not n_aside:
        return []
    return [
        (
            "K: known signal events in training; rows without K learnt from background alone, like "
            f"K = 0. Compare rows of one K. Of each seed {n_aside:,} signal events are set aside "
            "as known, fewer among more, and are in nobody's test."
        ),
    ]


def _cell(estimate: tuple[float, float]) -> tuple[float, float]:
    """Give value and error, the error not below what is worth a digit."""
    value, error = estimate
    return float(value), float(max(error, SMALLEST_ERROR)) if error == error else float("nan")


def _rounded(value: float) -> Any:
    """Cut a speed to three digits."""
    return int(float(f"{value:.3g}")) if value >= 100 else value
