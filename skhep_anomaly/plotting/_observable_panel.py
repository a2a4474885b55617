"""One observable of real and generated showers, binned, with the distance between the samples.

The distance is W₁/sd, the 1-Wasserstein distance in units of the real sample's standard deviation.
Its floor is what two samples of one distribution show by chance: halves of the real sample give
W₁ ∝ √(2/n + 2/n), two samples of n give √(1/n + 1/n), so the floor is the halves' distance / √2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from skhep_anomaly._random import numpy_generator, seed_sequence
from skhep_anomaly.plotting._histogram import bin_scores, choose_edges
from skhep_anomaly.plotting._mean_images import Values

__all__ = ["ObservablePanel", "observable_panel"]

BEYOND = 0.3  # how far the drawn range may exceed that of the real sample, in units of it
N_SPLITS = 8


@dataclass(frozen=True)
class ObservablePanel:
    """Histograms of one observable.

    Parameters
    ----------
    name, unit : str
        The observable.
    edges : ndarray of shape (n_bins + 1,)
        Bin edges.
    samples : dict of str to Values of shape (n_bins,)
        Showers in each bin and √n, the real sample first; those out of range are in the end bins.
    n_showers : dict of str to int
        Showers of each sample.
    distances : dict of str to float
        W₁/sd of each sample; of the real one its floor. NaN where the real sample has no spread.
    n_outside : tuple of int
        Showers of all samples below and above the range.
    """

    name: str
    unit: str
    edges: NDArray[np.float64]
    samples: dict[str, Values]
    n_showers: dict[str, int]
    distances: dict[str, float]
    n_outside: tuple[int, int]


def observable_panel(
    name: str, unit: str, values: Mapping[str, NDArray[np.float64]], bins: Any, limits: Any
) -> ObservablePanel:
    """Bin one observable of all samples.

    Parameters
    ----------
    name, unit : str
        The observable.
    values : mapping of str to ndarray of shape (n_showers,)
        Samples, the real one first.
    bins : int or ndarray
        Number of bins or edges.
    limits : tuple of float or None
        Ends of the range; None: from the samples.

    Returns
    -------
    panel : ObservablePanel
        Ready to be drawn.
    """
    real, *_ = values.values()
    edges = _edges(real, np.concatenate(list(values.values())), bins, limits)
    binned = [bin_scores(v, np.ones(len(v)), edges, kind="", sample=n) for n, v in values.items()]
    spread = float(real.std())
    return ObservablePanel(
        name,
        unit,
        edges,
        {h.sample: Values(h.counts, h.errors) for h in binned},
        {h.sample: h.n_events for h in binned},
        {
            n: (_distance(real, v) if v is not real else _floor(real)) / spread
            if spread
            else np.nan
            for n, v in values.items()
        },
        (sum(h.n_outside[0] for h in binned), sum(h.n_outside[1] for h in binned)),
    )


def _edges(
    real: NDArray[np.float64], pooled: NDArray[np.float64], bins: Any, limits: Any
) -> NDArray[np.float64]:
    """Return edges around the real sample; counts get bins of whole numbers."""
    if limits is None and np.ndim(bins) == 0:
        own, all_ = (choose_edges(v, bins, None)[[0, -1]] for v in (real, pooled))
        margin = BEYOND * (own[1] - own[0])
        limits = max(all_[0], own[0] - margin), min(all_[1], own[1] + margin)
        if (pooled == np.round(pooled)).all():
            low, high = np.floor(limits[0]), np.ceil(limits[1])
            step = max(1, int(np.ceil((high - low + 1) / bins)))
            return np.arange(low - 0.5, high + 0.5 + step, step)
    return choose_edges(pooled, bins, limits)


def _distance(real: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return W₁ of two samples; of the real sample with itself the floor."""
    return _floor(real) if other is real else float(wasserstein_distance(real, other))


def _floor(real: NDArray[np.float64]) -> float:
    """Return the mean distance of random halves of the real sample, over √2."""
    if len(real) < 2:
        return np.nan
    rng = numpy_generator(seed_sequence(0))
    halves = (np.array_split(rng.permutation(real), 2) for _ in range(N_SPLITS))
    return float(np.mean([wasserstein_distance(a, b) for a, b in halves])) / 2**0.5
