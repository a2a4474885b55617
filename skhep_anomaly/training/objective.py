"""What a net minimises: a loss per row, averaged with the rows' weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Context", "Objective", "weighted_mean"]


@dataclass(slots=True)
class Context:
    """State of the training step that a loss may ask for.

    Attributes
    ----------
    generator : torch.Generator
        Source of all noise in the loss.
    progress : float
        Share of the planned steps done, in [0, 1].
    training : bool
        False for validation losses.
    """

    generator: torch.Generator
    progress: float = 0.0
    training: bool = True


def weighted_mean(per_row: Tensor, weight: Tensor | None) -> Tensor:
    """Average over the rows (last axis) and sum over members (axes before it).

    Weights have mean one over the whole data set, so a batch is an unbiased part of the weighted
    mean over all rows, and one batch of everything is exactly that mean.
    """
    if weight is not None:
        per_row = per_row * weight
    return per_row.sum() / per_row.shape[-1]


class Objective(nn.Module):
    """Base of all losses: give `per_row`, or take over `loss_and_gradient` by hand."""

    def per_row(self, module: nn.Module, x: Tensor, context: Context) -> Tensor:
        """Give the loss of each row, shape (n,) or (n_members, n)."""
        raise NotImplementedError("An objective gives the loss of each row in per_row().")

    def loss_and_gradient(
        self, module: nn.Module, x: Tensor, weight: Tensor | None, context: Context
    ) -> Tensor:
        """Give the batch loss and leave its gradient in the parameters."""
        for parameter in module.parameters():
            parameter.grad = None
        loss = weighted_mean(self.per_row(module, x, context), weight)
        loss.backward()
        return loss.detach()

    def fault(self) -> str | None:
        """Say what went wrong in the epoch just done, beyond a non-finite loss; None: nothing."""
        return None
