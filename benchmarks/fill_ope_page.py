"""Write the tables of docs/guide/benchmarks_ope.md from results/*.json: numbers are never typed.

    python benchmarks/fill_ope_page.py

A table stands between `<!-- NAME -->` and `<!-- end -->`; the text around it stays.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import ope_stability
from _ope_ours import FIXED
from _record import RESULTS, Record
from ope_tables import SETTINGS

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "benchmarks_ope.md"
SETS = ("HIGGS", "SUSY-like", "HiggsML", "LHCO", "MAGIC", "KDD-99")
MARKED = ("HiggsML", "MAGIC", "SUSY-like", "LHCO")
SHORT = {
    "IsolationForest, 300 trees of 1024 rows": "IsolationForest",
    "GMM(10), ridge 1e-2": "Gaussian mixture (10)",
    "kNN(10), mean": "kNN(10)",
    "DeepSVDD, 800 steps": "PyOD DeepSVDD",
    "LogisticRegression, C 1e-1": "logistic regression",
    "HistGradientBoosting, 200 x depth 3 rate .05 leaf 5 half of columns": "HistGradientBoosting",
    "XGBoost, 200 x depth 4": "XGBoost, untuned",
    "XGBoost, 400 x depth 4 rate .025 halves": "XGBoost",
    "XGBoost, 400 x depth 4 rate .025 halves, mean of 5": "XGBoost, mean of 5",
    "DevNet, l2 1e-2": "DevNet",
    "cross-entropy, decay 3e-2": "cross-entropy (ε = 1)",
    "OPE uniform, as it comes": "OPE uniform",
    "OPE hmc, as it comes": "OPE hmc",
    "OPE rmsprop, as it comes": "OPE rmsprop",
    "OPE deep, as it comes": "OPE deep",
    "OPE corrected, net": "OPE, reference correction",
    "OPE corrected, trees ridge .1": "OPE trees, reference correction",
    FIXED: "**OPE trees** (fixed setting)",
}


def load() -> dict[tuple[str, str, str], dict[int, float]]:
    """(set, K, method) -> seed -> AUC; label-free methods have their K = 0 numbers at every K."""
    found: dict[tuple[str, str, str], dict[int, float]] = {}
    for key, run in Record("ope_tables", SETTINGS).runs.items():
        name, known, seed, method = key.split("/")
        found.setdefault((name, known, method), {})[int(seed)] = run["auc"]
    return found


AUC = load()
LABEL_FREE = tuple(name for name in SHORT if name.split(",")[0].split("(")[0] in (
    "IsolationForest", "GMM", "kNN", "DeepSVDD"))  # fmt: skip


def of(name: str, known: str, method: str) -> dict[int, float]:
    return AUC.get((name, "0" if method in LABEL_FREE else known, method), {})


def cell(values: dict[int, float]) -> str:
    if not values:
        return "–"
    numbers = list(values.values())
    spread = f" ± {np.std(numbers, ddof=1):.3f}" if len(numbers) > 1 else ""
    return f"{np.mean(numbers):.3f}{spread}".replace("0.", ".")


def by_sets(known: str) -> str:
    lines = ["| | " + " | ".join(SETS) + " |", "|---" * (len(SETS) + 1) + "|"]
    for method, label in SHORT.items():
        cells = [cell(of(name, known, method)) for name in SETS]
        if any(c != "–" for c in cells):
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def by_known(name: str, known: tuple[str, ...]) -> str:
    lines = ["| | " + " | ".join(f"K = {k}" for k in known) + " |", "|---" * (len(known) + 1) + "|"]
    for method, label in SHORT.items():
        cells = [cell(of(name, k, method)) for k in known]
        if any(c != "–" for c in cells):
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def marks() -> str:
    """The fixed setting less the best other method of each row, and less each peer at worst."""
    lines = ["| set, K | best of the others | OPE trees less it, paired |", "|---|---|---|"]
    for name in MARKED:
        for known in ("20", "200"):
            ours = of(name, known, FIXED)
            peers = {m: of(name, known, m) for m in SHORT if not SHORT[m].startswith(("OPE", "**"))}
            best = max(peers, key=lambda m: np.mean(list(peers[m].values()) or [0]))
            seeds = sorted(set(ours) & set(peers[best]))
            differences = [ours[s] - peers[best][s] for s in seeds]
            error = np.std(differences, ddof=1) / np.sqrt(len(seeds))
            mean = np.mean(differences)
            lines.append(
                f"| {name}, {known} | {SHORT[best]} {cell(peers[best])} | "
                f"{mean:+.3f} ± {error:.3f} |".replace("0.", ".")
            )
    return "\n".join(lines)


def stability() -> str:
    out = io.StringIO()
    record = Record(
        "ope_stability",
        {
            "members": ope_stability.MEMBERS,
            "known": ope_stability.KNOWN,
            "seeds": ope_stability.SEEDS,
        },
    )
    with redirect_stdout(out):
        ope_stability.table(record)
    return out.getvalue().strip().replace("|g|", "abs g")


TABLES: dict[str, Callable[[], str]] = {
    "K=0": lambda: by_sets("0"),
    "K=20": lambda: by_sets("20"),
    "K=200": lambda: by_sets("200"),
    "HIGGS": lambda: by_known("HIGGS", ("0", "20", "100", "1000", "all")),
    "SUSY-like": lambda: by_known("SUSY-like", ("0", "20", "100", "1000")),
    "marks": marks,
    "stability": stability,
}


def main() -> None:
    text = PAGE.read_text("utf-8")
    for name, make in TABLES.items():
        pattern = rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)"
        if not re.search(pattern, text, re.S):
            sys.exit(f"{PAGE} has no place for {name!r}")
        body = make()
        text = re.sub(pattern, lambda m, b=body: f"{m[1]}\n{b}\n\n{m[2]}", text, flags=re.S)
    PAGE.write_text(text, "utf-8")
    print(f"{PAGE}: tables from {RESULTS}")


if __name__ == "__main__":
    main()
