"""Labels of files that name or number them in their own way, as 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_NAMES = ("label", "y")


def label_column(columns: Sequence[str], path: str) -> str:
    """Find the column that holds the label: ``label`` or ``y``."""
    for name in _NAMES:
        if name in columns:
            return name
    msg = f"{path}: no label column; expected one called {' or '.join(map(repr, _NAMES))}."
    raise ValueError(msg)


def binary_labels(values: np.ndarray, path: str, column: str) -> np.ndarray:
    """0 and 1 as int64; anything else is refused."""
    numbers = np.asarray(values)
    if numbers.dtype.kind not in "biuf" or not np.isin(numbers, (0, 1)).all():
        wrong = [str(value) for value in numbers.tolist() if value not in (0, 1)]
        msg = f"{path}: column {column!r} holds {wrong[0]}; expected 1 (signal) or 0."
        raise ValueError(msg)
    return numbers.astype(np.int64)
