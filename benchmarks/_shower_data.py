"""The Geant4 showers of the benchmarks, in a split that is the same everywhere.

    TEST     quoted, never used for a choice          e_406 e_407                     3,000
    CHOICE   settings are chosen on it                e_101 e_102                     3,000
    TRAIN    everything is trained on it              e_401 … e_405, e_201 … e_203    8,700
    EXTRA    for the large test, simulated later      e_5*.npz of a folder of the user's

While settings are chosen, models see TRAIN and are judged on CHOICE; when they are quoted, they see
TRAIN + CHOICE and are judged on TEST (+ EXTRA). EXTRA comes from `simulate_geant4` with recorded
seeds; its folder is named by --extra or SKHEP_ANOMALY_EXTRA_SHOWERS.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skhep_anomaly.datasets import data_home, load_calogan_npz

TEST = ("e_406", "e_407")
CHOICE = ("e_101", "e_102")
TRAIN = ("e_401", "e_402", "e_403", "e_404", "e_405", "e_201", "e_202", "e_203")
EXTRA_FOLDER = "SKHEP_ANOMALY_EXTRA_SHOWERS"
SPLITS = ("test", "choice")


@dataclass(frozen=True)
class Showers:
    """Conditions (n, 5) [GeV, cm] and images (n, 30, 30) [MeV]."""

    X: np.ndarray
    images: np.ndarray

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: slice | np.ndarray) -> Showers:
        return Showers(self.X[rows], self.images[rows])


class Split(NamedTuple):
    """What a model sees, what it is judged on, and other real showers for the floor."""

    train: Showers
    judge: Showers
    floor: Showers
    strong: Showers


def load(split: str, extra: str | None = None) -> Split:
    """The showers of a split; `strong` is the judge's and, where quoted, those of `extra`.

    The floor holds real showers under other conditions, as many as are judged.
    """
    train, choice = read(TRAIN), read(CHOICE)
    if split == "choice":
        return Split(train, choice, train[: len(choice)], choice)
    test = read(TEST)
    return Split(join([train, choice]), test, choice, join([test, *extras(extra)]))


def read(names: Iterable[str]) -> Showers:
    """Showers of files in calo of the data folder."""
    return join([_read(data_home() / "calo" / f"{name}.npz") for name in names])


def extras(folder: str | None = None) -> list[Showers]:
    """Showers of the user's folder, file by file; none where it is not named."""
    named = folder or os.environ.get(EXTRA_FOLDER)
    if not named:
        return []
    files = sorted(Path(named).glob("e_5*.npz"))
    if not files:
        raise FileNotFoundError(f"{named} holds no e_5*.npz")
    return [_read(file) for file in files]


def join(parts: list[Showers]) -> Showers:
    """One set of showers of several."""
    return Showers(
        np.concatenate([part.X for part in parts]), np.concatenate([part.images for part in parts])
    )


def _read(path: Path) -> Showers:
    bunch = load_calogan_npz(path)
    return Showers(bunch.X.astype(np.float32), bunch.images)
