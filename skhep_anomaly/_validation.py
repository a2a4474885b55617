"""Checks of input that every estimator shares, in scikit-learn's words where it has them.

This is the one file that imports scikit-learn names which are not documented as public; everybody
else takes them from here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils._param_validation import (
    HasMethods,
    Hidden,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    validate_params,
)
from sklearn.utils.validation import _check_sample_weight, validate_data

__all__ = [
    "HasMethods",
    "Hidden",
    "Interval",
    "InvalidParameterError",
    "Options",
    "StrOptions",
    "check_rows",
    "check_weights",
    "iter_slices",
    "validate_params",
    "weighted_quantile",
]


def iter_slices(n_rows: int, chunk_rows: int) -> Any:
    """Yield slices that cover ``range(n_rows)`` in chunks of at most `chunk_rows`."""
    for start in range(0, n_rows, chunk_rows):
        yield slice(start, min(start + chunk_rows, n_rows))


def check_rows(
    estimator: Any,
    X: Any,
    *,
    reset: bool,
    dtype: str = "auto",
    min_rows: int = 1,
    **check_params: Any,
) -> NDArray[np.floating]:
    """Turn user's rows into a C-contiguous float array of finite numbers.

    Parameters
    ----------
    estimator : estimator
        Named in messages; gets ``n_features_in_`` and ``feature_names_in_`` when `reset`.
    X : array-like of shape (n_samples, n_features)
        Rows; a frame's column names and their order are checked against those of ``fit``.
    reset : bool
        True in ``fit``.
    dtype : {"auto", "float32", "float64"}
        "auto" keeps float32 (and floats narrower than that, as float32) and turns the rest into
        float64.
    min_rows : int
        Fewest rows allowed.
    **check_params
        Passed to scikit-learn's ``check_array``.

    Returns
    -------
    ndarray of shape (n_samples, n_features)
        The caller's own memory where it already has the right form; never written to.

    Raises
    ------
    TypeError
        If `X` is sparse.
    ValueError
        If `X` is not numeric, empty, not 2-D, not finite, or has other columns than in ``fit``.
    """
    if sparse.issparse(X):
        raise TypeError(
            f"Sparse data was passed to {type(estimator).__name__}, but dense data is required. "
            "Use '.toarray()' to convert to a dense numpy array."
        )
    names = [str(name) for name in getattr(X, "columns", ())]
    # ``estimator=`` makes scikit-learn's messages name the estimator.
    X = validate_data(
        estimator,
        X,
        reset=reset,
        dtype=[np.float64, np.float32] if _is_wide(X) else [np.float32, np.float64],
        order="C",
        ensure_all_finite=False,
        ensure_min_samples=min_rows,
        **check_params,
    )
    target = {"auto": X.dtype, "float32": np.dtype(np.float32), "float64": X.dtype}[dtype]
    _check_finite(X, names, target, type(estimator).__name__)
    return X


def _is_wide(X: Any) -> bool:
    """Tell whether float32 would lose digits of X's numbers (float16 and bool fit into it)."""
    kind = getattr(X, "dtype", None)
    return not (isinstance(kind, np.dtype) and np.can_cast(kind, np.float32))


def _check_finite(
    X: NDArray[np.floating], names: list[str], target: np.dtype[Any], owner: str
) -> None:
    limit = np.finfo(target).max
    bad_nan: NDArray[np.intp] = np.zeros(X[:1].reshape(1, -1).shape[1], dtype=np.intp)
    bad_inf = bad_nan.copy()
    flat = X.reshape(len(X), -1)
    for rows in iter_slices(len(flat), max(1, 2**20 // max(1, flat.shape[1]))):
        chunk = flat[rows]
        with np.errstate(over="ignore", invalid="ignore"):
            total = chunk.sum(dtype=np.float64)
        if np.isfinite(total) and abs(total) < limit and target == X.dtype:
            continue
        bad_nan += np.isnan(chunk).sum(axis=0)
        bad_inf += (np.abs(chunk) > limit).sum(axis=0)
    if bad_nan.any():
        raise ValueError(
            f"Input X contains NaN.\n{owner} does not accept missing values encoded as NaN: "
            f"{_name_columns(bad_nan, names)}. Put MissingSentinel or an imputer in front of it "
            "in a Pipeline, or drop these rows."
        )
    if bad_inf.any():
        raise ValueError(
            f"Input X contains infinity or a value too large for dtype('{target}'): "
            f"{_name_columns(bad_inf, names)}. Drop or clip these rows before {owner}."
        )


def _name_columns(counts: NDArray[np.intp], names: list[str], most: int = 5) -> str:
    """Say which columns are bad and how often, worst first."""
    worst = [i for i in np.argsort(-counts, kind="stable") if counts[i]]
    label = [repr(names[i]) if i < len(names) else str(i) for i in worst[:most]]
    parts = [f"column {name} ({counts[i]} rows)" for name, i in zip(label, worst, strict=False)]
    more = f" and {len(worst) - most} more columns" if len(worst) > most else ""
    return ", ".join(parts) + more


def check_weights(
    sample_weight: Any, X: NDArray[np.floating], *, owner: str
) -> NDArray[np.float64] | None:
    """Turn user's weights into float64 of mean one, or None where they are all alike.

    Raises
    ------
    ValueError
        If the weights are NaN, of the wrong length, all zero, or negative.
    """
    if sample_weight is None:
        return None
    weight = np.array(
        _check_sample_weight(sample_weight, X, dtype=np.float64, allow_all_zero_weights=True),
        dtype=np.float64,
    )
    negative = int((weight < 0).sum())
    if negative:
        raise ValueError(
            f"sample_weight holds {negative} negative weights of {len(weight)}; the loss of "
            f"{owner} has no minimum then. Drop these rows or fold their weights "
            "into neighbouring positive ones."
        )
    if not weight.any():
        raise ValueError("All sample weights are zero: no row is left to fit.")
    if np.ptp(weight) == 0:
        return None
    return weight / weight.mean()


def weighted_quantile(
    values: Any, q: Any, sample_weight: Any = None
) -> np.float64 | NDArray[np.float64]:
    """Give quantiles in which a weight of k counts as k copies of the value.

    Inverse of the cumulated weight, averaged where `q` hits a step exactly (NumPy's
    ``averaged_inverted_cdf``).

    Parameters
    ----------
    values : array-like of shape (n,)
        Numbers; not empty.
    q : float or array-like in [0, 1]
        Probabilities.
    sample_weight : array-like of shape (n,), default=None
        Weights ≥ 0, not all zero. None: all one.

    Returns
    -------
    float or ndarray of the shape of `q`

    Examples
    --------
    >>> float(weighted_quantile([1.0, 2.0, 4.0], 0.5, [1, 1, 2]))
    3.0
    """
    values = np.asarray(values, dtype=np.float64).ravel()
    if sample_weight is None:
        return np.quantile(values, q, method="averaged_inverted_cdf")
    weight = np.asarray(sample_weight, dtype=np.float64).ravel()
    keep = weight > 0
    order = np.argsort(values[keep], kind="stable")
    values, weight = values[keep][order], weight[keep][order]
    cumulated = np.cumsum(weight)
    share = cumulated / cumulated[-1]
    wanted = np.asarray(q, dtype=np.float64)
    slack = 8 * np.finfo(np.float64).eps * len(values)
    low = np.searchsorted(share, wanted - slack, side="left").clip(max=len(values) - 1)
    high = np.searchsorted(share, wanted + slack, side="right").clip(max=len(values) - 1)
    return (values[low] + values[high]) / 2
