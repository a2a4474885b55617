"""Speed and memory of the autoencoder detector, as ratios measured in one run.

Each ratio is taken between two things timed in turn (A B A B …), in process CPU time on one thread;
quoted are median and range over the repeats. The epoch is that of the same net
(28-64-32-2-32-64-28, ReLU) at batch 512 on 100,000 float32 rows for every contender; an epoch of
PyOD is the difference between fits of 3 and 1 epochs. The bound is the matrix products of forward
and backward alone, on the same batches.

    python benchmarks/speed_detectors.py [--repeats 7] [--part epoch|score|fit|defaults|memory]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "speed_detectors.json"
BATCH = 512
PLAIN: dict[str, Any] = {
    "hidden_layer_sizes": (64, 32),
    "latent_dim": 2,
    "activation": "relu",
    "noise": None,
    "n_members": 1,
    "score_kind": "mse",
    "batch_size": BATCH,
    "lr_schedule": "constant",
    "max_grad_norm": None,
    "learning_rate": 1e-3,
    "random_state": 0,
}


def rows(n: int, seed: int = 0) -> np.ndarray:
    """Correlated float32 rows with 28 features."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(28, 28)).astype(np.float32)
    out = np.empty((n, 28), dtype=np.float32)
    for start in range(0, n, 100_000):
        part = out[start : start + 100_000]
        part[:] = rng.standard_normal(part.shape, dtype=np.float32) @ mix
    return out


def cpu(function: Callable[[], object]) -> float:
    """Process CPU seconds of one call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def in_turn(contenders: dict[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Time every contender once per repeat, one after the other."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, measure in contenders.items():
            times[name].append(measure())
    return times


def summary(times: dict[str, list[float]], ours: str) -> dict[str, Any]:
    """Medians, and the ratio of each contender to ours pair by pair."""
    out: dict[str, Any] = {}
    for name, values in times.items():
        ratio = [v / o for v, o in zip(values, times[ours], strict=True)]
        out[name] = {
            "cpu_s": [round(v, 5) for v in values],
            "median_cpu_s": round(statistics.median(values), 5),
            "ratio_to_ours": round(statistics.median(ratio), 2),
            "ratio_range": [round(min(ratio), 2), round(max(ratio), 2)],
        }
    return out


def pyod_autoencoder(epochs: int) -> Any:
    """PyOD's AutoEncoder with the same net."""
    from pyod.models.auto_encoder import AutoEncoder

    return AutoEncoder(
        epoch_num=epochs,
        batch_size=BATCH,
        hidden_neuron_list=[64, 32, 2],
        batch_norm=False,
        dropout_rate=0.0,
        verbose=0,
    )


def ours(**params: Any) -> Any:
    """Give our detector as a plain autoencoder."""
    from skhep_anomaly import AEOutlierDetector

    return AEOutlierDetector(**(PLAIN | params))


def skorch_default(X: np.ndarray) -> Any:
    """The same net in skorch as it comes, with its DataLoader and Adam."""
    from skorch import NeuralNet

    sizes = [28, 64, 32, 2, 32, 64, 28]
    layers: list[torch.nn.Module] = []
    for i, o in pairwise(sizes):
        layers += [torch.nn.Linear(i, o), torch.nn.ReLU()]
    net = NeuralNet(
        torch.nn.Sequential(*layers[:-1]),
        torch.nn.MSELoss,
        optimizer=torch.optim.Adam,
        train_split=None,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        max_epochs=1,
        verbose=0,
    )
    return net.initialize()


def matrix_products(X: np.ndarray) -> Callable[[], None]:
    """Forward and backward products of one epoch and nothing else."""
    sizes = [28, 64, 32, 2, 32, 64, 28]
    weights = [torch.randn(i, o) * 0.1 for i, o in pairwise(sizes)]
    data = torch.from_numpy(X)

    def run() -> None:
        for start in range(0, len(X), BATCH):
            h = [data[start : start + BATCH]]
            for w in weights:
                h.append(h[-1] @ w)
            g = h[-1]
            for layer in range(len(weights) - 1, -1, -1):
                h[layer].T @ g
                if layer:
                    g = g @ weights[layer].T

    return run


def part_epoch(repeats: int) -> dict[str, Any]:
    """CPU seconds of one epoch of the same net."""
    from skhep_anomaly.training import Rows

    X = rows(100_000)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    net = ours(max_epochs=1).fit(X[:5000]).net_
    loose, products, data = skorch_default(X), matrix_products(X), Rows(X)
    contenders = {
        "ours": lambda: cpu(lambda: net.partial_fit(data)),
        "matrix products alone": lambda: cpu(products),
        "PyOD AutoEncoder": lambda: (
            (cpu(lambda: pyod_autoencoder(3).fit(X)) - cpu(lambda: pyod_autoencoder(1).fit(X))) / 2
        ),
        "skorch, default loader": lambda: cpu(lambda: loose.partial_fit(Z, Z)),
    }
    in_turn(contenders, 1)
    return summary(in_turn(contenders, repeats), "ours")


def part_score(repeats: int) -> dict[str, Any]:
    """CPU seconds to score 100,000 rows."""
    from sklearn.ensemble import IsolationForest

    X = rows(100_000)
    detector = ours(max_epochs=1).fit(X)
    pyod = pyod_autoencoder(1).fit(X)
    forest = IsolationForest(n_estimators=100, random_state=0).fit(X)
    contenders = {
        "ours": lambda: cpu(lambda: detector.score_samples(X)),
        "PyOD AutoEncoder (batch 512)": lambda: cpu(lambda: pyod.decision_function(X)),
        "scikit-learn IsolationForest(100)": lambda: cpu(lambda: forest.score_samples(X)),
    }
    in_turn(contenders, 1)
    return summary(in_turn(contenders, repeats), "ours")


def part_fit(repeats: int) -> dict[str, Any]:
    """CPU seconds of a whole fit of 2,000 rows, same net, 20 epochs."""
    X = rows(2000)
    contenders = {
        "ours": lambda: cpu(lambda: ours(max_epochs=20).fit(X)),
        "PyOD AutoEncoder": lambda: cpu(lambda: pyod_autoencoder(20).fit(X)),
    }
    in_turn(contenders, 1)
    return summary(in_turn(contenders, repeats), "ours")


class Defaults:
    """Defaults against defaults on one pair of samples: fit time and AUC."""

    def __init__(self, n: int) -> None:
        rng = np.random.default_rng(n)
        everything = rows(n + 4000, seed=1)
        self.X, normal, odd = np.split(everything, [n, n + 2000])
        shift = rng.standard_normal(odd.shape, dtype=np.float32)
        self.test = np.vstack([normal, odd + 0.6 * self.X.std(axis=0) * shift])
        self.truth = np.r_[np.zeros(2000), np.ones(2000)]
        self.auc: dict[str, list[float]] = {}

    def ours(self, name: str, **params: Any) -> float:
        """Fit ours as it comes; give CPU seconds."""
        from skhep_anomaly import AEOutlierDetector

        found = self.auc.setdefault(name, [])
        detector = AEOutlierDetector(random_state=len(found), **params)
        seconds = cpu(lambda: detector.fit(self.X))
        found.append(self._auc(detector.anomaly_score(self.test)))
        return seconds

    def pyod(self, name: str) -> float:
        """Fit PyOD's AutoEncoder as it comes; give CPU seconds."""
        from pyod.models.auto_encoder import AutoEncoder

        found = self.auc.setdefault(name, [])
        detector = AutoEncoder(verbose=0, random_state=len(found))
        seconds = cpu(lambda: detector.fit(self.X))
        found.append(self._auc(detector.decision_function(self.test)))
        return seconds

    def _auc(self, score: np.ndarray) -> float:
        from sklearn.metrics import roc_auc_score

        return round(float(roc_auc_score(self.truth, score)), 4)


def part_defaults(repeats: int) -> dict[str, Any]:
    """Defaults against defaults on correlated Gaussian rows; odd rows break the correlation."""
    out: dict[str, Any] = {}
    for n in (2_000, 10_000, 100_000):
        case = Defaults(n)
        contenders: dict[str, Callable[[], float]] = {
            "ours": partial(case.ours, "ours"),
            "ours, one member": partial(case.ours, "ours, one member", n_members=1),
            "PyOD AutoEncoder": partial(case.pyod, "PyOD AutoEncoder"),
        }
        times = in_turn(contenders, min(repeats, 3))
        out[f"n={n}"] = summary(times, "ours")
        for name, aucs in case.auc.items():
            out[f"n={n}"][name]["auc"] = aucs
    return out


MEMORY_CHILD = """
import resource, sys, time
import numpy as np, torch
torch.set_num_threads(1)
sys.path.insert(0, {here!r})
from speed_detectors import ours, rows
n = {n}
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
warm = ours(max_epochs=1).fit(rows(2000)); warm.score_samples(rows(2000))
X = rows(n)
before = peak(); start = time.process_time()
detector = ours(max_epochs=1, batch_size={batch}).fit(X)
fitted = peak(); seconds = time.process_time() - start
detector.score_samples(X)
print(n, X.nbytes / 2**20, fitted - before, peak() - before, seconds)
"""


def part_memory(repeats: int) -> dict[str, Any]:
    """Peak resident memory beyond the data, in a process of its own (MiB)."""
    out = {}
    for n, batch in ((1_000_000, BATCH), (11_000_000, BATCH)):
        code = MEMORY_CHILD.format(here=str(HERE), n=n, batch=batch)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        _, data, fit, both, seconds = map(float, done.stdout.split())
        out[f"n={n}"] = {
            "data_MiB": round(data),
            "extra_fit_MiB": round(fit),
            "extra_fit_and_score_MiB": round(both),
            "allowed_MiB": round(0.25 * data + 100),
            "fit_cpu_s": round(seconds, 1),
        }
    return out


PARTS = {
    "epoch": part_epoch,
    "score": part_score,
    "fit": part_fit,
    "defaults": part_defaults,
    "memory": part_memory,
}


def main() -> None:
    """Measure the parts asked for and keep the others' last results."""
    from skhep_anomaly.report import machine_summary, package_versions

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--part", choices=list(PARTS), action="append")
    options = parser.parse_args()
    torch.set_num_threads(1)
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in options.part or PARTS:
        stored[name] = PARTS[name](options.repeats)
        stored["machine"], stored["versions"] = machine_summary(), package_versions()
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(stored, indent=1) + "\n")
        print(name, json.dumps(stored[name], indent=1))


if __name__ == "__main__":
    main()
