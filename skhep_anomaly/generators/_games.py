"""Losses of critic and generator of showers, row by row.

A real shower x meets generated ones g, g′ under the same conditions, all as maps (`Turn`):

- Wasserstein: critic D(g) − D(x) + λ(‖∇D(x̂)‖ − 1)² + δ D(x)², generator −D(g) (Gulrajani et al.
  2017, arXiv:1704.00028, eq. 3; δ D² of Karras et al. 2017, arXiv:1710.10196, appendix A.1). x̂ lies
  between x and g; the conditions, which both share, are not interpolated;
- Cramér: the energy distance in the critic's features, same penalty (`nn.cramer`);
- least squares: ½(D(x) − 1)² + ½D(g)² against ½(D(g) − 1)² (Mao et al. 2016, arXiv:1611.04076);
- hinge: max(0, 1 − D(x)) + max(0, 1 + D(g)) against −D(g) (Miyato et al. 2018, arXiv:1802.05957).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from skhep_anomaly.nn.cramer import cramer_critic, cramer_rows
from skhep_anomaly.nn.gan_losses import critic_rows, gradient_penalty, interpolate
from skhep_anomaly.nn.shower_turn import Turn

__all__ = ["Cramer", "Game", "Hinge", "LeastSquares", "Wasserstein"]


class Game(Protocol):
    """Losses of both sides, row by row; `fakes` are maps of independent draws."""

    def critic(
        self, turn: Turn, real: Tensor, fakes: list[Tensor], generator: torch.Generator
    ) -> Tensor:
        """Give the critic's loss of each row."""

    def generator(self, turn: Turn, real: Tensor, fakes: list[Tensor]) -> Tensor:
        """Give the generator's loss of each row."""


@dataclass(frozen=True)
class Wasserstein:
    """Wasserstein distance with gradient penalty λ and drift δ."""

    penalty: float = 10.0
    drift: float = 1e-3

    def critic(
        self, turn: Turn, real: Tensor, fakes: list[Tensor], generator: torch.Generator
    ) -> Tensor:
        """Give D(g) − D(x) + λ(‖∇D(x̂)‖ − 1)² + δ D(x)²."""
        on_real = turn.judge(real)[:, 0]
        points = interpolate(real, fakes[0], generator)
        slopes = gradient_penalty(lambda x: turn.judge(x)[:, 0], points)
        gap = turn.judge(fakes[0])[:, 0] - on_real
        return gap + self.penalty * slopes + self.drift * on_real.square()

    def generator(self, turn: Turn, real: Tensor, fakes: list[Tensor]) -> Tensor:
        """Give −D(g)."""
        return -turn.judge(fakes[0])[:, 0]


@dataclass(frozen=True)
class Cramer:
    """Energy distance in features, with gradient penalty λ on f."""

    penalty: float = 10.0

    def critic(
        self, turn: Turn, real: Tensor, fakes: list[Tensor], generator: torch.Generator
    ) -> Tensor:
        """Give f(g) − f(x) + λ(‖∇f(x̂)‖ − 1)²."""
        other = turn.judge(fakes[1])
        points = interpolate(real, fakes[0], generator)
        slopes = gradient_penalty(lambda x: cramer_critic(turn.judge(x), other), points)
        on_fake, on_real = (cramer_critic(turn.judge(x), other) for x in (fakes[0], real))
        return on_fake - on_real + self.penalty * slopes

    def generator(self, turn: Turn, real: Tensor, fakes: list[Tensor]) -> Tensor:
        """Give ‖h(x) − h(g)‖ + ‖h(x) − h(g′)‖ − ‖h(g) − h(g′)‖."""
        return cramer_rows(turn.judge(real), turn.judge(fakes[0]), turn.judge(fakes[1]))


@dataclass(frozen=True)
class LeastSquares:
    """Least squares to 1 for real and 0 for generated showers."""

    def critic(
        self, turn: Turn, real: Tensor, fakes: list[Tensor], generator: torch.Generator
    ) -> Tensor:
        """Give ½(D(x) − 1)² + ½D(g)²."""
        on_real, on_fake = turn.judge(real)[:, 0], turn.judge(fakes[0])[:, 0]
        wanted = torch.ones_like(on_real), torch.zeros_like(on_fake)
        return critic_rows("lsgan", on_real, wanted[0]) + critic_rows("lsgan", on_fake, wanted[1])

    def generator(self, turn: Turn, real: Tensor, fakes: list[Tensor]) -> Tensor:
        """Give ½(D(g) − 1)²."""
        on_fake = turn.judge(fakes[0])[:, 0]
        return critic_rows("lsgan", on_fake, torch.ones_like(on_fake))


@dataclass(frozen=True)
class Hinge:
    """Hinge loss."""

    def critic(
        self, turn: Turn, real: Tensor, fakes: list[Tensor], generator: torch.Generator
    ) -> Tensor:
        """Give max(0, 1 − D(x)) + max(0, 1 + D(g))."""
        on_real, on_fake = turn.judge(real)[:, 0], turn.judge(fakes[0])[:, 0]
        return functional.relu(1.0 - on_real) + functional.relu(1.0 + on_fake)

    def generator(self, turn: Turn, real: Tensor, fakes: list[Tensor]) -> Tensor:
        """Give −D(g)."""
        return -turn.judge(fakes[0])[:, 0]
