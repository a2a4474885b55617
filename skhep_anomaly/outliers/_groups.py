"""Which group a row belongs to, and which groups are large enough for a model of their own."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["group_column", "group_labels", "group_of_each_label", "nearest_label"]


def group_column(groups: Any, rows: NDArray[Any], X: Any) -> int | None:
    """Give the position of the column that tells the group, if a column does.

    Parameters
    ----------
    groups : None, str, int or callable
        The parameter of the estimator.
    rows : ndarray of shape (n_samples, n_features)
        Checked rows.
    X : array-like
        The same as the user gave them.

    Raises
    ------
    ValueError
        If there is no such column.
    """
    if groups is None or callable(groups):
        return None
    n_columns = rows.shape[1]
    if not isinstance(groups, str):
        if not -n_columns <= groups < n_columns:
            raise ValueError(f"groups={groups} is no column of X, which has {n_columns} columns.")
        return int(groups) % n_columns
    names = [str(name) for name in getattr(X, "columns", ())]
    if not names:
        raise ValueError(
            f"groups={groups!r} names a column, but X has no column names; give a frame or the "
            "column's position."
        )
    if groups not in names:
        raise ValueError(f"groups={groups!r} is no column of X; it has {names}.")
    return names.index(groups)


def group_labels(groups: Any, column: int | None, rows: NDArray[Any], X: Any) -> NDArray[Any]:
    """Give each row's label: whole numbers as int, other numbers as float, else as they are.

    Raises
    ------
    ValueError
        If a callable does not give one label per row, or gives NaN or None.
    """
    if callable(groups):
        labels = np.asarray(groups(X))
        if labels.shape != (len(rows),):
            raise ValueError(
                f"groups gave labels of shape {labels.shape} for {len(rows)} rows; it must give "
                "one label per row."
            )
        _refuse_undefined(labels)
    else:
        labels = np.zeros(len(rows)) if column is None else rows[:, column]
    is_float = np.issubdtype(labels.dtype, np.floating)
    if is_float and np.array_equal(labels, np.trunc(labels)) and np.abs(labels).max() < 2**53:
        return labels.astype(np.int64)
    return labels


def _refuse_undefined(labels: NDArray[Any]) -> None:
    """Refuse NaN and None, which are no group."""
    if labels.dtype.kind not in "fO":
        return
    undefined = [
        row
        for row, label in enumerate(labels.tolist())
        if label is None or (isinstance(label, float) and np.isnan(label))
    ]
    if undefined:
        raise ValueError(
            f"groups gave NaN or None as the label of {len(undefined)} rows, the first is row "
            f"{undefined[0]}; give these rows a label or drop them."
        )


def group_of_each_label(labels: NDArray[Any], min_size: int, unseen: str) -> dict[Any, Any]:
    """Give, for each label, the group whose model serves it: itself where it has enough rows.

    Raises
    ------
    ValueError
        If no group is large enough, or one is too small and `unseen` is "error".
    """
    values, counts = np.unique(labels, return_counts=True)
    sizes = dict(zip(values.tolist(), counts.tolist(), strict=True))
    large = [label for label, size in sizes.items() if size >= min_size]
    small = {label: size for label, size in sizes.items() if size < min_size}
    if small and (unseen == "error" or not large):
        told = ", ".join(f"{label!r} ({size} rows)" for label, size in list(small.items())[:5])
        more = f" and {len(small) - 5} more" if len(small) > 5 else ""
        raise ValueError(
            f"Groups with fewer than min_group_size={min_size} training rows: {told}{more}. Lower "
            "min_group_size, drop these rows, or let the nearest group serve them with "
            "unseen='nearest'."
        )
    return {label: label if label in large else nearest_label(label, large) for label in sizes}


def nearest_label(label: Any, known: list[Any]) -> Any:
    """Give the numerically nearest of the known labels, the smaller of two.

    Raises
    ------
    ValueError
        If labels are not numbers.
    """
    if not all(isinstance(each, numbers.Real) for each in (label, *known)):
        raise ValueError(
            f"Group {label!r} has no model, and unseen='nearest' needs numbers as labels; the "
            f"known groups are {known}."
        )
    return min(known, key=lambda each: (abs(each - label), each))
