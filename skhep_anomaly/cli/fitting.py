"""``skhep-anomaly fit``: one detector, fitted on background and saved."""

from __future__ import annotations

import time
from typing import Any

from skhep_anomaly.cli.console import say
from skhep_anomaly.cli.events import CommandEvents, read_events
from skhep_anomaly.cli.outputs import check_writable
from skhep_anomaly.cli.settings import apply_setting
from skhep_anomaly.comparison.detectors import make_detector
from skhep_anomaly.comparison.run import with_seed
from skhep_anomaly.persistence import save

__all__ = ["run"]


def run(options: Any) -> int:
    """Fit and save a detector as the options say; give the exit code."""
    check_writable(options.out)
    events = read_events(options, need_label=False)
    pipeline = make_detector(
        options.model,
        group_column=events.group_column,
        missing=options.missing,
        device=options.device,
    )
    pipeline = with_seed(pipeline, options.seed)
    for text in options.settings:
        apply_setting(pipeline, text)
    if not options.quiet and "verbose" in pipeline[-1].get_params():
        pipeline[-1].set_params(verbose=1)
    start = time.perf_counter()
    n_rows = _fit(pipeline, events)
    seconds = time.perf_counter() - start
    save(pipeline, options.out)
    if not options.quiet:
        kind = "rows" if events.signal is None else "background rows"
        say(
            f"{type(pipeline[-1]).__name__} fitted on {n_rows:,} {kind} × {len(events.features)} "
            f"features in {seconds:.1f} s; saved: {options.out}"
        )
    return 0


def _fit(pipeline: Any, events: CommandEvents) -> int:
    """Fit on a frame, so that the model file keeps the columns' names."""
    rows = events.background
    weights = {} if events.weight is None else _weight_arguments(pipeline, events.weight[rows])
    pipeline.fit(_frame(events.X[rows], events.features), **weights)
    return len(rows)


def _weight_arguments(pipeline: Any, weight: Any) -> dict[str, Any]:
    return {f"{name}__sample_weight": weight for name, _ in pipeline.steps}


def _frame(X: Any, features: list[str]) -> Any:
    from skhep_anomaly.datasets._extras import require

    return require("pandas", "io", "to keep the names of columns").DataFrame(X, columns=features)
