"""The training step of (1+ε)-class classification as an objective of the plain net.

One batch is normal rows, known anomalies and pseudo-anomalies on top of each other; the net runs
once over all of them, and each term of the loss writes its slope dL/dg into its part of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from skhep_anomaly.ope.losses import (
    anomaly_loss,
    energy_loss_value,
    energy_weight,
    log_mean_exp,
    normal_loss,
)
from skhep_anomaly.ope.samplers import PseudoAnomalySampler
from skhep_anomaly.training import Batches, Context, Objective, Rows

__all__ = ["KnownAnomalies", "OPELoss"]

_Z_ROWS = 512
_Z_RATE = 0.1
_LARGEST_LOGIT = 1e3


class KnownAnomalies:
    """Batches of known anomalies: all of them where they fit into one, else a shuffle's next.

    Parameters
    ----------
    rows : Rows
        The anomalies, with weights of mean one.
    batch_size : int
        Most rows of a batch.
    generator : numpy.random.Generator
        Of the shuffle.
    """

    def __init__(self, rows: Rows, batch_size: int, generator: Any) -> None:
        few = len(rows) <= batch_size
        self._all = rows[:] if few else None
        self._endless: Iterator[Any] = iter(
            Batches(rows, batch_size, generator, steps=2**62) if not few else ()
        )

    def __call__(self) -> tuple[Tensor, Tensor | None]:
        """Give the next batch and its weights."""
        return next(self._endless) if self._all is None else self._all


class OPELoss(Objective):
    """L⁺ + γ L⁻ + (1 − ε) L⁰ and its gradient.

    Parameters
    ----------
    eps, gamma : float
        Weights of the pseudo-anomalies (1 − `eps`) and of the known ones.
    known : KnownAnomalies or None
        None: L⁻ is absent.
    terms : list of (float, PseudoAnomalySampler)
        Bound samplers and their shares of L⁰, which sum to one.
    n_pseudo : int
        Pseudo-anomalies in a step.
    energy_loss : {"log1pz", "logz"}
        For energy samplers.
    energy_penalty : float
        λ of λ(E₊ g² + E_P g²), for energy samplers.
    sample_every : int
        Steps between two draws of an energy sampler.
    weight_decay : float
        Of ½ · `weight_decay` · ‖W‖².
    """

    def __init__(
        self,
        eps: float,
        gamma: float,
        known: KnownAnomalies | None,
        terms: list[tuple[float, PseudoAnomalySampler]],
        *,
        n_pseudo: int,
        energy_loss: str = "log1pz",
        energy_penalty: float = 0.0,
        sample_every: int = 1,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__()
        self.eps, self.gamma, self.known = eps, gamma, known
        self.terms = terms if eps < 1 else []
        self.n_rows = _deal_out(n_pseudo, [share for share, _ in self.terms])
        self.energy_loss, self.energy_penalty = energy_loss, energy_penalty
        self.sample_every, self.weight_decay = sample_every, weight_decay
        self.log_z: Tensor | None = None
        self._cached: dict[int, Tensor] = {}
        self._largest: Any = 0.0
        self._n_steps = 0

    # ---------------------------------------------------------------- rows

    def _pseudo(self, module: Any) -> list[Tensor]:
        """Draw the pseudo-anomalies of each term; energy samplers every `sample_every` steps."""
        fresh = self._n_steps % self.sample_every == 0
        rows = []
        for k, ((_, sampler), n) in enumerate(zip(self.terms, self.n_rows, strict=True)):
            if sampler.kind == "reference":
                rows.append(_reference_rows(sampler, n, module.n_members))
                continue
            if fresh or k not in self._cached:
                self._cached[k] = sampler.sample(n, module.value_and_grad)
            rows.append(self._cached[k])
        return rows

    @property
    def _has_energy(self) -> bool:
        return any(sampler.kind == "energy" for _, sampler in self.terms)

    @torch.no_grad()
    def _track_z(self, module: Any, context: Context) -> None:
        """Follow log Z by its exponential mean, from uniform rows."""
        if self._n_steps % self.sample_every and self.log_z is not None:
            return
        sampler = next(sampler for _, sampler in self.terms if sampler.kind == "energy")
        low, high = sampler.low_, sampler.high_
        u = low + (high - low) * torch.rand(
            (_Z_ROWS, len(low)), generator=context.generator, dtype=low.dtype, device=low.device
        )
        now = log_mean_exp(module(u))
        self.log_z = now if self.log_z is None else self.log_z + _Z_RATE * (now - self.log_z)

    # ---------------------------------------------------------------- loss

    def loss_and_gradient(
        self, module: Any, x: Tensor, weight: Tensor | None, context: Context
    ) -> Tensor:
        """Give the batch loss (mean over members) and leave its gradient in the weights."""
        parts, weights = [module.coordinates(x)], [weight]
        if self.known is not None and self.gamma > 0:
            rows, known_weight = self.known()
            parts.append(module.coordinates(rows))
            weights.append(known_weight)
        n_given = len(parts)
        if self._has_energy:
            self._track_z(module, context)
        parts += self._pseudo(module)
        g, backward = module.record(_stack(parts, module.n_members))
        slope = torch.empty_like(g)
        pieces = list(
            zip(*(t.split([p.shape[-2] for p in parts], -1) for t in (g, slope)), strict=True)
        )
        loss = _fill(normal_loss, 1.0, pieces[0], weights[0])
        if n_given == 2:
            loss = loss + _fill(anomaly_loss, self.gamma, pieces[1], weights[1])
        for (share, sampler), piece in zip(self.terms, pieces[n_given:], strict=True):
            part = (1.0 - self.eps) * share
            if sampler.kind == "reference":
                loss = loss + _fill(anomaly_loss, part, piece, None)
            else:
                loss = loss + self._energy(part, *piece)
        if self._has_energy and self.energy_penalty:
            loss = loss + self._penalise(*pieces[0])
        self._largest = torch.maximum(torch.as_tensor(self._largest), g.abs().amax())
        backward(slope)
        if self.weight_decay:
            loss = loss + module.add_decay(self.weight_decay)
        self._n_steps += 1
        return loss

    def _energy(self, part: float, g: Tensor, slope: Tensor) -> Tensor:
        """Write the slope of the energy term at the chains and give its value."""
        assert self.log_z is not None, "tracked before"
        factor = part * energy_weight(self.log_z, self.energy_loss) / g.shape[-1]
        slope.copy_(factor[..., None].expand_as(g))
        value = part * energy_loss_value(self.log_z, self.energy_loss).mean()
        if self.energy_penalty:
            value = value + self._penalise(g, slope)
        return value

    def _penalise(self, g: Tensor, slope: Tensor) -> Tensor:
        """Add λ E g² over one part of the rows."""
        slope.add_(g, alpha=2.0 * self.energy_penalty / g.shape[-1])
        return self.energy_penalty * g.square().mean()

    def fault(self) -> str | None:
        """Say that the logit ran away."""
        largest, self._largest = float(self._largest), 0.0
        if largest <= _LARGEST_LOGIT:
            return None
        return f"The logit reached |g| = {largest:.3g} (more than {_LARGEST_LOGIT:g})"


def _deal_out(n: int, shares: list[float]) -> list[int]:
    """Deal `n` rows out in proportion to shares, at least one for each."""
    return [max(1, round(n * share)) for share in shares]


def _reference_rows(sampler: PseudoAnomalySampler, n: int, n_members: int) -> Tensor:
    """Draw rows of a reference sampler, other ones for each member."""
    rows = sampler.sample(n * n_members)
    return rows if n_members == 1 else rows.view(n_members, n, -1)


def _stack(parts: list[Tensor], n_members: int) -> Tensor:
    """Put parts on top of each other; those that all members share are repeated."""
    if len(parts) == 1:
        return parts[0]
    if n_members > 1:
        parts = [p if p.dim() == 3 else p.expand(n_members, *p.shape) for p in parts]
    return torch.cat(parts, dim=-2)


def _fill(term: Any, factor: float, piece: tuple[Tensor, Tensor], weight: Tensor | None) -> Tensor:
    """Write factor · mean(weight · term) as slopes, and give its value (mean over members)."""
    g, slope = piece
    value, gradient = term(g)
    if weight is not None:
        value, gradient = value * weight, gradient * weight
    torch.mul(gradient, factor / g.shape[-1], out=slope)
    return factor * value.mean()
