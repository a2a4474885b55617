"""Precision and recall of a generated distribution, and the area under their curve.

Both samples are clustered together; p_i and q_i are the shares of the real and the generated sample
in cluster i. For every slope λ = tan φ

    precision α(λ) = Σ_i min(λ p_i, q_i)        recall β(λ) = α(λ) / λ

Precision asks how much of what is generated could be real, recall how much of what is real is
generated. The area is 1 for equal shares and 0 for samples that share no cluster. It says nothing
about what happens inside a cluster: with 20 of them a 5 % shift passes.

The k-means, drawn several times, sees both samples with equal total weight, so that the larger one
does not own the clusters. Real goes in first and generated second: embedding the same sample twice
gives 1 by construction, a mistake that has decided a competition's score.

Source: M. Sajjadi et al., "Assessing generative models via precision and recall",
arXiv:1806.00035, equations 4–7.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from skhep_anomaly._random import numpy_generator, seed_sequence
from skhep_anomaly.metrics.sample_pair import (
    Estimate,
    SamplePair,
    check_number,
    draw_pair,
    read_pair,
    scale_by_real,
)

__all__ = ["PRDCurve", "prd_auc", "prd_curve"]

N_ANGLES = 1001


class PRDCurve(NamedTuple):
    """Precision against recall, from full recall to full precision, and two points of it."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f8: float
    f_eighth: float


def prd_curve(
    real: Any,
    fake: Any,
    *,
    n_clusters: int = 20,
    n_runs: int = 5,
    weight_real: Any = None,
    weight_fake: Any = None,
    random_state: Any = None,
) -> PRDCurve:
    """Give precision against recall of a generated sample.

    Parameters
    ----------
    real : array-like of shape (n_real, k)
        Features of the real sample; standardised here by its means and spreads.
    fake : array-like of shape (n_fake, k)
        The same features of the generated sample.
    n_clusters : int, default=20
        More clusters see finer differences and more noise.
    n_runs : int, default=5
        Clusterings over which the curves are averaged.
    weight_real : array-like of shape (n_real,), default=None
        Weights ≥ 0.
    weight_fake : array-like of shape (n_fake,), default=None
        Weights ≥ 0.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the clusterings.

    Returns
    -------
    PRDCurve
        ``precision`` and ``recall`` at 1001 angles; ``f8``, the largest F₈, which stresses recall,
        and ``f_eighth``, the largest F_⅛, which stresses precision.

    Raises
    ------
    ValueError
        If the samples do not fit together, or hold fewer rows than `n_clusters`.

    References
    ----------
    M. Sajjadi et al., arXiv:1806.00035.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly import prd_curve
    >>> real = np.random.default_rng(0).normal(size=(500, 2))
    >>> curve = prd_curve(real, real[:250], random_state=0)  # half of the real sample
    >>> bool(curve.f8 > 0.9), curve.precision.shape
    (True, (1001,))
    """
    pair = scale_by_real(read_pair(real, fake, weight_real, weight_fake))
    curves = [_curve(*_shares(pair, n_clusters, seed)) for seed in _seeds(random_state, n_runs)]
    precision, recall = np.mean(curves, axis=0)
    return PRDCurve(
        precision, recall, _best_f(precision, recall, 8), _best_f(precision, recall, 1 / 8)
    )


def prd_auc(
    real: Any,
    fake: Any,
    *,
    n_clusters: int = 20,
    n_runs: int = 5,
    n_bootstrap: int = 0,
    weight_real: Any = None,
    weight_fake: Any = None,
    random_state: Any = None,
) -> Estimate:
    """Give the area under the curve of precision against recall.

    Parameters
    ----------
    real : array-like of shape (n_real, k)
        Features of the real sample; standardised here by its means and spreads.
    fake : array-like of shape (n_fake, k)
        The same features of the generated sample.
    n_clusters : int, default=20
        More clusters see finer differences and more noise.
    n_runs : int, default=5
        Clusterings over which the area is averaged.
    n_bootstrap : int, default=0
        Resamplings for the error, each clustered once; 0 gives none (NaN).
    weight_real : array-like of shape (n_real,), default=None
        Weights ≥ 0.
    weight_fake : array-like of shape (n_fake,), default=None
        Weights ≥ 0.
    random_state : int, RandomState, Generator or None, default=None
        Seed of clusterings and resamplings.

    Returns
    -------
    Estimate
        ``value`` in [0, 1], 1 for equal distributions, and ``std``.

    Raises
    ------
    ValueError
        If the samples do not fit together, or hold fewer rows than `n_clusters`.

    Notes
    -----
    Two samples of 3,000 rows from one distribution read about .99, not 1: print that floor beside.

    References
    ----------
    M. Sajjadi et al., arXiv:1806.00035.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly import prd_auc
    >>> real = np.random.default_rng(0).normal(size=(500, 2))
    >>> round(prd_auc(real, real, random_state=0).value, 3)
    1.0
    >>> round(prd_auc(real, real + 100.0, random_state=0).value, 3)
    0.0
    """
    pair = scale_by_real(read_pair(real, fake, weight_real, weight_fake))
    seeds = seed_sequence(random_state).spawn(2)
    value = np.mean([_area(pair, n_clusters, seed) for seed in _seeds(seeds[0], n_runs)])
    if not n_bootstrap:
        return Estimate(float(value), float("nan"))
    rng = numpy_generator(seeds[1])
    drawn = [
        _area(draw_pair(pair, rng), n_clusters, int(rng.integers(2**31)))
        for _ in range(check_number("n_bootstrap", n_bootstrap, 2))
    ]
    return Estimate(float(value), float(np.std(drawn, ddof=1)))


def _seeds(random_state: Any, n_runs: int) -> list[int]:
    n_runs = check_number("n_runs", n_runs, 1)
    return [int(seed % 2**31) for seed in seed_sequence(random_state).generate_state(n_runs)]


def _area(pair: SamplePair, n_clusters: int, seed: int) -> float:
    precision, recall = _curve(*_shares(pair, n_clusters, seed))
    return float(-np.trapezoid(precision, recall))  # recall falls with the angle


def _shares(
    pair: SamplePair, n_clusters: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give each cluster's share of the real and of the generated sample."""
    n_clusters = check_number("n_clusters", n_clusters, 2)
    n_real, n_fake = len(pair.real), len(pair.fake)
    if min(n_real, n_fake) < n_clusters:
        raise ValueError(
            f"n_clusters={n_clusters} needs as many rows of each sample; there are {n_real} real "
            f"and {n_fake} generated ones."
        )
    weight = np.concatenate([pair.weight_real / n_real, pair.weight_fake / n_fake])
    means = KMeans(n_clusters, n_init=1, max_iter=50, random_state=seed)
    rows = np.concatenate([pair.real, pair.fake])
    distinct = np.unique(rows, axis=0) if n_real + n_fake < 10 * n_clusters else rows
    if len(distinct) < n_clusters:
        means.set_params(n_clusters=len(distinct))
    cluster = means.fit(rows, sample_weight=weight * len(rows)).labels_
    p = np.bincount(cluster[:n_real], weight[:n_real], minlength=n_clusters).astype(np.float64)
    q = np.bincount(cluster[n_real:], weight[n_real:], minlength=n_clusters).astype(np.float64)
    return p, q


def _curve(
    p: NDArray[np.float64], q: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give α and β at slopes from almost 0 to almost infinity."""
    slope = np.tan(np.linspace(1e-6, np.pi / 2 - 1e-6, N_ANGLES))[:, None]
    precision = np.minimum(slope * p, q).sum(axis=1)
    recall = np.minimum(p, q / slope).sum(axis=1)
    return precision.clip(0, 1), recall.clip(0, 1)


def _best_f(precision: NDArray[np.float64], recall: NDArray[np.float64], beta: float) -> float:
    bottom = beta**2 * precision + recall
    top = (1 + beta**2) * precision * recall
    return float(np.max(np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)))
