"""What generated showers are judged by, against real ones of the same conditions.

    HIGH        trees on the fifteen observables and the conditions
    EXT         the same with the spectrum of the deposits
    LOW trees   trees on the logarithms of all cells and the conditions
    LOW MLP     a network on the same columns
    PRD         area under precision and recall of the fifteen observables
    W1/sd       first Wasserstein distance over the real standard deviation, mean of the fifteen

An AUC is `classifier_auc`, in which a real and a generated shower of the same conditions stand in
the same fold; ½ is perfect. PRD and W1/sd have bootstrap errors, an AUC has DeLong's.
"""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import numpy as np
from _shower_data import Showers
from scipy.stats import wasserstein_distance
from sklearn.metrics import roc_auc_score

from skhep_anomaly.metrics.prd import prd_auc
from skhep_anomaly.metrics.shower_features import shower_features
from skhep_anomaly.metrics.shower_observables import shower_observables
from skhep_anomaly.metrics.two_sample import classifier_auc
from skhep_anomaly.metrics.wasserstein import wasserstein_table

KINDS = {"HIGH": "high", "EXT": "extended", "LOW trees": "cells", "LOW MLP": "cells"}
JUDGES = tuple(KINDS)
QUICK = JUDGES[:2]
# no network: with more rows the weight decay of "LOW MLP" takes it to a constant (AUC exactly ½)
STRONG = ("HIGH", "LOW trees")
N_BOOTSTRAP = 20
ENERGY_EDGES = (1.0, 3.0, 10.0, 30.0, 100.0)  # GeV


def aucs(
    real: Showers,
    fake: Showers,
    judges: tuple[str, ...] = JUDGES,
    *,
    paired: bool = True,
    n_splits: int = 5,
    seed: int = 0,
) -> dict[str, Any]:
    """Give {judge: [AUC, error]} and the CPU seconds.

    `paired`: row i of both sets has the same conditions.
    """
    start = time.process_time()
    found: dict[str, Any] = {}
    groups = groups_of(len(real), len(fake), paired)
    columns: dict[str, list[np.ndarray]] = {}
    for name in judges:
        kind = KINDS[name]
        if kind not in columns:
            columns[kind] = [shower_features(part.images, part.X, kind) for part in (real, fake)]
        test = classifier_auc(
            *columns[kind],
            groups=groups,
            model="mlp" if name.endswith("MLP") else "trees",
            n_splits=n_splits,
            random_state=seed,
        )
        found[name] = [test.auc, test.std]
    return {**found, "cpu_s_judged": round(time.process_time() - start, 1)}


def distances(real: Showers, fake: Showers, seed: int = 0) -> dict[str, list[float]]:
    """Give PRD and W1/sd, each with its error."""
    tables = [shower_observables(part.images, part.X) for part in (real, fake)]
    prd = prd_auc(*tables, n_bootstrap=N_BOOTSTRAP, random_state=seed)
    w1 = wasserstein_table(*tables, n_bootstrap=N_BOOTSTRAP, random_state=seed)
    return {"PRD": [prd.value, prd.std], "W1/sd": [w1.mean.value, w1.mean.std]}


def groups_of(n_real: int, n_fake: int, paired: bool) -> tuple[np.ndarray, np.ndarray]:
    """Number the conditions of both sets."""
    return np.arange(n_real), np.arange(n_fake) + (0 if paired else n_real)


# --------------------------------------------------------------------------- what is wrong


def separations(real: Showers, fake: Showers) -> list[dict[str, Any]]:
    """Say of each observable how far it tells generated from real; the worst comes first.

    `auc`: trees that see it, ln |p| and the slopes; `rank_auc`: it alone; `w1`: W1/sd;
    `by_energy`: shift of the mean over the real sd, ratio of the sds, and W1/sd.
    """
    tables = [shower_observables(part.images, part.X, extended=True) for part in (real, fake)]
    known = [_conditions(part) for part in (real, fake)]
    bins = [np.digitize(np.exp(part[:, 0]), ENERGY_EDGES[1:-1]) for part in known]
    label = np.repeat([0, 1], [len(real), len(fake)])
    rows = []
    for name in tables[0].names:
        a, b = (table[name] for table in tables)
        seen = [np.column_stack([v, part]) for v, part in zip((a, b), known, strict=True)]
        auc = classifier_auc(*seen, groups=np.arange(len(real)), n_splits=3, random_state=0).auc
        rows.append(
            {
                "observable": name,
                "auc": auc,
                "rank_auc": float(roc_auc_score(label, np.concatenate([a, b]))),
                "w1": _shift(a, b)[2],
                "by_energy": [_shift(a[bins[0] == k], b[bins[1] == k]) for k in range(4)],
            }
        )
    return sorted(rows, key=lambda row: -row["auc"])


def _conditions(showers: Showers) -> np.ndarray:
    X = showers.X.astype(np.float64)
    return np.column_stack([np.log(np.linalg.norm(X[:, :3], axis=1)), X[:, :2] / X[:, 2:3]])


def _shift(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """(mean b − mean a)/sd a, sd b/sd a, W1/sd a."""
    spread = float(a.std()) or 1.0
    shift, ratio = float(b.mean() - a.mean()) / spread, float(b.std()) / spread
    return shift, ratio, float(wasserstein_distance(a, b)) / spread


def worst(real: Showers, fake: Showers, n: int = 6) -> str:
    """Tell of the n worst observables by AUC, then by W1/sd, what is shifted and where."""
    rows = separations(real, fake)
    by_w1 = sorted(rows, key=lambda row: -row["w1"])[:n]
    chosen = rows[:n] + [row for row in by_w1 if row not in rows[:n]]
    bins = [f"{a:g}–{b:g} GeV" for a, b in pairwise(ENERGY_EDGES)]
    head = f"  {'worst by AUC, W1':16} {'AUC':>5} {'alone':>5} {'W1/sd':>6} "
    lines = [
        "  trees on one observable and ln p, tx, ty; by energy: shift/sd, ratio of sds, W1/sd",
        head + "".join(f"{name:>23}" for name in bins),
    ]
    for row in chosen:
        cells = [f"{s:+6.3f} {r:6.3f} {w:6.3f}" for s, r, w in row["by_energy"]]
        numbers = f"{row['auc']:5.3f} {row['rank_auc']:5.3f} {row['w1']:6.3f} "
        lines.append(f"  {row['observable']:16} {numbers}" + "".join(f"{c:>23}" for c in cells))
    return "\n".join(lines)
