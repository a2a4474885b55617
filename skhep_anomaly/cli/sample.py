"""A random part of a table in one pass, with memory for that part and one chunk.

Every row gets a random key; the rows with the `most` smallest keys stay. Which rows stay does not
depend on the size of the chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["Sample"]


class Sample:
    """At most so many rows of a table, drawn at random, in the table's order.

    Parameters
    ----------
    most : int or None
        Rows to keep; None: all.
    seed : int
        Seed of the keys.

    Attributes
    ----------
    n_rows : int
        Rows seen.
    factor : float
        How many rows of the table each kept row stands for.
    """

    def __init__(self, most: int | None, seed: int) -> None:
        self.most = most
        self.rng = np.random.default_rng([seed, 1])
        self.n_rows = 0

    @property
    def factor(self) -> float:
        """Rows seen per row kept."""
        return 1.0 if self.most is None else max(1.0, self.n_rows / self.most)

    def of(self, chunks: Iterator[Any]) -> Iterator[Any]:
        """Yield frames whose rows are the sample.

        Parameters
        ----------
        chunks : iterator of DataFrame
            The table.

        Yields
        ------
        DataFrame
            The chunks themselves where every row is kept, else one frame.
        """
        if self.most is None:
            yield from chunks
            return
        import pandas as pd

        kept, keys = None, np.empty(0)
        for chunk in chunks:
            self.n_rows += len(chunk)
            kept = chunk if kept is None else pd.concat([kept, chunk])
            keys = np.concatenate([keys, self.rng.random(len(chunk))])
            if len(keys) > self.most:
                rows = np.sort(np.argpartition(keys, self.most)[: self.most])
                kept, keys = kept.iloc[rows], keys[rows]
        if kept is not None:
            yield kept
