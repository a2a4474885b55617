"""One-class detection on the 27 ADBench sets in the data folder: mean AUC, paired errors, CPU time.

    python benchmarks/adbench.py [--methods NAME …] [--seeds 3] [--minutes 60] [--again NAME …]

70 % of the normal rows train, the other normal rows and all anomalies test; 3 seeds, each another
split and the method's own seed. Rows are capped, drawn at random: 10,000 for training, 10,000
normal rows and 10,000 anomalies for testing (five sets are larger; the AUC does not depend on the
share of anomalies). One default setting each. Odd-numbered sets are for choosing defaults, the
even-numbered are quoted.

Runs are kept in benchmarks/results/adbench.json and not repeated; delete a method's runs with
--again. A run that fails is written down as failed and left out of means, which then say over how
many sets they go.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from skhep_anomaly.datasets import data_home
from skhep_anomaly.report import machine_summary, package_versions

sys.path.insert(0, str(Path(__file__).parent))
from peers import METHODS, available, run

RESULTS = Path(__file__).parent / "results" / "adbench.json"
MOST_TRAIN = MOST_NORMAL = MOST_ODD = 10_000
SETTINGS = {
    "train_fraction": 0.7,
    "most_training_rows": MOST_TRAIN,
    "most_normal_test_rows": MOST_NORMAL,
    "most_anomalies": MOST_ODD,
}
BARS = ["kNN(10) mean", "kNN(10) kth", "GMM(10)"]


def number(path: Path) -> int:
    return int(path.name.split("_")[0])


def sets() -> list[Path]:
    """Small sets first, so that a run that is cut short says something."""
    return sorted((data_home() / "adbench").glob("*.npz"), key=lambda path: path.stat().st_size)


def split(path: Path, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training rows, test rows, test labels (1 = anomaly)."""
    with np.load(path) as file:
        X, y = file["X"].astype(np.float64), file["y"].ravel().astype(int)
    rng = np.random.default_rng([seed, number(path)])
    normal = rng.permutation(np.flatnonzero(y == 0))
    odd = rng.permutation(np.flatnonzero(y == 1))[:MOST_ODD]
    n_train = round(SETTINGS["train_fraction"] * len(normal))
    test = np.concatenate([normal[n_train:][:MOST_NORMAL], odd])
    return X[normal[:n_train][:MOST_TRAIN]], X[test], y[test]


def one_run(method: str, path: Path, seed: int) -> dict:
    X_train, X_test, y = split(path, seed)
    try:
        result = run(method, X_train, X_test, seed)
        auc = roc_auc_score(y, -result.scores)
    except Exception as error:  # a peer's failure is a result
        return {"failed": f"{type(error).__name__}: {error}"[:200]}
    return {
        "auc": round(float(auc), 6),
        "fit_cpu_s": round(result.fit_cpu, 4),
        "score_cpu_s": round(result.score_cpu, 4),
        "train_rows": len(X_train),
        "test_rows": len(X_test),
    }


# ------------------------------------------------------------------------------- the file


def read() -> dict:
    if not RESULTS.exists():
        return {"settings": SETTINGS, "runs": {}}
    data = json.loads(RESULTS.read_text("utf-8"))
    if data["settings"] != SETTINGS:
        sys.exit(f"{RESULTS} was made with {data['settings']}; delete it to start afresh")
    return data


def update(change) -> dict:
    """Read, change and replace the file, alone among processes that run other methods."""
    RESULTS.parent.mkdir(exist_ok=True)
    with (Path(tempfile.gettempdir()) / "skhep_anomaly_adbench.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        data = read()
        change(data)
        temporary = RESULTS.with_suffix(".tmp")
        temporary.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", "utf-8")
        temporary.replace(RESULTS)
    return data


def keep(method: str, name: str, seed: int, outcome: dict) -> dict:
    def change(data: dict) -> None:
        data["machine"], data["versions"] = machine_summary(), package_versions()
        data["runs"].setdefault(method, {}).setdefault(name, {})[str(seed)] = outcome

    return update(change)


def forget(methods: list[str]) -> None:
    update(lambda data: [data["runs"].pop(method, None) for method in methods])


# ------------------------------------------------------------------------------ the table


def mean_by_set(data: dict, method: str) -> dict[str, float]:
    """Mean AUC over seeds of each set where every seed came through."""
    means = {}
    for name, seeds in data["runs"].get(method, {}).items():
        if seeds and all("auc" in outcome for outcome in seeds.values()):
            means[name] = float(np.mean([outcome["auc"] for outcome in seeds.values()]))
    return means


def half(means: dict[str, float], odd: bool | None) -> dict[str, float]:
    return {n: auc for n, auc in means.items() if odd is None or int(n.split("_")[0]) % 2 == odd}


def cpu(data: dict, method: str, key: str) -> float:
    runs = [o for seeds in data["runs"].get(method, {}).values() for o in seeds.values()]
    return float(np.sum([o[key] for o in runs if key in o]))


def table(data: dict) -> str:
    head = ["method", "even: quoted", "odd: chosen on", "all", "CPU s: fit", "score"]
    lines = ["mean AUC over sets (number of sets)", row_of(head)]
    for method in sorted(
        data["runs"], key=lambda m: -np.mean(list(half(mean_by_set(data, m), False).values()) or 0)
    ):
        cells = []
        for odd in (False, True, None):
            values = list(half(mean_by_set(data, method), odd).values())
            cells.append(f"{np.mean(values):.4f} ({len(values)})" if values else "-")
        seconds = [cpu(data, method, key) for key in ("fit_cpu_s", "score_cpu_s")]
        lines.append(row_of([method, *cells, *(f"{second:.1f}" for second in seconds)]))
    return "\n".join(lines)


def row_of(cells: list[str]) -> str:
    return (
        f"{cells[0]:18} {cells[1]:>14} {cells[2]:>16} {cells[3]:>12} {cells[4]:>11} {cells[5]:>8}"
    )


def differences(data: dict, odd: bool | None, title: str) -> str:
    """Mean over sets of the difference to each bar, with the standard error of that mean."""
    lines = [f"difference of AUC to …, {title}, mean ± standard error over sets (sets better)"]
    lines.append(f"{'method':18} " + " ".join(f"{bar:>26}" for bar in BARS))
    for method in data["runs"]:
        cells = []
        own = half(mean_by_set(data, method), odd)
        for bar in BARS:
            other = half(mean_by_set(data, bar), odd)
            gap = np.array([own[n] - other[n] for n in own if n in other])
            if method == bar or len(gap) < 2:
                cells.append("-")
                continue
            error = gap.std(ddof=1) / np.sqrt(len(gap))
            cells.append(f"{gap.mean():+.4f} ± {error:.4f} ({(gap > 0).sum()}/{len(gap)})")
        lines.append(f"{method:18} " + " ".join(f"{cell:>26}" for cell in cells))
    return "\n".join(lines)


def by_set(data: dict) -> str:
    names = sorted(
        {n for runs in data["runs"].values() for n in runs}, key=lambda n: int(n.split("_")[0])
    )
    methods = list(data["runs"])
    lines = ["mean AUC by set", f"{'':20} " + " ".join(f"{m[:10]:>10}" for m in methods)]
    for name in names:
        cells = [mean_by_set(data, m).get(name) for m in methods]
        row = " ".join(f"{'-' if c is None else format(c, '.4f'):>10}" for c in cells)
        lines.append(f"{name:20} {row}")
    return "\n".join(lines)


def report(data: dict) -> str:
    parts = [by_set(data), table(data)]
    parts += [differences(data, False, "even-numbered sets (quoted)")]
    parts += [differences(data, True, "odd-numbered sets (defaults chosen here)")]
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--methods", nargs="*", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--again", nargs="*", choices=list(METHODS), default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=60, help="start no run after so long")
    parser.add_argument("--only", nargs="*", type=int, help="numbers of sets")
    parser.add_argument("--odd", action="store_true", help="only the sets for choosing")
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        print("note: CPU seconds are for one thread only with OMP_NUM_THREADS=1 in the environment")
    if options.again:
        forget(options.again)
    end, data = time.monotonic() + 60 * options.minutes, read()
    methods = [name for name in options.methods if available(name)]
    for path in sets():
        if (options.only and number(path) not in options.only) or (
            options.odd and number(path) % 2 == 0
        ):
            continue
        for seed in range(options.seeds):
            for method in methods:
                done = data["runs"].get(method, {}).get(path.stem, {})
                if str(seed) in done or time.monotonic() > end:
                    continue
                outcome = one_run(method, path, seed)
                data = keep(method, path.stem, seed, outcome)
                told = outcome.get("auc", outcome.get("failed"))
                print(f"{path.stem:20} seed {seed} {method:18} {told}", flush=True)
    print("\n" + report(data))


if __name__ == "__main__":
    main()
