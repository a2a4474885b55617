"""Chunks of a table into one float32 matrix.

Features are turned into float32 as each chunk arrives, so the peak is the result plus one chunk:
the final array is filled block by block and each block is let go once it is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np


def collect(
    chunks: Iterable[Any],
    features: Sequence[str],
    others: Sequence[str],
    *,
    path: str,
    nrows: int | None = None,
    keep: Callable[[Any], np.ndarray] | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Features as a float32 matrix and the other columns as arrays.

    Parameters
    ----------
    chunks : iterable of frames or dicts of arrays
        Parts of the table, in order.
    features : sequence of str
        Columns of the matrix.
    others : sequence of str
        Columns returned as they are.
    path : str
        Name of the file, for messages.
    nrows : int, optional
        Stop after so many kept rows.
    keep : callable, optional
        chunk -> mask of the rows to keep.

    Returns
    -------
    X : ndarray of shape (n_rows, n_features), float32
        The features.
    columns : dict of str to ndarray
        The other columns.
    """
    blocks: list[np.ndarray] = []
    parts: dict[str, list[np.ndarray]] = {name: [] for name in others}
    n_rows = 0
    for chunk in chunks:
        rows = _rows(chunk, keep, None if nrows is None else nrows - n_rows)
        blocks.append(_block(chunk, features, rows, path))
        for name in others:
            parts[name].append(np.asarray(chunk[name])[rows])
        n_rows += len(rows)
        if nrows is not None and n_rows >= nrows:
            break
    columns = {name: np.concatenate(parts[name]) for name in others}
    return _stack(blocks, n_rows, len(features)), columns


def check_nrows(nrows: int | None) -> None:
    """Refuse a row count that is no positive whole number."""
    whole = isinstance(nrows, (int, np.integer)) and not isinstance(nrows, bool)
    if nrows is not None and not (whole and nrows > 0):
        msg = f"nrows={nrows!r}: expected a positive whole number, or None for every row."
        raise ValueError(msg)


def _rows(chunk: Any, keep: Callable[[Any], np.ndarray] | None, left: int | None) -> np.ndarray:
    size = len(chunk[next(iter(chunk))])
    rows = np.arange(size) if keep is None else np.flatnonzero(keep(chunk))
    return rows if left is None else rows[:left]


def _block(chunk: Any, features: Sequence[str], rows: np.ndarray, path: str) -> np.ndarray:
    block = np.empty((len(rows), len(features)), dtype=np.float32)
    for j, name in enumerate(features):
        column = np.asarray(chunk[name])[rows]
        try:
            block[:, j] = column
        except (ValueError, TypeError) as error:
            msg = f"{path}: column {name!r} is not numeric: {error}"
            raise ValueError(msg) from error
    return block


def _stack(blocks: list[np.ndarray], n_rows: int, n_features: int) -> np.ndarray:
    if len(blocks) == 1:
        return blocks.pop()
    X = np.empty((n_rows, n_features), dtype=np.float32)
    stop = n_rows
    while blocks:
        block = blocks.pop()
        X[stop - len(block) : stop] = block
        stop -= len(block)
    return X
