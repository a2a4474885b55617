"""Who plays against the generator of showers, and for what.

- "wgan_gp", "cramer", "lsgan": a critic against the generator (`_games`);
- "energy_score+critic": the generator's energy score plus w·(−D(g)), against a light critic with
  hinge loss and spectral norm;
- "energy_score": the energy score alone, for a generator that trains beside a regressor.

A regressor of the conditions learns from real showers alone. With `regressor_weight` the generator
pays for showers from which it guesses otherwise than from real ones: an energy score of the
guesses, not their squared error, which would be least for showers that do not fluctuate.

A row counts by its weight wherever it stands, its generated showers too: they stand for the
condition of the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from skhep_anomaly.generators._games import Cramer, Game, Hinge, LeastSquares, Wasserstein
from skhep_anomaly.generators._parts import split_rows
from skhep_anomaly.nn.energy_score import energy_score
from skhep_anomaly.nn.shower_critic import ShowerCritic
from skhep_anomaly.nn.shower_turn import Turn
from skhep_anomaly.training import Context, Objective, Player, weighted_mean

__all__ = ["SIDES", "make_critic", "make_players"]

_N_CONDITIONS = 5
_BETAS = (0.9, 0.99)  # of the energy score


@dataclass(frozen=True)
class Side:
    """What a loss asks of critic and optimisers.

    Attributes
    ----------
    n_features : int
        Outputs of the critic.
    n_draws : int
        Generated showers per real one.
    rate : float
        Learning rate of the generator as a share of the net's.
    critic_rate : float
        Learning rate of the critic, likewise.
    betas : tuple of float
        Of Adam, both sides; of the critic alone where there is an energy score.
    """

    n_features: int = 1
    n_draws: int = 1
    rate: float = 0.7
    critic_rate: float = 0.7
    betas: tuple[float, float] = (0.0, 0.9)
    spectral_norm: bool = False
    has_objective: bool = False


SIDES: dict[str, Side] = {
    "wgan_gp": Side(),
    "cramer": Side(n_features=64, n_draws=2),
    "lsgan": Side(betas=(0.5, 0.99), spectral_norm=True),
    "energy_score+critic": Side(rate=1.0, spectral_norm=True, has_objective=True),
    "energy_score": Side(rate=1.0, has_objective=True),
}


def make_critic(
    loss: str,
    kind: str,
    shape: tuple[int, int],
    *,
    widths: Sequence[int] | None = None,
    sees_response: bool = True,
    error_weight: float = 0.0,
) -> ShowerCritic | None:
    """Give the critic that a loss needs, if it needs one.

    Parameters
    ----------
    loss : str
        One of `SIDES`.
    kind : {"mlp", "conv"}
        Its layers.
    shape : tuple of int
        Cells of the map.
    widths : sequence of int, default=None
        Hidden units or channels; None: those of `ShowerCritic`.
    sees_response : bool, default=True
        Show the critic the response beside the conditions.
    error_weight : float, default=0.0
        λ of a regressor's errors in what it reads; 0: none.

    Returns
    -------
    ShowerCritic or None
    """
    if loss == "energy_score":
        return None
    side = SIDES[loss]
    return ShowerCritic(
        kind,
        shape,
        _N_CONDITIONS,
        side.n_features,
        sees_response=sees_response,
        error_weight=error_weight,
        widths=widths,
        spectral_norm=side.spectral_norm,
    )


def make_players(
    loss: str,
    *,
    n_critic: int = 3,
    gradient_penalty: float = 10.0,
    regressor: bool = False,
    regressor_weight: float = 0.0,
    critic_weight: float = 0.1,
    objective: Objective | None = None,
    learning_rate: float = 1.5e-3,
    weight_decay: float = 0.0,
    ema: float | None = None,
) -> list[Player]:
    """Give the players of `AdversarialNet` on `ShowerParts`.

    Parameters
    ----------
    loss : {"wgan_gp", "cramer", "lsgan", "energy_score+critic", "energy_score"}
        What is played; "energy_score" has no critic.
    n_critic : int, default=3
        Moves of the critic per move of the generator: on new rows each, or, beside an energy
        score, on the same rows with new showers.
    gradient_penalty : float, default=10.0
        λ of "wgan_gp" and "cramer".
    regressor : bool, default=False
        Train a regressor on real showers.
    regressor_weight : float, default=0.0
        Weight of the regressor's guesses in the generator's loss; above 0 it needs `regressor`.
    critic_weight : float, default=0.1
        w of "energy_score+critic".
    objective : Objective, default=None
        Energy score of the generator, for the losses that have one.
    learning_rate : float, default=1.5e-3
        That of the net, which an energy score and the regressor take; adversarial sides take a
        share of it (`SIDES`).
    weight_decay : float, default=0.0
        Of every optimiser.
    ema : float, default=None
        Decay of the mean of the generator's weights.

    Returns
    -------
    list of Player

    Raises
    ------
    ValueError
        If the loss is unknown, or an energy score is wanted and none is given, or a weight is
        given to a regressor that does not train.
    """
    if loss not in SIDES:
        raise ValueError(f"loss={loss!r} is unknown; use one of {sorted(SIDES)}.")
    side = SIDES[loss]
    if side.has_objective and objective is None:
        raise ValueError(f"loss={loss!r} needs objective=, the energy score of the generator.")
    if regressor_weight and not regressor:
        raise ValueError(f"regressor_weight={regressor_weight!r} needs regressor=True.")
    decay = {"weight_decay": weight_decay}
    adam = {"betas": side.betas, **decay}
    game = _make_game(loss, gradient_penalty)
    judged: Any = GeneratorLoss(
        game,
        side.n_draws,
        objective=objective if side.has_objective else None,
        critic_weight=critic_weight if side.has_objective else 1.0,
        regressor_weight=regressor_weight,
    )
    if game is None and not regressor_weight:
        judged = objective
    maker = Player(
        "generator",
        ("generator",),
        judged,
        every=1 if side.has_objective else n_critic,
        learning_rate=None if side.rate == 1 else learning_rate * side.rate,
        options={"betas": _BETAS, **decay} if side.has_objective else adam,
        ema_decay=ema,
    )
    players = [maker]
    if game is not None:
        players.insert(0, _critic_player(game, side, n_critic, learning_rate, adam))
    if regressor:
        players.insert(0, Player("regressor", ("regressor",), regressor_loss, options=decay))
    return players


def _critic_player(
    game: Game, side: Side, n_critic: int, learning_rate: float, options: dict[str, Any]
) -> Player:
    return Player(
        "critic",
        ("critic",),
        CriticLoss(game, side.n_draws),
        steps=n_critic if side.has_objective else 1,
        learning_rate=learning_rate * side.critic_rate,
        options=options,
    )


def _make_game(loss: str, penalty: float) -> Game | None:
    games: dict[str, Game] = {
        "wgan_gp": Wasserstein(penalty),
        "cramer": Cramer(penalty),
        "lsgan": LeastSquares(),
        "energy_score+critic": Hinge(),
    }
    return games.get(loss)


def regressor_loss(module: Any, x: Tensor, weight: Tensor | None, context: Context) -> Tensor:
    """Give the regressor's mean squared error on real showers."""
    conditions, cells = split_rows(x)
    rows = module.regressor.loss_per_row(cells, conditions)
    return weighted_mean(rows, weight)


@dataclass(frozen=True)
class CriticLoss:
    """Loss of the critic on a batch and as many generated showers."""

    game: Game
    n_draws: int = 1

    def __call__(self, module: Any, x: Tensor, weight: Tensor | None, context: Context) -> Tensor:
        """Give the batch loss."""
        conditions, cells = split_rows(x)
        turn = Turn.of(module, conditions)
        with torch.no_grad():
            fakes = [turn.draw(context.generator) for _ in range(self.n_draws)]
            real = turn.maps(cells)
        return weighted_mean(self.game.critic(turn, real, fakes, context.generator), weight)


@dataclass(frozen=True)
class GeneratorLoss:
    """Loss of the generator: energy score, critic and regressor, each where there is one."""

    game: Game | None
    n_draws: int = 1
    objective: Objective | None = None
    critic_weight: float = 1.0
    regressor_weight: float = 0.0

    def __call__(self, module: Any, x: Tensor, weight: Tensor | None, context: Context) -> Tensor:
        """Give the batch loss."""
        rows = x.new_zeros(len(x))
        if self.objective is not None:
            rows = rows + self.objective.per_row(module, x, context)
        if self.game is not None or self.regressor_weight:
            rows = rows + self._opposed(module, x, context)
        return weighted_mean(rows, weight)

    def _opposed(self, module: Any, x: Tensor, context: Context) -> Tensor:
        conditions, cells = split_rows(x)
        turn = Turn.of(module, conditions)
        n_draws = max(self.n_draws, 2 if self.regressor_weight else 1)
        fakes = [turn.draw(context.generator) for _ in range(n_draws)]
        real = turn.maps(cells)
        rows = x.new_zeros(len(x))
        if self.game is not None:
            rows = rows + self.critic_weight * self.game.generator(turn, real, fakes)
        if self.regressor_weight:
            guesses = [turn.guesses(maps) for maps in (*fakes[:2], real)]
            rows = rows + self.regressor_weight * energy_score(*guesses)
        return rows
