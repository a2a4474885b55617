"""The skorch net that trains everything with one loss.

skorch brings initialisation, callbacks, history and the optimiser; the epoch loop is our own: whole
tensor slices, the loss summed on the device and read once an epoch, no record per batch. Where a
user's callback listens to batches, skorch's loop runs instead, with the same steps and the same
random numbers. Closed here, against skorch 1.4: a non-finite loss, a swallowed Ctrl-C, held-out
data by default, the unpacking of two-row batches, float64 input.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor

from skhep_anomaly._random import numpy_generator, torch_generator
from skhep_anomaly.exceptions import TrainingDivergedError
from skhep_anomaly.training.best_state import BestState
from skhep_anomaly.training.objective import Context, weighted_mean
from skhep_anomaly.training.progress import progress_bar
from skhep_anomaly.training.rows import Batches, Rows
from skhep_anomaly.training.schedule import SCHEDULES

__all__ = ["Net"]

_BATCH_EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class Net(NeuralNet):  # type: ignore[misc]
    """Train ``module`` on ``criterion``, an `Objective`.

    Parameters
    ----------
    module : Module
        Instance, initialised by its estimator.
    criterion : Objective
        Instance.
    seeds : numpy.random.SeedSequence
        Root of shuffling, noise and validation draws.
    schedule : {"constant", "cosine"}, default="constant"
        Learning rate over the planned epochs.
    max_grad_norm : float, default=None
        Bound on the gradient's norm (of each member's).
    patience : int, default=None
        Epochs without a better validation loss before stopping; None trains to the end.
    tol : float, default=1e-4
        Smallest improvement of the validation loss that counts.
    bar : str, default=None
        Name on a progress bar; None shows none.
    max_steps : int, default=None
        Steps in all, dealt out evenly to the epochs, which then are no passes over the rows; None:
        an epoch is one pass.
    max_time : float, default=None
        Seconds after which the epoch at hand is the last; the schedule follows the clock where that
        is ahead of the steps, so that two such fits differ.
    **kwargs
        Of ``skorch.NeuralNet``.

    Attributes
    ----------
    interrupted_ : bool
        True after Ctrl-C; the estimator raises it again once its state is complete.
    planned : bool
        False where nobody knows how many steps are to come: schedule and whatever else follows the
        progress of the training are then taken as at their end, the learning rate as it is.
    """

    planned = True

    def __init__(
        self,
        module: Any,
        criterion: Any,
        *,
        seeds: np.random.SeedSequence,
        schedule: str = "constant",
        max_grad_norm: float | None = None,
        patience: int | None = None,
        tol: float = 1e-4,
        bar: str | None = None,
        max_steps: int | None = None,
        max_time: float | None = None,
        **kwargs: Any,
    ) -> None:
        self.seeds = seeds
        self.schedule = schedule
        self.max_grad_norm = max_grad_norm
        self.patience = patience
        self.tol = tol
        self.bar = bar
        self.max_steps = max_steps
        self.max_time = max_time
        defaults: dict[str, Any] = {
            "optimizer": torch.optim.Adam,
            "optimizer__fused": True,
            "train_split": None,
            "verbose": 0,
        }
        super().__init__(module, criterion, **(defaults | kwargs))

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return []

    # ------------------------------------------------------------------ fit

    def initialize(self) -> Net:
        """Set up module, optimiser, callbacks and the generators of this fit."""
        super().initialize()
        shuffle, noise, valid = self.seeds.spawn(3)
        self.shuffle_ = numpy_generator(shuffle)
        self.noise_ = torch_generator(noise, str(self.device))
        self.valid_seed_ = valid
        return self

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, **fit_params: Any) -> Net:
        """Train ``max_epochs`` epochs on `X`: `Rows`, or a pair (training, validation)."""
        if not self.initialized_:
            self.initialize()
        self.interrupted_ = False
        self._set_rates()
        self.notify("on_train_begin", X=X, y=y)
        self._give_generator(self.noise_)
        try:
            self.fit_loop(X, y, **fit_params)
        finally:
            self._give_generator(None)
            self.module_.eval()
        self.notify("on_train_end", X=X, y=y)
        return self

    def _give_generator(self, generator: torch.Generator | None) -> None:
        for part in self.module_.modules():
            if "generator" in vars(part):  # not a submodule of that name
                part.generator = generator

    def fit_loop(self, X: Any, y: Any = None, epochs: int | None = None, **fit_params: Any) -> Net:
        """Run the epochs; keep the best state whatever ends them."""
        train, valid = X if isinstance(X, tuple) else (X, None)
        epochs = self.max_epochs if epochs is None else epochs
        batches = Batches(train, self.batch_size, self.shuffle_)
        total = epochs * len(batches) if self.max_steps is None else self.max_steps
        self._n_done, self._n_planned, self._began = 0, max(1, total), time.monotonic()
        self._best = BestState(self.module_, self.patience if valid is not None else None, self.tol)
        run = self._epoch_with_events if self._has_batch_events() else self._epoch
        with progress_bar(self.bar, epochs) as bar:
            try:
                for k in range(epochs):
                    if self.max_steps is not None:
                        batches.steps = total * (k + 1) // epochs - total * k // epochs
                    if self._one_epoch(run, batches, train, valid, bar) or self._elapsed >= 1.0:
                        break
            except KeyboardInterrupt:
                self.interrupted_ = True
        self._best.restore(self.module_)
        del self._best
        return self

    def _has_batch_events(self) -> bool:
        return any(
            getattr(type(callback), event, None) is not getattr(Callback, event)
            for _, callback in self.callbacks_
            for event in _BATCH_EVENTS
        )

    def _one_epoch(
        self, run: Any, batches: Batches, train: Rows, valid: Rows | None, bar: Any
    ) -> bool:
        """Train one epoch, record it, and tell whether to stop."""
        start = time.perf_counter()
        data = {"dataset_train": train, "dataset_valid": valid}
        self.notify("on_epoch_begin", **data)  # opens the epoch in the history
        self.module_.train()
        loss = run(batches)
        self.history.record("train_loss", loss)
        watched = loss
        if valid is not None:
            watched = self._validation_loss(valid)
            self.history.record("valid_loss", watched)
        self.history.record("dur", time.perf_counter() - start)
        fault = self._fault(watched)
        if fault is not None:
            self._diverged(fault)
            return True
        stop = self._best.update(self.module_, watched)
        bar.advance(loss, watched if valid is not None else None)
        try:
            self.notify("on_epoch_end", **data)
        except KeyboardInterrupt:  # skorch's callbacks ask for the end of training so
            return True
        return stop

    def _fault(self, watched: float) -> str | None:
        """Say what is wrong after an epoch, if anything is."""
        if np.isfinite(watched) and self._best.weights_are_finite(self.module_):
            return self.criterion_.fault()  # type: ignore[no-any-return]
        return "The loss became non-finite"

    def _diverged(self, fault: str) -> None:
        epoch = len(self.history)
        if epoch == 1:
            raise TrainingDivergedError(
                f"{fault} in epoch {epoch} with "
                f"learning_rate={self.lr:g}, before any "
                f"finite state. Lower learning_rate, or look for extreme values in X."
            )
        warnings.warn(
            f"{fault} in epoch {epoch}; the weights of the best finite "
            f"epoch are kept. Lower learning_rate (now {self.lr:g}).",
            ConvergenceWarning,
            stacklevel=2,
        )
        self._best.spoiled = True
        for optimizer in self._all_optimizers():
            optimizer.state.clear()  # its moments are not finite either

    def _set_rates(self) -> None:
        """Start with the learning rate of now: a further fit may have another one."""
        for group in self.optimizer_.param_groups:
            group["lr"] = self.lr

    def _all_optimizers(self) -> list[torch.optim.Optimizer]:
        return [self.optimizer_]

    # ---------------------------------------------------------------- steps

    def _epoch(self, batches: Batches) -> float:
        """Our loop: the mean loss of the epoch, read from the device once."""
        total: Any = 0.0
        n_rows = 0
        for batch in batches:
            total = total + self._train_batch(batch) * len(batch[0])
            n_rows += len(batch[0])
        return float(total) / n_rows

    def _epoch_with_events(self, batches: Batches) -> float:
        """Skorch's loop, which tells callbacks of each batch."""
        self.run_single_epoch(batches, training=True, prefix="train", step_fn=self.train_step)
        losses = self.history[-1, "batches", :, ("train_loss", "train_batch_size")]
        return float(sum(loss * n for loss, n in losses) / sum(n for _, n in losses))

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Make one step as skorch's loop asks for it."""
        loss = self._train_batch(batch, notify=True)
        return {"loss": loss, "y_pred": None}

    def _train_batch(self, batch: Any, notify: bool = False) -> Tensor:
        """Compute one batch's gradient and step the optimiser: here alone weights change."""
        context = Context(self.noise_, self._progress)
        loss = self.criterion_.loss_and_gradient(self.module_, *batch, context)
        self._clip_gradient()
        if notify:
            self.notify(
                "on_grad_computed", named_parameters=self.module_.named_parameters(), batch=batch
            )
        if self.schedule != "constant" and self.planned:
            for group in self.optimizer_.param_groups:
                group["lr"] = self.lr * SCHEDULES[self.schedule](context.progress)
        self.optimizer_.step()
        self._n_done += 1
        return loss  # type: ignore[no-any-return]

    @property
    def n_steps(self) -> int:
        """Steps made in the last fit."""
        return self._n_done

    @property
    def _progress(self) -> float:
        if not self.planned:
            return 1.0
        return min(1.0, max(self._n_done / self._n_planned, self._elapsed))

    @property
    def _elapsed(self) -> float:
        """Share of `max_time` that has passed."""
        return 0.0 if self.max_time is None else (time.monotonic() - self._began) / self.max_time

    def _clip_gradient(self) -> None:
        if self.max_grad_norm is None:
            return
        n_members = getattr(self.module_, "n_members", 1)
        clip_members(self.optimizer_.param_groups[0]["params"], self.max_grad_norm, n_members)

    @torch.no_grad()
    def _validation_loss(self, valid: Rows) -> float:
        self.module_.eval()
        context = Context(torch_generator(self.valid_seed_, str(self.device)), 1.0, training=False)
        total = 0.0
        for x, weight in Batches(valid, max(self.batch_size, 4096)):
            per_row = self.criterion_.per_row(self.module_, x, context)
            total += float(weighted_mean(per_row, weight)) * len(x)
        return total / len(valid)

    # ---------------------------------------------------------------- state

    def __getstate__(self) -> dict[str, Any]:
        """Turn the torch generator, which does not pickle, into its state."""
        state: dict[str, Any] = super().__getstate__().copy()
        if isinstance(state.get("noise_"), torch.Generator):
            state["noise_"] = (str(self.noise_.device), self.noise_.get_state().numpy())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Bring the generator back."""
        if isinstance(state.get("noise_"), tuple):
            device, bits = state["noise_"]
            device = device if device == "cpu" or torch.cuda.is_available() else "cpu"
            generator = torch.Generator(device=device)
            if device == "cpu" or bits.size == generator.get_state().numel():
                generator.set_state(torch.from_numpy(bits.copy()))
            state = {**state, "noise_": generator}
        super().__setstate__(state)


def clip_members(parameters: Sequence[Tensor], max_norm: float, n_members: int = 1) -> None:
    """Scale gradients so that the norm over all `parameters` stays within `max_norm`.

    Flat parameters of several members (first axis) are bounded member by member.
    """
    grads = [p.grad for p in parameters if p.grad is not None]
    flat = n_members > 1 and all(g.dim() == 2 and len(g) == n_members for g in grads)
    if flat or (len(grads) == 1 and grads[0].dim() == 2):
        norms = [torch.linalg.vector_norm(grad, dim=1, keepdim=True) for grad in grads]
        norm = norms[0] if len(norms) == 1 else torch.cat(norms, 1).norm(dim=1, keepdim=True)
    else:
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
    factor = (max_norm / (norm + 1e-6)).clamp_(max=1.0)
    for grad in grads:
        grad.mul_(factor)
