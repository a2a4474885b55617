"""Speed and memory of (1+ε)-class classification, as ratios measured in one run.

The denominator is plain cross-entropy of the same net (d-64-64-1, leaky ReLU, fused Adam, the same
number of steps of 128 normal rows and min(K, 128) known anomalies): `OPEClassifier(eps=1)`. That it
is no slow one is shown by the same net in plain torch: `nn.Sequential`, `BCEWithLogitsLoss`, fused
Adam with the same L2 penalty, rows gathered from one tensor. Each ratio is taken between things
timed in turn (A B A B …), in process CPU time on one thread, float32; quoted are median and range
over the repeats.

"steps" is the training alone, from skorch's on_train_begin to on_train_end; "fit" is all of it,
with the binding of the sampler (a Gaussian mixture or a flow is fitted there), diagnostics and
threshold. K = 128 known anomalies: 256 rows a step for cross-entropy, 384 with pseudo-anomalies;
one class (K = 0): 256 rows a step, against cross-entropy with K = 128.

    python benchmarks/speed_ope.py [--repeats 7] [--part steps|memory] [--case NAME] [--table]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback
from speed_detectors import cpu, in_turn, rows
from speed_detectors import summary as ratios

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "speed_ope.json"
N_NORMAL, STEPS, BATCH = 6_000, 1_000, 128
PLAIN = "cross-entropy"
TORCH = "cross-entropy, plain torch"
ALLOWED = {
    "uniform": 1.3,
    "hmc": 2.5,
    "hmc, every step": 3.0,
    "rmsprop": 2.5,
    "rmsprop, every step": 3.0,
    "deep": 2.5,
}
KINDS: dict[str, dict[str, Any]] = {
    PLAIN: {"eps": 1},
    "uniform": {},
    "swap": {"sampler": "swap"},
    "hmc": {"sampler": "hmc"},
    "hmc, every step": {"sampler": "hmc", "sample_every": 1},
    "rmsprop": {"sampler": "rmsprop"},
    "rmsprop, every step": {"sampler": "rmsprop", "sample_every": 1},
    "deep": {"sampler": "deep"},
    "mixture": {"sampler": "mixture"},
    "gmm": {"sampler": "gmm"},
    "flow": {"sampler": "flow"},
    "reference gmm": {"reference": "gmm"},
}


class Clock(Callback):
    """CPU seconds of the training within a fit."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self.start = time.process_time()

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        self.seconds = time.process_time() - self.start


class Case:
    """Rows of one number of features and of known anomalies."""

    def __init__(self, d: int, known: int) -> None:
        self.d, self.known = d, known
        self.X = np.ascontiguousarray(rows(N_NORMAL + known)[:, :d])
        self.y = np.repeat([0, 1], [N_NORMAL, known])
        self.X[N_NORMAL:] += self.X.std(axis=0)
        self.whole: dict[str, list[float]] = {}

    def ours(self, name: str) -> float:
        """CPU seconds of the steps of one fit; those of the whole fit are put down."""
        from skhep_anomaly import OPEClassifier

        clock = Clock()
        est = OPEClassifier(random_state=0, max_iter=STEPS, callbacks=[clock], **KINDS[name])
        y = self.y if self.known else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # convergence is not the matter here
            self.whole.setdefault(name, []).append(cpu(lambda: est.fit(self.X, y)))
        return clock.seconds

    def plain_torch(self) -> float:
        """CPU seconds of the same number of steps of the same net, written as in a tutorial."""
        sizes = [self.d, 64, 64, 1]
        layers: list[torch.nn.Module] = []
        for i, o in pairwise(sizes):
            layers += [torch.nn.Linear(i, o), torch.nn.LeakyReLU()]
        net, loss = torch.nn.Sequential(*layers[:-1]), torch.nn.BCEWithLogitsLoss()
        adam = torch.optim.Adam(net.parameters(), lr=1e-3, weight_decay=0.03, fused=True)
        z = torch.from_numpy((self.X - self.X.mean(axis=0)) / self.X.std(axis=0))
        normal, known = z[:N_NORMAL], z[N_NORMAL:]
        n_known = min(BATCH, self.known)
        target = torch.cat([torch.ones(BATCH), torch.zeros(n_known)])[:, None]

        def train() -> None:
            order = torch.randperm(N_NORMAL)
            last = N_NORMAL // BATCH * BATCH
            for step in range(STEPS):
                start = step * BATCH % last
                if start == 0:
                    order = torch.randperm(N_NORMAL)
                x = torch.cat([normal[order[start : start + BATCH]], known[:n_known]])
                adam.zero_grad()
                loss(net(x), target).backward()
                adam.step()

        return cpu(train)


def part_steps(repeats: int, cases: list[str]) -> dict[str, Any]:
    """CPU seconds of the steps and of the fit around them, case by case."""
    return {name: CASES[name](repeats) for name in cases}


def one_case(d: int, known: int, repeats: int) -> Any:
    """All contenders on rows of one kind; one class is held against cross-entropy with labels."""
    if known:
        return measure(Case(d, known), list(KINDS), repeats)
    alone = [name for name in KINDS if name != PLAIN]
    return measure(Case(d, 0), alone, repeats, Case(d, BATCH))


CASES: dict[str, Callable[[int], Any]] = {
    f"d={d}, {f'K={known}' if known else 'one class'}": partial(one_case, d, known)
    for d in (28, 2)
    for known in (BATCH, 20, 0)
}


def measure(case: Case, names: list[str], repeats: int, plain: Case | None = None) -> Any:
    """Steps and whole fits of the kinds named, against cross-entropy on the rows of `plain`."""
    plain = plain or case
    contenders: dict[str, Callable[[], float]] = {
        PLAIN: partial(plain.ours, PLAIN),
        TORCH: plain.plain_torch,
    }
    contenders |= {name: partial(case.ours, name) for name in names if name != PLAIN}
    in_turn(contenders, 1)
    for each in (case, plain):
        each.whole.clear()
    steps = in_turn(contenders, repeats)
    whole = {PLAIN: plain.whole[PLAIN], **case.whole}
    return {"steps": ratios(steps, PLAIN), "fit": ratios(whole, PLAIN)}


MEMORY_CHILD = """
import resource, sys, time, warnings
import numpy as np, torch
torch.set_num_threads(1)
warnings.simplefilter("ignore")
sys.path.insert(0, {here!r})
from speed_detectors import rows
from skhep_anomaly import OPEClassifier
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
make = lambda n: OPEClassifier(max_iter=n, random_state=0, **{params!r})
y = np.repeat([0, 1], [1900, 100])
make(10).fit(rows(2000), y).score_samples(rows(2000))
X = rows(1_000_000)
y = np.zeros(len(X), dtype=np.int8)
y[:1000] = 1
before = peak(); start = time.process_time()
est = make(200).fit(X, y if {labels} else None)
fitted = peak(); seconds = time.process_time() - start
est.score_samples(X)
print(X.nbytes / 2**20, fitted - before, peak() - before, seconds)
"""


def part_memory(repeats: int, cases: list[str]) -> dict[str, Any]:
    """Peak resident memory of a million rows of 28 features beyond the data (MiB)."""
    out = {}
    for name, labels in (("uniform", True), ("hmc", True), ("hmc", False), ("uniform", False)):
        code = MEMORY_CHILD.format(here=str(HERE), params=KINDS[name], labels=labels)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        data, fit, both, seconds = map(float, done.stdout.split())
        kind = name if labels else f"{name}, one class"
        out[kind] = {
            "data_MiB": round(data),
            "extra_fit_MiB": round(fit),
            "extra_fit_and_score_MiB": round(both),
            "allowed_MiB": round(0.25 * data + 100),
            "fit_cpu_s": round(seconds, 1),
        }
    return out


PARTS = {"steps": part_steps, "memory": part_memory}


def table(stored: dict[str, Any]) -> str:
    """The results as markdown: median ratio (range)."""
    cases = list(stored.get("steps", {}))
    lines = []
    for what in ("steps", "fit"):
        lines += [f"CPU time of the {what}, in units of cross-entropy's", ""]
        lines += ["| | " + " | ".join(cases) + " | allowed |", "|---" * (len(cases) + 2) + "|"]
        for name in [PLAIN, TORCH, *KINDS]:
            cells = [cell(stored["steps"][case][what].get(name)) for case in cases]
            if set(cells) != {"–"} and (name != PLAIN or lines[-1].startswith("|---")):
                allowed = ALLOWED.get(name, "–") if what == "steps" else "–"
                lines.append(f"| {name} | " + " | ".join(cells) + f" | {allowed} |")
        lines.append("")
    lines += ["Peak memory beyond the data (MiB), a million rows of 28 features", ""]
    lines += ["| | data | fit | fit and score | allowed |", "|---|---|---|---|---|"]
    for name, found in stored.get("memory", {}).items():
        keys = ("data_MiB", "extra_fit_MiB", "extra_fit_and_score_MiB", "allowed_MiB")
        lines.append(f"| {name} | " + " | ".join(str(found[key]) for key in keys) + " |")
    return "\n".join(lines)


def cell(found: dict[str, Any] | None) -> str:
    if found is None:
        return "–"
    low, high = found["ratio_range"]
    return f"{found['ratio_to_ours']:.2f} ({low:.2f}–{high:.2f})"


def main() -> None:
    """Measure the parts and cases asked for, one after the other, and keep the others' results."""
    from skhep_anomaly.report import machine_summary, package_versions

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--part", choices=list(PARTS), action="append")
    parser.add_argument("--case", choices=list(CASES), action="append")
    parser.add_argument("--table", action="store_true", help="print what is there already")
    options = parser.parse_args()
    torch.set_num_threads(1)
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    todo = [] if options.table else options.part or list(PARTS)
    for name in todo:
        for case in options.case or CASES if name == "steps" else [""]:
            found = PARTS[name](options.repeats, [case])
            stored[name] = {**stored.get(name, {}), **found}
            stored["machine"], stored["versions"] = machine_summary(), package_versions()
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(stored, indent=1) + "\n")
    print(table(stored))


if __name__ == "__main__":
    main()
