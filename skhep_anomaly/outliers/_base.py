"""What all our trained detectors share: checks, training, scores, threshold, files.

A detector gives a torch module, what it minimises, and a score; the rest of a scikit-learn outlier
detector is here.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback

from skhep_anomaly._device import resolve_device
from skhep_anomaly._random import seed_sequence, torch_generator
from skhep_anomaly._validation import (
    Interval,
    InvalidParameterError,
    StrOptions,
    check_rows,
    check_weights,
    iter_slices,
)
from skhep_anomaly.exceptions import TrainingDivergedError
from skhep_anomaly.outliers._offset import OffsetMixin
from skhep_anomaly.outliers._threshold import THRESHOLD_CONSTRAINTS, offset_from_scores
from skhep_anomaly.persistence import SaveMixin
from skhep_anomaly.training import Net, Rows, column_moments, map_rows

__all__ = ["Detector"]

_STEPS, _STEPS_WIDE, _WIDE = 800, 200, 200
_CHANGEABLE = ("lr", "batch_size", "schedule", "max_grad_norm", "patience", "tol", "bar")


class Detector(SaveMixin, OffsetMixin, BaseEstimator):  # type: ignore[misc]
    """Base of the trained outlier detectors; not for direct use."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **THRESHOLD_CONSTRAINTS,
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions({"constant", "cosine"})],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "standardize": ["boolean"],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
        "device": [str],
        "random_state": ["random_state", np.random.Generator, np.random.SeedSequence],
        "verbose": ["verbose"],
        "callbacks": [list, None],
        "warm_start": ["boolean"],
        "n_members": [Interval(Integral, 1, None, closed="left")],
    }
    _extra_state: ClassVar[tuple[str, ...]] = ("_seeds",)

    # ------------------------------------------------- what a detector gives

    @abstractmethod
    def _make_net(self) -> Net:
        """Build the net, untrained, from parameters and fitted attributes."""

    @abstractmethod
    def _reset_weights(self, generator: torch.Generator) -> None:
        """Draw the first weights of ``net_.module_``."""

    @abstractmethod
    def _anomaly(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Give the anomaly score of checked rows, higher = more anomalous."""

    def _takes_images(self) -> bool:
        """Tell whether rows may have more than one axis."""
        return False

    def _check_settings(self) -> None:
        """Refuse parameters that do not go together."""

    def _validate_params(self) -> None:
        """Check each parameter, and the widths of layers one by one."""
        super()._validate_params()
        for callback in self.callbacks or ():
            if not isinstance(callback, Callback):
                raise InvalidParameterError(
                    f"The 'callbacks' parameter of {type(self).__name__} must hold instances of "
                    f"skorch.callbacks.Callback. Got {callback!r} instead."
                )
        for name, sizes in self.get_params(deep=False).items():
            if not name.endswith("layer_sizes"):
                continue
            whole = (isinstance(size, Integral) and not isinstance(size, bool) for size in sizes)
            if not (all(whole) and all(size >= 1 for size in sizes)):
                raise InvalidParameterError(
                    f"The {name!r} parameter of {type(self).__name__} must be a sequence of ints "
                    f"in the range [1, inf). Got {sizes!r} instead."
                )

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
        self._train(X, weight, self._n_epochs(len(X)))
        return self

    def _check_same_net(self) -> None:
        """Refuse to go on with another architecture than that of the first fit."""
        old, new = (
            {name: part.shape for name, part in net.module_.state_dict().items()}
            for net in (self.net_, self._make_net())
        )
        if old != new:
            raise ValueError(
                f"warm_start=True goes on with the net of the first fit, but the parameters of "
                f"{type(self).__name__} now ask for another one. Set warm_start=False, or the "
                "parameters back."
            )

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
        self._train(X, weight, 1)
        return self

    def _training_rows(
        self, X: Any, sample_weight: Any, *, reset: bool
    ) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
        """Check the rows and drop those of weight zero."""
        X = self._check(X, reset=reset, min_rows=2)
        weight = check_weights(sample_weight, X, owner=type(self).__name__)
        if weight is not None and not weight.all():
            keep = weight > 0
            if keep.sum() < 2:
                raise ValueError(
                    f"Only n_samples={keep.sum()} of {len(X)} rows has a sample_weight above zero, "
                    f"while a minimum of 2 is required by {type(self).__name__}."
                )
            X, weight = X[keep], weight[keep] / weight[keep].mean()
            if np.ptp(weight) == 0:
                weight = None
        return X, weight

    def _check(self, X: Any, *, reset: bool, min_rows: int = 1) -> NDArray[Any]:
        X = check_rows(
            self, X, reset=reset, dtype=self.dtype, min_rows=min_rows, allow_nd=self._takes_images()
        )
        if reset:
            self.row_shape_ = X.shape[1:]
        elif X.shape[1:] != tuple(self.row_shape_):
            raise ValueError(
                f"X has rows of shape {X.shape[1:]}, but {type(self).__name__} was fitted on rows "
                f"of shape {tuple(self.row_shape_)}."
            )
        return X

    def _start(self, X: NDArray[Any], weight: NDArray[np.float64] | None, device: str) -> None:
        """Set shapes, moments and first weights."""
        self._forget()
        self.dtype_ = X.dtype.name if self.dtype == "auto" else self.dtype
        if device != "cpu" and self.dtype == "auto":
            self.dtype_ = "float32"
        self.device_ = device
        self._seeds = seed_sequence(self.random_state).spawn(4)
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

    def _train(self, X: NDArray[Any], weight: NDArray[np.float64] | None, epochs: int) -> None:
        """Train, set every fitted attribute from the best state, and pass on an interrupt.

        A Ctrl-C after the epochs waits for the rest too; a second one does not, and then, as after
        an error, the estimator is not fitted: weights without what belongs to them would give
        wrong scores.
        """
        try:
            interrupted = self._run_epochs(X, weight, epochs)
            try:
                self._calibrate(X, weight)
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                self._calibrate(X, weight)
        except BaseException:
            self._forget()
            raise
        if interrupted:
            raise KeyboardInterrupt(
                f"Training of {type(self).__name__} was interrupted in epoch "
                f"{len(self.net_.history)}; "
                "the best state so far is set."
            )

    def _forget(self) -> None:
        """Be unfitted."""
        for name in ("net_", "offset_"):
            self.__dict__.pop(name, None)

    def __sklearn_is_fitted__(self) -> bool:
        return "offset_" in vars(self)

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

    def _run_epochs(self, X: NDArray[Any], weight: NDArray[np.float64] | None, epochs: int) -> bool:
        """Let the net train; give True after Ctrl-C."""
        rows = Rows(X, weight, dtype=getattr(torch, self.dtype_), device=self.device_)
        data: Any = rows
        if self.early_stopping:
            split = np.random.default_rng(self._seeds[2])
            data = rows.split(self.validation_fraction, split)
        self.net_.set_params(max_epochs=epochs)
        options = self._net_options()
        for name in _CHANGEABLE:  # in a further fit they may be others
            setattr(self.net_, name, options[name])
        self.net_.partial_fit(data)
        self.history_ = [
            {key: value for key, value in row.items() if key != "batches"}
            for row in self.net_.history
            if "train_loss" in row  # not the epoch that Ctrl-C cut off
        ]
        self.n_iter_ = len(self.history_)
        return bool(self.net_.interrupted_)

    def _net_options(self) -> dict[str, Any]:
        """Give the net's arguments that every detector shares."""
        seeds = getattr(self, "_seeds", None) or seed_sequence(0).spawn(4)
        return {
            "seeds": seeds[1],
            "lr": self.learning_rate,
            "batch_size": self.batch_size,
            "schedule": self.lr_schedule,
            "max_grad_norm": self.max_grad_norm,
            "patience": self.n_iter_no_change if self.early_stopping else None,
            "tol": self.tol,
            "device": self.device_,
            "callbacks": self.callbacks,
            "bar": type(self).__name__ if self.verbose else None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Be where the net is: it wakes up on the CPU where there is no GPU."""
        super().__setstate__(state)
        if "net_" in vars(self):
            self.device_ = str(self.net_.device)

    # --------------------------------------------------------------- scores

    def _map(self, function: Callable[..., torch.Tensor], X: NDArray[Any]) -> NDArray[Any]:
        """Apply a function of tensors to rows, chunk by chunk."""
        return map_rows(function, X, module=self.net_.module_)

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
