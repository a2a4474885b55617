"""Multi-layer perceptron, or several of the same shape side by side, on one flat parameter buffer.

Layer l computes h_l = φ_l(h_{l−1} W_l + b_l). All weights of one member are one row of ``flat``
(n_members, n_parameters), so an optimiser steps one tensor, a norm per member is one call, and the
members' products are batched. The backward pass is also written out by hand (`tape`, `gradient`):
without the bookkeeping of autograd a small net trains in two thirds of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from skhep_anomaly.nn.activations import ACTIVATIONS
from skhep_anomaly.nn.dropout import SeededDropout

__all__ = ["MLP"]


class MLP(nn.Module):
    """Perceptron with `n_members` independent copies.

    Parameters
    ----------
    sizes : sequence of int
        Widths from input to output.
    activations : sequence of str
        One name of `ACTIVATIONS` per layer (``len(sizes) - 1``).
    n_members : int, default=1
        Copies trained side by side.
    dropout : float, default=0.0
        Share of each activated hidden layer that is dropped in training.

    Notes
    -----
    Input (n, d) is shared by all members, (n_members, n, d) is one batch each; output (n, k) for
    one member, else (n_members, n, k).
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activations: Sequence[str],
        *,
        n_members: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(activations) != len(sizes) - 1:
            raise ValueError(
                f"{len(sizes) - 1} layers need as many activations; got {len(activations)}."
            )
        self.sizes, self.activations, self.n_members = tuple(sizes), tuple(activations), n_members
        self.dropout = SeededDropout(dropout)
        self._shapes = [s for i, o in pairwise(sizes) for s in ((i, o), (1, o))]
        self._lengths = [a * b for a, b in self._shapes]
        self.flat = nn.Parameter(torch.zeros(n_members, sum(self._lengths)))
        self._views: dict[str, tuple[int, list[tuple[Tensor, Tensor]], list[Tensor]]] = {}

    @property
    def n_layers(self) -> int:
        """Number of layers of weights."""
        return len(self.activations)

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> MLP:
        """Draw Xavier uniform weights; biases become zero."""
        for weight, bias in self._pairs(self._split(self.flat.data)):
            bound = (6.0 / (weight.shape[-2] + weight.shape[-1])) ** 0.5
            draw = torch.rand(weight.shape, generator=generator, dtype=torch.float64)
            weight.copy_((2.0 * draw - 1.0) * bound)
            bias.zero_()
        return self

    def _split(self, flat: Tensor) -> list[Tensor]:
        """Cut the buffer into weights and biases, led by a member axis if there are several."""
        parts = flat.split(self._lengths, dim=1)
        if self.n_members == 1:
            return [p.view(s) for p, s in zip(parts, self._shapes, strict=True)]
        return [p.view(-1, *s) for p, s in zip(parts, self._shapes, strict=True)]

    @staticmethod
    def _pairs(parts: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        return list(zip(parts[::2], parts[1::2], strict=True))

    def layers(self) -> list[tuple[Tensor, Tensor]]:
        """Give (weight, bias) of each layer as views of ``flat``, differentiable under autograd."""
        if torch.is_grad_enabled() and self.flat.requires_grad:
            return self._pairs(self._split(self.flat))
        return self._cached("weight", self.flat)[1]

    def _cached(
        self, name: str, flat: Tensor
    ) -> tuple[int, list[tuple[Tensor, Tensor]], list[Tensor]]:
        """Give place, layers and transposed weights of a buffer, anew only when it has moved."""
        views = self._views.get(name)
        if views is None or views[0] != flat.data_ptr():
            pairs = self._pairs(self._split(flat.detach()))
            views = flat.data_ptr(), pairs, [weight.mT for weight, _ in pairs]
            self._views[name] = views
        return views

    def forward(self, x: Tensor) -> Tensor:
        """Map input to output."""
        return self.run(x, 0, self.n_layers)

    def run(self, h: Tensor, start: int, stop: int) -> Tensor:
        """Apply the layers `start` … `stop` − 1."""
        layers = self.layers()
        recording = torch.is_grad_enabled()
        for index in range(start, stop):
            phi = ACTIVATIONS[self.activations[index]]
            a = self._affine(h, *layers[index])
            h = phi.forward(a) if recording or phi.forward_ is None else phi.forward_(a)
            if index < self.n_layers - 1 and self.activations[index] != "linear":
                h = self.dropout(h)
        return h

    def _affine(self, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if self.n_members == 1:
            if h.dim() == 2:
                return torch.addmm(bias, h, weight)
            return h @ weight + bias
        if h.dim() == 2:
            h = h.expand(self.n_members, -1, -1)
        return torch.baddbmm(bias, h, weight)

    @property
    def by_hand(self) -> bool:
        """True where `tape` and `gradient` give what autograd would (no dropout)."""
        return self.dropout.p == 0.0

    def tape(self, x: Tensor) -> list[Tensor]:
        """Run forward and keep what `gradient` needs; call it under ``torch.no_grad()``.

        Returns
        -------
        list of Tensor
            Alternating layer input and kept value of its activation; the last entry is the output.
        """
        kept: list[Tensor] = []
        h = x
        plain = self.n_members == 1 and x.dim() == 2
        layers = self._cached("weight", self.flat)[1]
        for (weight, bias), name in zip(layers, self.activations, strict=True):
            phi = ACTIVATIONS[name]
            a = torch.addmm(bias, h, weight) if plain else self._affine(h, weight, bias)
            kept.append(h)
            h = phi.forward(a) if phi.forward_ is None else phi.forward_(a)
            kept.append(a if phi.keeps_input else h)
        kept.append(h)
        return kept

    def gradient(self, kept: list[Tensor], g: Tensor, *, to_input: bool = False) -> Tensor | None:
        """Write dL/dflat to ``flat.grad`` for dL/doutput = `g`; call under ``torch.no_grad()``.

        Parameters
        ----------
        kept : list of Tensor
            From `tape`.
        g : Tensor
            Gradient with respect to the output; may be overwritten.
        to_input : bool, default=False
            Also give dL/dinput.

        Returns
        -------
        Tensor or None
            dL/dinput where asked for.
        """
        if self.flat.grad is None:
            self.flat.grad = torch.empty_like(self.flat)
        grads = self._cached("gradient", self.flat.grad)[1]
        turned = self._cached("weight", self.flat)[2]
        product = torch.mm if self.n_members == 1 else torch.bmm
        for index in range(self.n_layers - 1, -1, -1):
            h, value = kept[2 * index], kept[2 * index + 1]
            g = ACTIVATIONS[self.activations[index]].gradient(g, value)
            if self.n_members > 1 and h.dim() == 2:
                h = h.expand(self.n_members, -1, -1)
            grad_weight, grad_bias = grads[index]
            if self.n_members == 1:
                torch.mm(h.mT, g, out=grad_weight)
            else:
                grad_weight.copy_(torch.bmm(h.mT, g))
            torch.sum(g, dim=-2, keepdim=True, out=grad_bias)
            if index or to_input:
                g = product(g, turned[index])
        return g if to_input else None

    def input_gradient(self, kept: list[Tensor], g: Tensor | None = None) -> Tensor:
        """Give dL/dinput alone, and leave ``flat.grad`` as it is; call under ``torch.no_grad()``.

        Parameters
        ----------
        kept : list of Tensor
            From `tape`.
        g : Tensor, default=None
            Gradient with respect to the output; may be overwritten. None: ones.

        Returns
        -------
        Tensor
            Of the shape of the input, led by a member axis if there are several.
        """
        turned = self._cached("weight", self.flat)[2]
        product = torch.mm if self.n_members == 1 else torch.bmm
        last = self.n_layers - 1
        if g is None and self.activations[last] == "linear" and self.sizes[-1] == 1 and last > 0:
            g = turned[last].expand(kept[2 * last].shape)  # what ones become a layer below
            last -= 1
        elif g is None:
            g = torch.ones_like(kept[-1])
        for index in range(last, -1, -1):
            g = ACTIVATIONS[self.activations[index]].gradient(g, kept[2 * index + 1])
            g = product(g, turned[index])
        return g

    def __getstate__(self) -> dict[str, object]:
        """Leave the cached views out of copies and pickles."""
        return {**self.__dict__, "_views": {}}
