"""Adversarial training as data: players with parts of the module, a loss and an optimiser.

On every batch the players move in turn. A player that moves only every k-th batch makes the others
move k times as often (WGAN's ``n_critic``), each time on new rows. Only the moving player's
parameters collect gradients and change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from skhep_anomaly.training.averaging import WeightAverage
from skhep_anomaly.training.net import Net, clip_members
from skhep_anomaly.training.objective import Context, Objective
from skhep_anomaly.training.rows import Batches
from skhep_anomaly.training.schedule import SCHEDULES

__all__ = ["AdversarialNet", "Player"]

_OPTIMIZERS: dict[str, Any] = {
    "adam": torch.optim.Adam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
_FUSED = ("adam", "sgd")


@dataclass(frozen=True)
class Player:
    """One side of the game.

    Attributes
    ----------
    name : str
        Column of the history: ``loss_<name>``, the mean over the epoch's moves.
    parts : tuple of str
        Submodules of the net's module whose weights this player moves.
    loss : callable or Objective
        (module, x, weight, context) → scalar to be made small. Noise comes from
        ``context.generator``, a penalty on slopes through ``torch.autograd.grad``. An `Objective`
        brings its own ``loss_and_gradient``.
    steps : int
        Moves on each batch, with fresh noise.
    every : int
        Moves on every `every`-th batch only, counted on over the epochs.
    optimizer : {"adam", "rmsprop", "sgd"}
        Optimiser.
    learning_rate : float or None
        None: that of the net.
    options : dict
        Further arguments of the optimiser, such as ``betas``.
    ema_decay : float in (0, 1) or None
        Train on, but end with the exponential mean of the weights over the moves.
    average_epochs : int
        Train on, but end with the mean of the weights at the ends of the last so many epochs.
    """

    name: str
    parts: tuple[str, ...]
    loss: Callable[[nn.Module, Tensor, Tensor | None, Context], Tensor] | Objective
    steps: int = 1
    every: int = 1
    optimizer: str = "adam"
    learning_rate: float | None = None
    options: dict[str, Any] = field(default_factory=dict)
    ema_decay: float | None = None
    average_epochs: int = 1

    def __post_init__(self) -> None:
        if self.optimizer not in _OPTIMIZERS:
            raise ValueError(
                f"Player {self.name!r}: optimizer={self.optimizer!r} is unknown; "
                f"use one of {sorted(_OPTIMIZERS)}."
            )
        if min(self.steps, self.every, self.average_epochs) < 1:
            raise ValueError(
                f"Player {self.name!r}: steps={self.steps}, every={self.every} and "
                f"average_epochs={self.average_epochs} must be at least 1."
            )
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ValueError(
                f"Player {self.name!r}: ema_decay={self.ema_decay!r} must lie between 0 and 1."
            )
        if self.ema_decay is not None and self.average_epochs > 1:
            raise ValueError(
                f"Player {self.name!r}: ema_decay and average_epochs exclude each other."
            )

    @property
    def is_averaged(self) -> bool:
        """Tell whether training ends with a mean of weights."""
        return self.ema_decay is not None or self.average_epochs > 1


class AdversarialNet(Net):
    """Train several players against each other.

    Parameters
    ----------
    module : Module
        Holds every player's parts as submodules.
    criterion : Objective
        Only asked for the loss of held-out rows, where there are any.
    players : sequence of Player
        In the order of their moves.
    **kwargs
        Of `Net`.

    Notes
    -----
    ``train_loss`` is the sum of the moves' losses, mean over the rows: a guard against
    divergence, no measure of quality. Where a player's weights are averaged, its mean is put in at
    the end of each fit, and a further fit goes on from there; with held-out rows the mean is the
    one at the best epoch.
    """

    # what skorch notes down by itself where there is one optimiser: pickled with the module
    prefixes_: ClassVar[list[str]] = [*Net.prefixes_, "optimizer"]
    cuda_dependent_attributes_: ClassVar[list[str]] = ["optimizer_of_"]

    def __init__(
        self, module: Any, criterion: Any = Objective, *, players: Any, **kwargs: Any
    ) -> None:
        self.players = players
        super().__init__(module, criterion, **kwargs)

    def initialize(self) -> AdversarialNet:
        """Set up what every net has, and count batches from zero."""
        super().initialize()
        self.n_batches_ = 0
        return self

    def initialize_optimizer(self, *args: Any, **kwargs: Any) -> AdversarialNet:
        """Give each player an optimiser over its own parts."""
        self.optimizer_of_ = {p.name: self._make_optimizer(p) for p in self.players}
        return self

    def _set_rates(self) -> None:
        for player in self.players:
            for group in self.optimizer_of_[player.name].param_groups:
                group["lr"] = self._rate(player)

    def _all_optimizers(self) -> list[torch.optim.Optimizer]:
        return list(self.optimizer_of_.values())

    def _make_optimizer(self, player: Player) -> torch.optim.Optimizer:
        options = {"fused": True} if player.optimizer in _FUSED else {}
        kind = _OPTIMIZERS[player.optimizer]
        made: torch.optim.Optimizer = kind(
            self._parameters_of(player), lr=self._rate(player), **(options | player.options)
        )
        return made

    def _rate(self, player: Player) -> float:
        return float(self.lr if player.learning_rate is None else player.learning_rate)

    def _parts_of(self, player: Player) -> list[nn.Module]:
        return [self.module_.get_submodule(part) for part in player.parts]

    def _parameters_of(self, player: Player) -> list[nn.Parameter]:
        return [p for part in self._parts_of(player) for p in part.parameters()]

    # --------------------------------------------------------------- epochs

    def fit_loop(
        self, X: Any, y: Any = None, epochs: int | None = None, **fit_params: Any
    ) -> AdversarialNet:
        """Run the epochs; put in the averages at their end."""
        self._best_loss, self._has_diverged = float("inf"), False
        self._averages = {
            p.name: WeightAverage(self._parts_of(p), p.ema_decay, p.average_epochs)
            for p in self.players
            if p.is_averaged
        }
        self._own = {p.name: self._parameters_of(p) for p in self.players}
        self._everyone = list(self.module_.parameters())  # walks over modules cost more than moves
        try:
            super().fit_loop(X, y, epochs, **fit_params)
            for average in self._averages.values():
                average.swap_in()
        finally:
            del self._averages, self._own, self._everyone
        return self

    def _one_epoch(self, run: Any, batches: Batches, train: Any, valid: Any, bar: Any) -> bool:
        stop = super()._one_epoch(run, batches, train, valid, bar)
        if not self._has_diverged:
            keep = self._is_best(valid is not None and self.patience is not None)
            for average in self._averages.values():
                average.after_epoch(keep)
        return stop

    def _is_best(self, watched: bool) -> bool:
        """Tell whether the epoch just done is the one to keep: the last, or the best held-out."""
        if not watched:
            return True
        loss = self.history[-1, "valid_loss"]
        better = loss < self._best_loss
        self._best_loss = min(loss, self._best_loss)
        return bool(better)

    def _diverged(self, fault: str) -> None:
        self._has_diverged = True
        super()._diverged(fault)

    def _epoch(self, batches: Batches) -> float:
        with self._recorded_losses():
            return super()._epoch(batches)

    def _epoch_with_events(self, batches: Batches) -> float:
        with self._recorded_losses():
            return super()._epoch_with_events(batches)

    @contextmanager
    def _recorded_losses(self) -> Iterator[None]:
        """Gather each player's losses over an epoch and put their means into the history."""
        self._totals: dict[str, Any] = {p.name: 0.0 for p in self.players}
        self._moves = dict.fromkeys(self._totals, 0)
        try:
            yield
            for name, moves in self._moves.items():
                if moves:
                    self.history.record(f"loss_{name}", float(self._totals[name]) / moves)
        finally:
            del self._totals, self._moves

    # ---------------------------------------------------------------- moves

    def _train_batch(self, batch: Any, notify: bool = False) -> Tensor:
        """Let each player move; give the sum of the losses."""
        context = Context(self.noise_, self._progress)
        total = torch.zeros((), device=self.device)
        for player in self.players:
            if self.n_batches_ % player.every == player.every - 1:
                for _ in range(player.steps):
                    total = total + self._move(player, batch, context)
        if notify:
            self.notify(
                "on_grad_computed", named_parameters=self.module_.named_parameters(), batch=batch
            )
        self._n_done += 1
        self.n_batches_ += 1
        return total

    def _move(self, player: Player, batch: Any, context: Context) -> Tensor:
        own = self._own[player.name]
        with _frozen(self._everyone, own):
            loss = self._gradient(player, own, batch, context)
        if self.max_grad_norm is not None:
            clip_members(own, self.max_grad_norm)
        self._step(player, context.progress)
        detached = loss.detach()
        self._totals[player.name] = self._totals[player.name] + detached
        self._moves[player.name] += 1
        return detached

    def _gradient(
        self, player: Player, own: list[nn.Parameter], batch: Any, context: Context
    ) -> Tensor:
        """Leave the gradient of the player's loss in its parameters."""
        x, weight = batch
        if isinstance(player.loss, Objective):
            return player.loss.loss_and_gradient(self.module_, x, weight, context)
        for parameter in own:
            parameter.grad = None
        loss = player.loss(self.module_, x, weight, context)
        loss.backward()
        return loss

    def _step(self, player: Player, progress: float) -> None:
        optimizer = self.optimizer_of_[player.name]
        if self.schedule != "constant" and self.planned:
            for group in optimizer.param_groups:
                group["lr"] = self._rate(player) * SCHEDULES[self.schedule](progress)
        optimizer.step()
        if player.name in self._averages:
            self._averages[player.name].after_move()


@contextmanager
def _frozen(everyone: list[nn.Parameter], own: list[nn.Parameter]) -> Iterator[None]:
    """Let only `own` collect gradients; what the user froze stays so afterwards."""
    ours = set(own)
    frozen = [p for p in everyone if p.requires_grad and p not in ours]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
