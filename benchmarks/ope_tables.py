"""Tables of (1+ε)-class classification: AUC by number of known anomalies.

    python benchmarks/ope_tables.py [--sets NAME …] [--methods NAME …] [--seeds 5] [--minutes 60]
    python benchmarks/ope_tables.py --part choose [--seeds 3]     settings, on rows of their own
    python benchmarks/ope_tables.py --table [--marks METHOD]      what is there already
    python benchmarks/ope_tables.py --higgs HIGGS.csv.gz --susy SUSY.csv.gz      the whole files

The sets, their normal class and their rows: `_ope_data.py`; the peers: `_ope_peers.py`; ours:
`_ope_ours.py`. One key "set/K/seed/method" per run in results/ope_tables.json (part "quote", seeds
from 0) and results/ope_choice.json (part "choose", seeds from 100, rows that are never quoted; K =
0, 20, 200 unless --known says more).
Finished runs are not repeated; delete a method's with --again. A method that ignores labels runs
once per set and seed and has the same numbers at every K.

With whole files: K up to a million of at most 1,000,000 normal rows, 20,000 + 20,000 test rows; kNN
trains on 20,000 of the normal rows, GMM and DeepSVDD on 100,000. The sets here are smaller, or
simulated anew: the published numbers stand beside them for orientation, not for comparison.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import _ope_data
import _ope_ours
import _ope_peers
from _ope_data import SETS, draw, part_of
from _ope_peers import Method, family, run
from _ope_published import PUBLISHED, SPREAD
from _record import Record, told

SETTINGS = {
    "most_normal_training_rows": _ope_data.MOST_TRAIN,
    "most_test_rows_per_class": _ope_data.MOST_TEST,
}
NAMES = {"quote": "ope_tables", "choose": "ope_choice"}
FIRST_SEED = {"quote": 0, "choose": _ope_data.CHOOSE_FROM}
WHOLE = ("HIGGS file", "SUSY file")
SMALL = [name for name in SETS if name not in WHOLE]
USUAL = [name for name in SMALL if name != "CATHODE"]  # that one when asked for
COMPARED = ["0", "20", "200"]  # known anomalies in every set; settings are chosen by these
EVERY = list(dict.fromkeys(str(known) for own in SETS.values() for known in own.known))
METHODS: dict[str, Method] = _ope_peers.CANDIDATES | (
    _ope_ours.CANDIDATES if _ope_ours.available() else {}
)
QUOTED = [name for name in [*_ope_peers.QUOTED, *_ope_ours.QUOTED] if name in METHODS]


def key_of(name: str, known: int | str, seed: int, method: str) -> str:
    return f"{name}/{known}/{seed}/{method}"


def record_of(part: str) -> Record:
    return Record(NAMES[part], SETTINGS)


# ------------------------------------------------------------------------------- the runs


def fill(
    record: Record, name: str, numbers: list[str], seed: int, methods: list[str], end: float
) -> None:
    """One set and seed; label-free methods run once for all K."""
    for known in SETS[name].known:
        if str(known) not in numbers:
            continue
        todo = [m for m in methods if wanted(record, name, known, seed, m)]
        if not todo:
            continue
        try:
            task = draw(name, known, seed)
        except ValueError as error:  # a file with fewer events than the archive's
            told(error)
            return
        for method in todo:
            if time.monotonic() > end:
                return
            found = attempt(METHODS[method], task, seed)
            every = SETS[name].known if METHODS[method].sees == "normal" else [known]
            record.keep(**{key_of(name, k, seed, method): found for k in every})
            told(key_of(name, known, seed, method), found)


def wanted(record: Record, name: str, known: int | str, seed: int, method: str) -> bool:
    if known == 0 and METHODS[method].sees == "labels":
        return False
    return key_of(name, known, seed, method) not in record


def attempt(method: Method, task: _ope_data.Task, seed: int) -> dict:
    try:
        return run(method, task, seed)
    except Exception as error:  # a method's failure is a result
        return {"failed": f"{type(error).__name__}: {error}"[:200]}


# ------------------------------------------------------------------------------ the tables


class Numbers:
    """The finished runs, as one array over seeds per (set, K, method)."""

    def __init__(self, runs: dict[str, dict]) -> None:
        self.by_cell: dict[tuple[str, str, str], dict[int, dict]] = {}
        for key, found in runs.items():
            name, known, seed, method = key.split("/", 3)
            if "auc" in found:
                self.by_cell.setdefault((name, known, method), {})[int(seed)] = found

    def values(self, name: str, known: int | str, method: str, what: str = "auc") -> dict:
        cell = self.by_cell.get((name, str(known), method), {})
        return {seed: found[what] for seed, found in cell.items()}

    def sets(self) -> list[str]:
        return [name for name in SETS if any(cell[0] == name for cell in self.by_cell)]

    def methods(self) -> list[str]:
        there = {method for _, _, method in self.by_cell}
        return [m for m in METHODS if m in there] + sorted(there - set(METHODS))


def mean_and_spread(values: dict[int, float]) -> str:
    """Mean ± standard deviation over seeds."""
    if not values:
        return "-"
    numbers = np.array(list(values.values()))
    spread = f" ± {numbers.std(ddof=1):.3f}" if len(numbers) > 1 else ""
    return f"{numbers.mean():.3f}{spread}"


def grid(title: str, head: list[str], rows: list[list[str]]) -> str:
    sizes = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [
        "  ".join([row[0].ljust(sizes[0])] + [row[i].rjust(sizes[i]) for i in range(1, len(row))])
        for row in [head, *rows]
    ]
    return "\n".join([title, *lines])


def measured(numbers: Numbers, cells: list[tuple[str, int | str]], what: str) -> list[list[str]]:
    """A row per method that has a number in one of the cells (set, K)."""
    rows = []
    for method in numbers.methods():
        row = [mean_and_spread(numbers.values(*cell, method, what)) for cell in cells]
        if set(row) - {"-"}:
            rows.append([method, *row])
    return rows


def published_table(numbers: Numbers, title: str, name: str) -> str:
    """The layout of the paper: columns are numbers of known anomalies."""
    ours, theirs = SETS[name].known, PUBLISHED[title].columns
    other = "same file, their split" if name in WHOLE else "other data"
    head = ["method", *(f"K = {k}" for k in ours), *(f"{k} ({other})" for k in theirs)]
    rows = [row + [""] * len(theirs) for row in measured(numbers, [(name, k) for k in ours], "auc")]
    for method, aucs in PUBLISHED[title].rows.items():
        cells = ["-" if auc is None else f"{auc:.3f}" for auc in aucs]
        rows.append([f"published: {method}", *("" for _ in ours), *cells])
    note = f"{title}: ROC AUC on {name}, and as published, {other} ({SPREAD[title]})"
    return grid(note, head, rows)


def set_table(numbers: Numbers, what: str, known: str) -> str:
    names = [name for name in numbers.sets() if name not in WHOLE]
    label = {"auc": "ROC AUC", "ap": "average precision (half of the test is anomalous)"}[what]
    title = f"{label} with {known} known anomalies: mean ± standard deviation over seeds"
    rows = measured(numbers, [(name, known) for name in names], what)
    return grid(title, ["method", *names], rows)


def cpu_table(numbers: Numbers) -> str:
    rows = []
    for method in numbers.methods():
        seconds = [
            second
            for name in numbers.sets()
            for known in SETS[name].known
            for second in numbers.values(name, known, method, "fit_cpu_s").values()
        ]
        rows.append([method, f"{np.median(seconds):.2f}", f"{max(seconds):.2f}"])
    return grid("CPU seconds of a fit", ["method", "median", "most"], rows)


def marks(numbers: Numbers, method: str) -> str:
    """Paired differences of AUC of a method to every other: mean ± standard error over seeds."""
    others = [other for other in numbers.methods() if other != method]
    rows = []
    for name in numbers.sets():
        for known in SETS[name].known:
            if numbers.values(name, known, method):
                gaps = [difference(numbers, name, known, method, other) for other in others]
                rows.append([f"{name} {known}", *gaps, best_of(numbers, name, known, others)])
    title = f"AUC of {method} less that of …: paired over seeds, mean ± standard error"
    return grid(title, ["set, K", *others, "best of them"], rows)


def difference(numbers: Numbers, name: str, known: int | str, method: str, other: str) -> str:
    ours, theirs = (numbers.values(name, known, m) for m in (method, other))
    gaps = np.array([ours[seed] - theirs[seed] for seed in ours if seed in theirs])
    if len(gaps) < 2:
        return "-"
    return f"{gaps.mean():+.3f} ± {gaps.std(ddof=1) / np.sqrt(len(gaps)):.3f}"


def best_of(numbers: Numbers, name: str, known: int | str, methods: list[str]) -> str:
    means = {m: np.mean(list(v.values())) for m in methods if (v := numbers.values(name, known, m))}
    return max(means, key=lambda m: means[m]) if means else "-"


def choice(numbers: Numbers) -> str:
    """Mean AUC over the sets, at K = 20 and 200, and at K = 0; families, best first."""
    rows = []
    for method in numbers.methods():
        means = [mean_over_sets(numbers, method, known) for known in COMPARED]
        own = np.mean([mean for mean, _ in means[1:]])
        cells = ["-" if np.isnan(mean) else f"{mean:.4f} ({n})" for mean, n in means]
        rows.append((family(method), -float(np.nan_to_num(own)), [method, f"{own:.4f}", *cells]))
    head = ["method", "K = 20 and 200", *(f"K = {known} (sets)" for known in COMPARED)]
    return grid("mean AUC over sets", head, [row for *_, row in sorted(rows)])


def mean_over_sets(numbers: Numbers, method: str, known: str) -> tuple[float, int]:
    cells = [numbers.values(name, known, method) for name in numbers.sets()]
    means = [np.mean(list(cell.values())) for cell in cells if cell]
    return (float(np.mean(means)) if means else float("nan")), len(means)


def report(part: str, marked: str | None) -> str:
    numbers = Numbers(record_of(part).runs)
    if part == "choose":
        parts = [choice(numbers), *(set_table(numbers, "auc", k) for k in COMPARED)]
    else:
        pairs = [("HIGGS", "HIGGS"), ("SUSY", "SUSY-like")]
        pairs += [(name.split()[0], name) for name in WHOLE if name in numbers.sets()]
        parts = [published_table(numbers, *pair) for pair in pairs]
        parts += [set_table(numbers, what, k) for what in ("auc", "ap") for k in COMPARED]
        parts.append(cpu_table(numbers))
    if marked:
        parts.append(marks(numbers, marked))
    return "\n\n".join(parts)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sets", nargs="*", choices=SMALL)
    parser.add_argument("--known", nargs="*", choices=EVERY, help="numbers of known anomalies")
    parser.add_argument("--methods", nargs="*", choices=list(METHODS))
    parser.add_argument("--again", nargs="*", choices=list(METHODS), default=[])
    parser.add_argument("--seeds", type=int, help="how many (5, of choose 3)")
    parser.add_argument("--part", choices=list(NAMES), default="quote")
    parser.add_argument("--minutes", type=float, default=60, help="start no run after so long")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--marks", metavar="METHOD", help="compare this one with all others")
    parser.add_argument("--higgs", type=Path, help="HIGGS.csv.gz of the archive")
    parser.add_argument("--susy", type=Path, help="SUSY.csv.gz of the archive")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    for name, path in zip(WHOLE, (options.higgs, options.susy), strict=True):
        if path is not None:
            _ope_data.FILES[name] = path
    if not options.table:
        if os.environ.get("OMP_NUM_THREADS") != "1":
            told("note: CPU seconds are for one thread only with OMP_NUM_THREADS=1")
        run_all(options)
    print(report(options.part, options.marks))


def run_all(options: argparse.Namespace) -> None:
    record = record_of(options.part)
    again = tuple(f"/{method}" for method in options.again)
    record.drop([key for key in record.runs if again and key.endswith(again)])
    names = options.sets if options.sets is not None else list(_ope_data.FILES) or USUAL
    methods = options.methods or (list(METHODS) if options.part == "choose" else QUOTED)
    numbers = options.known or (COMPARED if options.part == "choose" else EVERY)
    first = FIRST_SEED[options.part]
    end = time.monotonic() + 60 * options.minutes
    for name in names:
        for seed in range(
            first, first + (options.seeds or {"quote": 5, "choose": 3}[options.part])
        ):
            assert part_of(seed) == options.part
            fill(record, name, numbers, seed, methods, end)


if __name__ == "__main__":
    main()
