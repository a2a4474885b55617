"""Does any sampler run away? Every sampler, set and ε, over ten nets each.

Defaults but for the sampler and ε ∈ {0, .5, .99}; K = 20 known anomalies; ten members side by side
(start and pseudo-anomalies of their own, the same rows), so that ten nets are looked at for the
price of about three. Recorded for each fit: whether it ended, the
largest |g| on test rows, whether a ConvergenceWarning came, and `bias_residual_`, the largest of
its members.

    python benchmarks/ope_stability.py [--sets NAME …] [--samplers NAME …] [--table]
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

sys.path.insert(0, str(Path(__file__).parent))
from _ope_data import SETS, draw
from _record import Record, told

from skhep_anomaly import OPEClassifier

SAMPLERS = ("uniform", "swap", "gmm", "hmc", "rmsprop", "mixture", "deep", "flow")
TABLES = ("HIGGS", "SUSY-like", "HiggsML", "LHCO", "MAGIC", "KDD-99")
EPS = (0.0, 0.5, 0.99)
SEEDS, MEMBERS, KNOWN = 1, 10, 20
LARGEST, RESIDUAL = 1e3, 0.1


def one(name: str, sampler: str, eps: float, seed: int) -> dict[str, float | str | bool]:
    """Fit five nets and look at them."""
    task = draw(name, KNOWN, seed)
    X, y = task.labelled()
    start = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = OPEClassifier(
                eps, sampler, n_members=MEMBERS, random_state=seed, dtype="float32"
            ).fit(X, y)
        except Exception as error:  # whatever it is, it is the finding
            return {"failed": f"{type(error).__name__}: {error}"[:200]}
    g = model._logits(model._coordinates(task.X_test))
    return {
        "largest_logit": round(float(np.abs(g).max()), 2),
        "finite": bool(np.isfinite(g).all()),
        "bias_residual": round(model.bias_residual_, 5),
        "warned": any(issubclass(w.category, ConvergenceWarning) for w in caught),
        "steps": int(model.n_iter_),
        "fit_cpu_s": round(time.process_time() - start, 1),
    }


def table(record: Record) -> None:
    """Print, by sampler and ε, how many fits are well, and the worst numbers."""
    print(
        "| sampler | ε | fits | finite, |g| < 1e3 | bias_residual_ < .1 | largest | largest |g| |"
    )
    print("|---|---|---|---|---|---|---|")
    for sampler, eps in itertools.product(SAMPLERS, EPS):
        runs = [r for key, r in record.runs.items() if key.split("/")[1:3] == [sampler, str(eps)]]
        if not runs:
            continue
        ended = [r for r in runs if "failed" not in r]
        sound = sum(r["finite"] and r["largest_logit"] < LARGEST for r in ended)
        settled = sum(r["bias_residual"] < RESIDUAL for r in ended)
        worst = max((r["bias_residual"] for r in ended), default=float("nan"))
        logit = max((r["largest_logit"] for r in ended), default=float("nan"))
        print(
            f"| {sampler} | {eps:g} | {len(runs)} | {sound} | {settled} | {worst:.3f} | {logit:g} |"
        )


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(TABLES))
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    record = Record("ope_stability", {"members": MEMBERS, "known": KNOWN, "seeds": SEEDS})
    if not options.table:
        for seed, sampler, eps, name in itertools.product(
            range(SEEDS), options.samplers, EPS, options.sets
        ):
            key = f"{name}/{sampler}/{eps}/{seed}"
            if key not in record:
                run = one(name, sampler, eps, seed)
                record.keep(**{key: run})
                told(key, run)
    table(record)


if __name__ == "__main__":
    main()
