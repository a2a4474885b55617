"""A model's score on a grid of two features, with levels that hold given shares of normal rows.

Scores of different methods have different units; the share of normal rows that score higher means
the same for all. The level set {x : score(x) ≥ t} holds the share s where t is the (1 − s) quantile
of the normal rows' scores.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._validation import weighted_quantile
from skhep_anomaly.metrics.scorers import anomaly_scores
from skhep_anomaly.plotting._axes import plain_text
from skhep_anomaly.plotting._scores import own_threshold

__all__ = ["LevelMap", "Plane", "level_map", "read_plane", "spread_grid"]


class Plane(NamedTuple):
    """Rows of two features: their numbers, their names, and the frame they came in (or None)."""

    values: NDArray[np.floating]
    names: tuple[str, str]
    frame: Any

    def like(self, values: NDArray[np.floating]) -> Any:
        """Give rows in the dtype and, where there was one, the frame of these."""
        rows = values.astype(self.values.dtype, copy=False)
        if self.frame is None:
            return rows
        columns = list(self.frame.columns)
        key = "columns" if hasattr(self.frame, "iloc") else "schema"  # pandas; polars
        return type(self.frame)(rows, **{key: columns})


class LevelMap(NamedTuple):
    """One model's score on the grid.

    Parameters
    ----------
    name : str
        The model's name.
    score : ndarray of shape (n_grid, n_grid)
        Score of normality, higher = more normal; the first axis is the second feature.
    levels : ndarray of shape (n_shares,)
        Score above which each share of the normal rows lies; never increasing.
    boundary : float or None
        Score below which the model calls a row an anomaly; None where it has no threshold.
    """

    name: str
    score: NDArray[np.float64]
    levels: NDArray[np.float64]
    boundary: float | None


def read_plane(X: Any) -> Plane:
    """Read rows of two finite features.

    Parameters
    ----------
    X : array-like or frame of shape (n_samples, 2)
        Rows.

    Returns
    -------
    Plane

    Raises
    ------
    ValueError
        `X` has other than two columns, or a number is not finite.
    """
    frame = X if hasattr(X, "columns") else None
    values = np.asarray(X)
    values = values if values.dtype == np.float32 else values.astype(np.float64)
    if values.ndim != 2 or values.shape[1] != 2:
        raise ValueError(
            f"X has shape {values.shape}, but level sets are drawn in a plane: two features, "
            "chosen before fit. For more, use LatentMapDisplay."
        )
    bad = int((~np.isfinite(values)).any(axis=1).sum())
    if bad:
        raise ValueError(f"X contains NaN or infinity in {bad} of {len(values)} rows.")
    first, second = (
        ("$x_1$", "$x_2$") if frame is None else (plain_text(str(name)) for name in frame.columns)
    )
    return Plane(values, (first, second), frame)


def spread_grid(
    points: NDArray[np.floating], limits: Any, n_grid: int, margin: float = 0.15
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the grid's two axes.

    Parameters
    ----------
    points : ndarray of shape (n_samples, 2)
        Rows that must lie within.
    limits : ((low, high), (low, high)) or None
        Ends of both axes; None: the range of the rows, widened by `margin` of it on either side.
    n_grid : int
        Points along each axis.
    margin : float, default=0.15
        See `limits`.

    Returns
    -------
    x, y : ndarray of shape (n_grid,)
        Increasing.

    Raises
    ------
    ValueError
        `limits` are not two increasing pairs, or `n_grid` is less than 2.
    """
    if n_grid < 2:
        raise ValueError(f"n_grid={n_grid} must be at least 2.")
    if limits is None:
        low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
        width = np.where(high > low, high - low, 1.0)
        ends = np.stack([low - margin * width, high + margin * width], axis=1)
    else:
        ends = np.asarray(limits, dtype=np.float64)
    if ends.shape != (2, 2) or not (np.isfinite(ends).all() and (ends[:, 0] < ends[:, 1]).all()):
        raise ValueError(f"limits={limits!r} must be ((low, high), (low, high)), low below high.")
    x, y = np.linspace(ends[:, 0], ends[:, 1], n_grid, axis=1)
    return x, y


def level_map(
    name: str,
    estimator: Any,
    grid: Any,
    normal: Any,
    weight: NDArray[np.float64],
    shares: NDArray[np.float64],
    anomaly_label: Any,
) -> LevelMap:
    """Score grid and normal rows.

    Parameters
    ----------
    name : str
        The model's name.
    estimator : estimator
        Fitted detector or classifier of two classes.
    grid : array or frame of shape (n_grid², 2)
        Rows of the grid, the first feature runs fastest.
    normal : array or frame of shape (n_normal, 2)
        Normal rows.
    weight : ndarray of shape (n_normal,)
        Their weights.
    shares : ndarray of shape (n_shares,)
        Shares of the normal weight, increasing.
    anomaly_label : object
        A classifier's label of anomalies, or None.

    Returns
    -------
    LevelMap

    Raises
    ------
    ValueError
        A score is not finite.
    """
    on_grid, of_rows = (_normality(estimator, rows, anomaly_label) for rows in (grid, normal))
    bad = int((~np.isfinite(on_grid)).sum() + (~np.isfinite(of_rows)).sum())
    if bad:
        raise ValueError(
            f"{name} scores {bad} of {len(on_grid) + len(of_rows)} rows as NaN or infinite; level "
            "sets need finite scores."
        )
    levels = np.asarray(weighted_quantile(of_rows, 1 - shares, weight))
    side = round(len(on_grid) ** 0.5)
    return LevelMap(name, on_grid.reshape(side, side), levels, _boundary(estimator, on_grid))


def _normality(estimator: Any, rows: Any, anomaly_label: Any) -> NDArray[np.float64]:
    if hasattr(estimator, "score_samples"):
        return np.asarray(estimator.score_samples(rows), dtype=np.float64)
    return -anomaly_scores(estimator, rows, anomaly_label)


def _boundary(estimator: Any, score: NDArray[np.float64]) -> float | None:
    """Return the threshold on the scale of `_normality`."""
    if hasattr(estimator, "score_samples"):
        threshold = own_threshold(estimator)
        return None if threshold is None else -threshold
    if hasattr(estimator, "decision_function"):
        return 0.0
    return 0.5 if score.max() > 0 else -0.5  # P(normal), or −P(anomaly)
