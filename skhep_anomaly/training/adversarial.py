"""Adversarial training as data: players with parts of the module, a loss and an optimiser.

On every batch the players move in turn. A player that moves only every k-th batch makes the others
move k times as often (WGAN's ``n_critic``), each time on new rows. Only the moving player's
parameters collect gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from skhep_anomaly.training.net import Net, clip_members
from skhep_anomaly.training.objective import Context
from skhep_anomaly.training.rows import Batches
from skhep_anomaly.training.schedule import SCHEDULES

__all__ = ["AdversarialNet", "Player"]

_OPTIMIZERS: dict[str, Any] = {
    "adam": torch.optim.Adam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


@dataclass(frozen=True)
class Player:
    """One side of the game.

    Attributes
    ----------
    name : str
        Column of the history: ``loss_<name>``.
    parts : tuple of str
        Submodules of the net's module whose weights this player moves.
    loss : callable
        (module, x, weight, context) → scalar to be made small.
    steps : int
        Moves on each batch, with fresh noise.
    every : int
        Moves on every `every`-th batch only.
    optimizer : {"adam", "rmsprop", "sgd"}
        Optimiser.
    learning_rate : float or None
        None: that of the net.
    options : dict
        Further arguments of the optimiser, such as ``betas``.
    """

    name: str
    parts: tuple[str, ...]
    loss: Callable[[nn.Module, Tensor, Tensor | None, Context], Tensor]
    steps: int = 1
    every: int = 1
    optimizer: str = "adam"
    learning_rate: float | None = None
    options: dict[str, Any] = field(default_factory=dict)


class AdversarialNet(Net):
    """Train several players against each other.

    Parameters
    ----------
    module : Module
        Holds every player's parts as submodules.
    players : sequence of Player
        In the order of their moves.
    **kwargs
        Of `Net`.
    """

    def __init__(
        self, module: Any, criterion: Any = nn.Identity, *, players: Any, **kwargs: Any
    ) -> None:
        self.players = players
        super().__init__(module, criterion, **kwargs)

    def initialize_optimizer(self, *args: Any, **kwargs: Any) -> AdversarialNet:
        """Give each player an optimiser over its own parts."""
        self.optimizers_ = {p.name: self._make_optimizer(p) for p in self.players}
        return self

    def _make_optimizer(self, player: Player) -> torch.optim.Optimizer:
        rate = self.lr if player.learning_rate is None else player.learning_rate
        options = {"fused": True} if player.optimizer in ("adam", "sgd") else {}
        kind = _OPTIMIZERS[player.optimizer]
        made: torch.optim.Optimizer = kind(
            self._parameters_of(player), lr=rate, **(options | player.options)
        )
        return made

    def _parameters_of(self, player: Player) -> list[nn.Parameter]:
        return [p for part in player.parts for p in self.module_.get_submodule(part).parameters()]

    def _epoch(self, batches: Batches) -> float:
        self._totals = {p.name: torch.zeros((), device=self.device) for p in self.players}
        self._moves = dict.fromkeys(self._totals, 0)
        mean = super()._epoch(batches)
        for name, total in self._totals.items():
            if self._moves[name]:
                self.history.record(f"loss_{name}", float(total) / self._moves[name])
        del self._totals, self._moves
        return mean

    def _epoch_with_events(self, batches: Batches) -> float:
        self._totals = {p.name: torch.zeros((), device=self.device) for p in self.players}
        self._moves = dict.fromkeys(self._totals, 0)
        return super()._epoch_with_events(batches)

    def _train_batch(self, batch: Any, notify: bool = False) -> Tensor:
        """Let each player move; give the sum of the losses."""
        progress = self._n_done / self._n_planned
        context = Context(self.noise_, progress)
        total = torch.zeros((), device=self.device)
        for player in self.players:
            if self._n_done % player.every == player.every - 1:
                for _ in range(player.steps):
                    total = total + self._move(player, batch, context)
        if notify:
            self.notify(
                "on_grad_computed", named_parameters=self.module_.named_parameters(), batch=batch
            )
        self._n_done += 1
        return total

    def _move(self, player: Player, batch: Any, context: Context) -> Tensor:
        own = self._parameters_of(player)
        ours = set(own)
        frozen = [p for p in self.module_.parameters() if p.requires_grad and p not in ours]
        for parameter in frozen:
            parameter.requires_grad_(False)
        for parameter in own:
            parameter.grad = None
        try:
            x, weight = batch
            loss = player.loss(self.module_, x, weight, context)
            loss.backward()
        finally:
            for parameter in frozen:
                parameter.requires_grad_(True)
        if self.max_grad_norm is not None:
            clip_members(own, self.max_grad_norm)
        optimizer = self.optimizers_[player.name]
        if self.schedule != "constant":
            rate = self.lr if player.learning_rate is None else player.learning_rate
            for group in optimizer.param_groups:
                group["lr"] = rate * SCHEDULES[self.schedule](context.progress)
        optimizer.step()
        detached = loss.detach()
        self._totals[player.name] += detached
        self._moves[player.name] += 1
        return detached
