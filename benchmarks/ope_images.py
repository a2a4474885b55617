"""(1+ε)-class classification of images: AUC by the number of classes with known anomalies.

    python benchmarks/ope_images.py --part choose [--minutes 60]      settings, on other images
    python benchmarks/ope_images.py [--sets CIFAR-10] [--seeds 3] [--minutes 60]     the table
    python benchmarks/ope_images.py --nets                            a small convolutional net
    python benchmarks/ope_images.py --table [--part choose]           what is there already

Images, features and splits: `_ope_images.py`. Every method sees the same 32 features. All nets are
64-64 perceptrons trained for 300 steps; cross-entropy is the same net at ε = 1 with a weight decay
tuned for each set, which is what the gains are paired with. `CANDIDATES` are the settings tried; of
a family (the name before the comma) one is quoted: that with the highest mean AUC over turns and
numbers of classes of the set in results/ope_images_choice.json. The same runs name the sampler that
is to be judged (`headline`). One key "set/turn/classes/seed/method" per run.

Published means (Borisyak et al., arXiv:1906.06096) are of other images, splits and nets and stand
in columns of their own.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parent))
from _ope_data import CHOOSE_FROM, Task
from _ope_images import TURNS, draw, draw_pixels
from _ope_peers import Method, family, forest, gmm, knn, logistic, run
from _record import Record, told
from ope_tables import grid
from peers import PEERS

from skhep_anomaly import AEOutlierDetector, OPEClassifier, SemiSupervisedAEClassifier

STEPS = 300
SETTINGS = {"steps": STEPS, "features": 32, "known_per_class": 10}
NAMES = {"quote": "ope_images", "choose": "ope_images_choice"}
SETS = ("CIFAR-10", "Omniglot")
COLUMNS = {"quote": (0, 1, 2, 4), "choose": (1, 4)}
FIRST = {"quote": 0, "choose": CHOOSE_FROM}
BASE = "cross-entropy"

PUBLISHED: dict[str, dict[str, tuple[float | None, ...]]] = {
    "CIFAR-10": {
        "RobustAE": (0.585,) * 4,
        "DeepSVDD": (0.546,) * 4,
        "cross-entropy": (None, 0.659, 0.708, 0.748),
        "semi-supervised": (None, 0.587, 0.634, 0.671),
        "brute-force OPE": (0.549, 0.688, 0.719, 0.757),
        "HMC EOPE": (0.547, 0.678, 0.709, 0.739),
        "RMSProp EOPE": (0.565, 0.678, 0.715, 0.746),
        "Deep EOPE": (0.564, 0.674, 0.690, 0.719),
    },
    "Omniglot": {
        "RobustAE": (0.771,) * 4,
        "DeepSVDD": (0.640,) * 4,
        "cross-entropy": (None, 0.799, 0.862, 0.855),
        "semi-supervised": (None, 0.737, 0.821, 0.805),
        "brute-force OPE": (0.591, 0.724, 0.765, 0.825),
        "HMC EOPE": (0.710, 0.801, 0.842, 0.842),
        "RMSProp EOPE": (0.678, 0.821, 0.855, 0.863),
        "Deep EOPE": (0.696, 0.808, 0.851, 0.842),
    },
}


# ------------------------------------------------------------------------------- methods


def ope(sees: str = "both", **parameters: Any) -> Method:
    return Method(
        lambda n, k, seed: OPEClassifier(
            max_iter=STEPS, random_state=seed, dtype="float32", **parameters
        ),
        sees,
        "raw",
    )


def semi(latent_dim: int, decay: float) -> Method:
    def make(n: int, k: int, seed: int) -> Any:
        autoencoder = AEOutlierDetector(
            (64,), latent_dim, noise=None, n_members=1, max_epochs=max(1, STEPS * 256 // n)
        )
        return SemiSupervisedAEClassifier(
            autoencoder=autoencoder, max_iter=STEPS, weight_decay=decay, random_state=seed
        )

    return Method(make, "labels", "raw")


def plain_knn() -> Method:
    return Method(lambda n, k, seed: PEERS["kNN(10) mean"](n, seed), "normal", "raw")


DECAYS = {"1e-2": 1e-2, "3e-2": 3e-2, "1e-1": 1e-1, "3e-1": 3e-1, "1": 1.0}
TWO = ("1e-2", "1e-1")
GRID = [(eps, d) for eps in (0.5, 0.9) for d in TWO]
CANDIDATES: dict[str, Method] = {
    "IsolationForest, 300 trees": forest(300, "auto"),
    "GMM(10), ridge 1e-2": gmm(1e-2),
    "GMM(10), ridge 1e-1": gmm(1e-1),
    "kNN(10), standardised": knn("mean"),
    "kNN(10), as they are": plain_knn(),
    **{f"LogisticRegression, C {c}": logistic(float(c)) for c in ("1e-3", "1e-2", "1e-1")},
    **{f"{BASE}, decay {d}": ope("labels", eps=1, weight_decay=v) for d, v in DECAYS.items()},
    **{f"semi-supervised AE, code 24 decay {d}": semi(24, DECAYS[d]) for d in TWO},
    **{
        f"OPE {sampler}, eps {eps} decay {d}": ope(
            eps=eps, sampler=sampler, reference=None, weight_decay=DECAYS[d]
        )
        for sampler in ("uniform", "swap", "gmm")
        for eps, d in [(0.2, "1e-2"), *GRID]
    },
    **{
        f"OPE {sampler}, eps {eps} decay 1e-1": ope(eps=eps, sampler=sampler, weight_decay=1e-1)
        for sampler in ("hmc", "rmsprop", "deep")  # these take longest
        for eps in (0.2, 0.5, 0.9)
    },
    **{
        f"OPE reference gmm, eps {eps} decay {d}": ope(
            eps=eps, reference="gmm", weight_decay=DECAYS[d]
        )
        for eps, d in [(0.2, "1e-1"), *GRID]
    },
}
NET = "a net of one's own"


# ---------------------------------------------------------------------------------- runs


def key_of(name: str, turn: str, n_classes: int, seed: int, method: str) -> str:
    return f"{name}/{turn}/{n_classes}/{seed}/{method}"


def record_of(part: str) -> Record:
    return Record(NAMES[part], SETTINGS)


def fill(record: Record, part: str, cell: tuple[str, str, int, int], methods: list[str]) -> None:
    """One set, turn, number of classes and seed; label-free methods run once for all numbers."""
    name, turn, n_classes, seed = cell
    todo = [
        method
        for method in methods
        if key_of(*cell, method) not in record
        and not (n_classes == 0 and CANDIDATES[method].sees == "labels")
    ]
    task = draw(*cell) if todo else None
    found = {}
    for method in todo:
        columns = COLUMNS[part] if CANDIDATES[method].sees == "normal" else (n_classes,)
        numbers = attempt(CANDIDATES[method], task, seed)
        found |= {key_of(name, turn, each, seed, method): numbers for each in columns}
    if found:
        record.keep(**found)
        worst = [run["failed"] for run in found.values() if "failed" in run]
        told(*cell, f"{len(found)} runs", *worst)


def attempt(method: Method, task: Any, seed: int) -> dict[str, Any]:
    try:
        return run(method, task, seed)
    except Exception as error:  # a method's failure is a result
        return {"failed": f"{type(error).__name__}: {error}"[:200]}


def run_all(part: str, sets: list[str], seeds: int, minutes: float) -> None:
    record, end = record_of(part), time.monotonic() + 60 * minutes
    for seed in range(FIRST[part], FIRST[part] + seeds):
        for name in sets:
            methods = list(CANDIDATES) if part == "choose" else quoted(name)
            for turn in TURNS[part][name]:
                for n_classes in COLUMNS[part]:
                    if time.monotonic() > end:
                        return
                    fill(record, part, (name, turn, n_classes, seed), methods)


# -------------------------------------------------------------------------------- choice


def by_cell(runs: dict[str, dict[str, Any]]) -> dict[tuple[str, str], dict[tuple[str, ...], Any]]:
    """(set, method) -> (classes, turn, seed) -> numbers."""
    cells: dict[tuple[str, str], dict[tuple[str, ...], Any]] = {}
    for key, found in runs.items():
        name, turn, n_classes, seed, method = key.split("/", 4)
        if "auc" in found:
            cells.setdefault((name, method), {})[n_classes, turn, seed] = found
    return cells


def chosen_means() -> dict[tuple[str, str], float]:
    """(set, candidate) -> mean AUC over turns and numbers of classes of the choosing runs."""
    cells = by_cell(record_of("choose").runs)
    return {key: float(np.mean([f["auc"] for f in own.values()])) for key, own in cells.items()}


def quoted(name: str) -> list[str]:
    """Of each family the setting chosen for this set."""
    means = chosen_means()
    best: dict[str, str] = {}
    for method in (m for m in CANDIDATES if (name, m) in means):
        now = best.setdefault(family(method), method)
        best[family(method)] = max(now, method, key=lambda each: means[name, each])
    if not best:
        sys.exit("no settings are chosen yet: run --part choose first")
    return list(best.values())


def headline() -> str:
    """Family of OPEClassifier with the highest mean, over sets, of its chosen settings."""
    means, best = chosen_means(), [set(quoted(name)) for name in SETS]
    sums: dict[str, float] = {}
    for name, methods in zip(SETS, best, strict=True):
        for method in (m for m in methods if m.startswith("OPE ")):
            sums[family(method)] = sums.get(family(method), 0.0) + means[name, method]
    return max(sums, key=lambda each: sums[each])


def choice_table() -> str:
    means = chosen_means()
    rows = []
    for method in CANDIDATES:
        cells = [means.get((name, method)) for name in SETS]
        marks = ["*" if cell and method in quoted(name) else " "
                 for name, cell in zip(SETS, cells, strict=True)]  # fmt: skip
        rows.append([method, *("-" if c is None else f"{c:.4f}{m}"
                               for c, m in zip(cells, marks, strict=True))])  # fmt: skip
    title = f"mean AUC of the choosing runs (* quoted); to be judged by: {headline()}"
    return grid(title, ["method", *SETS], rows)


# -------------------------------------------------------------------------------- tables


def cell_text(values: list[float], digits: int = 3, sign: str = "") -> str:
    if not values:
        return "-"
    error = f" ± {np.std(values, ddof=1) / len(values) ** 0.5:.{digits}f}" if values[1:] else ""
    return f"{np.mean(values):{sign}.{digits}f}{error}"


def table(name: str) -> str:
    """Means over turns and seeds, their standard error over runs; published ones beside."""
    cells = by_cell(record_of("quote").runs)
    columns = COLUMNS["quote"]
    rows = []
    for method in [m for m in CANDIDATES if (name, m) in cells]:
        texts = [cell_text(aucs(cells[name, method], k)) for k in columns]
        rows.append([method, *texts, *("" for _ in columns)])
    for method, means in PUBLISHED[name].items():
        texts = ["-" if mean is None else f"{mean:.3f}" for mean in means]
        rows.append([f"published: {method}", *("" for _ in columns), *texts])
    title = (
        f"{name}: ROC AUC by number of known classes, mean over turns and seeds ± standard error "
        "over these runs; published means (other images, other nets) in columns of their own"
    )
    return grid(title, ["method", *map(str, columns), *(f"{k} (other)" for k in columns)], rows)


def aucs(own: dict[tuple[str, ...], Any], n_classes: int) -> list[float]:
    return [found["auc"] for (k, _, _), found in own.items() if k == str(n_classes)]


def gains(name: str) -> str:
    """AUC less that of cross-entropy in the same run, with its two errors."""
    cells = by_cell(record_of("quote").runs)
    base = next(own for (n, m), own in cells.items() if n == name and family(m) == BASE)
    rows = []
    for method in [m for m in CANDIDATES if (name, m) in cells and family(m) != BASE]:
        own = cells[name, method]
        rows.append([method, *(gain_text(own, base, k) for k in COLUMNS["quote"][1:])])
    title = (
        f"{name}: AUC less that of tuned {BASE} in the same run. Mean over turns ± standard error "
        "from seeds, these turns given ± from turns as well, were there others; turns ahead"
    )
    return grid(title, ["method", *(f"{k} classes" for k in COLUMNS["quote"][1:])], rows)


def gain_text(own: dict[Any, Any], base: dict[Any, Any], n_classes: int) -> str:
    by_turn: dict[str, list[float]] = {}
    for (k, turn, seed), found in own.items():
        if k == str(n_classes) and (k, turn, seed) in base:
            gap = found["auc"] - base[k, turn, seed]["auc"]
            by_turn.setdefault(turn, []).append(gap)
    means = [float(np.mean(gaps)) for gaps in by_turn.values()]
    if any(len(gaps) < 2 for gaps in by_turn.values()):
        return cell_text(means, sign="+")
    within = np.sqrt(sum(np.var(g, ddof=1) / len(g) for g in by_turn.values())) / len(means)
    over = np.std(means, ddof=1) / np.sqrt(len(means))
    ahead = sum(mean > 0 for mean in means)
    return f"{np.mean(means):+.3f} ± {within:.3f} ± {over:.3f} ({ahead} of {len(means)})"


def cost_table() -> str:
    cells = by_cell({**record_of("quote").runs, **record_of("choose").runs})
    seconds: dict[str, list[float]] = {}
    for (_, method), own in cells.items():
        label_free = method in CANDIDATES and CANDIDATES[method].sees == "normal"
        # one fit of those stands in the columns of all numbers of classes
        fits = {key[1:] if label_free else key: found["fit_cpu_s"] for key, found in own.items()}
        seconds.setdefault(family(method), []).extend(fits.values())
    rows = [[name, f"{np.median(s):.2f}", str(len(s))] for name, s in seconds.items()]
    total = sum(map(sum, seconds.values())) / 60
    title = f"CPU seconds of a fit (median), and fits; all fits together {total:.1f} minutes"
    return grid(title, ["method", "seconds", "fits"], rows)


# ------------------------------------------------------------- a small convolutional net


def convolutional(channels: int) -> torch.nn.Module:
    """A net from images (channels, 16, 16) to a logit."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Conv2d(channels, 16, 3, stride=2, padding=1), torch.nn.LeakyReLU(),
            torch.nn.Conv2d(16, 32, 3, stride=2, padding=1), torch.nn.LeakyReLU(),
            torch.nn.Flatten(), torch.nn.Linear(512, 64), torch.nn.LeakyReLU(),
            torch.nn.Linear(64, 1),
        )  # fmt: skip


def nets() -> str:
    """Images through `module=`, four known classes, one seed: that it works and is stable."""
    record, rows = record_of("quote"), []
    for name in SETS:
        for turn in TURNS["quote"][name][:3]:
            for eps in (1.0, 0.5):
                key = key_of(name, turn, 4, 0, f"{NET}, eps {eps:g}")
                if key not in record:
                    record.keep(**{key: run_net(draw_pixels(name, turn, 4, 0), eps)})
                rows.append([f"{name} {turn}", f"{eps:g}", str(record.runs[key])])
    return grid("a small convolutional net on 16 × 16 pixels", ["turn", "eps", "found"], rows)


def run_net(task: Task, eps: float) -> dict[str, float]:
    X, y = task.labelled()
    est = OPEClassifier(
        eps, "uniform", module=convolutional(X.shape[1]), max_iter=STEPS, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.process_time()
        est.fit(X, y)
        seconds = time.process_time() - start
    return {
        "auc": round(float(roc_auc_score(task.y_test, est.decision_function(task.X_test))), 5),
        "bias_residual": round(float(est.bias_residual_), 4),
        "fit_cpu_s": round(seconds, 3),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--part", choices=list(NAMES), default="quote")
    parser.add_argument("--sets", nargs="*", choices=SETS, default=SETS)
    parser.add_argument("--seeds", type=int, help="how many (3, of choose 1)")
    parser.add_argument("--minutes", type=float, default=60, help="start no run after so long")
    parser.add_argument("--nets", action="store_true", help="the convolutional net only")
    parser.add_argument("--table", action="store_true", help="run nothing")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        told("note: CPU seconds are for one thread only with OMP_NUM_THREADS=1")
    if options.nets:
        print(nets())
        return
    if not options.table:
        seeds = options.seeds or {"quote": 3, "choose": 1}[options.part]
        run_all(options.part, options.sets, seeds, options.minutes)
    parts = [choice_table()]
    if options.part == "quote":
        parts += [make(name) for name in SETS for make in (table, gains)] + [cost_table()]
    print("\n\n".join(parts))


if __name__ == "__main__":
    main()
