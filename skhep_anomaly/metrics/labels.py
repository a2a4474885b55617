"""Which rows are anomalies: the one place that turns y into booleans.

Three codings of y are in use, and they contradict each other:

====================  =========  =========================================
y                     anomaly    who writes it so
====================  =========  =========================================
{0, 1}                1          data sets, PyOD, classifiers of signal
{-1, +1}              -1         scikit-learn's and our detectors
{False, True}         True       everybody
anything              the label  who names it with ``anomaly_label=``
====================  =========  =========================================

What fits none of them, or several, raises: a column of ones means "all anomalies" to the first
coding and "all normal" to the second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d

__all__ = ["anomaly_flags", "prediction_flags"]

_KNOWN = (
    "y in {0, 1} (1 = anomaly), {-1, +1} (-1 = anomaly) or bool (True = anomaly) is understood; "
    "otherwise name the anomalies with anomaly_label=..."
)


def anomaly_flags(
    y: Any, anomaly_label: Any = None, *, both_classes: bool = True, name: str = "y"
) -> NDArray[np.bool_]:
    """Tell which rows are anomalies (in physics: signal).

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels in {0, 1} (1 = anomaly), {-1, +1} (-1 = anomaly), bool (True = anomaly), or of any
        kind together with `anomaly_label`.
    anomaly_label : object, default=None
        The value in `y` that marks an anomaly; every other value is then normal.
    both_classes : bool, default=True
        Whether to insist on at least one anomaly and one normal row.
    name : str, default="y"
        What the error messages call `y`.

    Returns
    -------
    ndarray of bool of shape (n_samples,)
        True for anomalies.

    Raises
    ------
    ValueError
        If the meaning of `y` is ambiguous, if it holds NaN or None, or if it lacks a class.

    Examples
    --------
    >>> anomaly_flags([0, 1, 1]).tolist()
    [False, True, True]
    >>> anomaly_flags([1, -1, 1]).tolist()
    [False, True, False]
    >>> anomaly_flags(["b", "s"], anomaly_label="s").tolist()
    [False, True]
    """
    values = _read_column(y, name)
    label = _find_label(values, name) if anomaly_label is None else anomaly_label
    flags = np.asarray(values == label, dtype=bool)
    if flags.shape != values.shape:  # numpy gives one False for types that never compare
        flags = np.zeros(len(values), dtype=bool)
    if not flags.any() and anomaly_label is not None and (both_classes or len(set(values)) > 1):
        raise ValueError(
            f"{name} holds no row with anomaly_label={anomaly_label!r}; found {_show(values)}."
        )
    if both_classes and (flags.all() or not flags.any()):
        raise ValueError(
            f"{name} holds one class only ({_show(values)}); both anomalies and normal rows are "
            "needed to tell how well they are separated."
        )
    return flags


def prediction_flags(y_pred: Any, y_true: Any, anomaly_label: Any = None) -> NDArray[np.bool_]:
    """Tell which rows are predicted to be anomalies, in the coding of the true labels.

    Parameters
    ----------
    y_pred : array-like of shape (n_samples,)
        Predicted labels: bool, or values from the coding that `y_true` is written in.
    y_true : array-like of shape (n_samples,)
        True labels, as in `anomaly_flags`.
    anomaly_label : object, default=None
        The value that marks an anomaly in both.

    Returns
    -------
    ndarray of bool of shape (n_samples,)
        True where an anomaly is predicted.

    Raises
    ------
    ValueError
        If `y_pred` is written in another coding than `y_true`.

    Examples
    --------
    >>> prediction_flags([1, 1], y_true=[0, 1]).tolist()
    [True, True]
    >>> prediction_flags([1, 1], y_true=[-1, 1]).tolist()
    [False, False]
    """
    predicted, true = _read_column(y_pred, "y_pred"), _read_column(y_true, "y_true")
    if len(predicted) != len(true):
        raise ValueError(f"y_pred has {len(predicted)} rows, but y_true has {len(true)}.")
    if predicted.dtype.kind == "b":
        return predicted
    if anomaly_label is not None:
        return anomaly_flags(predicted, anomaly_label, both_classes=False, name="y_pred")
    label = _find_label(true, "y_true")
    allowed = {-1, 1} if label == -1 else {0, 1}
    if not set(predicted.tolist()) <= allowed:
        raise ValueError(
            f"y_pred holds {_show(predicted)}, but y_true is coded in {sorted(allowed)}. Pass bool "
            "predictions, for a detector `detector.predict(X) == -1`."
        )
    return np.asarray(predicted == label, dtype=bool)


def _read_column(y: Any, name: str) -> NDArray[Any]:
    """Read labels as a 1-D array of bools, numbers or strings without gaps."""
    if y is None:
        raise ValueError(f"{name} is None; labels are needed here, and {_KNOWN}.")
    values = column_or_1d(y)
    if values.dtype.kind == "O":
        values = np.asarray(values.tolist())
    if len(values) == 0:
        raise ValueError(f"Found array with 0 sample(s) in {name}.")
    if values.dtype.kind == "O" or (values.dtype.kind == "f" and np.isnan(values).any()):
        raise ValueError(f"{name} contains NaN, None or values of mixed types; drop these rows.")
    return values


def _find_label(values: NDArray[Any], name: str) -> Any:
    """Give the value that marks an anomaly, or raise if that is not certain."""
    if values.dtype.kind == "b":
        return True
    classes = set(values.tolist())
    if values.dtype.kind in "iuf" and classes <= {0, 1} and 0 in classes:
        return 1
    if values.dtype.kind in "iuf" and classes <= {-1, 1} and -1 in classes:
        return -1
    raise ValueError(
        f"{name} holds {_show(values)}: it is ambiguous which of them is an anomaly. {_KNOWN}."
    )


def _show(values: NDArray[Any], most: int = 5) -> str:
    """Name the classes found, at most `most` of them."""
    classes = np.unique(values).tolist()
    more = f", ... ({len(classes)} classes)" if len(classes) > most else ""
    return ", ".join(repr(value) for value in classes[:most]) + more
