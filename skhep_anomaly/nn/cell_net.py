"""Nets that read a calorimeter image and a few numbers beside it: dense or strided convolutions.

A layer is h ← φ(h ∗ W + b + j V) with φ the leaky ReLU of slope .2 and j the joined numbers, which
enter every layer as a shift per unit or channel (the same as constant planes beside the image). The
convolutions have kernel 4 and stride 2, divisible by it, and the last kernel covers what is left of
the image. No batch norm: a critic with it would judge a shower by its neighbours.

With `spectral_norm`, W is divided by its largest singular value σ = uᵀ W v (Miyato et al. 2018,
arXiv:1802.05957, algorithm 1), u and v followed by one power iteration per training step.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["CELL_NET_WIDTHS", "CellNet"]

CELL_NET_WIDTHS = {"mlp": (256, 256), "conv": (32, 64, 128)}

_SLOPE = 0.2
_KERNEL, _STRIDE, _PADDING = 4, 2, 1
_FIRST_ITERATIONS = 20


class CellNet(nn.Module):
    """Map images and joined numbers to outputs.

    Parameters
    ----------
    kind : {"mlp", "conv"}
        Dense layers, or strided convolutions.
    shape : tuple of int
        Cells (nx, ny) of an image.
    n_joined : int
        Numbers joined to each image; 0: none.
    n_outputs : int
        Numbers given.
    widths : sequence of int, default=None
        Units or channels of the hidden layers; None: those of `CELL_NET_WIDTHS`. Convolutions end
        early where the image is used up.
    spectral_norm : bool, default=False
        Bound each layer's slope by 1.
    """

    def __init__(
        self,
        kind: str,
        shape: tuple[int, int],
        n_joined: int,
        n_outputs: int,
        *,
        widths: Sequence[int] | None = None,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        if kind not in CELL_NET_WIDTHS:
            raise ValueError(f"kind={kind!r} is unknown; use one of {sorted(CELL_NET_WIDTHS)}.")
        self.kind, self.shape = kind, (int(shape[0]), int(shape[1]))
        self.n_joined, self.n_outputs = int(n_joined), int(n_outputs)
        widths = CELL_NET_WIDTHS[kind] if widths is None else tuple(int(width) for width in widths)
        shapes = _dense(self.shape, widths) if kind == "mlp" else _strided(self.shape, widths)
        shapes.append((self.n_outputs, *shapes.pop()))
        self.layers = nn.ModuleList(
            _Layer(weight, self.n_joined, spectral_norm) for weight in shapes
        )

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw new weights from `generator`."""
        for layer in self.layers:
            layer.reset(generator)  # type: ignore[operator]

    def forward(self, images: Tensor, joined: Tensor | None = None) -> Tensor:
        """Map images (n, nx·ny) and joined numbers (n, n_joined) to outputs (n, n_outputs)."""
        h = images if self.kind == "mlp" else images.unflatten(1, (1, *self.shape))
        *hidden, last = self.layers
        for layer in hidden:
            h = functional.leaky_relu(layer(h, joined, _STRIDE, _PADDING), _SLOPE)
        out: Tensor = last(h, joined, 1, 0)
        return out.flatten(1)


def _dense(shape: tuple[int, int], widths: Sequence[int]) -> list[tuple[int, ...]]:
    """Give the shapes of the weights, that of the last one without its outputs."""
    n_in = [shape[0] * shape[1], *widths]
    return [*((o, i) for i, o in zip(n_in, widths, strict=False)), (n_in[-1],)]


def _strided(shape: tuple[int, int], widths: Sequence[int]) -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = []
    n_in, (x, y) = 1, shape
    for width in widths:
        if min(x, y) < _KERNEL:
            break
        shapes.append((width, n_in, _KERNEL, _KERNEL))
        n_in, x, y = width, x // _STRIDE, y // _STRIDE
    return [*shapes, (n_in, x, y)]


class _Layer(nn.Module):
    """One product with its bias and shift; dense or a convolution by the axes of its weight."""

    u: Tensor

    def __init__(self, shape: tuple[int, ...], n_joined: int, spectral_norm: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape))
        self.bias = nn.Parameter(torch.zeros(shape[0]))
        self.shift = nn.Parameter(torch.zeros(shape[0], n_joined)) if n_joined else None
        self.spectral_norm = spectral_norm
        if spectral_norm:
            self.register_buffer("u", torch.ones(shape[0]) / shape[0] ** 0.5)

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw uniform weights that keep the size of leaky units; zero biases."""
        for weight in (self.weight, self.shift):
            if weight is None:
                continue
            bound = (6.0 / ((1.0 + _SLOPE**2) * weight[0].numel())) ** 0.5
            draw = torch.rand(weight.shape, generator=generator, dtype=torch.float64)
            weight.copy_((2.0 * draw - 1.0) * bound)
        self.bias.zero_()
        if self.spectral_norm:
            self.u.copy_(functional.normalize(torch.ones_like(self.u), dim=0))
            for _ in range(_FIRST_ITERATIONS):
                self._iterate()

    def _iterate(self) -> Tensor:
        """Turn u towards the leading singular vector; give v."""
        flat = self.weight.detach().flatten(1)
        v = functional.normalize(flat.mT @ self.u, dim=0)
        if self.training:
            self.u.copy_(functional.normalize(flat @ v, dim=0))
        return v

    def bounded_weight(self) -> Tensor:
        """Give W, or W/σ."""
        if not self.spectral_norm:
            return self.weight
        with torch.no_grad():
            v = self._iterate()
        sigma = self.u.clone() @ (self.weight.flatten(1) @ v)
        return self.weight / sigma

    def forward(self, h: Tensor, joined: Tensor | None, stride: int, padding: int) -> Tensor:
        weight = self.bounded_weight()
        if weight.dim() == 2:
            out = functional.linear(h, weight, self.bias)
        else:
            out = functional.conv2d(h, weight, self.bias, stride, padding)
        if self.shift is None or joined is None:
            return out
        shift = functional.linear(joined, self.shift)
        return out + shift.view(*shift.shape, *(1,) * (out.dim() - 2))
