"""Fréchet physics distance: how far apart two samples are, taken as Gaussians.

With means μ and covariances C of the standardised features,

    F = |μ₁ − μ₂|² + tr(C₁ + C₂ − 2 (C₁ C₂)^½)

On finite samples F is too large by a term ∝ 1/n, which buries the difference of good generators.
It is therefore also computed on all halves, thirds and quarters of the samples and extrapolated
along 1/n to n = ∞; the result of equal distributions scatters about 0 and may be negative.

Source: R. Kansal et al., "Evaluating generative models in high energy physics", arXiv:2211.10295,
section III.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._random import numpy_generator, seed_sequence
from skhep_anomaly.metrics.sample_pair import (
    Estimate,
    SamplePair,
    check_number,
    read_pair,
    scale_by_real,
    take_pair,
)

__all__ = ["fpd"]

PARTS = (1, 2, 3, 4)


def fpd(
    real: Any,
    fake: Any,
    *,
    extrapolate: bool = True,
    n_jackknife: int = 10,
    weight_real: Any = None,
    weight_fake: Any = None,
    random_state: Any = None,
) -> Estimate:
    """Give the Fréchet physics distance, its bias at finite n extrapolated away.

    F = |μ₁ − μ₂|² + tr(C₁ + C₂ − 2 (C₁C₂)^½) of features standardised by the real sample.

    Parameters
    ----------
    real : array-like of shape (n_real, k)
        Features of the real sample, such as observables.
    fake : array-like of shape (n_fake, k)
        The same features of the generated sample.
    extrapolate : bool, default=True
        False gives F of the whole samples, biased upwards by about k (k + 5)/(2n).
    n_jackknife : int, default=10
        Groups of the delete-a-group jackknife that gives the error.
    weight_real : array-like of shape (n_real,), default=None
        Weights ≥ 0.
    weight_fake : array-like of shape (n_fake,), default=None
        Weights ≥ 0.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the order in which rows are dealt into parts.

    Returns
    -------
    Estimate
        ``value`` (0 for equal distributions, in squared standard deviations) and ``std``.

    Raises
    ------
    ValueError
        If the samples do not fit together or have too few rows for their columns.

    Notes
    -----
    Deviations from the paper: features are scaled by the real standard deviation, not by the
    largest value, which one odd shower can move; disjoint parts of 3,000 rows replace random
    batches of 20,000 to 50,000; the error is a jackknife, because that of the straight line does
    not know that the batches overlap.

    References
    ----------
    R. Kansal et al., arXiv:2211.10295.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly import fpd
    >>> rng = np.random.default_rng(0)
    >>> distance = fpd(rng.normal(size=(4000, 3)), rng.normal(0.5, 1, (4000, 3)), random_state=0)
    >>> bool(abs(distance.value - 0.75) < 4 * distance.std)  # 3 · 0.5²
    True
    """
    pair = scale_by_real(read_pair(real, fake, weight_real, weight_fake))
    n_jackknife = check_number("n_jackknife", n_jackknife, 2)
    fewest, columns = min(len(pair.real), len(pair.fake)), pair.real.shape[1]
    needed = (max(PARTS) + 1) * (columns + 2)
    if fewest < max(needed, n_jackknife):
        raise ValueError(
            f"{fewest} rows are too few for the covariance of {columns} columns in quarters; give "
            f"at least {max(needed, n_jackknife)} of each sample."
        )
    rng = numpy_generator(seed_sequence(random_state))
    order = [rng.permutation(len(rows)) for rows in (pair.real, pair.fake)]
    pair = take_pair(pair, order[0], order[1])
    parts = PARTS if extrapolate else PARTS[:1]
    rest = [_extrapolated(_without(pair, i, n_jackknife), parts) for i in range(n_jackknife)]
    spread = (n_jackknife - 1) * np.var(rest)
    return Estimate(_extrapolated(pair, parts), float(np.sqrt(spread)))


def _without(pair: SamplePair, group: int, n_groups: int) -> SamplePair:
    real, fake = (np.arange(len(rows)) % n_groups != group for rows in (pair.real, pair.fake))
    return take_pair(pair, real, fake)


def _extrapolated(pair: SamplePair, parts: tuple[int, ...]) -> float:
    """Give F at 1/n → 0 by a straight line through whole, halves, thirds, quarters."""
    values = [np.mean([_frechet(_part(pair, i, count)) for i in range(count)]) for count in parts]
    if len(parts) == 1:
        return float(values[0])
    return float(np.polynomial.polynomial.polyfit(parts, values, 1)[0])  # 1/n ∝ number of parts


def _part(pair: SamplePair, number: int, count: int) -> SamplePair:
    return take_pair(pair, slice(number, None, count), slice(number, None, count))


def _frechet(pair: SamplePair) -> float:
    mean_1, covariance_1 = _gaussian(pair.real, pair.weight_real)
    mean_2, covariance_2 = _gaussian(pair.fake, pair.weight_fake)
    # the eigenvalues of C₁C₂ are those of the symmetric C₁^½ C₂ C₁^½
    value, vector = np.linalg.eigh(covariance_1)
    root = (vector * np.sqrt(value.clip(min=0))) @ vector.T
    shared = np.linalg.eigvalsh(root @ covariance_2 @ root)
    overlap = np.sqrt(shared.clip(min=0)).sum()
    traces = np.trace(covariance_1) + np.trace(covariance_2)
    return float(np.sum((mean_1 - mean_2) ** 2) + traces - 2 * overlap)


def _gaussian(
    rows: NDArray[Any], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give weighted mean and covariance; unbiased where all weights are one."""
    total = weight.sum()
    mean = weight @ rows / total
    centred = rows - mean
    norm = total - (weight**2).sum() / total
    return mean, (centred * weight[:, None]).T @ centred / norm
