"""Speed of generated showers against Geant4, in one run, on one thread, beside their quality.

Geant4 and every generator make showers for the same gun in turn (A B C … A B C …); the time is
process CPU time (for Geant4, which runs in a process of its own, its own CPU time per shower), and
includes drawing the random numbers and writing the cells. Each ratio is taken within one round;
quoted are the medians over the rounds with their range. Geant4's time goes with the energy: its 40
conditions are every hundredth of 4,000 drawn ones, sorted by energy. Where Geant4 is missing, the
recorded CPU times of the shared showers stand in, and the row says so.

The estimators write showers into one array, again and again; the exported ones are taken chunk by
chunk; "batch 1" is one shower a call.
A model is FOLDER/NAME.skhep; a missing one is fitted for one epoch to embedded showers, which
changes its quality, not its speed (its quality is then not judged).

    python benchmarks/speed_showers.py --models FOLDER [--rounds 7]     speed
    python benchmarks/speed_showers.py --models FOLDER --quality        AUCs: all three, TEST
    python benchmarks/speed_showers.py --table                          what is there already
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from _record import Record, told
from _shower_data import TRAIN, Showers, load
from _shower_judges import STRONG, aucs

from skhep_anomaly import (
    CaloGANGenerator,
    OnnxShowerGenerator,
    data_home,
    load_geant4_showers,
    make_toy_showers,
    simulate_geant4,
)
from skhep_anomaly import load as load_model
from skhep_anomaly.exceptions import ExtrapolationWarning, SimulatorError
from skhep_anomaly.simulators import draw_conditions

SETTINGS = {"n": 4096, "geant4": 40, "seed": 0}
MODELS = Path.home() / ".cache" / "skhep_anomaly" / "shower_models"
WINDOWS = {"default": (28, 28), "fast": (20, 20)}
SHOWERS = {"GFLASH": 256, "paper: torch": 256, "default: torch": 1024, "fast: torch": 1024}


@dataclass(frozen=True)
class Contender:
    """`n` showers a call of `make`."""

    make: Callable[[], object]
    n: int


def models(folder: Path) -> dict[str, tuple[Any, bool]]:
    """The generators, and whether they are trained."""
    presets = {
        "default": CaloGANGenerator,
        "fast": CaloGANGenerator.fast_preset,
        "paper": CaloGANGenerator.paper_preset,
    }
    found: dict[str, tuple[Any, bool]] = {}
    for name, preset in presets.items():
        file = folder / f"{name}-0.skhep"
        if file.exists():
            found[name] = load_model(file), True
            continue
        told(f"no {file}: one epoch on embedded showers")
        showers = load_geant4_showers()
        some = slice(0, 256 if name == "paper" else 2000)
        model = preset(random_state=0, max_epochs=1)
        found[name] = model.fit(showers.X[some], showers.images[some]), False
    return found


def runners(found: dict[str, tuple[Any, bool]], folder: Path) -> dict[str, OnnxShowerGenerator]:
    """Exported generators: the whole map, the window in float32 and int8, the full graph."""
    made = {}
    for name in ("default", "fast"):
        model, window = found[name][0], WINDOWS[name]
        options = {
            "full": {"layout": "full"},
            "fp32": {"window": window},
            "int8": {"window": window, "quantize": "int8"},
        }
        for kind, given in options.items():
            path = model.export_onnx(folder / f"{name}_{kind}.onnx", **given)
            made[f"{name}: ONNX {kind}"] = OnnxShowerGenerator(path)
    return made


# -------------------------------------------------------------------------------- the speed


def contenders(found: dict[str, tuple[Any, bool]], folder: Path) -> dict[str, Contender]:
    """What is timed beside Geant4."""
    n, seed = SETTINGS["n"], SETTINGS["seed"]
    X = draw_conditions(n, random_state=seed)
    out = np.empty((n, 30, 30), dtype=np.float32)
    rows: dict[str, Contender] = {}

    def add(name: str, make: Callable[[int], object]) -> None:
        size = SHOWERS.get(name, 256 if "batch 1" in name else n)
        rows[name] = Contender(lambda: make(size), size)

    add("GFLASH", lambda k: make_toy_showers(conditions=X[:k], random_state=seed))
    for name in ("paper", "default", "fast"):
        model = found[name][0]
        add(f"{name}: torch", lambda k, m=model: sampled(m, X[:k], out[:k]))
    for name, runner in runners(found, folder).items():
        add(name, lambda k, r=runner: consumed(r, X[:k]))
        single = OnnxShowerGenerator(runner.path, chunk_size=1)
        add(f"{name}, batch 1", lambda k, r=single: consumed(r, X[:k]))
    return rows


def sampled(model: Any, X: np.ndarray, out: np.ndarray) -> None:
    """Showers of an estimator; a few conditions of the gun lie outside those of the training."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        model.sample(X, random_state=SETTINGS["seed"], out=out)


def consumed(runner: OnnxShowerGenerator, X: np.ndarray) -> None:
    """Showers of an exported generator, each chunk made and let go."""
    for _ in runner.chunks(X, random_state=SETTINGS["seed"]):
        pass


def geant4(recorded: bool) -> float:
    """CPU seconds of a Geant4 shower, mean over the gun."""
    if recorded:
        files = [data_home() / "calo" / f"{name}.npz" for name in TRAIN]
        return float(np.mean(np.concatenate([np.load(file)["cpu"] for file in files])))
    X = draw_conditions(100 * SETTINGS["geant4"], random_state=SETTINGS["seed"])
    order = np.argsort(np.linalg.norm(X[:, :3], axis=1), kind="stable")
    return float(simulate_geant4(conditions=X[order[50::100]], random_state=0).cpu.mean())


def has_geant4() -> bool:
    """Whether Geant4 runs here."""
    try:
        simulate_geant4(1, energy_range=(1.0, 1.1), random_state=0)
    except (ImportError, OSError, SimulatorError) as error:
        told(f"{str(error)[:300]}\nrecorded CPU times stand in")
        return False
    return True


def cpu(contender: Contender) -> float:
    """Process CPU seconds of one shower."""
    start = time.process_time()
    contender.make()
    return (time.process_time() - start) / contender.n


def speed(folder: Path, rounds: int) -> dict[str, Any]:
    """Time everything in turn."""
    found, live = models(folder), has_geant4()
    with tempfile.TemporaryDirectory() as exports:
        rows = contenders(found, Path(exports))
        for contender in rows.values():
            contender.make()  # warm: compiled loops, first touches
        times: dict[str, list[float]] = {"Geant4": [], **{name: [] for name in rows}}
        for k in range(rounds):
            told(f"round {k + 1} of {rounds}")
            times["Geant4"].append(geant4(recorded=not live))
            for name, contender in rows.items():
                times[name].append(min(cpu(contender) for _ in range(3)))
    trained = {name: fitted for name, (_, fitted) in found.items()}
    return {name: summary(name, times, live, trained) for name in times}


def summary(name: str, times: dict[str, list[float]], live: bool, trained: Any) -> dict[str, Any]:
    """Medians and ranges of one row."""
    ratios = [g / t for g, t in zip(times["Geant4"], times[name], strict=True)]
    median = statistics.median(times[name])
    run = {
        "us_per_shower": [round(1e6 * t, 3) for t in times[name]],
        "median_us": round(1e6 * median, 3),
        "showers_per_s": round(1.0 / median, 1),
        "ratio": round(statistics.median(ratios), 1),
        "ratio_range": [round(min(ratios), 1), round(max(ratios), 1)],
    }
    model = name.split(":")[0]
    if model in trained:
        run["trained"] = trained[model]
    return run | ({"live": live} if name == "Geant4" else {})


# ------------------------------------------------------------------------------ the quality


def quality(record: Record, folder: Path) -> None:
    """AUCs of each preset, and of its files, on TEST."""
    real = load("test").judge
    found = {name: pair for name, pair in models(folder).items() if pair[1]}
    if not {"default", "fast"} <= set(found):
        sys.exit(f"default-0.skhep and fast-0.skhep must be in {folder}")
    with tempfile.TemporaryDirectory() as exports:
        makers = {f"{name}: torch": model for name, (model, _) in found.items()}
        makers |= runners(found, Path(exports))
        for name, maker in makers.items():
            key = f"quality/{name}"
            if key in record:
                continue
            images = maker.sample(real.X, random_state=1)
            record.keep(**{key: aucs(real, Showers(real.X, images), STRONG)})
            told(name, record.runs[key])


# -------------------------------------------------------------------------------- the table


def table(runs: dict[str, Any]) -> str:
    """Rows as markdown."""
    head = ["", "µs a shower", "showers/s", "Geant4 ratio (range)", *STRONG]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, run in runs.items():
        if name.startswith("quality/"):
            continue
        judged = runs.get(f"quality/{name.removesuffix(', batch 1')}", {})
        low, high = run["ratio_range"]
        label = name if run.get("live", True) else f"{name} (recorded)"
        cells = [
            label,
            f"{run['median_us']:,.2f}",
            f"{run['showers_per_s']:,.0f}",
            f"{run['ratio']:,.0f} ({low:,.0f}–{high:,.0f})",
            *(f"{judged[j][0]:.3f} ± {judged[j][1]:.3f}" if j in judged else "–" for j in STRONG),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Time, judge or print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of trained models")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quality", action="store_true", help="judge instead of timing")
    parser.add_argument("--table", action="store_true", help="print what is there already")
    options = parser.parse_args()
    torch.set_num_threads(1)
    record = Record("speed_showers", SETTINGS)
    if options.quality:
        quality(record, options.models)
    elif not options.table:
        record.keep(**speed(options.models, options.rounds))
    print(table(record.runs))


if __name__ == "__main__":
    main()
