"""Rows in memory, handed out as whole tensor slices.

A batch is one gather from the caller's own array (no copy of the data is kept), turned into the
training dtype on the training device. On a GPU the rows move there once, if they fit into a quarter
of its free memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

__all__ = ["Batches", "Rows"]

Batch = tuple[Tensor, Tensor | None]


class Rows(Dataset[Batch]):
    """A float array with optional weights and conditions, restricted to some of its rows.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
        C-contiguous floats; not copied, not written to.
    weight : ndarray of shape (n,), default=None
        Row weights of mean one.
    index : ndarray of int, default=None
        Rows that belong to this set; None: all.
    dtype : torch.dtype, default=None
        Dtype of the batches; None: that of `X`.
    device : str, default="cpu"
        Device of the batches.
    conditions : ndarray of shape (n, k), default=None
        Numbers put in front of the flattened rows of the batches.
    """

    def __init__(
        self,
        X: NDArray[Any],
        weight: NDArray[np.float64] | None = None,
        *,
        index: NDArray[np.intp] | None = None,
        dtype: torch.dtype | None = None,
        device: str | torch.device = "cpu",
        conditions: NDArray[Any] | None = None,
    ) -> None:
        self.X, self.weight, self.index = X, weight, index
        self.conditions = conditions
        self.dtype = dtype or (torch.float64 if X.dtype == np.float64 else torch.float32)
        self.device = torch.device(device)
        self._resident = self._move_to_gpu()

    def _move_to_gpu(self) -> Tensor | None:
        if self.device.type != "cuda":
            return None
        free, _ = torch.cuda.mem_get_info(self.device)
        if self.X.size * self.dtype.itemsize > free // 4:
            return None
        return self._joined(np.arange(len(self.X))).to(self.device, self.dtype)

    def _joined(self, chosen: NDArray[np.intp]) -> Tensor:
        """Give chosen rows of the caller's array as a tensor, with their conditions in front."""
        rows = torch.from_numpy(self.X.take(chosen, axis=0))
        if self.conditions is None:
            return rows
        front = torch.from_numpy(self.conditions.take(chosen, axis=0)).to(rows.dtype)
        return torch.cat([front, rows.flatten(1)], dim=1)

    def __len__(self) -> int:
        return len(self.X) if self.index is None else len(self.index)

    def __getitem__(self, item: Any) -> Batch:
        return self.take(np.atleast_1d(np.arange(len(self))[item]))

    def take(self, chosen: NDArray[np.intp]) -> Batch:
        """Gather the rows at positions `chosen` and their weights."""
        if self.index is not None:
            chosen = self.index[chosen]
        if self._resident is not None:
            x = self._resident[torch.from_numpy(chosen).to(self.device)]
        else:
            x = self._joined(chosen).to(self.device, self.dtype)
        if self.weight is None:
            return x, None
        weight = torch.from_numpy(self.weight.take(chosen)).to(self.device, self.dtype)
        return x, weight

    def split(self, fraction: float, generator: np.random.Generator) -> tuple[Rows, Rows]:
        """Hold out a random share of the rows; both sets refer to the same array."""
        n_valid = min(max(1, round(fraction * len(self))), len(self) - 1)
        order = generator.permutation(len(self))
        return self.subset(np.sort(order[n_valid:])), self.subset(np.sort(order[:n_valid]))

    def subset(self, index: NDArray[np.intp]) -> Rows:
        """Give the rows at positions `index` as a set that refers to the same array."""
        part = Rows.__new__(Rows)
        part.__dict__.update(self.__dict__)
        part.index = index if self.index is None else self.index[index]
        return part


class Batches:
    """Iterate over `Rows` in batches; each pass is a new shuffle.

    A last batch of a single row joins the one before it, since a batch statistic of one row is
    undefined.

    Parameters
    ----------
    rows : Rows
        What to iterate over.
    batch_size : int
        Rows per batch.
    generator : numpy.random.Generator, default=None
        Source of the shuffle; None keeps the order.
    steps : int, default=None
        Batches handed out by one iteration, which goes on where the last one stopped, over as many
        passes as it takes; None: one pass.
    """

    def __init__(
        self,
        rows: Rows,
        batch_size: int,
        generator: np.random.Generator | None = None,
        steps: int | None = None,
    ) -> None:
        self.rows, self.batch_size, self.generator = rows, batch_size, generator
        self.steps = steps
        self._endless = self._passes()

    @property
    def pass_length(self) -> int:
        """Batches of one pass over the rows."""
        full, rest = divmod(len(self.rows), self.batch_size)
        return max(1, full + (rest > (1 if full else 0)))

    def __len__(self) -> int:
        return self.pass_length if self.steps is None else self.steps

    def __iter__(self) -> Iterator[Batch]:
        if self.steps is None:
            return self._one_pass()
        return itertools.islice(self._endless, self.steps)

    def _passes(self) -> Iterator[Batch]:
        while True:
            yield from self._one_pass()

    def _one_pass(self) -> Iterator[Batch]:
        n = len(self.rows)
        order = np.arange(n) if self.generator is None else self.generator.permutation(n)
        last = self.pass_length - 1
        for k in range(last + 1):
            stop = n if k == last else (k + 1) * self.batch_size
            yield self.rows.take(order[k * self.batch_size : stop])
