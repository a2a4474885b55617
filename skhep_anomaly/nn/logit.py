"""The net of a classifier of normality: rows → coordinates z → logit g, with f = σ(g) = P(normal).

Besides g it gives ∇_z g, which samplers follow, without touching the gradients of the weights: by
hand for the built-in perceptron, by autograd for a user's module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from skhep_anomaly.nn.mlp import MLP
from skhep_anomaly.nn.standardizer import Standardizer

__all__ = ["LogitNet", "ModuleLogit"]

Backward = Callable[[Tensor], None]


class LogitNet(nn.Module):
    """Perceptron with one output.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int
        Hidden layers.
    activation : str
        Name in `ACTIVATIONS`.
    standardizer : Standardizer
        Maps flattened rows to z.
    n_members : int, default=1
        Nets side by side; results gain a first axis where there are several.
    """

    decay: Tensor

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int],
        activation: str,
        standardizer: Standardizer,
        *,
        n_members: int = 1,
    ) -> None:
        super().__init__()
        hidden = [int(width) for width in hidden_layer_sizes]
        sizes = [len(standardizer.mean), *hidden, 1]
        self.net = MLP(sizes, [activation] * len(hidden) + ["linear"], n_members=n_members)
        self.standardizer, self.n_members = standardizer, n_members
        weights = [torch.tensor([float(a > 1 or k % 2 == 0)]).expand(a * b)
                   for k, (a, b) in enumerate(self.net._shapes)]  # fmt: skip
        self.register_buffer("decay", torch.cat(weights)[None], persistent=False)

    def reset(self, generator: torch.Generator) -> None:
        """Draw new weights."""
        self.net.reset(generator)

    def coordinates(self, x: Tensor) -> Tensor:
        """Map rows (n, ...) to z (n, d)."""
        return self.standardizer(x.flatten(1))  # type: ignore[no-any-return]

    def forward(self, z: Tensor) -> Tensor:
        """Map z to g, shape (n,) or (n_members, n)."""
        g: Tensor = self.net(z).squeeze(-1)
        return g

    value = forward

    def value_and_grad(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Give g and ∇_z g, of the shapes of `forward` and of `z` led by the members."""
        if torch.is_grad_enabled():  # to ask costs less than to switch it off once more
            with torch.no_grad():
                return self.value_and_grad(z)
        if self.n_members == 1 and z.dim() == 3:
            return _one_member(self.value_and_grad, z)
        kept = self.net.tape(z)
        g = kept[-1].squeeze(-1)
        return g, self.net.input_gradient(kept)

    @torch.no_grad()
    def record(self, z: Tensor) -> tuple[Tensor, Backward]:
        """Give g, and what turns dL/dg into gradients of the weights."""
        kept = self.net.tape(z)

        def backward(slope: Tensor) -> None:
            with torch.no_grad():
                self.net.gradient(kept, slope.unsqueeze(-1))

        return kept[-1].squeeze(-1), backward

    @torch.no_grad()
    def add_decay(self, strength: float) -> Tensor:
        """Add the gradient of ½ strength ‖W‖² (weights, no biases); give its mean over members."""
        flat, grad = self.net.flat, self.net.flat.grad
        assert grad is not None, "record() ran before"
        own = flat * self.decay
        grad.add_(own, alpha=strength)
        return torch.dot(own.view(-1), own.view(-1)).mul_(0.5 * strength / self.n_members)


class ModuleLogit(nn.Module):
    """A user's module that maps rows to one logit, in place of the perceptron.

    Parameters
    ----------
    net : Module
        Rows of `row_shape` → logit, shape (n,) or (n, 1).
    standardizer : Standardizer
        Maps flattened rows to z.
    row_shape : tuple of int
        Shape of one row.
    """

    n_members = 1

    def __init__(
        self, net: nn.Module, standardizer: Standardizer, row_shape: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.net, self.standardizer, self.row_shape = net, standardizer, tuple(row_shape)

    def coordinates(self, x: Tensor) -> Tensor:
        """Map rows (n, ...) to z (n, d)."""
        return self.standardizer(x.flatten(1))  # type: ignore[no-any-return]

    def forward(self, z: Tensor) -> Tensor:
        """Map z (n, d) to g (n,)."""
        g = self.net(z.reshape(len(z), *self.row_shape))
        if not (isinstance(g, Tensor) and g.shape in ((len(z),), (len(z), 1))):
            shape: Any = tuple(g.shape) if isinstance(g, Tensor) else type(g).__name__
            raise ValueError(
                f"module={type(self.net).__name__} gives {shape} for {len(z)} rows; "
                "one logit for each row is needed, shape (n,) or (n, 1)."
            )
        return g.reshape(len(z))

    def value_and_grad(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Give g and ∇_z g; batch statistics and dropout are those of evaluation."""
        if z.dim() == 3:
            return _one_member(self.value_and_grad, z)
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            g = self.value(z)
            (slope,) = torch.autograd.grad(g.sum(), z)
        return g.detach(), slope

    def value(self, z: Tensor) -> Tensor:
        """Give g as `forward` does after training: no batch statistic moves, nothing is dropped."""
        training = self.net.training
        self.net.eval()
        g: Tensor = self(z)
        self.net.train(training)
        return g

    def record(self, z: Tensor) -> tuple[Tensor, Backward]:
        """Give g, and what turns dL/dg into gradients of the weights."""
        for parameter in self.net.parameters():
            parameter.grad = None
        with torch.enable_grad():
            g = self(z.detach())
        return g.detach(), g.backward

    @torch.no_grad()
    def add_decay(self, strength: float) -> Tensor:
        """Add the gradient of ½ strength ‖W‖² (weights, no biases)."""
        total = torch.zeros((), device=self.standardizer.mean.device)
        for parameter in self.net.parameters():
            if parameter.dim() > 1 and parameter.grad is not None:
                parameter.grad.add_(parameter, alpha=strength)
                total = total + parameter.square().sum()
        return 0.5 * strength * total


def _one_member(
    function: Callable[[Tensor], tuple[Tensor, Tensor]], z: Tensor
) -> tuple[Tensor, Tensor]:
    """Apply a single net to rows led by a member axis of one, and keep that axis."""
    g, slope = function(z[0])
    return g[None], slope[None]
