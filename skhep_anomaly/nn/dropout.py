"""Dropout that draws from a given generator, so that the global stream stays untouched."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["SeededDropout"]


class SeededDropout(nn.Module):
    """Zero a random share `p` of the entries in training mode and scale the rest by 1/(1 − p).

    The training engine sets ``generator`` for the time of a fit; it is None, and the layer the
    identity, outside.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = float(p)
        self.generator: torch.Generator | None = None

    def forward(self, h: Tensor) -> Tensor:
        """Drop entries of `h` while training."""
        if not self.training or self.p == 0.0 or self.generator is None:
            return h
        keep = torch.empty_like(h).bernoulli_(1.0 - self.p, generator=self.generator)
        return h * keep / (1.0 - self.p)
