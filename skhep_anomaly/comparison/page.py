"""A comparison as one self-contained HTML page."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skhep_anomaly.comparison.figures import all_pictures
from skhep_anomaly.comparison.result import ComparisonResult
from skhep_anomaly.comparison.tables import difference_table, main_table, seed_table
from skhep_anomaly.report import write_report

__all__ = ["TITLE", "summary_notes", "write_comparison_report"]

TITLE = "Comparison of outlier detectors"


def write_comparison_report(
    result: ComparisonResult,
    path: str | os.PathLike[str],
    *,
    title: str = TITLE,
    command: str = "skhep_anomaly.compare_detectors(...)",
    date: str | None = None,
) -> Path:
    """Write tables, figures, parameters, versions and the command into one HTML file.

    Parameters
    ----------
    result : ComparisonResult
        The numbers; nothing is fitted again.
    path : str or path-like
        Where to write; the file appears whole or not at all.
    title : str
        The page's heading.
    command : str
        The command that repeats the comparison.
    date : str, default=None
        Shown below the heading.

    Returns
    -------
    pathlib.Path
        The file, smaller than 1 MB.

    Raises
    ------
    ValueError
        If a sketch in the result is damaged.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sklearn.ensemble import IsolationForest
    >>> from skhep_anomaly import compare_detectors, make_gaussian_anomalies
    >>> from skhep_anomaly.comparison import write_comparison_report
    >>> events = make_gaussian_anomalies(400, 60, random_state=0)
    >>> result = compare_detectors({"forest": IsolationForest()}, events, seeds=1, n_bootstrap=9)
    >>> path = pathlib.Path(tempfile.mkdtemp(), "report.html")
    >>> write_comparison_report(result, path).stat().st_size < 1_000_000
    True
    """
    try:
        tables = [main_table(result), difference_table(result)]
        if len(result.setup["seeds"]) > 1:
            tables.append(seed_table(result))
        figures = all_pictures(result)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"the comparison holds damaged data ({error!r:.100}).") from error
    return write_report(
        path,
        title=title,
        tables=tables,
        figures=figures,
        parameters=_facts(result),
        seed=[int(seed) for seed in result.setup["seeds"]],
        command=command,
        versions=result.versions,
        machine=result.machine,
        notes=summary_notes(result),
        date=date,
    )


def summary_notes(result: ComparisonResult) -> list[str]:
    """Say in words who leads, by how much, and what went wrong.

    Parameters
    ----------
    result : ComparisonResult
        The numbers.

    Returns
    -------
    list of str
        Sentences.
    """
    peers = result.peers()
    notes = []
    for k, (best, *others) in peers.items():
        value, error = result.estimate(best, "weighted_auc")
        place = f" with {k} known signal events" if k else " without known signal"
        words = "" if len(peers) == 1 else place
        notes.append(f"{best} has the highest weighted AUC{words}, {value:.3f} ± {error:.3f}.")
        if others:
            notes.append(_rivals(result, best, others))
    notes += [_who_saw_what(max(peers))]
    notes += [f"{place} failed: {reason}" for place, reason in result.failures.items()]
    return [*notes, *(f"Warning from {warning}" for warning in result.warnings)]


def _who_saw_what(most_known: int) -> str:
    if not most_known:
        return (
            "All detectors were trained on background events only and tested on other events; "
            "labels and weights were used in the test alone."
        )
    return (
        "All detectors were trained on the same background events, those with K in their name on K "
        "known signal events besides, and tested on the same other events; weights were used in "
        "the test alone."
    )


def _rivals(result: ComparisonResult, best: str, others: list[str]) -> str:
    """Name those whose distance to the best is within two paired errors."""
    gaps = {name: result.difference(name, best) for name in others}
    close = [name for name, (gap, error) in gaps.items() if -gap < 2 * error]
    if close:
        return f"Within two (paired) errors of it: {', '.join(close)}."
    gap, error = gaps[others[0]]
    return f"The next, {others[0]}, is {-gap:.3f} ± {error:.3f} below (paired error)."


def _facts(result: ComparisonResult) -> dict[str, Any]:
    """Join what is said about data, setup and detectors; long lists become one text."""
    data: Mapping[str, Any] = {key: _line(value) for key, value in result.data.items()}
    setup = {key.replace("_", " "): _line(value) for key, value in result.setup.items()}
    return {"data": data, "comparison": setup, **result.parameters}


def _line(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
