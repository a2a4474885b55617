"""What every estimator shares that trains a net: parameters, checks of rows, training, device.

A subclass gives a net, what it minimises, and what is learnt once the weights are fixed; the life
of a trained scikit-learn estimator (checks before training, a usable state after Ctrl-C, none after
a failure, GPU to CPU on unpickling) is here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from skorch.callbacks import Callback

from skhep_anomaly._random import seed_sequence
from skhep_anomaly._validation import (
    Interval,
    InvalidParameterError,
    StrOptions,
    check_rows,
    check_weights,
)
from skhep_anomaly.training.net import Net
from skhep_anomaly.training.scoring import map_rows

__all__ = ["NetEstimator"]

_CHANGEABLE = ("lr", "batch_size", "schedule", "max_grad_norm", "patience", "tol", "bar")


class NetEstimator(BaseEstimator):  # type: ignore[misc]
    """Base of the estimators that hold a net; not for direct use."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions({"constant", "cosine"})],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
        "device": [str],
        "random_state": ["random_state", np.random.Generator, np.random.SeedSequence],
        "verbose": ["verbose"],
        "callbacks": [list, None],
        "warm_start": ["boolean"],
        "n_members": [Interval(Integral, 1, None, closed="left")],
    }
    _extra_state: ClassVar[tuple[str, ...]] = ("_seeds",)

    # ---------------------------------------------- what an estimator gives

    @abstractmethod
    def _make_net(self) -> Net:
        """Build the net, untrained, from parameters and fitted attributes."""

    @abstractmethod
    def _reset_weights(self, generator: torch.Generator) -> None:
        """Draw the first weights of ``net_.module_``."""

    def _takes_images(self) -> bool:
        """Tell whether rows may have more than one axis."""
        return False

    def _check_settings(self) -> None:
        """Refuse parameters that do not go together."""

    # --------------------------------------------------------------- checks

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

    def _check_weight(
        self, sample_weight: Any, X: NDArray[Any]
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.bool_] | None]:
        """Give weights of mean one, and which rows count where some have weight zero."""
        weight = check_weights(sample_weight, X, owner=type(self).__name__)
        if weight is None or weight.all():
            return weight, None
        keep = weight > 0
        if keep.sum() < 2:
            raise ValueError(
                f"Only n_samples={keep.sum()} of {len(X)} rows has a sample_weight above zero, "
                f"while a minimum of 2 is required by {type(self).__name__}."
            )
        weight = weight[keep] / weight[keep].mean()
        return (None if np.ptp(weight) == 0 else weight), keep

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

    # ------------------------------------------------------------- training

    def _settle_on(self, X: NDArray[Any], device: str) -> None:
        """Fix device, training dtype and seeds of a new fit."""
        self._forget()
        self.dtype_ = X.dtype.name if self.dtype == "auto" else self.dtype
        if device != "cpu" and self.dtype == "auto":
            self.dtype_ = "float32"
        self.device_ = device
        self._seeds = seed_sequence(self.random_state).spawn(8)

    def _train(self, run: Callable[[], bool], finish: Callable[[], None]) -> None:
        """Train by `run`, set every fitted attribute from the best state, and pass on an interrupt.

        A Ctrl-C after the epochs waits for `finish` too; a second one does not, and then, as after
        an error, the estimator is not fitted: weights without what belongs to them would give
        wrong scores.
        """
        try:
            interrupted = run()
            try:
                finish()
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                finish()
        except BaseException:
            self._forget()
            raise
        if interrupted:
            raise KeyboardInterrupt(
                f"Training of {type(self).__name__} was interrupted in epoch "
                f"{len(self.net_.history)}; "
                "the best state so far is set."
            )

    def _run_net(self, data: Any, epochs: int) -> bool:
        """Let the net train; give True after Ctrl-C."""
        self.net_.set_params(max_epochs=epochs)
        options = self._net_options()
        for name in _CHANGEABLE:  # in a further fit they may be others
            if name in options:
                setattr(self.net_, name, options[name])
        self.net_.partial_fit(data)
        self.history_ = [
            {key: value for key, value in row.items() if key != "batches"}
            for row in self.net_.history
            if "train_loss" in row  # not the epoch that Ctrl-C cut off
        ]
        return bool(self.net_.interrupted_)

    def _net_options(self) -> dict[str, Any]:
        """Give the net's arguments that every estimator shares."""
        seeds = getattr(self, "_seeds", None) or seed_sequence(0).spawn(8)
        return {
            "seeds": seeds[1],
            "lr": self.learning_rate,
            "batch_size": self.batch_size,
            "schedule": self.lr_schedule,
            "max_grad_norm": self.max_grad_norm,
            "device": self.device_,
            "callbacks": self.callbacks,
            "bar": type(self).__name__ if self.verbose else None,
        }

    # ---------------------------------------------------------------- state

    def _forget(self) -> None:
        """Be unfitted."""
        for name in ("net_", "offset_"):
            self.__dict__.pop(name, None)

    def __sklearn_is_fitted__(self) -> bool:
        return "offset_" in vars(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Be where the net is: it wakes up on the CPU where there is no GPU."""
        super().__setstate__(state)
        if "net_" in vars(self):
            self.device_ = str(self.net_.device)

    def _map(self, function: Callable[..., torch.Tensor], X: NDArray[Any]) -> NDArray[Any]:
        """Apply a function of tensors to rows, chunk by chunk."""
        return map_rows(function, X, module=self.net_.module_)
