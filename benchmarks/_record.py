"""Runs of a benchmark in a JSON file: each is written as it ends and never repeated.

The file holds `settings` (another setting is another file), machine and versions, and `runs`:
key -> numbers. A run that is interrupted leaves the finished ones; delete some with `forget`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from skhep_anomaly.report import machine_summary, package_versions

RESULTS = Path(__file__).parent / "results"


class Record:
    """The finished runs of one benchmark."""

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        self.path = RESULTS / f"{name}.json"
        self.settings = json.loads(json.dumps(settings))
        self.runs = self._read()

    def __contains__(self, key: str) -> bool:
        return key in self.runs

    def keep(self, **runs: Any) -> None:
        """Add runs and write the file, to which another process may have added others."""
        self.runs = {**self._read(), **runs}
        self._write()

    def forget(self, start: str) -> None:
        """Drop the runs whose key begins so."""
        self.drop([key for key in self.runs if key.startswith(start)])

    def drop(self, keys: list[str]) -> None:
        """Drop these runs."""
        if keys:
            self.runs = {key: run for key, run in self.runs.items() if key not in set(keys)}
            self._write()

    def _read(self) -> dict[str, Any]:
        if not self.path.exists():
            return {}
        data = json.loads(self.path.read_text("utf-8"))
        if data["settings"] != self.settings:
            sys.exit(f"{self.path} was made with {data['settings']}; delete it to start afresh")
        return data["runs"]

    def _write(self) -> None:
        self.path.parent.mkdir(exist_ok=True)
        data = {
            "settings": self.settings,
            "machine": machine_summary(),
            "versions": package_versions(),
            "runs": dict(sorted(self.runs.items())),
        }
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(data, indent=1) + "\n", "utf-8")
        temporary.replace(self.path)


def told(*words: Any) -> None:
    """Say how far it is, on stderr: tables go to stdout."""
    print(*words, file=sys.stderr, flush=True)
