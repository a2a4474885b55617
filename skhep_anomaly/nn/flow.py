"""Normalising flows: an invertible net that turns data into independent standard normals.

With u = f(x | context),

    log p(x | context) = log N(u; 0, 1) + log |det ∂u/∂x|

is exact, and x = f⁻¹(u | context) draws from p. "maf" is our own (`MAF`); "nsf"
(rational-quadratic splines, Durkan et al., arXiv:1906.04032) and "realnvp" (affine couplings, Dinh
et al., arXiv:1605.08803) are zuko's, called without building distributions. Every kind maps rows
of about unit scale: standardise first (splines act within ±5 and are the identity beyond).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skhep_anomaly._random import isolated_torch, torch_generator
from skhep_anomaly.nn.maf import MAF
from skhep_anomaly.nn.standardizer import Standardizer

__all__ = ["FLOW_KINDS", "Flow", "FlowDensity"]

FLOW_KINDS = ("maf", "nsf", "realnvp")


class Flow(nn.Module):
    """A density with a context, by kind.

    Parameters
    ----------
    n_features : int
        Width d of x.
    n_context : int, default=0
        Width of the context; 0: none.
    kind : {"maf", "nsf", "realnvp"}, default="maf"
        Density is as fast for all; drawing takes d passes for "maf" and "nsf", one for "realnvp".
    n_transforms : int, default=3
        Maps after each other.
    hidden_layer_sizes : sequence of int, default=(64, 64)
        Hidden layers of each map's net (SiLU).
    n_members : int, default=1
        Flows side by side: results gain a first axis; x is (n, d) for all or (n_members, n, d).

    Notes
    -----
    New weights are zero or zuko's own; call `reset` before use.
    """

    def __init__(
        self,
        n_features: int,
        n_context: int = 0,
        *,
        kind: str = "maf",
        n_transforms: int = 3,
        hidden_layer_sizes: Sequence[int] = (64, 64),
        n_members: int = 1,
    ) -> None:
        super().__init__()
        if kind not in FLOW_KINDS:
            raise ValueError(f"kind={kind!r} is no flow; use one of {', '.join(FLOW_KINDS)}.")
        self.n_features, self.n_context, self.kind = n_features, n_context, kind
        self.n_members = n_members
        hidden = tuple(int(width) for width in hidden_layer_sizes)
        self.net: MAF | _Members
        if kind == "maf":
            self.net = MAF(
                n_features,
                n_context,
                n_transforms=n_transforms,
                hidden_layer_sizes=hidden,
                n_members=n_members,
            )
        else:
            self.net = _Members(kind, n_features, n_context, n_transforms, hidden, n_members)

    @property
    def by_hand(self) -> bool:
        """True where `nll_and_gradient` is there."""
        return self.kind == "maf"

    def reset(self, seeds: np.random.SeedSequence | torch.Generator) -> Flow:
        """Draw new weights; torch's global stream is not used."""
        generator = seeds if isinstance(seeds, torch.Generator) else torch_generator(seeds)
        self.net.reset(generator)
        return self

    def to_base(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map x to (u, log|det ∂u/∂x|), shapes (…, d) and (…)."""
        u, log_det = self.net.to_base(x, context)
        return u, log_det

    def from_base(self, u: Tensor, context: Tensor | None = None) -> Tensor:
        """Map u back to x."""
        x: Tensor = self.net.from_base(u, context)
        return x

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Give log p(x | context) in nats, shape (…)."""
        u, log_det = self.to_base(x, context)
        return log_det - 0.5 * (u.square().sum(dim=-1) + self.n_features * math.log(2 * math.pi))

    def nll_and_gradient(
        self, x: Tensor, context: Tensor | None = None, weight: Tensor | None = None
    ) -> Tensor:
        """Give −log p of each row and leave the gradient of its weighted mean behind ("maf")."""
        assert isinstance(self.net, MAF), "by_hand tells"
        return self.net.nll_and_gradient(x, context, weight)


class _Members(nn.Module):
    """Flows of zuko's, one after the other, their results stacked."""

    def __init__(
        self,
        kind: str,
        n_features: int,
        n_context: int,
        n_transforms: int,
        hidden: tuple[int, ...],
        n_members: int,
    ) -> None:
        super().__init__()
        import zuko

        build: Any = {"nsf": zuko.flows.NSF, "realnvp": zuko.flows.RealNVP}[kind]
        options: dict[str, Any] = {"transforms": n_transforms}
        if n_features > 1 or n_context > 0:
            options |= {"hidden_features": hidden, "activation": nn.SiLU}
        with isolated_torch(np.random.SeedSequence(0)):
            flows = [build(n_features, n_context, **options) for _ in range(n_members)]
        self.transforms = nn.ModuleList([flow.transform for flow in flows])

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> _Members:
        """Draw weights and biases within ±1/√fan-in, free parameters from N(0, 1)."""
        for part in self.modules():
            weight = getattr(part, "weight", None)
            for parameter in part.parameters(recurse=False):
                draw = torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
                if isinstance(weight, Tensor):
                    parameter.copy_((2.0 * draw - 1.0) / weight.shape[-1] ** 0.5)
                else:
                    parameter.copy_(torch.special.ndtri(draw.clamp(1e-6, 1 - 1e-6)))
        return self

    def _each(self, x: Tensor, context: Tensor | None) -> list[tuple[Any, Tensor]]:
        """Give (map, its rows) of each member."""
        several = len(self.transforms) > 1
        pairs = []
        for k, lazy in enumerate(self.transforms):
            own = x[k] if several and x.dim() == 3 else x
            c = context[k] if several and context is not None and context.dim() == 3 else context
            pairs.append((lazy(c), own))
        return pairs

    def to_base(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map x to (u, log|det ∂u/∂x|)."""
        parts = [f.call_and_ladj(own) for f, own in self._each(x, context)]
        if len(parts) == 1:
            return parts[0]
        return torch.stack([u for u, _ in parts]), torch.stack([ladj for _, ladj in parts])

    def from_base(self, u: Tensor, context: Tensor | None) -> Tensor:
        """Map u back to x."""
        parts = [f.inv(own) for f, own in self._each(u, context)]
        return parts[0] if len(parts) == 1 else torch.stack(parts)


class FlowDensity(nn.Module):
    """Flow on standardised rows, with what an estimator learns about its coordinates.

    Parameters
    ----------
    flow : Flow
        Density of z.
    standardizer : Standardizer
        Maps rows to z.
    """

    width: Tensor

    def __init__(self, flow: Flow, standardizer: Standardizer) -> None:
        super().__init__()
        self.flow, self.standardizer = flow, standardizer
        self.register_buffer("width", torch.zeros(flow.n_features))

    @property
    def dequantizes(self) -> bool:
        """True where some column gets dequantisation noise in training."""
        return bool(self.width.any())
