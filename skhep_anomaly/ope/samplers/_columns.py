"""Columns of few values (flags, charges, counts), drawn over the values seen.

A number drawn from an interval is never exactly 0 or 1: in a column of flags it gives a
pseudo-anomaly away at once, and the net learns nothing else from it. So a column with 2 to 12
distinct values, each seen at least twice, is drawn from these values with equal chances. A constant
column keeps its interval: only there can the net learn that another value is an anomaly.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["find_few", "log_chance", "redraw"]

_MOST = 12  # distinct values that still make a column of few
_SAME = 1e-6  # of the box's width: as close as this is the same value


def find_few(rows: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Find the columns of few values and their values inside the box.

    Parameters
    ----------
    rows : Tensor of shape (n, n_features)
        Normal rows.
    low, high : Tensor of shape (n_features,)
        Box; a column that has fewer than two of its values inside is no column of few.

    Returns
    -------
    columns : Tensor of int, shape (k,)
        Which columns these are.
    values : Tensor of shape (k, 12)
        Their values in increasing order, then NaN.
    """
    found = {}
    for column in range(rows.shape[1]):
        values = _few_values(rows[:, column])
        inside = values[(values >= low[column]) & (values <= high[column])]
        if len(inside) > 1:
            found[column] = inside
    table = rows.new_full((len(found), _MOST), torch.nan)
    for line, values in zip(table, found.values(), strict=True):
        line[: len(values)] = values
    return torch.tensor(list(found), dtype=torch.long, device=rows.device), table


def _few_values(column: Tensor) -> Tensor:
    """Give the sorted distinct values, or none where they are many or some are seen only once."""
    if len(column[: 5 * _MOST].unique()) > _MOST:
        return column[:0]
    values, counts = column.unique(return_counts=True)
    return values if len(values) <= _MOST and bool((counts > 1).all()) else column[:0]


def redraw(x: Tensor, u: Tensor, columns: Tensor, values: Tensor) -> Tensor:
    """Overwrite `columns` of `x` (n, d) by their `values`, chosen by `u` (n, d) in [0, 1)."""
    if len(columns):
        place = (u[:, columns] * _counts(values)).long()
        x[:, columns] = values[torch.arange(len(columns), device=x.device), place]
    return x


def log_chance(x: Tensor, columns: Tensor, values: Tensor, width: Tensor) -> Tensor:
    """Give the log probability of the entries of `x` (n, d) in `columns`, summed: shape (n,)."""
    seen = (x[:, columns, None] - values).abs() <= _SAME * width[columns, None]
    chance = torch.where(seen.any(dim=-1), -_counts(values).log(), -torch.inf)
    return chance.sum(dim=1).to(x.dtype)


def _counts(values: Tensor) -> Tensor:
    return (~values.isnan()).sum(dim=1)
