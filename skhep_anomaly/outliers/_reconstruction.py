"""Loss of autoencoders: error per feature against clean targets, noise on the input only.

With noise level s drawn log-uniformly in [.1, 1] (noise-conditional training) a row's loss has
weight .3 / (s² + .05). For the built-in MLP the gradient is written out by hand, which saves
autograd's bookkeeping; it equals autograd's to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from skhep_anomaly.nn import MLP
from skhep_anomaly.training import Context, Objective

__all__ = ["LEVELS", "ReconstructionLoss"]

LEVELS = (0.1, 0.2, 0.4, 0.8)
_LOW, _HIGH = 0.1, 1.0


class ReconstructionLoss(Objective):
    """Mean over the features of the reconstruction error of each row.

    Parameters
    ----------
    noise : "conditional", float or None
        Noise on the standardised input.
    noise_kind : {"gaussian", "mask"}
        Added Gaussian noise of that width, or that share of the features set to zero.
    loss : {"mse", "bce"}
        Squared error, or binary cross-entropy of a sigmoid output.
    by_hand : bool, default=True
        False always uses autograd.
    """

    def __init__(
        self, noise: str | float | None, noise_kind: str, loss: str, by_hand: bool = True
    ) -> None:
        super().__init__()
        self.noise, self.noise_kind, self.loss, self.by_hand = noise, noise_kind, loss, by_hand

    def _inputs(
        self, module: Any, x: Tensor, context: Context
    ) -> tuple[Tensor, Tensor, Tensor | None, Any]:
        """Give target, noisy input, weight of the noise level, and the level."""
        z = module.standardizer(x)
        if self.noise is None:
            return z, z, None, 0.1
        if self.noise == "conditional":
            shape = (module.n_members, *z.shape) if module.n_members > 1 else z.shape
            u = torch.rand(
                (*shape[:-1], 1), dtype=z.dtype, device=z.device, generator=context.generator
            )
            level = _LOW * (_HIGH / _LOW) ** u
            noisy = z + level * self._normal(shape, z, context)
            return z, noisy, (0.3 / (level.square() + 0.05)).squeeze(-1), level
        if self.noise_kind == "mask":
            keep = torch.empty_like(z).bernoulli_(
                1.0 - float(self.noise), generator=context.generator
            )
            return z, z * keep, None, 0.1
        return z, z + float(self.noise) * self._normal(z.shape, z, context), None, 0.1

    @staticmethod
    def _normal(shape: Any, like: Tensor, context: Context) -> Tensor:
        return torch.randn(shape, dtype=like.dtype, device=like.device, generator=context.generator)

    def per_row(self, module: Any, x: Tensor, context: Context) -> Tensor:
        """Give the loss of each row, shape (n,) or (n_members, n)."""
        z, noisy, level_weight, level = self._inputs(module, x, context)
        out = module(noisy, level)
        if self.loss == "bce":
            error = functional.binary_cross_entropy_with_logits(
                out, z.expand_as(out), reduction="none"
            )
        else:
            error = (module.activate(out) - z).square()
        rows = error.flatten(1 if module.n_members == 1 else 2).mean(dim=-1)
        return rows if level_weight is None else rows * level_weight

    def loss_and_gradient(
        self, module: Any, x: Tensor, weight: Tensor | None, context: Context
    ) -> Tensor:
        """Give the batch loss and leave its gradient in the parameters, by hand where it can."""
        net = getattr(module, "net", None)
        linear_or_bce = module.output == "linear" or self.loss == "bce"
        if not (self.by_hand and isinstance(net, MLP) and net.by_hand and linear_or_bce):
            return super().loss_and_gradient(module, x, weight, context)
        with torch.no_grad():
            return self._by_hand(module, x, weight, context)

    def _by_hand(self, module: Any, x: Tensor, weight: Tensor | None, context: Context) -> Tensor:
        z, noisy, level_weight, level = self._inputs(module, x, context)
        kept = module.net.tape(module.with_level(noisy, level))
        out = kept.pop()
        factor = self._row_factor(weight, level_weight)
        scale = 1.0 / (z.shape[0] * z.shape[1])
        if self.loss == "bce":
            error = functional.binary_cross_entropy_with_logits(
                out, z.expand_as(out), reduction="none"
            )
            gradient = torch.sigmoid(out).sub_(z)
            loss = (error if factor is None else error * factor).sum() * scale
        else:
            gradient = out.sub_(z)
            weighted = gradient if factor is None else gradient * factor
            loss = torch.dot(weighted.reshape(-1), gradient.reshape(-1)) * scale
            scale *= 2.0
        if factor is not None:
            gradient = gradient.mul_(factor)
        module.net.gradient(kept, gradient.mul_(scale))
        return loss

    @staticmethod
    def _row_factor(weight: Tensor | None, level_weight: Tensor | None) -> Tensor | None:
        """Multiply row weight and level weight, shaped to go with (…, n, d)."""
        if weight is None:
            return None if level_weight is None else level_weight[..., None]
        return (weight if level_weight is None else weight * level_weight)[..., None]
