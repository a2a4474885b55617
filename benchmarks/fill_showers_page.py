"""Write the tables of docs/guide/benchmarks_showers.md from results/*.json: never type a number.

    python benchmarks/fill_showers_page.py

A table stands between `<!-- NAME -->` and `<!-- end -->`; the text around it stays. A table whose
results are not there yet is left as it is.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from _record import RESULTS
from _shower_judges import STRONG
from showers_quality import COLUMNS, number, whole

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "benchmarks_showers.md"
SEEDS = tuple(f"default-{seed}" for seed in range(3))
LABELS: dict[str, tuple[str, ...]] = {
    "real vs real (floor)": ("real vs real",),
    "**default**, mean and spread of three seeds": SEEDS,
    "`fast_preset()`": ("fast-0",),
    "energy score + critic": ("energy_score+critic-0",),
    "Cramér": ("cramer-0",),
    "Wasserstein GAN": ("wgan_gp-0",),
    "`paper_preset()`": ("paper-0",),
    "shower library": ("library",),
    "GFLASH, tuned": ("GFLASH",),
    "control: cells smeared by 30 %": ("control: smeared",),
    "control: conditions of the neighbour in energy": ("control: neighbour's conditions",),
    "control: smeared, conditions shuffled": ("control: smeared, shuffled",),
}
CURVE = ("curve-1000", "curve-3000", "curve-10000", *SEEDS)


def load() -> dict[str, dict[str, Any]]:
    """Runs of the quoted split."""
    file = RESULTS / "showers_quality.json"
    runs = json.loads(file.read_text("utf-8"))["runs"] if file.exists() else {}
    start = "test/"
    return {key.removeprefix(start): run for key, run in runs.items() if key.startswith(start)}


def together(runs: list[dict[str, Any]], column: str) -> list[float] | None:
    """Value and error of one run; mean and spread over several."""
    found = [run[column] for run in runs if column in run]
    if len(found) < 2:
        return found[0] if found else None
    values = [value for value, _ in found]
    return [float(np.mean(values)), float(np.std(values, ddof=1))]


def average(runs: list[dict[str, Any]], key: str) -> float | None:
    """Mean of a plain number."""
    found = [run[key] for run in runs if key in run]
    return float(np.mean(found)) if found else None


def quality(runs: dict[str, dict[str, Any]]) -> str:
    """Every row that is there, with its floor and its controls."""
    head = [*COLUMNS, "CPU s", "showers/s", "distinct"]
    lines = ["| | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    for label, names in LABELS.items():
        there = [runs[name] for name in names if name in runs]
        if there:
            cells = [number(together(there, column)) for column in COLUMNS]
            plain = ("cpu_s", "showers_per_s", "n_distinct")
            cells += [whole(average(there, key)) for key in plain]
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + strong(runs)


def strong(runs: dict[str, dict[str, Any]]) -> str:
    """The large test, where it has been run."""
    large = {label: [f"{name}/strong" for name in names] for label, names in LABELS.items()}
    found = {k: [runs[n] for n in names if n in runs] for k, names in large.items()}
    found = {label: there for label, there in found.items() if there}
    if not found:
        return ""
    sizes = sorted({run["n_real"] for there in found.values() for run in there})
    lines = [
        "",
        "",
        f"STRONG, {' or '.join(f'{n:,}' for n in sizes)} real showers:",
        "",
        "| | " + " | ".join([*STRONG, "generated"]) + " |",
        "|---" * (len(STRONG) + 2) + "|",
    ]
    for label, there in found.items():
        cells = [number(together(there, judge)) for judge in STRONG]
        lines.append(f"| {label} | " + " | ".join([*cells, whole(average(there, "n_fake"))]) + " |")
    return "\n".join(lines)


def learning_curve(runs: dict[str, dict[str, Any]]) -> str:
    """By the number of showers that trained the default; its seeds stand for all showers."""
    lines = ["| trained on | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    sizes: dict[int, list[dict[str, Any]]] = {}
    for name in CURVE:
        if name in runs:
            sizes.setdefault(runs[name]["n_showers"], []).append(runs[name])
    for n, there in sorted(sizes.items()):
        cells = [number(together(there, column)) for column in COLUMNS]
        lines.append(f"| {n:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


TABLES: dict[str, Callable[[dict[str, dict[str, Any]]], str]] = {
    "quality": quality,
    "learning curve": learning_curve,
}


def filled(text: str, runs: dict[str, dict[str, Any]]) -> str:
    """The page with its tables."""
    for name, make in TABLES.items():
        pattern = rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)"
        if not re.search(pattern, text, re.S):
            sys.exit(f"{PAGE} has no place for {name!r}")
        body = make(runs)
        text = re.sub(pattern, lambda m, b=body: f"{m[1]}\n{b}\n\n{m[2]}", text, flags=re.S)
    return text


def main() -> None:
    """Fill the page, if there is anything to fill it with."""
    runs = load()
    if not runs:
        sys.exit(f"no quoted runs in {RESULTS / 'showers_quality.json'}")
    PAGE.write_text(filled(PAGE.read_text("utf-8"), runs), "utf-8")
    print(f"{PAGE}: tables from {len(runs)} runs")


if __name__ == "__main__":
    main()
