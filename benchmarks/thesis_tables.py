"""The thesis's protocol on HiggsML, in the columns of its tables 4.3–4.6.

    python benchmarks/thesis_tables.py [--data atlas-higgs-challenge-2014-v2.csv.gz] [--seeds 3]

One model per jet number, `AEOutlierDetector.thesis()` and `VAEOutlierDetector.thesis()` (50-25-2,
relu6, dropout .1, Adam 1e-4, batches of 512, 1,000 epochs); an event is called signal if its
anomaly score lies above the 40th percentile, the median or the mean of the training scores of its
jet number. Experiment 1 trains on the background of subset t, experiment 2 on that of t and v; both
test on all of b. AMS counts expected events (H→ττ sums of the challenge), the rest simulated ones.

Without `--data` only 18,311 events of t exist, the embedded sample: a random quarter of them then
imitates t, that quarter and 40 % more imitate t and v, the last 35 % imitate b, anew for each seed.
That is 1/55 of the training events and of the training steps. With `--data` the seed is that of the
nets alone.

Source: A. Nardelli, "New physics detection in HEP experiments through unsupervised deep learning",
section 4.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    matthews_corrcoef,
    precision_score,
    recall_score,
)

from skhep_anomaly import AEOutlierDetector, VAEOutlierDetector
from skhep_anomaly.metrics import ams_score, max_ams, weighted_roc_auc

sys.path.insert(0, str(Path(__file__).parent))
from _higgsml import TOTALS, Events, Grouped, Scores, read, split, spread
from _record import Record, told

COLUMNS = ["AMS", "accuracy", "precision", "recall", "F1", "MCC"]
MODELS = {"AE": AEOutlierDetector, "VAE": VAEOutlierDetector}
EXPERIMENTS = (1, 2)
RULES: dict[str, Callable[[np.ndarray], float]] = {
    "P40": lambda scores: float(np.percentile(scores, 40)),
    "median": lambda scores: float(np.median(scores)),
    "mean": lambda scores: float(np.mean(scores)),
}
PUBLISHED = {
    ("AE", 1, "P40"): (0.862, 0.491, 0.363, 0.659, 0.468, 0.0610),
    ("AE", 1, "median"): (0.778, 0.521, 0.365, 0.555, 0.440, 0.0545),
    ("AE", 1, "mean"): (0.618, 0.569, 0.368, 0.370, 0.369, 0.0421),
    ("AE", 2, "P40"): (0.914, 0.495, 0.367, 0.673, 0.475, 0.0738),
    ("AE", 2, "median"): (0.840, 0.524, 0.370, 0.568, 0.448, 0.0661),
    ("AE", 2, "mean"): (0.686, 0.570, 0.372, 0.386, 0.379, 0.0505),
    ("VAE", 1, "P40"): (1.046, 0.520, 0.392, 0.745, 0.514, 0.147),
    ("VAE", 1, "median"): (0.971, 0.551, 0.400, 0.643, 0.494, 0.139),
    ("VAE", 1, "mean"): (0.914, 0.565, 0.402, 0.573, 0.473, 0.127),
    ("VAE", 2, "P40"): (1.047, 0.520, 0.392, 0.748, 0.515, 0.149),
    ("VAE", 2, "median"): (0.990, 0.552, 0.402, 0.647, 0.496, 0.143),
    ("VAE", 2, "mean"): (0.932, 0.575, 0.410, 0.567, 0.476, 0.139),
}


class Parts:
    """Training events of each experiment, and test events: of the file, or imitated."""

    def __init__(self, data: str | None) -> None:
        self.data, self._read = data, {}

    def _subset(self, letters: str | None) -> Events:
        if letters not in self._read:
            self._read[letters] = read(self.data, letters)
        return self._read[letters]

    def __call__(self, experiment: int, seed: int) -> tuple[Events, Events]:
        if self.data is not None:
            return self._subset("t" if experiment == 1 else "tv"), self._subset("b")
        events = self._subset(None)
        t, v, b = split(len(events.y), seed, 0.25, 0.40)
        train = t if experiment == 1 else np.concatenate([t, v])
        return events.at(train), events.at(b)


def numbers(test: Events, flagged: np.ndarray) -> dict[str, float]:
    """The columns of the tables."""
    y = test.y
    values = (
        ams_score(y, flagged, test.weight, **TOTALS),
        accuracy_score(y, flagged),
        precision_score(y, flagged),
        recall_score(y, flagged),
        f1_score(y, flagged),
        matthews_corrcoef(y, flagged),
    )
    return {name: round(float(v), 5) for name, v in zip(COLUMNS, values, strict=True)}


def flags(train: Events, test: Events, scores: Scores, rule: Callable[..., float]) -> np.ndarray:
    """Test events above their jet number's threshold."""
    flagged = np.zeros(len(test.y), dtype=bool)
    jets_train, jets_test = (part.X[:, part.jets] for part in (train, test))
    for jets in np.unique(jets_train):
        there = jets_test == jets
        flagged[there] = scores.test[there] > rule(scores.train[jets_train == jets])
    return flagged


def one_run(model: str, train: Events, test: Events, seed: int, epochs: int) -> dict[str, Any]:
    """All three thresholds after one training."""
    start = time.monotonic()
    train = train.background()
    grouped = Grouped(MODELS[model].thesis(random_state=seed, max_epochs=epochs), train)
    pooled = grouped.scores(test.X)
    ranked = pooled["rank"].test
    best = max_ams(test.y, ranked, test.weight, n_bootstrap=50, random_state=seed, **TOTALS)
    return {
        **{rule: numbers(test, flags(train, test, pooled["raw"], RULES[rule])) for rule in RULES},
        "auc": {kind: round(weighted_roc_auc(test.y, s.test), 5) for kind, s in pooled.items()},
        "max_ams": [round(best.value, 4), round(best.error, 4)],
        "all signal": numbers(test, np.ones(len(test.y), dtype=bool)),
        "training events": len(train.y),
        "test events": len(test.y),
        "fit_cpu_s": round(grouped.fit_cpu_s, 1),
        "seconds": round(time.monotonic() - start, 1),
    }


# ------------------------------------------------------------------------------ tables


def cell(values: list[float]) -> str:
    mean, sd, _ = spread(values)
    return f"{mean:.3f}" if math.isnan(sd) or sd < 5e-5 else f"{mean:.3f} ± {sd:.3f}"


def row(title: list[str], runs: list[dict[str, float]], published: tuple[float, ...]) -> str:
    cells = []
    for name, value in zip(COLUMNS, published, strict=True):
        cells += [cell([run[name] for run in runs]), f"{value:g}"]
    return "| " + " | ".join([*title, *cells]) + " |"


def thesis_table(record: Record) -> str:
    """Our numbers and the published, side by side."""
    head = ["model", "exp.", "threshold"]
    for name in COLUMNS:
        head += [name, "thesis"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for model in MODELS:
        for experiment in EXPERIMENTS:
            runs = of(record, model, experiment)
            for rule in RULES if runs else ():
                published = PUBLISHED[model, experiment, rule]
                title = [model, str(experiment), rule]
                lines.append(row(title, [run[rule] for run in runs], published))
    every = [run["all signal"] for run in record.runs.values()]
    full = (1.079, *(math.nan,) * 5)
    if every:
        lines.append(row(["all signal", "", ""], every, full).replace("nan", ""))
    return "\n".join(lines)


def judged_table(record: Record) -> str:
    """What the tables do not say: every row of them lies below the AMS of "all signal"."""
    head = "| model | exp. | training events | AUC, rank pooled | AUC, raw "
    head += "| max AMS ± bootstrap error | CPU s to train |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for model in MODELS:
        for experiment in EXPERIMENTS:
            runs = of(record, model, experiment)
            if not runs:
                continue
            best, error = np.mean([run["max_ams"] for run in runs], axis=0)
            cells = [model, str(experiment)]
            cells += [f"{np.mean([run['training events'] for run in runs]):.0f}"]
            cells += [cell([run["auc"][kind] for run in runs]) for kind in ("rank", "raw")]
            cells += [f"{best:.2f} ± {error:.2f}"]
            cells += [f"{np.mean([run['fit_cpu_s'] for run in runs]):.0f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def of(record: Record, model: str, experiment: int) -> list[dict[str, Any]]:
    return [r for key, r in record.runs.items() if key.startswith(f"{model}|{experiment}|")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", help="the full file of the challenge; default: embedded sample")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--models", nargs="*", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--experiments", nargs="*", type=int, default=list(EXPERIMENTS))
    parser.add_argument("--minutes", type=float, default=600, help="start no run after so long")
    options = parser.parse_args()
    source = "embedded sample of t, split" if options.data is None else Path(options.data).name
    name = "thesis_tables" if options.data is None else "thesis_tables_full"
    name += "" if options.epochs == 1000 else f"_{options.epochs}_epochs"
    record = Record(name, {"events": source, "epochs": options.epochs})
    parts, end = Parts(options.data), time.monotonic() + 60 * options.minutes
    for seed in range(options.seeds):
        for model in options.models:
            for experiment in options.experiments:
                key = f"{model}|{experiment}|{seed}"
                if key in record or time.monotonic() > end:
                    continue
                run = one_run(model, *parts(experiment, seed), seed, options.epochs)
                record.keep(**{key: run})
                told(f"{key}: {run['fit_cpu_s']} CPU s, {run['seconds']} s")
    print(f"Events: {source}; {options.epochs} epochs; mean ± sd over the seeds.\n")
    print(thesis_table(record))
    print("\n" + judged_table(record))


if __name__ == "__main__":
    main()
