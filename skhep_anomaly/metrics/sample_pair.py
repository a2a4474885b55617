"""Read a real and a generated sample for a comparison: two tables of one width, and weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Estimate",
    "SamplePair",
    "check_number",
    "draw_pair",
    "read_pair",
    "scale_by_real",
    "take_pair",
]

Matrix = NDArray[np.floating]


class Estimate(NamedTuple):
    """A value and its standard error."""

    value: float
    std: float


class SamplePair(NamedTuple):
    """Rows of the real and the generated sample, and their weights of mean one."""

    real: Matrix
    fake: Matrix
    weight_real: NDArray[np.float64]
    weight_fake: NDArray[np.float64]

    @property
    def weighted(self) -> bool:
        """Whether any row counts more than another of its sample."""
        return any(np.ptp(weight) > 0 for weight in (self.weight_real, self.weight_fake))


def read_pair(
    real: Any, fake: Any, weight_real: Any = None, weight_fake: Any = None, *, min_rows: int = 2
) -> SamplePair:
    """Give the two samples as float tables of the same columns.

    Parameters
    ----------
    real, fake : array-like of shape (n, k), or (n,) for one column
        Features, for instance a `ShowerObservables`. More dimensions are flattened.
    weight_real, weight_fake : array-like of shape (n,), default=None
        Weights ≥ 0.
    min_rows : int
        Fewest rows of each sample.

    Returns
    -------
    SamplePair

    Raises
    ------
    ValueError
        If the columns differ, rows are too few or not finite, or weights do not fit.
    """
    tables = [_read_rows(real, "real", min_rows), _read_rows(fake, "fake", min_rows)]
    columns = [table.shape[1] for table in tables]
    if columns[0] != columns[1]:
        raise ValueError(
            f"real has {columns[0]} columns and fake has {columns[1]}; give both the same features."
        )
    weights = [
        _read_weight(weight, len(table), name)
        for weight, table, name in zip(
            (weight_real, weight_fake), tables, ("weight_real", "weight_fake"), strict=True
        )
    ]
    return SamplePair(tables[0], tables[1], weights[0], weights[1])


def _read_rows(sample: Any, name: str, min_rows: int) -> Matrix:
    rows = np.asarray(sample)
    if rows.dtype != np.float32:
        rows = rows.astype(np.float64)
    if rows.ndim == 0 or len(rows) < min_rows:
        raise ValueError(f"{name}.shape == {rows.shape}: at least {min_rows} rows are needed.")
    rows = rows.reshape(len(rows), -1)
    if not np.isfinite(rows).all():
        bad = int((~np.isfinite(rows)).any(axis=1).sum())
        raise ValueError(f"{name} holds NaN or infinity in {bad} of {len(rows)} rows.")
    return rows


def _read_weight(weight: Any, n: int, name: str) -> NDArray[np.float64]:
    if weight is None:
        return np.ones(n)
    array = np.asarray(weight, dtype=np.float64)
    if array.shape != (n,):
        raise ValueError(f"{name}.shape == {array.shape}, expected ({n},).")
    if not (np.isfinite(array).all() and (array >= 0).all() and array.any()):
        raise ValueError(f"{name} must be finite and >= 0 with a positive sum.")
    return array / array.mean()


def scale_by_real(pair: SamplePair) -> SamplePair:
    """Standardise both samples by mean and standard deviation of the real one, in float64.

    A column that is constant in the real sample is only shifted.
    """
    real = np.asarray(pair.real, dtype=np.float64)
    mean = np.average(real, axis=0, weights=pair.weight_real)
    spread = np.sqrt(np.average((real - mean) ** 2, axis=0, weights=pair.weight_real))
    # a constant column's spread is a rounding, not a scale
    spread = np.where(spread > 1e-12 * np.maximum(1.0, np.abs(mean)), spread, 1.0)
    return pair._replace(real=(real - mean) / spread, fake=(pair.fake - mean) / spread)


def take_pair(pair: SamplePair, rows_real: Any, rows_fake: Any) -> SamplePair:
    """Give some rows of each sample, with their weights as they are."""
    return SamplePair(
        pair.real[rows_real],
        pair.fake[rows_fake],
        pair.weight_real[rows_real],
        pair.weight_fake[rows_fake],
    )


def draw_pair(pair: SamplePair, rng: np.random.Generator) -> SamplePair:
    """Give a bootstrap sample: as many rows of each sample, drawn with replacement."""
    drawn = [rng.integers(len(rows), size=len(rows)) for rows in (pair.real, pair.fake)]
    return take_pair(pair, drawn[0], drawn[1])


def check_number(name: str, value: Any, lowest: int) -> int:
    """Give a whole number, checked.

    Raises
    ------
    ValueError
        If it is not a whole number of at least `lowest`.
    """
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= lowest:
        return int(value)
    raise ValueError(f"{name}={value!r} must be a whole number of at least {lowest}.")
