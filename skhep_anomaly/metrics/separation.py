"""Separation power of a histogram: 0 for equal shapes, 1 for samples that share no bin.

    ⟨S²⟩ = ½ Σ_bins (h₁ − h₂)² / (h₁ + h₂),      Σ h₁ = Σ h₂ = 1

Counting noise alone gives about (bins − 1)/4 · (1/n₁ + 1/n₂).

Source: S. Diefenbacher et al., arXiv:2009.03796, equation 15; the CaloChallenge,
arXiv:2410.21611.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.metrics.sample_pair import check_number, read_pair

__all__ = ["separation_power"]


def separation_power(
    real: Any,
    fake: Any,
    bins: int | Any = 50,
    *,
    weight_real: Any = None,
    weight_fake: Any = None,
) -> NDArray[np.float64]:
    """Give the separation power of each column.

    ⟨S²⟩ = ½ Σ (h₁ − h₂)² / (h₁ + h₂) over bins, both histograms of sum 1.

    Parameters
    ----------
    real : array-like of shape (n_real, k) or (n_real,)
        Features of the real sample.
    fake : array-like of shape (n_fake, k) or (n_fake,)
        The same features of the generated sample.
    bins : int or array-like of edges, default=50
        A number: bins between quantiles of both samples together, so that no outlier stretches
        them and each bin has the same counting noise (fewer where values repeat). Edges: used for
        every column; values outside fall into the first and last bin.
    weight_real : array-like of shape (n_real,), default=None
        Weights ≥ 0.
    weight_fake : array-like of shape (n_fake,), default=None
        Weights ≥ 0.

    Returns
    -------
    ndarray of shape (k,)
        In [0, 1].

    Raises
    ------
    ValueError
        If the samples do not fit together, or `bins` is neither a number ≥ 2 nor rising edges.

    References
    ----------
    S. Diefenbacher et al., arXiv:2009.03796, equation 15. CaloChallenge, arXiv:2410.21611.

    Examples
    --------
    >>> from skhep_anomaly import separation_power
    >>> separation_power([0.0, 0.1, 0.2, 0.3], [1.0, 1.1, 1.2, 1.3]).tolist()
    [1.0]
    """
    pair = read_pair(real, fake, weight_real, weight_fake)
    powers = []
    for x, y in zip(pair.real.T, pair.fake.T, strict=True):
        inner = _inner_edges(x, y, bins)
        shares = []
        for values, weight in ((x, pair.weight_real), (y, pair.weight_fake)):
            bin_of = np.searchsorted(inner, values, side="right")
            count = np.bincount(bin_of, weight, minlength=len(inner) + 1)
            shares.append(count / count.sum())
        total = shares[0] + shares[1]
        parts = np.divide((shares[0] - shares[1]) ** 2, total, where=total > 0, out=total * 0)
        powers.append(parts.sum() / 2)
    return np.array(powers)


def _inner_edges(x: NDArray[Any], y: NDArray[Any], bins: Any) -> NDArray[np.float64]:
    """Give the edges between bins; the outermost two stand for everything beyond them."""
    if np.ndim(bins) == 0:
        count = check_number("bins", bins, 2)
        both = np.concatenate([x, y])
        inner = np.quantile(both, np.linspace(0, 1, count + 1)[1:-1], method="higher")
        return np.unique(inner)
    edges = np.asarray(bins, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 3 or not (np.diff(edges) > 0).all():
        raise ValueError(f"bins={bins!r} must be a number or at least three rising edges.")
    return edges[1:-1]
