"""Writes api/index.rst before a build: one table per module, made from the package's public names.

A name is on the page because it is in `skhep_anomaly.__all__`; nothing is listed by hand.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import skhep_anomaly

ROOMS = {
    "outliers": "Outlier detectors",
    "ope": "(1+ε)-class classification",
    "generators": "Generators",
    "simulators": "Simulators",
    "preprocessing": "Preprocessing",
    "metrics": "Metrics and model selection",
    "datasets": "Data sets",
    "plotting": "Displays",
    "report": "Report",
    "comparison": "Comparison",
    "persistence": "Saving and loading",
    "training": "Training",
    "exceptions": "Errors and warnings",
}


def kind(name: str) -> str:
    """The autosummary template that fits: class, function or data."""
    subject = getattr(skhep_anomaly, name)
    if inspect.isclass(subject):
        return "class"
    return "function" if inspect.isroutine(subject) else "data"


def rooms() -> dict[str, list[str]]:
    """Room -> its public names, rooms in the order of the table above."""
    found: dict[str, list[str]] = {room: [] for room in ROOMS}
    for name, module in skhep_anomaly._EXPORTS.items():
        found.setdefault(module.split(".")[1], []).append(name)
    return {room: names for room, names in found.items() if names}


def page() -> str:
    """The text of api/index.rst."""
    lines = ["API", "===", "", ".. currentmodule:: skhep_anomaly", ""]
    for room, names in rooms().items():
        title = ROOMS.get(room, room)
        lines += [title, "-" * len(title), ""]
        for template in ("class", "function", "data"):
            chosen = sorted((n for n in names if kind(n) == template), key=str.lower)
            if chosen:
                lines += [".. autosummary::", "   :toctree: generated", "   :nosignatures:"]
                lines += [f"   :template: autosummary/{template}.rst", ""]
                lines += [*(f"   {name}" for name in chosen), ""]
    return "\n".join(lines)


def write(app, config) -> None:
    """Write the page when its text has changed, so that unchanged pages are not built again."""
    target = Path(app.srcdir) / "api" / "index.rst"
    target.parent.mkdir(exist_ok=True)
    text = page()
    if not target.exists() or target.read_text("utf-8") != text:
        target.write_text(text, "utf-8")


def setup(app) -> dict[str, bool]:
    """Sphinx calls this; the page must be there before Sphinx looks for pages."""
    app.connect("config-inited", write)
    return {"parallel_read_safe": True}
