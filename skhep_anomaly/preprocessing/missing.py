"""Undefined values: replace a sentinel such as −999 by what the training rows say.

Event files mark "this quantity does not exist here" (the mass of two jets in an event with one) by
an impossible number. Left in, it is the oddest value of all and every detector learns to count
jets. The replacement must come from the training rows alone: a mean over all rows carries signal
into the background model.

The fill value of a column is the weighted median or mean of its defined values in ``fit``; with
``strategy="indicator"`` a 0/1 column per affected feature keeps the fact that it was undefined.
"""

from __future__ import annotations

import numbers
import warnings
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skhep_anomaly._validation import StrOptions, check_weights, weighted_quantile

__all__ = ["MissingSentinel"]


class MissingSentinel(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Replace undefined values by the median or mean of the rows given to ``fit``.

    NaN counts as undefined as well as `missing`, and so do None and NA in frames.

    Parameters
    ----------
    missing : float, default=-999.0
        The number that means "undefined"; NaN: only NaN does.
    strategy : {"median", "mean", "indicator"}, default="median"
        What is filled in. "indicator" fills in the median and appends a column ``<name>_missing``
        of 0 and 1 for each feature that had undefined values in ``fit``.

    Attributes
    ----------
    fill_values_ : ndarray of float64 of shape (n_features_in_,)
        What undefined values become.
    missing_fraction_ : ndarray of float64 of shape (n_features_in_,)
        Weighted share of undefined values in ``fit``.
    indicator_features_ : ndarray of int of shape (n_indicators,)
        Columns that have an indicator; empty unless ``strategy="indicator"``.
    n_features_in_ : int
        Number of columns in ``fit``.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Column names in ``fit``, if they were all strings.

    Notes
    -----
    A feature without any defined value in ``fit`` becomes 0 where it is undefined, with a
    ``UserWarning`` that names it; defined values that it takes later stay. A feature that was
    always defined in ``fit`` is filled later, but has no indicator.

    float32 stays float32, everything else becomes float64; the caller's array is not written to.
    A weight of k is k copies of the row. Detectors themselves refuse NaN: put this in front.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 5.0], [3.0, -999.0], [2.0, 7.0]])
    >>> MissingSentinel().fit_transform(X).tolist()
    [[1.0, 5.0], [3.0, 6.0], [2.0, 7.0]]
    >>> MissingSentinel(strategy="indicator").fit_transform(X)[:, 2].tolist()
    [0.0, 1.0, 0.0]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "missing": [numbers.Real],
        "strategy": [StrOptions({"median", "mean", "indicator"})],
    }

    def __init__(self, missing: float = -999.0, strategy: str = "median") -> None:
        self.missing = missing
        self.strategy = strategy

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> MissingSentinel:
        """Learn the fill values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights ≥ 0.

        Returns
        -------
        MissingSentinel
            The transformer itself.

        Raises
        ------
        ValueError
            If a parameter, `X` or the weights are unusable.
        """
        self._validate_params()
        X = self._read(X, reset=True)
        weight = check_weights(sample_weight, X, owner=type(self).__name__)
        if weight is None:
            weight = np.ones(len(X))
        X, weight = X[weight > 0], weight[weight > 0]
        undefined = self._undefined(X)
        self.missing_fraction_ = weight @ undefined / weight.sum()
        self.fill_values_ = np.array(
            [
                self._fill_value(column[~gone], weight[~gone])
                for column, gone in zip(X.T, undefined.T, strict=True)
            ]
        )
        marked = np.flatnonzero(undefined.any(axis=0))
        self.indicator_features_ = marked if self.strategy == "indicator" else marked[:0]
        self._warn_of_empty(np.flatnonzero(undefined.all(axis=0)))
        return self

    def transform(self, X: Any) -> NDArray[np.floating]:
        """Replace undefined values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows with the columns of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_features + n_indicators)
            A copy of `X` without undefined values, and the indicator columns behind it. A frame,
            if ``set_output`` asks for one.

        Raises
        ------
        ValueError
            If `X` has other columns than in ``fit`` or is infinite.
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        undefined = self._undefined(X)
        np.copyto(X, self.fill_values_.astype(X.dtype), where=undefined)
        if len(self.indicator_features_) == 0:
            return X
        return np.hstack([X, undefined[:, self.indicator_features_].astype(X.dtype)])

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Give the names of the columns that ``transform`` returns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input; None takes those of ``fit``, else x0, x1, ….

        Returns
        -------
        ndarray of object
            The input's names, then ``<name>_missing`` for each indicator.
        """
        names = super().get_feature_names_out(input_features)
        check_is_fitted(self)
        extra = [f"{names[column]}_missing" for column in self.indicator_features_]
        return np.concatenate([names, np.array(extra, dtype=object)])

    def _read(self, X: Any, *, reset: bool) -> NDArray[np.floating]:
        """Read rows into an array of our own; NaN may be in it, infinity may not."""
        X = validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            copy=True,
        )
        return np.asarray(X)

    def _undefined(self, X: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which values are undefined."""
        with np.errstate(over="ignore"):  # a sentinel beyond float32 marks nothing in float32
            sentinel = X.dtype.type(self.missing)
        return np.isnan(X) | (sentinel == X)

    def _fill_value(self, values: NDArray[np.floating], weight: NDArray[np.float64]) -> float:
        """Give what stands for undefined values, given the defined ones."""
        if len(values) == 0:
            return 0.0
        values = values.astype(np.float64)
        if self.strategy == "mean":
            return float(np.average(values, weights=weight))
        return float(weighted_quantile(values, 0.5, weight))

    def _warn_of_empty(self, empty: NDArray[np.intp]) -> None:
        """Name the features that were never defined."""
        if len(empty) == 0:
            return
        names = getattr(self, "feature_names_in_", np.arange(self.n_features_in_))[empty]
        listed = ", ".join(repr(name) for name in names[:5].tolist())
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        warnings.warn(
            f"MissingSentinel found no defined value in feature {listed}{more}; undefined values "
            "there become 0. Drop such features.",
            UserWarning,
            stacklevel=3,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
