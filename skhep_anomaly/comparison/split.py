"""Who trains and who tests: background is split at random per seed, signal tests.

A detector trained on background must not meet signal in training, and no event may be in both
parts. With groups, each group's background is split in the same proportion, so that no group is
without training events by chance.

Known signal, which classifiers learn from, is drawn per seed and taken out of every detector's
test: all are tested on the same events. Fewer known events are among more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_known", "split_background", "take_rows"]


def split_background(
    signal: NDArray[np.bool_], groups: NDArray[Any] | None, seed: int, test_size: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the positions of training rows (background) and of test rows (the rest).

    Parameters
    ----------
    signal : ndarray of bool of shape (n_samples,)
        True for signal.
    groups : ndarray of shape (n_samples,) or None
        Group of each row.
    seed : int
        Seed of the split.
    test_size : float in (0, 1)
        Share of the background that tests.

    Returns
    -------
    train, test : ndarray of int
        In increasing order, disjoint, together all rows.
    """
    rng = np.random.default_rng([seed, 65])
    testing = signal.copy()
    labels = np.zeros(len(signal)) if groups is None else groups
    for label in np.unique(labels[~signal]):
        rows = rng.permutation(np.flatnonzero(~signal & (labels == label)))
        testing[rows[: round(test_size * len(rows))]] = True
    return np.flatnonzero(~testing), np.flatnonzero(testing)


def draw_known(signal: NDArray[np.bool_], seed: int, n_known: int) -> NDArray[np.intp]:
    """Give the positions of known signal events.

    Parameters
    ----------
    signal : ndarray of bool of shape (n_samples,)
        True for signal.
    seed : int
        Seed of the draw.
    n_known : int
        How many, at most as many as there are.

    Returns
    -------
    ndarray of int of shape (n_known,)
        In random order: the first k are those that k alone would give.
    """
    return np.random.default_rng([seed, 20]).permutation(np.flatnonzero(signal))[:n_known]


def take_rows(X: Any, rows: NDArray[np.intp]) -> Any:
    """Give rows of an array or a frame."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]
