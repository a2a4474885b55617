"""Images for the (1+ε)-class tables: what trains, which anomalies are known, what tests.

Each class (CIFAR-10) or alphabet (Omniglot) in turn is normal; the known anomalies are 10 images
from each of 1, 2 or 4 other classes, drawn anew for each seed and nested; the test is held-out
normal images against images of ALL other classes, as in Borisyak et al., arXiv:1906.06096.

- CIFAR-10 (1,100 images a class: a tenth of its training part and of its test part). A fixed
  permutation sets 300 images of each class aside for the quoted tests; the other 800 train, or are
  cut 600 : 200 where settings are chosen.
- Omniglot (background part, 30 alphabets). Greek, Braille and Futurama are quoted, as published.
  Settings are chosen with other alphabets as normal, and none of those three as anomalies. For each
  seed 70 % of the normal images train; the test has 100 images of each other alphabet.

The features are the same for every method, because the table compares methods, not image nets:
histograms of the direction of the gradient, weighted by its size (8 directions on 4 × 4 cells,
square roots), for CIFAR-10 beside the mean colour of 4 × 4 cells; then 32 principal components
learnt from the normal training images.

    draw("CIFAR-10", "cat", 4, seed)  ->  Task(X_normal, X_known, X_test, y_test)    (1 = anomaly)
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from _ope_data import Task, part_of
from sklearn.decomposition import PCA

from skhep_anomaly.datasets import data_home

CLASSES = ["airplane", "automobile", "bird", "cat", "deer"]
CLASSES += ["dog", "frog", "horse", "ship", "truck"]
TURNS = {
    "quote": {"CIFAR-10": CLASSES, "Omniglot": ["Greek", "Braille", "Futurama"]},
    "choose": {
        "CIFAR-10": ["airplane", "cat", "frog"],
        "Omniglot": ["Latin", "Hebrew", "N_Ko"],
    },
}
PER_CLASS, DIRECTIONS, CELLS, COMPONENTS = 10, 8, 4, 32
ASIDE, CHOOSE_TRAIN, TEST_PER_ALPHABET, OMNIGLOT_TRAIN = 300, 600, 100, 0.7


class Images(NamedTuple):
    """Pixels (n, h, w, channels) in [0, 1], features, and the class of each."""

    pixels: np.ndarray
    features: np.ndarray
    kind: np.ndarray


class Rows(NamedTuple):
    """Row numbers of one run."""

    normal: np.ndarray
    known: np.ndarray
    test: np.ndarray
    y_test: np.ndarray


# ------------------------------------------------------------------------------ features


def in_cells(x: np.ndarray, cells: int) -> np.ndarray:
    """Mean over square cells: (n, h, w, k) → (n, cells, cells, k); a rest at the edge is cut."""
    size = x.shape[1] // cells
    x = x[:, : cells * size, : cells * size]
    return x.reshape(len(x), cells, size, cells, size, -1).mean(axis=(2, 4))


def directions(grey: np.ndarray) -> np.ndarray:
    """Size of the gradient shared out to the two nearest of 8 directions, mod 180°, per cell."""
    gx, gy = np.zeros_like(grey), np.zeros_like(grey)
    gx[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    gy[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    angle = (np.arctan2(gy, gx) % np.pi) / np.pi * DIRECTIONS
    away = np.abs(angle[..., None] - np.arange(DIRECTIONS, dtype=np.float32))
    share = np.clip(1 - np.minimum(away, DIRECTIONS - away), 0, None)
    return in_cells(np.hypot(gx, gy)[..., None] * share, CELLS).reshape(len(grey), -1)


def features_of(pixels: np.ndarray) -> np.ndarray:
    """Roots of gradient histograms, normalised per cell for photographs, and mean colours."""
    parts = [directions(some.mean(axis=-1)) for some in np.array_split(pixels, 20)]
    histogram = np.concatenate(parts)
    if pixels.shape[-1] == 1:  # drawings: how much ink there is tells alphabets apart
        return np.sqrt(histogram)
    cells = histogram.reshape(len(pixels), -1, DIRECTIONS)
    cells = np.sqrt(cells / (cells.sum(axis=-1, keepdims=True) + 1e-3)) / 2
    colour = in_cells(pixels, CELLS).reshape(len(pixels), -1)
    return np.concatenate([cells.reshape(len(pixels), -1), colour], axis=1)


# ---------------------------------------------------------------------------------- sets


@lru_cache(maxsize=2)
def load(name: str) -> Images:
    pixels, kind = {"CIFAR-10": cifar, "Omniglot": omniglot}[name]()
    return Images(pixels, features_of(pixels).astype(np.float32), kind)


def cifar() -> tuple[np.ndarray, np.ndarray]:
    with np.load(data_home() / "cifar10" / "cifar10_dev_10k.npz") as file:
        x = np.concatenate([file["x"], file["x_test1k"]])
        y = np.concatenate([file["y"], file["y_test1k"]])
    return x.astype(np.float32) / 255, np.array(CLASSES)[y]


def omniglot() -> tuple[np.ndarray, np.ndarray]:
    with np.load(data_home() / "omniglot" / "images_background.npz") as file:
        ink = 1 - file["images"].reshape(-1, 105, 105, 1).astype(np.float32)
        character = np.repeat(file["labels"][:, 0] + 1, 20)
    pixels = in_cells(ink, 52)
    ranges = json.loads((data_home() / "omniglot" / "alphabet_ranges.json").read_text("utf-8"))
    kind = np.full(len(pixels), "", dtype="U32")
    for alphabet, (first, last) in ranges.items():
        kind[(character >= first) & (character <= last)] = alphabet
    return pixels, kind


# --------------------------------------------------------------------------------- draws


def rows_of(name: str, turn: str, n_classes: int, seed: int) -> Rows:
    """Choose the rows of one run; test and normal rows are the same for every number of classes."""
    kind = load(name).kind
    rng = np.random.default_rng([seed, *turn.encode()])
    pools = {"CIFAR-10": cifar_pools, "Omniglot": omniglot_pools}[name](kind, turn, seed, rng)
    others = [each for each in pools if each != turn]
    chosen = rng.permutation(others)[:4][:n_classes]
    known = [pools[each][0][:PER_CLASS] for each in chosen]
    test = [pools[turn][1], *(pools[each][1] for each in others)]
    odd = sum(len(part) for part in test[1:])
    return Rows(
        pools[turn][0],
        np.concatenate([*known, np.empty(0, dtype=np.intp)]).astype(np.intp),
        np.concatenate(test),
        np.repeat([0, 1], [len(test[0]), odd]),
    )


Pools = dict[str, tuple[np.ndarray, np.ndarray]]  # class -> rows that may train, rows that test


def cifar_pools(kind: np.ndarray, turn: str, seed: int, rng: np.random.Generator) -> Pools:
    fixed = np.random.default_rng([1906, 6096]).permutation(len(kind))
    pools = {}
    for each in CLASSES:
        own = fixed[kind[fixed] == each]
        test, rest = own[:ASIDE], rng.permutation(own[ASIDE:])
        if part_of(seed) == "choose":
            rest, test = rest[:CHOOSE_TRAIN], rest[CHOOSE_TRAIN:]
        pools[each] = rest, test
    return pools


def omniglot_pools(kind: np.ndarray, turn: str, seed: int, rng: np.random.Generator) -> Pools:
    left_out = TURNS["quote"]["Omniglot"] if part_of(seed) == "choose" else []
    pools = {}
    for each in np.unique(kind):
        own = rng.permutation(np.flatnonzero(kind == each))
        if each == turn:
            middle = round(OMNIGLOT_TRAIN * len(own))
            pools[str(each)] = own[:middle], own[middle:]
        elif each not in left_out:
            pools[str(each)] = own[:PER_CLASS], own[PER_CLASS:][:TEST_PER_ALPHABET]
    return pools


@lru_cache(maxsize=4)
def components(name: str, turn: str, seed: int) -> PCA:
    normal = rows_of(name, turn, 0, seed).normal
    pca = PCA(COMPONENTS, svd_solver="randomized", random_state=0)
    return pca.fit(load(name).features[normal])


def draw(name: str, turn: str, n_classes: int, seed: int) -> Task:
    """The features of one run; the seed says whether it is quoted or chooses."""
    rows, pca = rows_of(name, turn, n_classes, seed), components(name, turn, seed)
    X = load(name).features
    known = X[rows.known]
    z = [pca.transform(part) if len(part) else part[:, :COMPONENTS]
         for part in (X[rows.normal], known, X[rows.test])]  # fmt: skip
    return Task(*z, rows.y_test)


def draw_pixels(name: str, turn: str, n_classes: int, seed: int, size: int = 16) -> Task:
    """The same rows as images (channels, size, size)."""
    rows, pixels = rows_of(name, turn, n_classes, seed), load(name).pixels
    small = [np.ascontiguousarray(in_cells(pixels[index], size).transpose(0, 3, 1, 2))
             for index in (rows.normal, rows.known, rows.test)]  # fmt: skip
    return Task(*small, rows.y_test)
