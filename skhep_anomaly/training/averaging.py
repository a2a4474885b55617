"""Mean of the weights that parts of a net pass through, to be used in the place of the last ones.

The players of a game circle around its equilibrium; the mean over their path lies nearer to it than
the last point does. Either the exponential mean over the moves, w̄ = Σ γ^(t−i) w_i / Σ γ^(t−i) (no
trace of the first weights is left in it), or the plain mean over the ends of the last epochs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]

_State = list[Tensor]


class WeightAverage:
    """Follow the weights and float buffers of modules.

    Parameters
    ----------
    parts : sequence of Module
        What is averaged.
    decay : float or None
        γ of the exponential mean over the moves; None: none.
    window : int
        Epochs in the plain mean, where `decay` is None.
    """

    def __init__(self, parts: Sequence[nn.Module], decay: float | None, window: int) -> None:
        self.decay = decay
        state = [tensor for part in parts for tensor in part.state_dict().values()]
        self._live = [tensor for tensor in state if tensor.is_floating_point()]
        self._ends: deque[_State] = deque(maxlen=window)
        self._sum = [torch.zeros_like(tensor) for tensor in self._live]
        self._norm = 0.0
        self._kept: _State | None = None

    @torch.no_grad()
    def after_move(self) -> None:
        """Take note of a move."""
        if self.decay is None:
            return
        torch._foreach_mul_(self._sum, self.decay)
        torch._foreach_add_(self._sum, self._live)
        self._norm = self._norm * self.decay + 1.0

    @torch.no_grad()
    def after_epoch(self, keep: bool) -> None:
        """Take note of the end of an epoch; `keep` makes the present mean the one to use."""
        if self.decay is None:
            self._ends.append([tensor.detach().clone() for tensor in self._live])
        if keep:
            self._kept = self._mean()

    def _mean(self) -> _State | None:
        if self.decay is not None:
            return [total / self._norm for total in self._sum] if self._norm else None
        return [torch.stack(each).mean(dim=0) for each in zip(*self._ends, strict=True)]

    @torch.no_grad()
    def swap_in(self) -> None:
        """Put the kept mean into the modules."""
        for tensor, mean in zip(self._live, self._kept or (), strict=self._kept is not None):
            tensor.copy_(mean)
