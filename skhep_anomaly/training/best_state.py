"""The weights to keep: the best on validation rows, else the last finite ones.

Those from before the first epoch count as well, so that a further fit that goes wrong at once gives
back what it started from.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["BestState"]


class BestState:
    """Snapshot of a module at its best epoch, and the count of epochs since.

    Parameters
    ----------
    module : Module
        What is trained.
    patience : int or None
        Epochs without improvement before `update` asks to stop. None: every finite epoch is kept,
        none stops.
    tol : float
        Smallest improvement that counts.

    Attributes
    ----------
    spoiled : bool
        Set it where the present weights must not stay, finite as they may be.
    """

    def __init__(self, module: nn.Module, patience: int | None, tol: float) -> None:
        self.patience, self.tol = patience, tol
        self._best = math.inf
        self._since = 0
        self._judged = False
        self.spoiled = False
        self._keep(module)

    def _keep(self, module: nn.Module) -> None:
        self._state: dict[str, Tensor] = {
            name: value.detach().clone() for name, value in module.state_dict().items()
        }

    @staticmethod
    @torch.no_grad()
    def weights_are_finite(module: nn.Module) -> bool:
        """Tell whether every weight is a number."""
        sums = [p.detach().abs().max() for p in module.parameters() if p.numel()]
        return bool(torch.isfinite(torch.stack(sums)).all())

    def update(self, module: nn.Module, loss: float) -> bool:
        """Take note of an epoch; give True where training should stop."""
        self._judged = True
        if self.patience is None or loss < self._best:
            self._keep(module)
        if loss < self._best - self.tol:
            self._since = 0
        else:
            self._since += 1
        self._best = min(self._best, loss)
        return self.patience is not None and self._since >= self.patience

    def restore(self, module: nn.Module) -> None:
        """Put the kept weights back, where the present ones are worse or not finite."""
        watched = self.patience is not None and self._judged
        if watched or self.spoiled or not self.weights_are_finite(module):
            module.load_state_dict(self._state)
