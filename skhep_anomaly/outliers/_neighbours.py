"""Mean distance to the k nearest of a fixed set of reference rows, in standardised coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skhep_anomaly._validation import iter_slices

__all__ = ["draw_reference", "mean_distance"]

_CHUNK_DISTANCES = 2**22


def draw_reference(n_rows: int, most: int, generator: np.random.Generator) -> NDArray[np.intp]:
    """Choose at most `most` of `n_rows` rows."""
    if n_rows <= most:
        return np.arange(n_rows)
    return np.sort(generator.choice(n_rows, most, replace=False))


def mean_distance(
    Z: NDArray[Any], reference: NDArray[Any], n_neighbors: int, skip: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """Give the mean Euclidean distance of each row to its nearest reference rows.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Rows.
    reference : ndarray of shape (m, d)
        Reference rows.
    n_neighbors : int
        Neighbours wanted; fewer where there are not as many.
    skip : ndarray of shape (n,), default=None
        For each row the reference row that is itself and does not count (leave one out), −1 for
        none.

    Returns
    -------
    ndarray of shape (n,)
    """
    known = torch.from_numpy(np.ascontiguousarray(reference, dtype=np.float64))
    k = max(1, min(n_neighbors, len(known) - (skip is not None)))
    out = np.empty(len(Z))
    per_row = len(known) + k * known.shape[1]
    for rows in iter_slices(len(Z), max(1, _CHUNK_DISTANCES // per_row)):
        part = torch.from_numpy(np.ascontiguousarray(Z[rows], dtype=np.float64))
        distance = torch.cdist(part, known)
        if skip is not None:
            own = skip[rows]
            inside = np.flatnonzero(own >= 0)
            distance[inside, own[inside]] = torch.inf
        nearest = distance.topk(k, dim=1, largest=False).indices
        # cdist's own values lose half their digits where it multiplies matrices
        exact = torch.linalg.vector_norm(part[:, None] - known[nearest], dim=2)
        out[rows] = exact.mean(dim=1).numpy()
    return out
