"""Cut the Geant4 showers that ship with the package out of the full files.

    python benchmarks/make_embedded_showers.py [FOLDER] [TARGET.npz]

FOLDER is by default calo in the data folder, TARGET the file in the package. The first 250 showers
of each training file are taken, 2,000 in all; the files that scores are quoted on are not touched.
The script reads the result back and compares before it reports. The same source gives the same
bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from skhep_anomaly._atomic import replacing
from skhep_anomaly.datasets import data_home
from skhep_anomaly.datasets._shower_code import EMBEDDED_FILE, decode, encode

FILES = ("e_401", "e_402", "e_403", "e_404", "e_405", "e_201", "e_202", "e_203")
ROWS_PER_FILE = 250
MOST_BYTES = 2_000_000
LARGEST_ERROR = 5e-4


def main(folder: Path, target: Path) -> None:
    images, momentum, point = read(folder)
    decoded = decode(encode(images, momentum, point))
    error = compare((images, momentum, point), decoded)
    with replacing(target) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **encode(images, momentum, point))
    size = target.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{target} has {size} bytes, more than {MOST_BYTES}")
    print(f"{target}: {len(images)} showers, {size} bytes, largest relative error {error:.2e}")


def read(folder: Path) -> tuple[np.ndarray, ...]:
    """Images [MeV], momenta [GeV] and points [cm] of the chosen rows."""
    parts: list[tuple[np.ndarray, ...]] = []
    for name in FILES:
        with np.load(folder / f"{name}.npz", allow_pickle=False) as file:
            keys = ("EnergyDeposit", "ParticleMomentum", "ParticlePoint")
            parts.append(tuple(file[key][:ROWS_PER_FILE] for key in keys))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def compare(source: tuple[np.ndarray, ...], decoded: tuple[np.ndarray, ...]) -> float:
    """Conditions and empty cells are exact; the largest relative error of the other cells."""
    if not all(np.array_equal(a, b) for a, b in zip(source[1:], decoded[1:], strict=True)):
        sys.exit("the conditions are not coded exactly")
    filled = source[0] > 0
    if not np.array_equal(filled, decoded[0] > 0):
        sys.exit("a cell gained or lost all its energy")
    error = float(np.abs(decoded[0][filled] / source[0][filled].astype(np.float64) - 1).max())
    if error > LARGEST_ERROR:
        sys.exit(f"relative error {error}, more than {LARGEST_ERROR}")
    return error


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    default = [data_home() / "calo", EMBEDDED_FILE]
    main(*(given + default[len(given) :]))
