"""Tell which modes of a data set a sample reaches.

Modes are clusters around centres. A sampled row hits the mode of its nearest centre if it lies no
farther from it than `radius` × the root mean square distance of the mode's own rows; a mode is
covered if the hits make up at least a tenth of its share of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin_min

__all__ = ["Modes", "covered_share", "find_modes"]

_ENOUGH = 0.1

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Modes:
    """Centres (k, d), root mean square distances (k,) and shares (k,) of the modes."""

    centers: Floats
    size: Floats
    share: Floats


def find_modes(Z: Floats, centers: Floats | None, n_modes: int, seed: int) -> Modes:
    """Give the modes of rows, around given centres or those of k-means.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Rows.
    centers : ndarray of shape (k, d) or None
        Centres.
    n_modes : int
        Clusters where `centers` is None.
    seed : int
        Of k-means.

    Returns
    -------
    Modes

    Raises
    ------
    ValueError
        If there are fewer rows than modes, or a centre is nearest to no row.
    """
    if centers is None:
        if not 1 <= n_modes <= len(Z):
            raise ValueError(f"n_modes={n_modes!r} must lie between 1 and the {len(Z)} rows of X.")
        centers = KMeans(n_modes, n_init=4, random_state=seed).fit(Z).cluster_centers_
    nearest, distance = pairwise_distances_argmin_min(Z, centers)
    count = np.bincount(nearest, minlength=len(centers))
    if not count.all():
        raise ValueError(f"centers[{int(np.argmin(count))}] is nearest to no row of X.")
    square = np.bincount(nearest, distance**2, minlength=len(centers))
    return Modes(centers, np.sqrt(square / count), count / len(Z))


def covered_share(modes: Modes, sample: Floats, radius: float) -> float:
    """Give the share of `modes` that are covered by the rows of `sample`."""
    nearest, distance = pairwise_distances_argmin_min(sample, modes.centers)
    hit = distance <= radius * modes.size[nearest]
    hits = np.bincount(nearest[hit], minlength=len(modes.share)) / len(sample)
    return float(np.mean(hits >= _ENOUGH * modes.share))
