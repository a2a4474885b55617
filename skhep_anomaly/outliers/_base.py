"""What all our trained detectors share: training on normal rows, scores, threshold, files.

A detector gives a torch module, what it minimises, and a score; the rest of a scikit-learn outlier
detector is here.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skhep_anomaly._device import resolve_device
from skhep_anomaly._random import torch_generator
from skhep_anomaly._validation import Interval, iter_slices
from skhep_anomaly.exceptions import TrainingDivergedError
from skhep_anomaly.outliers._offset import OffsetMixin
from skhep_anomaly.outliers._threshold import THRESHOLD_CONSTRAINTS, offset_from_scores
from skhep_anomaly.persistence import SaveMixin
from skhep_anomaly.training import NetEstimator, Rows, column_moments

__all__ = ["Detector"]

_STEPS, _STEPS_WIDE, _WIDE = 800, 200, 200


class Detector(SaveMixin, OffsetMixin, NetEstimator):
    """Base of the trained outlier detectors; not for direct use."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NetEstimator._parameter_constraints,
        **THRESHOLD_CONSTRAINTS,
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "standardize": ["boolean"],
    }

    # ------------------------------------------------- what a detector gives

    @abstractmethod
    def _anomaly(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Give the anomaly score of checked rows, higher = more anomalous."""

    def _finish(
        self, X: NDArray[Any], weight: NDArray[np.float64] | None
    ) -> NDArray[np.float64] | None:
        """Learn from the training rows what scoring needs, after the weights are fixed.

        Gives the training rows' anomaly scores where those of `_anomaly` would be biased, because
        a row must not count as its own neighbour.
        """
        return None

    def _threshold_rule(self) -> Any:
        """Give the rule, number or callable for ``offset_``."""
        return self.threshold

    def _max_epochs_rule(self, n_rows: int) -> int:
        """Give the epochs for ``max_epochs=None``: 800 steps (200 beyond 200 features)."""
        steps = _STEPS if self.n_features_in_ <= _WIDE else _STEPS_WIDE
        return max(1, round(steps / max(1, round(n_rows / self.batch_size))))

    # ------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn what normal rows look like.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows taken as normal (a few outliers among them are expected, see `contamination`).
        y : ignored
            Not used; accepted for the conventions of scikit-learn.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights ≥ 0 in any unit; a weight k stands for k copies of the row.

        Returns
        -------
        self : estimator
            Fitted.

        Raises
        ------
        ValueError
            If the input is not a finite table of at least two rows, or a weight is negative.
        InvalidParameterError
            If a parameter is out of range.
        """
        self._validate_params()
        self._check_settings()
        device = resolve_device(self.device)
        resume = self.warm_start and hasattr(self, "net_")
        X, weight = self._training_rows(X, sample_weight, reset=not resume)
        if resume:
            self._check_same_net()
        else:
            self._start(X, weight, device)
        self.net_.planned = True
        self._train_on(X, weight, self._n_epochs(len(X)))
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train one more epoch on further rows; the first call fixes the standardisation.

        The learning rate stays as it is and no warm-up is made: the end of training is not known.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Further normal rows.
        y : ignored
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights ≥ 0.

        Returns
        -------
        self : estimator
            Fitted; ``offset_`` and the score's calibration come from the rows of this call.
        """
        self._validate_params()
        self._check_settings()
        first = not hasattr(self, "net_")
        X, weight = self._training_rows(X, sample_weight, reset=first)
        if first:
            self._start(X, weight, resolve_device(self.device))
        self.net_.planned = False
        self._train_on(X, weight, 1)
        return self

    def _training_rows(
        self, X: Any, sample_weight: Any, *, reset: bool
    ) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
        """Check the rows and drop those of weight zero."""
        X = self._check(X, reset=reset, min_rows=2)
        weight, keep = self._check_weight(sample_weight, X)
        return (X if keep is None else X[keep]), weight

    def _start(self, X: NDArray[Any], weight: NDArray[np.float64] | None, device: str) -> None:
        """Set shapes, moments and first weights."""
        self._settle_on(X, device)
        if _all_equal(X):
            warnings.warn("All rows of X are equal: nothing tells them apart.", stacklevel=4)
        self._learn_shape(X, weight)
        self.net_ = self._make_net()
        if self.standardize:
            flat = X.reshape(len(X), -1)
            mean, scale = column_moments(flat, weight)
            standardizer = self.net_.module_.standardizer
            standardizer.mean.copy_(torch.from_numpy(mean.reshape(X.shape[1:])))
            standardizer.scale.copy_(torch.from_numpy(scale.reshape(X.shape[1:])))
        self._reset_weights(torch_generator(self._seeds[0]))

    def _learn_shape(self, X: NDArray[Any], weight: NDArray[np.float64] | None) -> None:
        """Set further attributes that `_make_net` reads."""

    def _n_epochs(self, n_rows: int) -> int:
        return self._max_epochs_rule(n_rows) if self.max_epochs is None else int(self.max_epochs)

    def _train_on(self, X: NDArray[Any], weight: NDArray[np.float64] | None, epochs: int) -> None:
        """Train on checked rows and set every fitted attribute."""
        self._train(lambda: self._run_epochs(X, weight, epochs), lambda: self._calibrate(X, weight))

    def _run_epochs(self, X: NDArray[Any], weight: NDArray[np.float64] | None, epochs: int) -> bool:
        """Let the net train; give True after Ctrl-C."""
        rows = Rows(X, weight, dtype=getattr(torch, self.dtype_), device=self.device_)
        data: Any = rows
        if self.early_stopping:
            split = np.random.default_rng(self._seeds[2])
            data = rows.split(self.validation_fraction, split)
        interrupted = self._run_net(data, epochs)
        self.n_iter_ = len(self.history_)
        return interrupted

    def _net_options(self) -> dict[str, Any]:
        """Give the net's arguments that every detector shares."""
        patience = self.n_iter_no_change if self.early_stopping else None
        return {**super()._net_options(), "patience": patience, "tol": self.tol}

    def _calibrate(self, X: NDArray[Any], weight: NDArray[np.float64] | None) -> None:
        """Learn from the training rows what scores and decisions need."""
        left_out = self._finish(X, weight)
        score = self._anomaly(X) if left_out is None else left_out
        score = score.astype(np.float64, copy=False)
        if not np.isfinite(score).all():
            raise TrainingDivergedError(
                f"{type(self).__name__} scores {int((~np.isfinite(score)).sum())} of {len(X)} "
                f"training rows as NaN or infinite after {self.n_iter_} epochs: the net diverged. "
                f"Lower learning_rate (now {self.learning_rate:g}), or look for extreme values in "
                "X."
            )
        self.offset_ = offset_from_scores(
            np.negative(score, out=score),
            weight,
            threshold=self._threshold_rule(),
            percentile=self.percentile,
            contamination=self.contamination,
        )

    # --------------------------------------------------------------- scores

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Score rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Higher = more normal.
        """
        check_is_fitted(self)
        score = self._anomaly(self._check(X, reset=False)).astype(np.float64, copy=False)
        return np.negative(score, out=score)


def _all_equal(X: NDArray[Any]) -> bool:
    """Tell whether every row is the first one, in chunks and mostly after one."""
    return all((X[rows] == X[0]).all() for rows in iter_slices(len(X), 4096))
