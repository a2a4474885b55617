"""Weighted histograms whose sum is the sum of the weights.

What lies outside the drawn range is counted in the first and last bin, so that no event is lost;
the error of a bin is √Σw².
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Histogram", "bin_scores", "choose_edges"]

OUTER = 0.02  # share of the events that may be folded into the last bin


@dataclass(frozen=True)
class Histogram:
    """One class of one sample, binned.

    Parameters
    ----------
    kind : {"signal", "background"}
        The class.
    sample : {"test", "train"}
        The sample.
    counts : ndarray of shape (n_bins,)
        Sum of weights in each bin; under- and overflow are in the first and last.
    errors : ndarray of shape (n_bins,)
        √Σw² in each bin.
    n_events : int
        Number of rows.
    n_outside : tuple of int
        Rows below and above the range.
    """

    kind: str
    sample: str
    counts: NDArray[np.float64]
    errors: NDArray[np.float64]
    n_events: int
    n_outside: tuple[int, int]


def choose_edges(
    scores: NDArray[np.float64],
    bins: int | NDArray[np.float64],
    score_range: tuple[float, float] | None,
) -> NDArray[np.float64]:
    """Return bin edges: those given, or equal bins that leave out a far tail.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        All scores that will be drawn.
    bins : int or ndarray of shape (n_bins + 1,)
        Number of bins, or their edges.
    score_range : tuple of float or None
        Ends of the range; None: the scores' own, without 2 % at an end that reaches far out.

    Returns
    -------
    edges : ndarray of shape (n_bins + 1,)
        Increasing.

    Raises
    ------
    ValueError
        Fewer than one bin, edges that do not increase, or an empty range.
    """
    if np.ndim(bins) == 1:
        edges = np.asarray(bins, dtype=np.float64)
        if len(edges) < 2 or not (np.diff(edges) > 0).all():
            raise ValueError(f"bins={bins!r}: edges must increase and be two or more.")
        return edges
    if not isinstance(bins, (int, np.integer)) or bins < 1:
        raise ValueError(f"bins={bins!r} must be a number of bins ≥ 1 or an array of edges.")
    low, high = _range(scores) if score_range is None else score_range
    if not low < high:
        raise ValueError(f"score_range=({low}, {high}) is empty; the first end must be smaller.")
    return np.linspace(low, high, int(bins) + 1)


def _range(scores: NDArray[np.float64]) -> tuple[float, float]:
    """Return the scores' range; an end is cut where its outer 2 % takes a large part of it."""
    low, inner_low, inner_high, high = np.quantile(scores, [0, OUTER, 1 - OUTER, 1])
    inner = inner_high - inner_low
    low = inner_low if inner > 0 and inner_low - low > inner / 2 else low
    high = inner_high if inner > 0 and high - inner_high > inner / 2 else high
    if low == high:
        margin = max(abs(low), 1.0) * 0.5
        return float(low - margin), float(high + margin)
    return float(low), float(high)


def bin_scores(
    scores: NDArray[np.float64],
    weight: NDArray[np.float64],
    edges: NDArray[np.float64],
    *,
    kind: str,
    sample: str,
) -> Histogram:
    """Return the histogram of one class of one sample.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Anomaly scores.
    weight : ndarray of shape (n_samples,)
        Event weights.
    edges : ndarray of shape (n_bins + 1,)
        Bin edges.
    kind, sample : str
        As in `Histogram`.

    Returns
    -------
    histogram : Histogram
        Its counts sum to the weights.
    """
    inside = scores.clip(edges[0], edges[-1])
    counts, _ = np.histogram(inside, edges, weights=weight)
    squares, _ = np.histogram(inside, edges, weights=weight**2)
    outside = (int((scores < edges[0]).sum()), int((scores > edges[-1]).sum()))
    return Histogram(kind, sample, counts, np.sqrt(squares), len(scores), outside)
