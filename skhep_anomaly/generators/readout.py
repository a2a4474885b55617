"""From deposits to what electronics read out: photo-electrons, saturation, noise, zero suppression.

    t → Poisson(a·t)/a           a photo-electrons per MeV
      → min(t, T)                saturation of the channel
      → t + σ·N(0, 1)            noise of the electronics
      → t if t ≥ θ, else 0       zero suppression

in this order; every step is left out unless asked for. Deposits of Geant4 and of the generators
have none of them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._random import seed_sequence
from skhep_anomaly._validation import iter_slices

__all__ = ["readout"]

_BLOCK = 256  # images that share a stream of random numbers
_MOST_ELECTRONS = 1e18  # of a Poisson number


def readout(
    images: Any,
    *,
    photostatistics: float | None = None,
    saturation: float | None = None,
    noise: float | None = None,
    threshold: float | None = None,
    random_state: Any = None,
) -> NDArray[np.float32]:
    """Read out images as electronics would.

    Parameters
    ----------
    images : array-like of shape (n, ...)
        Deposits [MeV] ≥ 0.
    photostatistics : float, default=None
        Photo-electrons per MeV, > 0: the relative spread of a deposit t is 1/√(a·t). None: endless.
    saturation : float, default=None
        Largest deposit that a cell can tell [MeV], > 0.
    noise : float, default=None
        Standard deviation of Gaussian noise in each cell [MeV], ≥ 0. Without `threshold` cells may
        then be negative.
    threshold : float, default=None
        Cells below it are set to zero [MeV], ≥ 0.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the first and third; image i's numbers do not depend on how many follow.

    Returns
    -------
    ndarray of the shape of `images`
        [MeV], float32; never the memory of `images`.

    Raises
    ------
    ValueError
        If a number is out of its range, or a deposit is negative, NaN or infinite.

    Examples
    --------
    >>> from skhep_anomaly import readout
    >>> readout([[0.004, 2.0, 900.0]], saturation=500.0, threshold=0.01)
    array([[  0.,   2., 500.]], dtype=float32)
    """
    steps = {"photostatistics": photostatistics, "saturation": saturation}
    _check_numbers({**steps, "noise": noise, "threshold": threshold}, positive=tuple(steps))
    read = np.array(images, dtype=np.float32, ndmin=1)
    _check_deposits(read)
    seeds = seed_sequence(random_state)
    for k, rows in enumerate(iter_slices(len(read), _BLOCK)):
        key = np.random.SeedSequence(seeds.entropy, spawn_key=(*seeds.spawn_key, k))
        photons, electronics = (np.random.default_rng(child) for child in key.spawn(2))
        cells = read[rows]
        if photostatistics is not None:
            cells[:] = _electrons(cells, photostatistics, photons) / photostatistics
        if saturation is not None:
            np.minimum(cells, np.float32(saturation), out=cells)
        if noise:
            cells += np.float32(noise) * electronics.standard_normal(cells.shape, np.float32)
        if threshold is not None:
            cells[cells < np.float32(threshold)] = 0.0
    return read


def _electrons(
    cells: NDArray[np.float32], per_mev: float, generator: np.random.Generator
) -> NDArray[np.int64]:
    mean = cells.astype(np.float64) * per_mev
    if mean.max(initial=0.0) > _MOST_ELECTRONS:
        raise ValueError(
            f"photostatistics={per_mev!r} gives {mean.max():.2g} photo-electrons in a cell, too "
            "many to count: leave it out, or check the unit of the images (MeV)."
        )
    return generator.poisson(mean)


def _check_numbers(numbers: dict[str, float | None], positive: tuple[str, ...]) -> None:
    for name, value in numbers.items():
        if value is None:
            continue
        least = math.ulp(0.0) if name in positive else 0.0
        real = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not (real and least <= value < math.inf):
            allowed = "> 0" if name in positive else ">= 0"
            raise ValueError(f"{name}={value!r} must be a finite number {allowed}, or None.")


def _check_deposits(images: NDArray[np.float32]) -> None:
    bad = int((~(np.isfinite(images) & (images >= 0))).sum())
    if bad:
        raise ValueError(
            f"images must hold deposits >= 0 [MeV]: {bad} cells are negative, NaN or infinite."
        )
