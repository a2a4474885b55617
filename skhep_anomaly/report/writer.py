"""One self-contained HTML file: what was done, with what, what came out, how to repeat it.

The file appears whole or not at all: it is written to a temporary neighbour, flushed to the disk
and renamed over the old one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skhep_anomaly._atomic import write_atomically
from skhep_anomaly.report.machine import machine_summary, package_versions
from skhep_anomaly.report.page import facts_html, figure_html, page_html, table_html, text
from skhep_anomaly.report.picture import SVG_IS_SMALL, Picture, data_uri
from skhep_anomaly.report.table import Table

__all__ = ["write_report"]

MAX_BYTES = 1_000_000
QUALITIES = ((160, SVG_IS_SMALL), (160, 120_000), (130, 50_000), (90, 0), (55, 0))
"""Dots per inch and largest SVG of a figure, tried until the file is small enough."""


def write_report(
    path: str | os.PathLike[str],
    *,
    title: str,
    tables: Sequence[Table],
    figures: Sequence[Picture],
    parameters: Mapping[str, Any],
    seed: int | Sequence[int] | None,
    command: str,
    versions: Mapping[str, str] | None = None,
    machine: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    date: str | None = None,
) -> Path:
    """Write one HTML file with results, figures, parameters, versions, seed and the command.

    The file needs no other file and no network, holds no script, stays below 1 MB and can be
    printed. Texts are escaped, and the home folder in them is written as "~".

    Parameters
    ----------
    path : path-like
        Where to write; a file that is there is replaced in one step.
    title : str
        The report's heading.
    tables : sequence of Table
        Results, in order.
    figures : sequence of Picture
        Figures with captions and alt texts, in order.
    parameters : mapping of str to object
        What the run was given; a mapping inside becomes a table of its own (one per model).
    seed : int, sequence of int or None
        The seed or seeds of the run.
    command : str
        The shell command that repeats the run.
    versions : mapping of str to str, default=None
        Package versions; None: `package_versions`.
    machine : mapping of str to str, default=None
        The machine; None: `machine_summary`.
    notes : sequence of str, default=()
        What the reader should know first, shown below the heading.
    date : str, default=None
        Shown below the heading. Without it the same inputs give the same bytes on any day.

    Returns
    -------
    path : pathlib.Path
        The file written.

    Raises
    ------
    ValueError
        The report is larger than 1 MB even with coarse figures.
    OSError
        The file cannot be written; the old one is intact and nothing is left beside it.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skhep_anomaly.report import Table, write_report
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_report(
    ...         pathlib.Path(folder, "report.html"), title="Two detectors",
    ...         tables=[Table("Test events", ["model", "AUC"], [["VAE", (0.61, 0.007)]])],
    ...         figures=[], parameters={"max_epochs": 20}, seed=0, command="skhep-anomaly compare")
    ...     "0.610 ± 0.007" in path.read_text(encoding="utf-8")
    True
    """
    facts = {
        "Parameters": parameters,
        "Versions": package_versions() if versions is None else versions,
        "Machine": machine_summary() if machine is None else machine,
    }
    for dpi, svg_bytes in QUALITIES:
        images = [data_uri(figure.drawn, dpi=dpi, svg_bytes=svg_bytes) for figure in figures]
        page = page_html(
            title=title,
            subtitle=date or "",
            notes=notes,
            sections=_sections(tables, figures, images, facts, seed, command),
        ).encode("utf-8")
        if len(page) < MAX_BYTES:
            write_atomically(path, page)
            return Path(path)
    raise ValueError(
        f"the report would have {len(page):,} bytes, more than {MAX_BYTES:,}: its "
        f"{len(figures)} figures take {sum(map(len, images)):,}; "
        "leave some out or draw fewer points"
    )


def _sections(
    tables: Sequence[Table],
    figures: Sequence[Picture],
    images: Sequence[str],
    facts: Mapping[str, Mapping[str, Any]],
    seed: int | Sequence[int] | None,
    command: str,
) -> list[tuple[str, str]]:
    pictures = [
        figure_html(picture, number, image)
        for number, (picture, image) in enumerate(zip(figures, images, strict=True), start=1)
    ]
    seeds = [seed] if seed is None or isinstance(seed, int) else list(seed)
    words = " ".join(f"<span>{text(word)}</span>" for word in command.split(" "))
    repeat = (
        f"<p>The same command with the same versions gives the same numbers:</p>\n"
        f"<pre><code>{words}</code></pre>\n"
        f"<p>{'Seed' if len(seeds) == 1 else 'Seeds'}: {text(', '.join(map(str, seeds)))}</p>\n"
    )
    made_with = "".join(facts_html(name, values) for name, values in facts.items())
    return [
        ("Results", "".join(table_html(table) for table in tables)),
        ("Figures", "".join(pictures)),
        ("How to repeat this", repeat),
        ("What it was made with", f'<div class="facts">{made_with}</div>\n'),
    ]
