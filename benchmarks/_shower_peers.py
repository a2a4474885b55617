"""What a trained generator stands beside: a library, GFLASH, real showers, and spoilt ones.

*Library*: the training shower whose conditions are nearest in the canonical frame (mirrored,
transposed and shifted by whole cells into it, so each serves eight directions), cells times the
ratio of the energies. It replays what it has: `n_distinct` says how many showers there are in a
sample, which no classifier of single showers sees.

*GFLASH, tuned*: its four numbers that belong to the calorimeter rather than to physics (visible
fraction, sampling fluctuation, Molière radius, weight of the core) by coordinate search for the
least W1/sd on training showers alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from _shower_data import Showers
from sklearn.neighbors import NearestNeighbors

from skhep_anomaly.metrics.shower_features import spoil_showers
from skhep_anomaly.metrics.shower_observables import shower_observables
from skhep_anomaly.metrics.wasserstein import wasserstein_table
from skhep_anomaly.nn.shower_frame import ShowerFrame
from skhep_anomaly.simulators import gflash, make_toy_showers

CELL = 2.02  # cm
GFLASH_NUMBERS = ("VISIBLE", "SAMPLING", "RM", "CORE_SHIFT")
SMEAR = 0.3


# --------------------------------------------------------------------------------- library


class Library:
    """Training showers that are looked up by condition."""

    def __init__(self, train: Showers) -> None:
        n, nx, ny = train.images.shape
        flat = train.images.reshape(n, -1)
        self.frame = ShowerFrame((nx, ny), CELL)
        self.frame.learn_depth(train.X.astype(np.float64), _centroids(train.images), None)
        self.frame.learn(train.X.astype(np.float64), None)
        framed = self.frame(torch.from_numpy(train.X))
        self.energy = framed.energy.numpy()
        self.maps = np.zeros((n, int(np.prod(self.frame.map_shape))), dtype=np.float32)
        np.put_along_axis(self.maps, framed.cells.numpy(), flat, axis=1)
        self.near = NearestNeighbors(n_neighbors=1).fit(framed.c.numpy())

    def sample(self, X: np.ndarray) -> np.ndarray:
        """Showers (n, nx, ny) for conditions (n, 5); the same ones each time."""
        framed = self.frame(torch.from_numpy(np.asarray(X, dtype=np.float32)))
        chosen = self.near.kneighbors(framed.c.numpy(), return_distance=False)[:, 0]
        flat = np.take_along_axis(self.maps[chosen], framed.cells.numpy(), axis=1)
        flat *= (framed.energy.numpy() / self.energy[chosen])[:, None]
        return flat.reshape(len(flat), *self.frame.shape)


def _centroids(images: np.ndarray) -> np.ndarray:
    """Centre of gravity [cm] of each image, (n, 2)."""
    total = images.sum(axis=(1, 2), dtype=np.float64).clip(min=1e-12)
    places = [(np.arange(size) - (size - 1) / 2) * CELL for size in images.shape[1:]]
    sums = [images.sum(axis=2) @ places[0], images.sum(axis=1) @ places[1]]
    return np.column_stack(sums) / total[:, None]


def n_distinct(images: np.ndarray) -> int:
    """Number of showers that are not another one mirrored, transposed, moved or rescaled.

    Told by the number of lit cells and the sorted shares of the eight hottest ones.
    """
    flat = images.reshape(len(images), -1)
    top = -np.partition(-flat, 8, axis=1)[:, :8]
    share = np.sort(top, axis=1) / flat.sum(axis=1, keepdims=True).clip(min=1e-12)
    return len(np.unique(np.column_stack([share.round(4), (flat > 0).sum(axis=1)]), axis=0))


# ---------------------------------------------------------------------------------- GFLASH


@contextmanager
def gflash_numbers(**numbers: float) -> Iterator[None]:
    """GFLASH with other numbers of the calorimeter."""
    before = {name: getattr(gflash, name) for name in numbers}
    try:
        for name, value in numbers.items():
            setattr(gflash, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(gflash, name, value)


def tuned_gflash(train: Showers, n: int = 600, rounds: int = 2) -> dict[str, float]:
    """The numbers with the least mean W1/sd on `n` training showers."""
    real = train[: min(n, len(train))]
    table = shower_observables(real.images, real.X)

    def far(numbers: dict[str, float]) -> float:
        with gflash_numbers(**numbers):
            images = make_toy_showers(conditions=real.X, random_state=0).images
        made = shower_observables(images, real.X)
        return wasserstein_table(table, made, n_bootstrap=2, random_state=0).mean.value

    best = {name: float(getattr(gflash, name)) for name in GFLASH_NUMBERS}
    least, step = far(best), 0.1
    for _ in range(rounds):
        for name in GFLASH_NUMBERS:
            for sign in (1, -1):
                trial = {**best, name: best[name] * (1 + sign * step)}
                distance = far(trial)
                if distance < least:
                    least, best = distance, trial
        step /= 3
    return best


def sample_gflash(X: np.ndarray, numbers: dict[str, float], seed: int) -> np.ndarray:
    """Showers of GFLASH (n, 30, 30)."""
    with gflash_numbers(**numbers):
        return make_toy_showers(conditions=X, random_state=seed).images


# -------------------------------------------------------------------------------- controls


def neighbours_in_energy(real: Showers) -> Showers:
    """Real showers, each under the conditions of the one next to it in energy."""
    order = np.argsort(np.linalg.norm(real.X[:, :3], axis=1), kind="stable")
    other = np.arange(len(order)) ^ 1
    other[other >= len(order)] = len(order) - 1
    swapped = np.empty_like(order)
    swapped[order] = order[other]
    return Showers(real.X, real.images[swapped])


def smeared(real: Showers, seed: int) -> Showers:
    """Real showers whose cells are multiplied by exp(0.3 N(0, 1))."""
    images, _ = spoil_showers(real.images, real.X, smear=SMEAR, random_state=seed)
    return Showers(real.X, images.astype(np.float32))


def spoilt(real: Showers, seed: int) -> Showers:
    """Smeared showers under the conditions of others, the positive control of the networks."""
    images, X = spoil_showers(real.images, real.X, smear=SMEAR, random_state=seed)
    return Showers(X.astype(np.float32), images.astype(np.float32))
