"""``skhep-anomaly fit``: one detector, fitted on background and saved.

A classifier learns from labelled signal as well.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from skhep_anomaly.cli.console import say
from skhep_anomaly.cli.events import CommandEvents, read_events
from skhep_anomaly.cli.outputs import check_writable
from skhep_anomaly.cli.settings import apply_setting
from skhep_anomaly.comparison.detectors import make_detector
from skhep_anomaly.comparison.run import with_seed
from skhep_anomaly.comparison.split import draw_known
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
    known = _known_rows(pipeline, events, options)
    start = time.perf_counter()
    _fit(pipeline, events, known)
    seconds = time.perf_counter() - start
    save(pipeline, options.out)
    if not options.quiet:
        kind = "rows" if events.signal is None else "background rows"
        signal = f" and {len(known):,} known signal rows" if len(known) else ""
        say(
            f"{type(pipeline[-1]).__name__} fitted on {len(events.background):,} {kind}{signal} × "
            f"{len(events.features)} features in {seconds:.1f} s; saved: {options.out}"
        )
    return 0


def _known_rows(pipeline: Any, events: CommandEvents, options: Any) -> NDArray[np.intp]:
    """Give the positions of the signal rows that a classifier learns from."""
    signal = np.zeros(len(events.X), bool) if events.signal is None else events.signal
    n_signal, wanted = int(signal.sum()), options.known
    if not is_classifier(pipeline):
        if wanted:
            raise ValueError(f"--known {wanted}: {options.model} learns from background alone")
        return np.empty(0, np.intp)
    if wanted is not None and wanted > n_signal:
        raise ValueError(f"--known {wanted}: there are {n_signal} labelled signal rows")
    return np.sort(draw_known(signal, options.seed, n_signal if wanted is None else wanted))


def _fit(pipeline: Any, events: CommandEvents, known: NDArray[np.intp]) -> None:
    """Fit on a frame, so that the model file keeps the columns' names."""
    rows = np.concatenate([events.background, known])
    weights = {} if events.weight is None else _weight_arguments(pipeline, events.weight[rows])
    labels = None if events.signal is None or not len(known) else events.signal[rows].astype(int)
    pipeline.fit(_frame(events.X[rows], events.features), labels, **weights)


def _weight_arguments(pipeline: Any, weight: Any) -> dict[str, Any]:
    return {f"{name}__sample_weight": weight for name, _ in pipeline.steps}


def _frame(X: Any, features: list[str]) -> Any:
    from skhep_anomaly.datasets._extras import require

    return require("pandas", "io", "to keep the names of columns").DataFrame(X, columns=features)
