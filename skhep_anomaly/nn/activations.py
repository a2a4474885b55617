"""Activations with the derivative that a hand-written backward needs.

Each entry gives h = φ(a) and the product g·φ′, written in terms of h where that is possible, so
that the pre-activation a need not be kept (only SiLU keeps it).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["ACTIVATIONS", "Activation"]

_LEAKY_SLOPE = 0.01
_ops = torch.ops.aten


@dataclass(frozen=True)
class Activation:
    """A function φ, and its gradient product.

    Attributes
    ----------
    forward : callable
        a → φ(a), differentiable.
    gradient : callable
        (g, kept) → g·φ′, where kept is φ(a), or a if `keeps_input`.
    keeps_input : bool
        True where the gradient needs a.
    forward_ : callable or None
        a → φ(a) in place.
    """

    forward: Callable[[Tensor], Tensor]
    gradient: Callable[[Tensor, Tensor], Tensor]
    keeps_input: bool = False
    forward_: Callable[[Tensor], Tensor] | None = None


def _same(a: Tensor) -> Tensor:
    return a


ACTIVATIONS: dict[str, Activation] = {
    "linear": Activation(_same, lambda g, h: g, forward_=_same),
    "relu": Activation(
        torch.relu, lambda g, h: _ops.threshold_backward(g, h, 0.0), False, torch.relu_
    ),
    "relu6": Activation(
        functional.relu6,
        lambda g, h: _ops.hardtanh_backward(g, h, 0.0, 6.0),
        forward_=lambda a: functional.hardtanh_(a, 0.0, 6.0),
    ),
    "leaky_relu": Activation(
        lambda a: functional.leaky_relu(a, _LEAKY_SLOPE),
        lambda g, h: _ops.leaky_relu_backward(g, h, _LEAKY_SLOPE, True),
        forward_=lambda a: functional.leaky_relu_(a, _LEAKY_SLOPE),
    ),
    "tanh": Activation(torch.tanh, _ops.tanh_backward, forward_=torch.tanh_),
    "sigmoid": Activation(torch.sigmoid, _ops.sigmoid_backward, forward_=torch.sigmoid_),
    "elu": Activation(
        functional.elu,
        lambda g, h: _ops.elu_backward(g, 1.0, 1.0, 1.0, True, h),
        forward_=functional.elu_,
    ),
    "silu": Activation(functional.silu, _ops.silu_backward, keeps_input=True),
}
