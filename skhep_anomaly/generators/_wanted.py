"""The conditions of a sample, row by row, without a copy for each shower.

A sample is long: ten million showers have 200 MB of conditions. Rows are made when a part of the
sample is; they are the same whichever part that is.
"""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["DrawnConditions", "GivenConditions", "WantedConditions"]

_CONDITIONS = 2**32  # spawn key of drawn conditions; those of the showers are smaller
_DRAWN_AT_ONCE = 4096


class WantedConditions(Protocol):
    """Conditions of showers 0, 1, … of a sample."""

    def __len__(self) -> int:
        """Tell how many showers the sample has."""

    def rows(self, low: int, high: int) -> NDArray[np.float32]:
        """Give the conditions of showers `low`, …, `high` − 1."""

    def digest(self) -> str:
        """Give a hash of all that decides about the rows, but the seed."""


class GivenConditions:
    """Each row of a table `times` over.

    Parameters
    ----------
    table : ndarray of shape (n, 5)
        Conditions, float32.
    times : int, default=1
        Showers for each row, one after the other.
    """

    def __init__(self, table: NDArray[np.float32], times: int = 1) -> None:
        self.table, self.times = table, times

    def __len__(self) -> int:
        return len(self.table) * self.times

    def rows(self, low: int, high: int) -> NDArray[np.float32]:
        """Give the conditions of showers `low`, …, `high` − 1."""
        if self.times == 1:
            return self.table[low:high]
        return self.table[np.arange(low, high) // self.times]

    def digest(self) -> str:
        """Give a hash of the table and of `times`."""
        return _digest("given", self.times, self.table)


class DrawnConditions:
    """Rows of a table at random, with replacement; shower i's does not depend on how many follow.

    Parameters
    ----------
    table : ndarray of shape (m, 5)
        Conditions, float32.
    n : int
        How many are drawn.
    seeds : SeedSequence
        Of the sample.
    """

    def __init__(self, table: NDArray[np.float32], n: int, seeds: np.random.SeedSequence) -> None:
        self.table, self.n, self.seeds = table, n, seeds

    def __len__(self) -> int:
        return self.n

    def rows(self, low: int, high: int) -> NDArray[np.float32]:
        """Give the conditions of showers `low`, …, `high` − 1."""
        first, last = low // _DRAWN_AT_ONCE, (high - 1) // _DRAWN_AT_ONCE
        chosen = np.concatenate([self._chosen(part) for part in range(first, last + 1)])
        start = first * _DRAWN_AT_ONCE
        return self.table[chosen[low - start : high - start]]

    def _chosen(self, part: int) -> NDArray[np.int64]:
        spawn_key = (*self.seeds.spawn_key, _CONDITIONS, part)
        key = np.random.SeedSequence(self.seeds.entropy, spawn_key=spawn_key)
        return np.random.default_rng(key).integers(len(self.table), size=_DRAWN_AT_ONCE)

    def digest(self) -> str:
        """Give a hash of the table."""
        return _digest("drawn", 1, self.table)


def _digest(kind: str, times: int, table: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{kind} {times} {table.shape}".encode())
    for start in range(0, len(table), 2**16):
        digest.update(np.ascontiguousarray(table[start : start + 2**16]).data)
    return digest.hexdigest()
