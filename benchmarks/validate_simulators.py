"""GFLASH and `simulate_geant4` beside the Geant4 showers of the data folder.

    python benchmarks/validate_simulators.py [--simulated FILE.npz …]

GFLASH runs under the very conditions of the Geant4 showers: fixed energies at normal incidence
(v_1, v_4, v_16, v_64), and the gun of the paper (two training files). FILE.npz are files of
benchmarks/simulate_showers.py; their conditions are drawn anew, so they are compared with the
training files as a whole. Errors are standard errors of the mean. Writes
results/validate_simulators.json and prints the table of docs/guide/simulators.md.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from _record import Record

from skhep_anomaly import load_calogan_npz, make_toy_showers, shower_observables
from skhep_anomaly.datasets import data_home

FIXED = ("v_1", "v_4", "v_16", "v_64")
GUN = ("e_401", "e_402")
MAKERS = {"geant4": "Geant4", "gflash": "GFLASH", "simulate_geant4": "`simulate_geant4`"}
DIGITS = {
    "visible fraction": 4,
    "R90 [mm]": 1,
    "empty cells": 4,
    "cells above 60 keV": 1,
    "σ/E": 4,
}


def read(paths) -> tuple[np.ndarray, np.ndarray]:
    parts = [load_calogan_npz(path) for path in paths]
    return np.concatenate([p.X for p in parts]), np.concatenate([p.images for p in parts])


def summary(X: np.ndarray, images: np.ndarray) -> dict[str, list[float]]:
    """Mean and its error of each quantity; the width of the response with its own error."""
    table = shower_observables(images, X)
    seen = table["response"]
    rows = {
        "visible fraction": seen,
        "R90 [mm]": 10 * table["r90"],
        "empty cells": (images == 0).mean(axis=(1, 2)),
        "cells above 60 keV": table["n_above_0.06"],
    }
    numbers = {
        name: [float(v.mean()), float(v.std() / math.sqrt(len(v)))] for name, v in rows.items()
    }
    width = float(seen.std() / seen.mean())
    return numbers | {"σ/E": [width, width / math.sqrt(2 * len(seen))]}


def main(simulated: list[str]) -> None:
    record = Record("validate_simulators", {"fixed": FIXED, "gun": GUN, "seed": 0})
    folder = data_home() / "calo"
    for name, files in {**{f: (f,) for f in FIXED}, "gun": GUN}.items():
        X, images = read(folder / f"{file}.npz" for file in files)
        toy = make_toy_showers(conditions=X, random_state=0)
        record.keep(
            **{f"{name} geant4": summary(X, images), f"{name} gflash": summary(X, toy.images)}
        )
    if simulated:
        record.keep(**{"gun simulate_geant4": summary(*read(simulated))})
    print(table(record.runs))


def table(runs: dict[str, dict[str, list[float]]]) -> str:
    """The runs as the table of the page."""
    lines = ["| energy | showers | " + " | ".join(DIGITS) + " |", "|---" * (2 + len(DIGITS)) + "|"]
    for name in (*FIXED, "gun"):
        energy = name if name == "gun" else f"{name[2:]} GeV"
        for who, label in MAKERS.items():
            run = runs.get(f"{name} {who}")
            if run:
                cells = [f"{run[q][0]:.{d}f} ± {run[q][1]:.{d}f}" for q, d in DIGITS.items()]
                lines.append(" | ".join([f"| {energy}", label, *cells]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulated", nargs="*", default=[], metavar="FILE.npz")
    main(parser.parse_args().simulated)
