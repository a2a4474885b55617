"""The loss per epoch shows whether a net still learns, overtrains, and tells signal apart.

Training loss is a full line, validation loss a dashed one, the epoch of the lowest validation loss
is marked. The losses of signal and background events per epoch, when they were recorded, are
A. Nardelli's thesis figure 4.1: a net trained on background alone must keep the two apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skhep_anomaly.plotting._axes import SMALL_SIZE, decorate, open_panels
from skhep_anomaly.plotting._palette import BACKGROUND, DASHES, GUIDE, SERIES, SIGNAL, TRAIN, VALID
from skhep_anomaly.plotting._scores import last_step

__all__ = ["TrainingCurveDisplay"]

STYLES: dict[str, dict[str, Any]] = {
    "train": {"color": TRAIN, "linestyle": "-"},
    "valid": {"color": VALID, "linestyle": DASHES[1]},
    "background": {"color": BACKGROUND, "linestyle": "-"},
    "signal": {"color": SIGNAL, "linestyle": "-"},
}
WORDS = {"train": "training", "valid": "validation"}


class TrainingCurveDisplay:
    """Losses against the epoch.

    Use `from_estimator` or `from_history`.

    Parameters
    ----------
    epochs : array-like of shape (n_epochs,)
        Epoch numbers, the first is 1.
    losses : mapping of str to array-like of shape (n_epochs,)
        "train", "valid", "signal", "background" or any other name → loss; NaN where it is missing.
    loss_name : str, default="loss"
        Label of the vertical axis, with its unit if there is one: ``"−ELBO [nats]"``.

    Attributes
    ----------
    best_epoch_ : int or None
        Epoch of the lowest validation loss.
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ValueError
        There is no finite loss, or a loss has another length than `epochs`.

    Examples
    --------
    >>> from skhep_anomaly.plotting import TrainingCurveDisplay
    >>> history = [{"epoch": 1, "train_loss": 2.0, "valid_loss": 2.5},
    ...            {"epoch": 2, "train_loss": 1.0, "valid_loss": 2.0}]
    >>> display = TrainingCurveDisplay.from_history(history, plot=False)
    >>> display.losses["valid"].tolist(), display.best_epoch_
    ([2.5, 2.0], 2)
    """

    def __init__(self, *, epochs: Any, losses: Mapping[str, Any], loss_name: str = "loss") -> None:
        self.epochs = np.asarray(epochs, dtype=np.float64)
        self.losses = {name: np.asarray(loss, dtype=np.float64) for name, loss in losses.items()}
        self.loss_name = loss_name
        for name, loss in self.losses.items():
            if loss.shape != self.epochs.shape:
                raise ValueError(
                    f"the {name} loss has shape {loss.shape}, expected {self.epochs.shape}: "
                    "one number an epoch."
                )
        if not any(np.isfinite(loss).any() for loss in self.losses.values()):
            raise ValueError("there is no finite loss to draw; the history is empty or all NaN.")
        self.best_epoch_ = self._find_best()

    def _find_best(self) -> int | None:
        valid = self.losses.get("valid", np.array([np.nan]))
        return int(self.epochs[np.nanargmin(valid)]) if np.isfinite(valid).any() else None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        class_losses: Mapping[str, Any] | None = None,
        loss_name: str = "loss",
        plot: bool = True,
        **plot_parameters: Any,
    ) -> Self:
        """Draw the losses that an estimator recorded in ``history_``.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``history_``; or a pipeline or search that ends in one.
        class_losses : mapping of str to array-like of shape (n_epochs,), default=None
            Further losses by epoch, named for example "signal" and "background".
        loss_name : str, default="loss"
            Axis label.
        plot : bool, default=True
            Draw at once.
        **plot_parameters
            Passed to `plot`.

        Returns
        -------
        display : TrainingCurveDisplay
            The Display.

        Raises
        ------
        TypeError
            The estimator keeps no ``history_``.
        """
        check_is_fitted(estimator)
        history = getattr(last_step(estimator), "history_", None)
        if history is None:
            raise TypeError(
                f"{type(last_step(estimator)).__name__} keeps no history_; "
                "pass its losses to from_history."
            )
        return cls.from_history(
            history, class_losses=class_losses, loss_name=loss_name, plot=plot, **plot_parameters
        )

    @classmethod
    def from_history(
        cls,
        history: Sequence[Mapping[str, Any]],
        *,
        class_losses: Mapping[str, Any] | None = None,
        loss_name: str = "loss",
        plot: bool = True,
        **plot_parameters: Any,
    ) -> Self:
        """Draw the losses of a list of epochs.

        Parameters
        ----------
        history : sequence of mappings
            One an epoch; every key that ends in ``_loss`` is drawn.
        class_losses : mapping of str to array-like of shape (n_epochs,), default=None
            Further losses by epoch, named for example "signal" and "background".
        loss_name : str, default="loss"
            Axis label.
        plot : bool, default=True
            Draw at once.
        **plot_parameters
            Passed to `plot`.

        Returns
        -------
        display : TrainingCurveDisplay
            The Display.

        Raises
        ------
        ValueError
            There is no finite loss, or `class_losses` has another length than the history.
        """
        epochs = [row.get("epoch", number) for number, row in enumerate(history, start=1)]
        names = dict.fromkeys(key for row in history for key in row if key.endswith("_loss"))
        losses = {
            name.removesuffix("_loss"): [row.get(name, np.nan) for row in history] for name in names
        }
        display = cls(epochs=epochs, losses={**losses, **(class_losses or {})}, loss_name=loss_name)
        return display.plot(**plot_parameters) if plot else display

    @property
    def figure_size(self) -> tuple[float, float]:
        """Width and height [inch] that suit the figure."""
        return 6.4, 4.0

    def plot(self, ax: Any = None, *, y_scale: str = "linear") -> Self:
        """Draw the losses.

        Parameters
        ----------
        ax : matplotlib Axes or Figure, default=None
            Where to draw; None opens a figure.
        y_scale : {"linear", "log"}, default="linear"
            "log" suits losses that fall by orders of magnitude and stay positive.

        Returns
        -------
        self : TrainingCurveDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            `y_scale` is unknown, or "log" with a loss that is not positive.
        """
        from matplotlib.ticker import MaxNLocator

        self._check_scale(y_scale)
        self.figure_, (self.ax_,) = open_panels(ax, 1, n_columns=1, panel_size=self.figure_size)
        others = iter(SERIES[3:] * 9)
        for name, loss in self.losses.items():
            style = STYLES.get(name) or {"color": next(others), "linestyle": DASHES[2]}
            self.ax_.plot(
                self.epochs,
                loss,
                linewidth=1.6,
                label=WORDS.get(name, name),
                marker="o" if len(loss) == 1 else None,
                **style,
            )
        self._mark_best()
        self.ax_.set_yscale(y_scale)
        decorate(self.ax_, "epoch", self.loss_name)
        self.ax_.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        self.ax_.margins(x=0.02, y=0.12)
        self.ax_.legend(frameon=False, fontsize=SMALL_SIZE + 0.5)
        return self

    def _mark_best(self) -> None:
        if self.best_epoch_ is not None:
            self.ax_.axvline(
                self.best_epoch_,
                color=GUIDE,
                linewidth=1.0,
                linestyle=":",
                label=f"lowest validation loss: epoch {self.best_epoch_}",
                zorder=1,
            )

    def _check_scale(self, y_scale: str) -> None:
        if y_scale not in ("linear", "log"):
            raise ValueError(f"y_scale={y_scale!r}; allowed are 'linear' and 'log'.")
        if y_scale == "log":
            wrong = [name for name, loss in self.losses.items() if _smallest(loss) <= 0]
            if wrong:
                raise ValueError(f"y_scale='log', but the losses {wrong} are not positive.")


def _smallest(loss: NDArray[np.float64]) -> float:
    finite = loss[np.isfinite(loss)]
    return float(finite.min()) if len(finite) else np.inf
