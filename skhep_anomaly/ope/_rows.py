"""The training rows by kind: normal ones and known anomalies, views of one table.

Weights have mean one within each kind, so that each term of the loss is divided by its own sum of
weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skhep_anomaly.training import Rows, column_moments

__all__ = ["TrainingRows"]

_POOL_ROWS = 65_536
_LEAST_PAD = 1e-3


class TrainingRows:
    """Flat rows with flags of known anomalies.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows; not copied.
    flags : ndarray of bool of shape (n,)
        True for known anomalies.
    weight : ndarray of shape (n,) or None
        Weights > 0.
    """

    def __init__(
        self, X: NDArray[Any], flags: NDArray[np.bool_], weight: NDArray[np.float64] | None
    ) -> None:
        self.X, self.flags = X, flags
        self.normal, self.known = np.flatnonzero(~flags), np.flatnonzero(flags)
        self._table: Rows | None = None
        self.weight = None if weight is None else weight.copy()
        if self.weight is not None:
            for kind in (self.normal, self.known):
                if len(kind):
                    self.weight[kind] /= self.weight[kind].mean()

    @property
    def n_known(self) -> int:
        """Number of known anomalies."""
        return len(self.known)

    def weight_of(self, index: NDArray[np.intp]) -> NDArray[np.float64] | None:
        """Give the weights of the rows at positions `index`, of mean one."""
        return None if self.weight is None else self.weight[index]

    def moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give mean and scale of the normal rows."""
        if self.weight is None and not self.n_known:
            return column_moments(self.X)
        weight = np.where(self.flags, 0.0, 1.0 if self.weight is None else self.weight)
        return column_moments(self.X, weight)

    def box(
        self, bounds: Any, pad: float, to_z: Callable[[NDArray[Any]], NDArray[Any]]
    ) -> NDArray[np.float64]:
        """Give low and high of the box in coordinates z, shape (2, d).

        Raises
        ------
        ValueError
            If `bounds` is no pair of finite edges, or the box is empty.
        """
        d = self.X.shape[1]
        if not isinstance(bounds, str):
            return _given_box(bounds, d)
        edges = np.stack([self.X.min(axis=0), self.X.max(axis=0)])
        if (edges[0] == edges[1]).all():
            warnings.warn("All rows of X are equal: nothing tells them apart.", stacklevel=5)
        edges = to_z(edges).astype(np.float64)
        width = edges[1] - edges[0]
        margin = max(pad, _LEAST_PAD) * np.where(width > 0, width, 1.0)
        box: NDArray[np.float64] = np.stack([edges[0] - margin, edges[1] + margin])
        return box

    def pool(self, generator: np.random.Generator) -> NDArray[Any]:
        """Give normal rows for samplers: all, or 65,536; as often as their weights say.

        Of weights, never more rows than there are: a pool full of copies would pass single rows
        off as peaks. A row of weight w comes ⌊w⌋ or ⌈w⌉ times (systematic sampling).
        """
        n = min(_POOL_ROWS, len(self.normal))
        if self.weight is not None:
            edges = np.cumsum(self.weight[self.normal])
            places = np.searchsorted(edges, (np.arange(n) + generator.random()) * edges[-1] / n)
            return self.X[self.normal[places.clip(max=len(edges) - 1)]]
        if n == len(self.normal):
            return self.X[self.normal]
        return self.X[np.sort(generator.choice(self.normal, size=n, replace=False))]

    def normal_rows(self, dtype: str, device: str) -> Rows:
        """Give the normal rows for training."""
        return self._rows(dtype, device, self.normal)

    def known_rows(self, dtype: str, device: str) -> Rows:
        """Give the known anomalies for training."""
        return self._rows(dtype, device, self.known)

    def _rows(self, dtype: str, device: str, index: NDArray[np.intp]) -> Rows:
        """Give some of the rows; on a GPU all kinds share one copy of the table."""
        if self._table is None:
            kind = getattr(torch, dtype)
            self._table = Rows(self.X, self.weight, dtype=kind, device=device)
        return self._table if len(index) == len(self.X) else self._table.subset(index)


def _given_box(bounds: Any, d: int) -> NDArray[np.float64]:
    try:
        low, high = bounds
        box = np.stack([np.broadcast_to(np.asarray(e, np.float64), (d,)) for e in (low, high)])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"bounds={bounds!r} is no box: give 'data', or (low, high) as numbers or arrays of "
            f"shape ({d},) in preprocessed coordinates."
        ) from error
    if not (np.isfinite(box).all() and (box[1] > box[0]).all()):
        raise ValueError(f"bounds={bounds!r} needs low < high, both finite, in each feature.")
    return box
