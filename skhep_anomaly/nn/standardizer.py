"""One rule for coordinates, z = clip((x − mean) / scale, ±bound), as buffers of the net."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Standardizer"]


class Standardizer(nn.Module):
    """Standardise rows by fixed moments and clip far-out values.

    Parameters
    ----------
    mean, scale : array-like of shape (n_features,)
        Moments; `scale` > 0.
    bound : float, default=8.0
        Clipping bound in units of `scale`; infinity clips only what overflows.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: object, scale: object, bound: float = 8.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float64).clone())
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float64).clone())
        self.bound = float(bound)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (…, d) to z (…, d)."""
        bound = min(self.bound, torch.finfo(x.dtype).max / 4)
        return ((x - self.mean) / self.scale).clamp_(-bound, bound)

    def inverse(self, z: Tensor) -> Tensor:
        """Map z (…, d) back to x."""
        return z * self.scale + self.mean
