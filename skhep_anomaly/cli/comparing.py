"""``skhep-anomaly compare``: the main job."""

from __future__ import annotations

import os
import shlex
from datetime import UTC, datetime
from typing import Any

import numpy as np

from skhep_anomaly.cli.console import PROGRAM, print_table, say
from skhep_anomaly.cli.events import CommandEvents, read_events
from skhep_anomaly.cli.outputs import check_writable
from skhep_anomaly.cli.settings import apply_settings
from skhep_anomaly.comparison import (
    ComparisonResult,
    compare_detectors,
    write_comparison_report,
)
from skhep_anomaly.comparison.detectors import MODELS, make_detector
from skhep_anomaly.comparison.page import TITLE
from skhep_anomaly.comparison.tables import main_table

__all__ = ["run", "write_page"]

QUICK_ROWS = 2000


def run(options: Any) -> int:
    """Compare detectors as the options say; give the exit code."""
    check_writable(None if options.no_report else options.out, options.json)
    if options.quick and options.max_rows is None:
        options.max_rows = QUICK_ROWS
    if options.models is not None:
        _detectors(options, None)  # wrong names are told before the events are read
    events = read_events(options, need_label=True)
    detectors = _detectors(options, events)
    result = compare_detectors(
        {MODELS[name].label: pipeline for name, pipeline in detectors.items()},
        events.X,
        events.signal,
        sample_weight=events.weight,
        groups=events.groups,
        known_signal=options.known,
        seeds=range(options.seed, options.seed + options.seeds),
        n_bootstrap=options.bootstrap,
        n_jobs=_default_jobs(options.device) if options.jobs is None else options.jobs or None,
        verbose=0 if options.quiet else 1,
        data=_description(events, options),
    )
    result.setup["command"] = shlex.join([PROGRAM, *options.words])
    result.setup["date"] = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    _deliver(result, options)
    return 1 if result.failures else 0


def _detectors(options: Any, events: CommandEvents | None) -> dict[str, Any]:
    """Give pipelines by short name; without `events` only names and settings are checked."""
    column = 0 if events is None else events.group_column
    names = options.models
    if names is None:
        names = [name for name in MODELS if name != "groupwise" or column is not None]
    made = {
        name: make_detector(
            name,
            group_column=column,
            missing=options.missing,
            device=options.device,
            quick=options.quick,
        )
        for name in names
    }
    if not made:
        raise ValueError("--models names no model")
    apply_settings(made, options.settings)
    if (
        events is not None
        and "groupwise" not in made
        and options.models is None
        and not options.quiet
    ):
        say("the group-wise VAE is left out: no --group tells the groups")
    return made


def _default_jobs(device: str) -> int:
    """Give one worker per usable core; one for a GPU."""
    if device != "cpu":
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _description(events: CommandEvents, options: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "events": events.name,
        "features": events.features,
        "undefined": f"{options.missing:g} or NaN, replaced by the median of the training rows",
    }
    if events.group is not None:
        facts |= {
            "group": events.group,
            "groups": sorted(
                set((events.groups if events.groups is not None else np.empty(0)).tolist())
            ),
        }
    if options.max_rows is not None:
        facts["rows"] = f"at most {options.max_rows:,}, drawn at random; weights scaled up to all"
    if options.quick:
        facts["quick"] = "hardly any training: the numbers mean nothing"
    return facts | events.facts


def _deliver(result: ComparisonResult, options: Any) -> None:
    """Write the files, then the table; a full disk must not cost the numbers."""
    print_table(main_table(result))
    for place, reason in result.failures.items():
        say(f"failed: {place}: {reason}")
    if not options.quiet:
        for warning in result.warnings:
            say(f"warning: {warning}")
    if options.json:
        result.to_json(options.json)
        if not options.quiet:
            say(f"numbers: {options.json}")
    if not options.no_report:
        write_page(result, options)


def write_page(result: ComparisonResult, options: Any) -> None:
    """Write the HTML report and say where it is."""
    path = write_comparison_report(
        result,
        options.out,
        title=f"{TITLE}: {result.data.get('events', 'your events')}",
        command=str(result.setup.get("command", "")),
        date=str(result.setup.get("date", "")),
    )
    if not options.quiet:
        say(f"report: {path}")
