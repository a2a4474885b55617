"""The data sets of the (1+ε)-class tables: what trains, which anomalies are known, what tests.

The normal class of each set:

- HIGGS (UCI, 28 features), SUSY-like (Pythia, chargino pairs against WW, 14 features) and HiggsML
  (30 features; −999 becomes the median of the normal training rows, for every method alike; no
  weights): background.
- LHCO: QCD dijets; anomalies are W' → XY. For each of the two leading jets pT, η, mass, τ1, τ2 and
  τ3: the angle φ carries nothing, the energy follows from the others, rings and prong counts say
  what the τ say. CATHODE: the same events as m_jj, lighter mass, mass difference and two τ21.
- MAGIC (22_magic.gamma of ADBench): gamma showers, as ADBench has it.
- KDD-99 (10 % file; numbers and one column per value of the three categories): `normal.`; the known
  anomalies are denial of service and nothing else, the test has all other kinds and no denial of
  service.

Equal rows count once. Each set is cut in halves by a fixed permutation: "choose", whose rows serve
to choose settings (seeds 100 and up), and "quote" (seeds 0 to 99). A half never lends rows to the
other. In a half and for a seed, the test rows come first: at most 3,000 of each class, a third of
the normal rows, two thirds of the anomalies (all where known kinds differ), the same number of
both. Of the remaining normal rows at most 6,000 train, of the remaining anomalies the first K are
known, so that test and normal rows are the same for all K and a larger K has the smaller in it.

    draw("HIGGS", 20, 100)  ->  Task(X_normal, X_known, X_test, y_test)      (y_test: 1 = anomaly)
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skhep_anomaly import MissingSentinel
from skhep_anomaly.datasets import data_home, load_higgs, load_higgsml, load_lhco, load_susy

CHOOSE_FROM = 100  # seeds from here on belong to "choose"
MOST_TRAIN, MOST_TEST = 6_000, 3_000
MOST_TRAIN_FILE, MOST_TEST_FILE = 1_000_000, 20_000
DOS = ("neptune.", "back.", "teardrop.", "smurf.", "pod.", "land.")
FILES: dict[str, Path] = {}  # the user's own whole files, by the name of their set


class Events(NamedTuple):
    """A whole set: which rows are normal, may be known as anomalies, are tested as anomalies."""

    X: np.ndarray
    normal: np.ndarray
    known: np.ndarray
    tested: np.ndarray


class Half(NamedTuple):
    """The row numbers of one half; `tested` is None where known and tested share their pool."""

    X: np.ndarray
    normal: np.ndarray
    known: np.ndarray
    tested: np.ndarray | None
    most_train: int
    most_test: int


class Task(NamedTuple):
    """What a method sees, and y_test to judge it (1 = anomaly)."""

    X_normal: np.ndarray
    X_known: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    def labelled(self) -> tuple[np.ndarray, np.ndarray]:
        """Training rows and labels, 1 = known anomaly."""
        y = np.repeat([0, 1], [len(self.X_normal), len(self.X_known)])
        return np.concatenate([self.X_normal, self.X_known]), y


# ------------------------------------------------------------------------------- the sets


def two_classes(X: np.ndarray, y: np.ndarray) -> Events:
    odd = np.asarray(y).ravel() == 1
    return Events(np.asarray(X, dtype=np.float32), ~odd, odd, odd)


def higgs() -> Events:
    bunch = load_higgs(data_home() / "uci_higgs" / "higgs_uci_dev.parquet")
    return two_classes(bunch.X, bunch.y)


def higgsml() -> Events:
    bunch = load_higgsml(data_home() / "higgsml" / "higgsml_dev.parquet")
    return two_classes(bunch.X, bunch.y)


def susy_like() -> Events:
    parts = []
    for name in ("susy_bkg", "susy_sig"):
        with np.load(data_home() / "pythia" / f"{name}.npz") as file:
            parts.append(file["X"])
    return two_classes(np.concatenate(parts), np.repeat([0, 1], [len(part) for part in parts]))


def lhco() -> Events:
    bunch = load_lhco(data_home() / "lhco" / "lhco_rd_75k.parquet")
    wanted = [
        f"{part}_{jet}" for jet in (1, 2) for part in ("pt", "eta", "mass", "tau1", "tau2", "tau3")
    ]
    names = list(bunch.feature_names)
    return two_classes(bunch.X[:, [names.index(name) for name in wanted]], bunch.y)


def cathode() -> Events:
    with np.load(data_home() / "lhco" / "cathode_SR_train.npz") as file:
        rows = np.concatenate([file["train_mixed"], file["extra_signal"]])
    return two_classes(rows[:, :5], rows[:, 5])


def magic() -> Events:
    with np.load(data_home() / "adbench" / "22_magic.gamma.npz") as file:
        return two_classes(file["X"], file["y"])


def kdd() -> Events:
    import pandas as pd

    path = data_home() / "kdd_odds" / "kddcup.data_10_percent.gz"
    frame = pd.read_csv(path, header=None).drop_duplicates()
    kind = frame.pop(41)
    X = pd.get_dummies(frame, columns=[1, 2, 3], dtype=np.float32).to_numpy(np.float32)
    normal, dos = (kind == "normal.").to_numpy(), kind.isin(DOS).to_numpy()
    return Events(X, normal, dos, ~normal & ~dos)


def whole_file(name: str) -> Callable[[], Events]:
    """The user's HIGGS.csv.gz or SUSY.csv.gz."""
    reader = {"HIGGS file": load_higgs, "SUSY file": load_susy}[name]

    def read() -> Events:
        bunch = reader(FILES[name])
        return two_classes(bunch.X, bunch.y)

    return read


class Set(NamedTuple):
    read: Callable[[], Events]
    known: tuple[int | str, ...]  # numbers K of known anomalies; "all" takes the rest of the half


SETS: dict[str, Set] = {
    "HIGGS": Set(higgs, (0, 20, 100, 200, 1000, "all")),
    "SUSY-like": Set(susy_like, (0, 20, 100, 200, 1000)),
    "HiggsML": Set(higgsml, (0, 20, 200)),
    "LHCO": Set(lhco, (0, 20, 200)),
    "CATHODE": Set(cathode, (0, 20, 200)),
    "MAGIC": Set(magic, (0, 20, 200)),
    "KDD-99": Set(kdd, (0, 20, 200)),
    "HIGGS file": Set(whole_file("HIGGS file"), (0, 100, 1000, 10_000, 1_000_000)),
    "SUSY file": Set(whole_file("SUSY file"), (0, 100, 1000, 10_000, 1_000_000)),
}


# --------------------------------------------------------------------- halves and draws


def part_of(seed: int) -> str:
    return "choose" if seed >= CHOOSE_FROM else "quote"


@lru_cache(maxsize=4)
def read(name: str) -> Events:
    return SETS[name].read()


@lru_cache(maxsize=16)
def load(name: str, part: str) -> Half:
    """One half of a set: each class is cut in two by a permutation that never changes."""
    events = read(name)
    rng = np.random.default_rng([1906, 6096, zlib.crc32(name.encode())])
    rows = np.flatnonzero(first_of_equals(events.X)) if name not in FILES else slice(None)
    order = rng.permutation(np.arange(len(events.X))[rows])
    shared = bool((events.known == events.tested).all())

    def half(mask: np.ndarray) -> np.ndarray:
        own = order[mask[order]]
        middle = len(own) // 2
        return own[:middle] if part == "choose" else own[middle:]

    sizes = (MOST_TRAIN_FILE, MOST_TEST_FILE) if name in FILES else (MOST_TRAIN, MOST_TEST)
    tested = None if shared else half(events.tested)
    return Half(events.X, half(events.normal), half(events.known), tested, *sizes)


def first_of_equals(X: np.ndarray) -> np.ndarray:
    first = np.zeros(len(X), dtype=bool)
    first[np.unique(X, axis=0, return_index=True)[1]] = True
    return first


def draw(name: str, known: int | str, seed: int) -> Task:
    """The rows of one run; the seed says the half."""
    X, normal, odd, tested, most_train, most_test = load(name, part_of(seed))
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    normal, odd = rng.permutation(normal), rng.permutation(odd)
    most_odd = 2 * len(odd) // 3 if tested is None else len(tested)
    n_test = min(most_test, len(normal) // 3, most_odd)
    if tested is None:
        tested, odd = odd[:n_test], odd[n_test:]
    else:
        tested = rng.permutation(tested)[:n_test]
    n_known = len(odd) if known == "all" else int(known)
    if n_known > len(odd):
        msg = f"{name}: {n_known} known anomalies asked for, this half has {len(odd)} to give"
        raise ValueError(msg)
    train, known_rows = X[normal[n_test:][:most_train]], X[odd[:n_known]]
    parts = train, known_rows, np.concatenate([X[normal[:n_test]], X[tested]])
    if name == "HiggsML":
        filled = MissingSentinel().fit(train)
        parts = tuple(filled.transform(rows) if len(rows) else rows for rows in parts)
    return Task(*parts, np.repeat([0, 1], n_test))
