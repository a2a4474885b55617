"""Loss of the flow detector: −log p in nats of a row with noise, given the noise's level.

Noise-conditional training: z + s·n with n ~ N(0, 1), s = .03 · 20^l and l uniform in [0, 1], which
the flow sees as its context. p(· | s) is then the data's density smoothed at every width s from
.03 to .6, instead of one that runs to infinity on mass points, duplicates and thin sheets.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from skhep_anomaly.training import Context, Objective, weighted_mean

__all__ = ["LOWEST", "FlowLoss", "level_code"]

LOWEST, _RANGE = 0.03, 20.0


def level_code(level: float) -> float:
    """Give the context 2l − 1, in [−1, 1], of the noise level s = .03 · 20^l."""
    return 2.0 * math.log(level / LOWEST) / math.log(_RANGE) - 1.0


class FlowLoss(Objective):
    """−log p of each row under the flow.

    Parameters
    ----------
    conditional : bool
        Add noise of random level and give the level to the flow.
    by_hand : bool, default=True
        False always uses autograd.
    """

    def __init__(self, conditional: bool, by_hand: bool = True) -> None:
        super().__init__()
        self.conditional, self.by_hand = conditional, by_hand

    def _inputs(self, module: Any, x: Tensor, context: Context) -> tuple[Tensor, Tensor | None]:
        """Give noisy rows and the flow's context."""
        z = module.standardizer(x)
        noise = {"dtype": z.dtype, "device": z.device, "generator": context.generator}
        members = module.flow.n_members
        shape = (members, *z.shape) if members > 1 else tuple(z.shape)
        if module.dequantizes:
            z = z + module.width * (torch.rand(shape, **noise) - 0.5)
        if not self.conditional:
            return z, None
        share = torch.rand((*shape[:-1], 1), **noise)
        return z + LOWEST * _RANGE**share * torch.randn(shape, **noise), 2.0 * share - 1.0

    def per_row(self, module: Any, x: Tensor, context: Context) -> Tensor:
        """Give −log p, shape (n,) or (n_members, n)."""
        z, level = self._inputs(module, x, context)
        nll: Tensor = -module.flow.log_prob(z, level)
        return nll

    def loss_and_gradient(
        self, module: Any, x: Tensor, weight: Tensor | None, context: Context
    ) -> Tensor:
        """Give the batch loss and leave its gradient behind, by hand where possible."""
        if not (self.by_hand and module.flow.by_hand):
            return super().loss_and_gradient(module, x, weight, context)
        z, level = self._inputs(module, x, context)
        nll = module.flow.nll_and_gradient(z, level, weight)
        return weighted_mean(nll, weight)
