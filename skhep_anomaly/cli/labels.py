"""Labels of a user's column, read without guessing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["signal_flags"]

_MOST = 8


def signal_flags(values: Any, signal: str | None, where: str) -> NDArray[np.bool_]:
    """Tell which rows are signal.

    Parameters
    ----------
    values : array-like of shape (n_rows,)
        Labels: numbers, truth values or words.
    signal : str or None
        The label of signal as typed; every other label is background. None: labels must be 0 and 1,
        or truth values.
    where : str
        File and column, for messages.

    Returns
    -------
    ndarray of bool of shape (n_rows,)
        True for signal.

    Raises
    ------
    ValueError
        If a label is missing, the labels are not 0 and 1 and `signal` is None, or a class is empty.
    """
    labels = np.asarray(values)
    gone = _missing(labels)
    if gone.any():
        raise ValueError(f"{where}: {int(gone.sum())} of {len(labels)} labels are missing")
    known = sorted({_plain(label) for label in labels.tolist()}, key=str)
    shown = ", ".join(map(repr, known[:_MOST])) + (", …" if len(known) > _MOST else "")
    if signal is None and not set(known) <= {0, 1}:
        raise ValueError(
            f"{where}: it is not clear which of the labels {shown} is signal; say it with --signal"
        )
    wanted = 1 if signal is None else next((k for k in known if _same(k, signal)), None)
    if wanted is None:
        raise ValueError(f"{where}: no row has the label {signal!r}; the labels are {shown}")
    flags = np.array([_plain(label) == wanted for label in labels.tolist()])
    if flags.all() or not flags.any():
        raise ValueError(f"{where}: all {len(flags)} rows have the label {shown}; two are needed")
    return flags


def _missing(labels: NDArray[Any]) -> NDArray[np.bool_]:
    if labels.dtype.kind == "f":
        return np.isnan(labels)
    return np.array([label is None or label != label for label in labels.tolist()], dtype=bool)


def _plain(label: Any) -> Any:
    """Give a whole number for a whole float: 1.0 and 1 are one label."""
    return int(label) if isinstance(label, float) and label.is_integer() else label


def _same(label: Any, typed: str) -> bool:
    if isinstance(label, str):
        return label == typed
    try:
        return bool(float(label) == float(typed))
    except ValueError:
        return str(label).lower() == typed.lower()
