"""Quality of generated showers: one table of classifiers and distances, floors beside it.

    python benchmarks/showers_quality.py --models FOLDER [--extra FOLDER]     TEST, all rows
    python benchmarks/showers_quality.py --split choice --models FOLDER       while choosing
    python benchmarks/showers_quality.py --split choice --model FILE [--quick]    one saved model
    python benchmarks/showers_quality.py --table                              what is there already

The showers and their split: `_shower_data.py`; what judges them: `_shower_judges.py`; GFLASH, the
library, the controls: `_shower_peers.py`; the generators: `_shower_models.py`. 3,000 real showers
stand against 3,000 generated ones under the same conditions; the floor is 3,000 other real showers.
STRONG repeats HIGH and LOW trees on all real showers that no model has seen: TEST and those of
--extra.

A model is taken from --models (outside of the repository) or trained and kept there. Each row is
written to results/showers_quality.json as it ends and not repeated; --again ROW forgets one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
import _shower_models
import _shower_peers as peers
from _record import Record, told
from _shower_data import SPLITS, Showers, Split, load
from _shower_judges import JUDGES, QUICK, STRONG, aucs, distances, worst

from skhep_anomaly import load as load_model

SETTINGS = {"judged": 3000, "n_splits": {"usual": 5, "strong": 3}}
MODELS = Path.home() / ".cache" / "skhep_anomaly" / "shower_models"
SEED = 1000  # of what is generated; a row's own seed is added
COLUMNS = (*JUDGES, "PRD", "W1/sd")


@dataclass(frozen=True)
class Made:
    """Showers of a row; `paired` where they stand under the conditions of the real ones."""

    showers: Showers
    facts: dict[str, Any]
    paired: bool = True


@dataclass(frozen=True)
class Case:
    """What the rows are made from."""

    split: Split
    folder: Path
    seconds: float | None = None
    may_train: bool = True


Sample = Callable[[Showers], Made]


# -------------------------------------------------------------------------------- the rows


def real_again(case: Case, seed: int) -> Sample:
    """Other real showers, as many as there are where all are judged."""

    def sample(real: Showers) -> Made:
        strong = len(real) > len(case.split.judge)
        return Made(case.split.train if strong else case.split.floor, {}, paired=False)

    return sample


def control(spoil: Callable[[Showers, int], Showers], case: Case, seed: int) -> Sample:
    """Spoilt real showers; those of the floor, unless the conditions must be the same."""
    return lambda real: Made(spoil(case.split.floor, seed), {}, paired=False)


def swapped(case: Case, seed: int) -> Sample:
    """Real showers under the conditions of their neighbours in energy."""
    return lambda real: Made(peers.neighbours_in_energy(case.split.floor), {}, paired=False)


def library(case: Case, seed: int) -> Sample:
    """Showers of training, looked up."""
    start = time.process_time()
    stock = peers.Library(case.split.train)
    facts = {"cpu_s": time.process_time() - start, "n_showers": len(case.split.train)}
    return lambda real: timed(stock.sample, real, facts)


def gflash(case: Case, seed: int) -> Sample:
    """GFLASH with numbers tuned on training showers."""
    start = time.process_time()
    numbers = peers.tuned_gflash(case.split.train)
    facts = {"cpu_s": time.process_time() - start, "numbers": numbers}
    return lambda real: timed(partial(peers.sample_gflash, numbers=numbers, seed=seed), real, facts)


def generator(name: str, case: Case, seed: int) -> Sample | None:
    """A trained model; None where it is missing and may not be trained."""
    train, folder = case.split.train, case.folder
    found = _shower_models.get(name, train, folder, seconds=case.seconds, may_train=case.may_train)
    if found is None:
        return None
    model, facts = found
    model.sample(case.split.judge.X[:300], random_state=0)  # warm
    return lambda real: timed(partial(model.sample, random_state=seed), real, facts)


def timed(sample: Callable[[np.ndarray], np.ndarray], real: Showers, facts: dict) -> Made:
    """Generate under the real showers' conditions; say how fast and how many different ones."""
    start = time.process_time()
    images = sample(real.X)
    speed = len(images) / (time.process_time() - start)
    more = {"showers_per_s": round(speed), "n_distinct": peers.n_distinct(images)}
    return Made(Showers(real.X, images), {**facts, **more})


ROWS: dict[str, Callable[[Case, int], Sample | None]] = {
    "real vs real": real_again,
    "control: smeared": partial(control, peers.smeared),
    "control: neighbour's conditions": swapped,
    "control: smeared, shuffled": partial(control, peers.spoilt),
    "library": library,
    "GFLASH": gflash,
    **{name: partial(generator, name) for name in _shower_models.RECIPES},
}
IN_STRONG = ("real vs real", "library", "GFLASH", *(f"default-{seed}" for seed in range(3)))


# -------------------------------------------------------------------------------- the runs


def fill(record: Record, split: str, case: Case, rows: list[str]) -> None:
    """Judge the rows that are not there yet."""
    large = len(case.split.strong) > len(case.split.judge)
    for name in rows:
        keys = {
            "usual": f"{split}/{name}",
            **({"strong": f"{split}/{name}/strong"} if large and name in IN_STRONG else {}),
        }
        missing = {what: key for what, key in keys.items() if key not in record}
        if not missing:
            continue
        sample = ROWS[name](case, SEED + list(ROWS).index(name))
        if sample is None:
            told(f"{name}: no model in {case.folder}")
            continue
        for what, key in missing.items():
            found = judged(case, sample, strong=what == "strong")
            record.keep(**{key: found})
            told(key, found)


def judged(case: Case, sample: Sample, *, strong: bool) -> dict[str, Any]:
    """Numbers of one row."""
    real = case.split.strong if strong else case.split.judge
    made = sample(real)
    sizes = {"n_real": len(real), "n_fake": len(made.showers), **made.facts}
    if strong:
        splits = SETTINGS["n_splits"]["strong"]
        return {**sizes, **aucs(real, made.showers, STRONG, paired=made.paired, n_splits=splits)}
    return {
        **sizes,
        **aucs(real, made.showers, paired=made.paired),
        **distances(real, made.showers),
    }


def look(path: str, split: Split, *, quick: bool) -> None:
    """Print the judges of a saved generator and, unless `quick`, its worst observables."""
    model = load_model(path)
    real = split.judge
    fake = Showers(real.X, model.sample(real.X, random_state=SEED))
    found = aucs(real, fake, QUICK if quick else JUDGES) | distances(real, fake)
    print(f"{path}: {len(fake)} against {len(real)}, {found['cpu_s_judged']} CPU-s")
    for name in COLUMNS:
        if name in found:
            print(f"  {name:10} {found[name][0]:.3f} ± {found[name][1]:.3f}")
    if not quick:
        print(worst(real, fake))


# ------------------------------------------------------------------------------- the table


def table(runs: dict[str, dict[str, Any]], split: str) -> str:
    """The rows that are there, as markdown."""
    head = [*COLUMNS, "STRONG: HIGH / trees", "CPU-s", "showers/s", "distinct"]
    lines = ["| | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    for name in ROWS:
        run = runs.get(f"{split}/{name}")
        if run is None:
            continue
        strong = runs.get(f"{split}/{name}/strong")
        cells = [
            *(number(run.get(column)) for column in COLUMNS),
            "–" if strong is None else " / ".join(number(strong[judge]) for judge in STRONG),
            *(whole(run.get(key)) for key in ("cpu_s", "showers_per_s", "n_distinct")),
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def number(found: list[float] | None) -> str:
    """Value ± error with three decimals."""
    if found is None:
        return "–"
    return f"{found[0]:.3f} ± {found[1]:.3f}".replace("0.", ".")


def whole(found: float | None) -> str:
    """Give a count without decimals."""
    return "–" if found is None else f"{found:,.0f}"


def main() -> None:
    """Judge one model, or fill the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--model", help="judge this saved generator and print")
    parser.add_argument("--quick", action="store_true", help="with --model: HIGH, EXT, W1/sd, PRD")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of trained models")
    parser.add_argument("--no-train", action="store_true", help="leave rows without a model out")
    parser.add_argument("--row", choices=list(ROWS), action="append")
    parser.add_argument("--again", choices=list(ROWS), action="append", default=[])
    parser.add_argument("--time", type=float, help="seconds of each training")
    parser.add_argument("--extra", help="folder with e_5*.npz for STRONG")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="print what is there already")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.model:
        look(options.model, load(options.split), quick=options.quick)
        return
    record = Record("showers_quality", SETTINGS)
    record.drop([k for k in record.runs for r in options.again if is_of(k, options.split, r)])
    if not options.table:
        split = load(options.split, options.extra)
        case = Case(split, options.models, options.time, not options.no_train)
        fill(record, options.split, case, options.row or list(ROWS))
    print(table(record.runs, options.split))


def is_of(key: str, split: str, row: str) -> bool:
    """Whether a key of the record belongs to the row."""
    return key in (f"{split}/{row}", f"{split}/{row}/strong")


if __name__ == "__main__":
    main()
