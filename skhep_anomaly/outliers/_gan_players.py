"""What the two players of a GAN make small, and how a held-out row is judged.

Row weights belong to the data: the critic's loss is their weighted mean over real rows plus the
plain mean over as many generated ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from skhep_anomaly.nn.gan_losses import (
    critic_rows,
    gradient_penalty,
    interpolate,
    make_targets,
)
from skhep_anomaly.training import Context, Objective, weighted_mean

__all__ = ["CriticLoss", "EnergyScore", "GeneratorLoss"]

_PENALTY = 10.0
_N_DRAWS = 256


def _blur(z: Tensor, width: float, context: Context) -> Tensor:
    """Add instance noise, which falls linearly to zero over the training."""
    width *= 1.0 - context.progress
    if width == 0:
        return z
    return z + width * torch.empty_like(z).normal_(generator=context.generator)


@dataclass(frozen=True)
class CriticLoss:
    """Loss of the critic: tell the batch from as many generated rows."""

    loss: str
    label_smoothing: float = 0.0
    label_noise: float = 0.0
    instance_noise: float = 0.0

    def __call__(self, module: Any, x: Tensor, weight: Tensor | None, context: Context) -> Tensor:
        """Give the batch loss, summed over members."""
        z = module.standardizer(x)
        with torch.no_grad():
            fake = module.generator.draw(len(z), context.generator)
        both = torch.cat([z.expand_as(fake), fake], dim=1)
        both = _blur(both, self.instance_noise, context)
        on_real, on_fake = module.critic(both).chunk(2, dim=1)
        total = weighted_mean(self._rows(on_real, True, context), weight)
        total = total + weighted_mean(self._rows(on_fake, False, context), None)
        if self.loss == "wgan_gp":
            rows = both.chunk(2, dim=1)
            points = interpolate(rows[0], rows[1], context.generator)
            slopes = gradient_penalty(module.critic, points)
            total = total + _PENALTY * weighted_mean(slopes, weight)
        return total

    def _rows(self, c: Tensor, real: bool, context: Context) -> Tensor:
        target = make_targets(
            c,
            real,
            smoothing=self.label_smoothing if self.loss != "wgan_gp" else 0.0,
            noise=self.label_noise,
            generator=context.generator,
        )
        return critic_rows(self.loss, c, target)


@dataclass(frozen=True)
class GeneratorLoss:
    """Loss of the generator: have its rows taken for real ones."""

    loss: str
    instance_noise: float = 0.0

    def __call__(self, module: Any, x: Tensor, weight: Tensor | None, context: Context) -> Tensor:
        """Give the batch loss, summed over members."""
        fake = module.generator.draw(len(x), context.generator)
        c = module.critic(_blur(fake, self.instance_noise, context))
        return weighted_mean(critic_rows(self.loss, c, torch.ones_like(c)), None)


class EnergyScore(Objective):
    """Judge a held-out row x by draws g: mean ‖x − g‖ − ½ mean ‖g − g′‖.

    Its mean over rows is lowest where the draws have the distribution of the rows (Gneiting &
    Raftery 2007, eq. 22), so that early stopping has something to look at that the players' losses
    do not give.
    """

    def per_row(self, module: Any, x: Tensor, context: Context) -> Tensor:
        """Give the energy score of each row, shape (n_members, n)."""
        draws = module.generator.draw(_N_DRAWS, context.generator)
        z = module.standardizer(x).expand(len(draws), *x.shape).contiguous()
        near = torch.cdist(z, draws).mean(dim=-1)
        spread = torch.cdist(draws, draws).sum(dim=(1, 2)) / (_N_DRAWS * (_N_DRAWS - 1))
        return near - 0.5 * spread[:, None]
