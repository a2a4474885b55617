"""Wasserstein distances of observables, in units of the real spread, beside what noise alone gives.

    W₁ = ∫ |F_real(t) − F_fake(t)| dt,      shown as W₁ / sd(real)

A shift of 3 % of a standard deviation reads .03. Two real samples of 3,000 rows read about .027:
W₁ is positive by noise, as √(1/n₁ + 1/n₂), so that a value means nothing without its floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from skhep_anomaly._random import numpy_generator, seed_sequence
from skhep_anomaly.metrics.sample_pair import (
    Estimate,
    SamplePair,
    check_number,
    draw_pair,
    read_pair,
    take_pair,
)

__all__ = ["WassersteinTable", "wasserstein_table"]


@dataclass(frozen=True)
class WassersteinTable:
    """W₁ of each observable, divided by the real standard deviation.

    Parameters
    ----------
    names : tuple of str
        The observables.
    w1 : ndarray of shape (k,)
        W₁ / sd(real).
    std : ndarray of shape (k,)
        Bootstrap errors.
    floor : ndarray of shape (k,)
        The same of two real samples, brought to the sizes compared.
    mean : Estimate
        Mean of `w1` over the observables and its error.
    largest : Estimate
        Largest of `w1` and its error.
    """

    names: tuple[str, ...]
    w1: NDArray[np.float64]
    std: NDArray[np.float64]
    floor: NDArray[np.float64]
    mean: Estimate
    largest: Estimate

    def __str__(self) -> str:
        width = max(len(name) for name in (*self.names, "largest"))
        lines = [f"{'W1 / sd(real)':<{width}}   value   error   floor"]
        rows = [*zip(self.names, self.w1, self.std, self.floor, strict=True)]
        rows.append(("mean", *self.mean, self.floor.mean()))
        rows.append(("largest", *self.largest, self.floor.max()))
        lines += [f"{name:<{width}}  {w:6.3f}  {e:6.3f}  {f:6.3f}" for name, w, e, f in rows]
        return "\n".join(lines)


def wasserstein_table(
    real: Any,
    fake: Any,
    *,
    real_2: Any = None,
    names: Any = None,
    n_bootstrap: int = 30,
    weight_real: Any = None,
    weight_fake: Any = None,
    random_state: Any = None,
) -> WassersteinTable:
    """Give W₁ / sd(real) of each column, with errors and the real-against-real floor.

    Parameters
    ----------
    real : array-like of shape (n_real, k)
        Features of the real sample, such as `shower_observables`.
    fake : array-like of shape (n_fake, k)
        The same features of the generated sample.
    real_2 : array-like of shape (n, k), default=None
        A second real sample for the floor. None: the floor comes from random halves of `real`. Both
        are scaled by √(1/n₁ + 1/n₂) to the sizes of `real` and `fake`.
    names : sequence of str, default=None
        Names of the columns; None takes those of `real`, or numbers them.
    n_bootstrap : int, default=30
        Resamplings for the errors.
    weight_real : array-like of shape (n_real,), default=None
        Weights ≥ 0.
    weight_fake : array-like of shape (n_fake,), default=None
        Weights ≥ 0.
    random_state : int, RandomState, Generator or None, default=None
        Seed of halves and resamplings.

    Returns
    -------
    WassersteinTable
        ``w1``, ``std``, ``floor``, ``mean``, ``largest``; ``print`` shows it as text.

    Raises
    ------
    ValueError
        If the samples, their names or weights do not fit together.

    Notes
    -----
    A column that is constant in the real sample is not divided by its spread.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly import wasserstein_table
    >>> real = np.random.default_rng(0).normal(size=(1000, 2))
    >>> table = wasserstein_table(real, real + real.std(axis=0) * [0, 0.5], random_state=0)
    >>> table.w1.round(3).tolist()
    [0.0, 0.5]
    """
    names = names if names is not None else getattr(real, "names", None)
    pair = read_pair(real, fake, weight_real, weight_fake, min_rows=4)
    n_columns = pair.real.shape[1]
    names = tuple(names) if names is not None else tuple(str(i) for i in range(n_columns))
    if len(names) != n_columns:
        raise ValueError(f"names holds {len(names)} names for {n_columns} columns.")
    rng = numpy_generator(seed_sequence(random_state))
    spread = _spread(pair)
    value = _distances(pair) / spread
    draws = [
        _distances(draw_pair(pair, rng)) / spread
        for _ in range(check_number("n_bootstrap", n_bootstrap, 2))
    ]
    errors = [np.std(draw, axis=0, ddof=1) for draw in (draws, np.mean(draws, axis=1))]
    return WassersteinTable(
        names,
        value,
        errors[0],
        _floor(pair, real_2, rng) / spread,
        Estimate(float(value.mean()), float(errors[1])),
        Estimate(float(value.max()), float(errors[0][value.argmax()])),
    )


def _spread(pair: SamplePair) -> NDArray[np.float64]:
    real = np.asarray(pair.real, dtype=np.float64)
    mean = np.average(real, axis=0, weights=pair.weight_real)
    spread = np.sqrt(np.average((real - mean) ** 2, axis=0, weights=pair.weight_real))
    return np.where(spread > 1e-12 * np.maximum(1.0, np.abs(mean)), spread, 1.0)


def _distances(pair: SamplePair) -> NDArray[np.float64]:
    if not pair.weighted and len(pair.real) == len(pair.fake):
        return np.abs(np.sort(pair.real, axis=0) - np.sort(pair.fake, axis=0)).mean(
            axis=0, dtype=np.float64
        )
    columns = zip(pair.real.T, pair.fake.T, strict=True)
    weights = (pair.weight_real, pair.weight_fake)
    return np.array([stats.wasserstein_distance(x, y, *weights) for x, y in columns])


def _floor(pair: SamplePair, real_2: Any, rng: np.random.Generator) -> NDArray[np.float64]:
    """Give W₁ of two real samples, scaled to the sizes of the samples compared."""
    if real_2 is None:
        order = rng.permutation(len(pair.real))
        half = len(order) // 2
        both = SamplePair(pair.real, pair.real, pair.weight_real, pair.weight_real)
        two = take_pair(both, order[:half], order[half : 2 * half])
    else:
        two = read_pair(pair.real, real_2, pair.weight_real)
    return _distances(two) * np.sqrt(_noise(pair) / _noise(two))


def _noise(pair: SamplePair) -> float:
    """Give 1/n₁ + 1/n₂ of the effective numbers of rows."""
    weights = (pair.weight_real, pair.weight_fake)
    return float(sum((weight**2).sum() / weight.sum() ** 2 for weight in weights))
