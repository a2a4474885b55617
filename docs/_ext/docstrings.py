"""Fits docstrings to reStructuredText before numpydoc reads them.

A fitted attribute ends in an underscore, which reStructuredText takes for a link: `offset_` in
plain prose or in a type is escaped here, so that docstrings stay readable as text, and so are an
author's initial that would start a list and the first bar of |x|. A scorer says what it measures
instead of its class's text. The methods that scikit-learn adds for metadata routing are left out;
their text points into its own site.
"""

from __future__ import annotations

import re

QUOTED = r"(``.+?``|`.+?`_?)"
BAR = r"(?<!\S)(\|)(?=[^\s|])"  # would start a substitution |x|
FITTED = r"(?<![\w:|])([A-Za-z]\w*[A-Za-z0-9])_(?![\w`])"
SPECIAL = re.compile(f"{QUOTED}|{BAR}|{FITTED}")
REFERENCE = re.compile(r"\.\. \[\w+\]")
INITIAL = re.compile(r"^((?:\.\. \[\w+\] )?)([A-Z]\. (?=\S))")  # would start a list from A. to Z.
ROUTING = re.compile(r"set_\w+_request|get_metadata_routing")


def escape(text: str) -> str:
    """Escape bars, and the last underscore of fitted names, outside of backticks."""

    def escaped(found: re.Match[str]) -> str:
        quoted, bar, name = found.groups()
        return quoted or (rf"\{bar}" if bar else rf"{name}\_")

    return SPECIAL.sub(escaped, text)


def escape_line(line: str) -> str:
    """Leave doctests and the names before a colon (`offset_ : float`) as they are."""
    if line.lstrip().startswith((">>>", "...")):
        return line
    name, colon, rest = line.partition(" : ")
    return name + colon + escape(rest) if colon else escape(line)


def indent_references(lines: list[str]) -> list[str]:
    """Indent the second and later lines of `.. [1] Author, title`, which reads well without."""
    done, inside = [], False
    for line in lines:
        inside = bool(line.strip()) and (inside or REFERENCE.match(line) is not None)
        flat = inside and not line.startswith((" ", ".."))
        done.append(f"   {line}" if flat else line)
    return done


def scorer_lines(scorer) -> list[str]:
    """What a ready-made scorer measures."""
    measured = "predictions" if scorer.response == "predict" else "anomaly scores"
    metric = scorer.metric.__name__
    return [
        f"Scorer of searches: ``{metric}`` of an estimator's {measured}.",
        "",
        "Pass it as ``scoring=``. It takes detectors of every origin and classifiers, and labels",
        "{0, 1} (1 = anomaly), {-1, +1} (-1 = anomaly) or bool; for others, and for weights, see",
        "`make_outlier_scorer`. Higher is better.",
    ]


def process(app, what, name, obj, options, lines) -> None:
    """Change the lines in place, as autodoc wants it."""
    if what == "data" and hasattr(obj, "metric") and hasattr(obj, "response"):
        lines[:] = scorer_lines(obj)
    escaped = [INITIAL.sub(r"\1\\\2", escape_line(line)) for line in lines]
    lines[:] = indent_references(escaped)


def skip(app, what, name, obj, skipped, options) -> bool | None:
    """Leave out metadata routing; None says no opinion."""
    return True if ROUTING.fullmatch(name) else None


def setup(app) -> dict[str, bool]:
    """Sphinx calls this; the priority puts it before numpydoc."""
    app.connect("autodoc-process-docstring", process, priority=100)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True}
