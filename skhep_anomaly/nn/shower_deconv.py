"""Deconvolution trunk: conditions and noise to a map of logits, without dense layers.

The vector (c, z) is an image of one pixel with n_conditions + latent_dim channels. A transposed
convolution spreads it over a small square (256 × 4 × 4 for a map of 30 × 30 cells), and each
further one of kernel 4 and stride 2 doubles the side and halves the channels; the last gives one
channel, cut to the size of the map. The kernel is divisible by the stride, so that every pixel is
reached by as many weights (else a chequerboard shows). Hidden layers are h ← φ(norm(h ∗ W)) with φ
the leaky ReLU of slope .2 and norm a batch norm: by the batch's moments in training, by running
ones in evaluation, where a map does not depend on its neighbours.

The layout is that of Chekalina et al. (2018), arXiv:1812.01319, for any size of map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["DeconvTrunk"]

_SLOPE = 0.2
_MOMENTUM, _EPS = 0.1, 1e-5
_KERNEL, _STRIDE, _PADDING = 4, 2, 1
_SMALLEST = 4  # cells on the shorter side of the first square, where the map allows it


class DeconvTrunk(nn.Module):
    """Give logits of a map from scaled conditions and noise.

    Parameters
    ----------
    n_conditions : int, default=5
        Width of the scaled conditions c.
    latent_dim : int, default=512
        Width of the noise z.
    map_shape : tuple of int, default=(40, 40)
        Cells (mx, my) of the map, each at least 2.
    n_channels : int, default=256
        Channels of the first square; halved from layer to layer, at least 8. More are slower by
        their square.

    Notes
    -----
    A dense layer from one pixel to a square and a transposed convolution whose kernel is the square
    are the same map; it is written as the latter. Weights start so that conditions and noise have
    equal shares in the first layer, or five conditions would drown in 512 normals.

    Examples
    --------
    >>> trunk = DeconvTrunk(latent_dim=8, map_shape=(30, 30), n_channels=16)
    >>> trunk.reset(torch.Generator().manual_seed(0))
    >>> tuple(trunk(torch.zeros(2, 5), torch.zeros(2, 8)).shape), trunk.start_shape
    ((2, 900), (4, 4))
    """

    def __init__(
        self,
        n_conditions: int = 5,
        latent_dim: int = 512,
        map_shape: tuple[int, int] = (40, 40),
        n_channels: int = 256,
    ) -> None:
        super().__init__()
        self.n_conditions, self.latent_dim = int(n_conditions), int(latent_dim)
        self.map_shape = (int(map_shape[0]), int(map_shape[1]))
        n_doublings = _doublings(min(self.map_shape))
        self.start_shape = tuple(-(-side // 2**n_doublings) for side in self.map_shape)
        widths = [max(8, n_channels // 2**k) for k in range(n_doublings)]
        first = _Deconvolution(self.n_conditions + self.latent_dim, widths[0], self.start_shape)
        doubling = [
            _Deconvolution(i, o, (_KERNEL, _KERNEL), _STRIDE, _PADDING, normalised=k < n_doublings)
            for k, (i, o) in enumerate(zip(widths, [*widths[1:], 1], strict=True), start=1)
        ]
        self.layers = nn.ModuleList([first, *doubling])

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw new weights from `generator`; running moments become those of a standard normal."""
        for layer in self.layers:
            layer.reset(generator)  # type: ignore[operator]
        if self.n_conditions and self.latent_dim:
            share = (self.latent_dim / self.n_conditions) ** 0.5
            self.layers[0].weight[: self.n_conditions] *= share  # type: ignore[index,operator]

    def forward(self, c: Tensor, z: Tensor) -> Tensor:
        """Map c (n, n_conditions) and z (n, latent_dim) to logits (n, mx·my)."""
        h = torch.cat([c, z.to(c.dtype)], dim=1)[:, :, None, None]
        *hidden, last = self.layers
        for layer in hidden:
            h = functional.leaky_relu(layer(h), _SLOPE)
        return self._cut(last(h)[:, 0]).flatten(1)

    def _cut(self, image: Tensor) -> Tensor:
        """Take the middle of the image, of the map's size."""
        low = [
            (have - want) // 2 for have, want in zip(image.shape[1:], self.map_shape, strict=True)
        ]
        (mx, my), (x, y) = self.map_shape, low
        return image[:, x : x + mx, y : y + my]


def _doublings(side: int) -> int:
    """Give how often a square is doubled until it covers `side` cells; at least once."""
    n = 1
    while -(-side // 2 ** (n + 1)) >= _SMALLEST:
        n += 1
    return n


class _Deconvolution(nn.Module):
    """Transposed convolution, with a batch norm or a bias."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: tuple[int, ...],
        stride: int = 1,
        padding: int = 0,
        normalised: bool = True,
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.normalised = stride, padding, normalised
        self.weight = nn.Parameter(torch.zeros(n_in, n_out, *kernel))
        self.bias = nn.Parameter(torch.zeros(n_out))
        if normalised:
            self.gain = nn.Parameter(torch.ones(n_out))
            self.register_buffer("running_mean", torch.zeros(n_out))
            self.register_buffer("running_var", torch.ones(n_out))

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw Xavier uniform weights for what one pixel gets and gives; zero biases."""
        n_in, n_out, *kernel = self.weight.shape
        taps = kernel[0] * kernel[1] / self.stride**2 if self.stride > 1 else 1.0
        bound = (6.0 / ((n_in + n_out) * taps)) ** 0.5
        draw = torch.rand(self.weight.shape, generator=generator, dtype=torch.float64)
        self.weight.copy_((2.0 * draw - 1.0) * bound)
        self.bias.zero_()
        if self.normalised:
            self.gain.fill_(1.0)
            self.running_mean.zero_()
            self.running_var.fill_(1.0)

    def forward(self, h: Tensor) -> Tensor:
        if not self.normalised:
            return functional.conv_transpose2d(h, self.weight, self.bias, self.stride, self.padding)
        h = functional.conv_transpose2d(h, self.weight, None, self.stride, self.padding)
        moments = self.running_mean, self.running_var
        return functional.batch_norm(
            h, *moments, self.gain, self.bias, self.training, _MOMENTUM, _EPS
        )
