"""The training step of (1+ε)-class classification as an objective of the plain net.

One batch is normal rows, known anomalies and pseudo-anomalies on top of each other; the net runs
once over all of them, and each term of the loss writes its slope dL/dg into its part of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from skhep_anomaly.ope.losses import (
    cross_entropy,
    energy_loss_value,
    energy_weight,
    log_mean_exp,
)
from skhep_anomaly.ope.samplers import PseudoAnomalySampler
from skhep_anomaly.training import Batches, Context, Objective, Rows

__all__ = ["KnownAnomalies", "OPELoss"]

_Z_ROWS = 512
_Z_EVERY = 8  # steps between two looks at Z, which cost half a step
_Z_RATE = 0.36
_BLOCK = 2  # draws for which chains are moved at once: twice the rows take 1.3 times as long
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
        self._all: tuple[Tensor, Tensor | None] | None = rows[:] if few else None
        self._placed: tuple[Tensor, Tensor | None] | None = None
        self._endless: Iterator[Any] = iter(
            Batches(rows, batch_size, generator, steps=2**62) if not few else ()
        )

    def __call__(
        self, coordinates: Callable[[Tensor], Tensor] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Give the next batch, in these coordinates (of the same net each time), and its weights.

        Where one batch has them all, their coordinates are computed once.
        """
        if self._placed is not None and coordinates is not None:
            return self._placed
        rows, weight = next(self._endless) if self._all is None else self._all
        if coordinates is None:
            return rows, weight
        placed = coordinates(rows), weight
        if self._all is not None:
            self._placed = placed
        return placed


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
        self._unit_rows: Tensor | None = None
        self._cached: dict[int, Tensor] = {}
        self._ready: dict[int, Tensor] = {}
        self._has_energy = any(sampler.kind == "energy" for _, sampler in self.terms)
        self._per_row: dict[tuple[int, ...], tuple[Tensor, ...]] = {}
        self._last: Tensor | None = None
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
                self._cached[k] = self._energy_rows(k, sampler, n, module)
            rows.append(self._cached[k])
        return rows

    def _energy_rows(self, k: int, sampler: PseudoAnomalySampler, n: int, module: Any) -> Tensor:
        """Give the next `n` rows; chains move in blocks of several draws, if the pool has them."""
        rows = self._ready.pop(k, None)
        if rows is None:
            ahead = _BLOCK if _BLOCK * n <= getattr(sampler, "n_chains", 0) else 1
            rows = sampler.sample(ahead * n, module.value_and_grad)
        if rows.shape[-2] > n:
            self._ready[k] = rows.narrow(-2, n, rows.shape[-2] - n)
        return rows.narrow(-2, 0, n)

    @torch.no_grad()
    def _track_z(self, module: Any, context: Context) -> None:
        """Follow log Z by its exponential mean, from uniform rows."""
        if self._n_steps % _Z_EVERY and self.log_z is not None:
            return
        now = log_mean_exp(module.value(self._uniform_rows(context)))
        self.log_z = now if self.log_z is None else self.log_z + _Z_RATE * (now - self.log_z)
        part = sum(share for share, sampler in self.terms if sampler.kind == "energy")
        self._energy_factor = energy_weight(self.log_z, self.energy_loss).unsqueeze(-1)
        self._energy_value = (1 - self.eps) * part * energy_loss_value(self.log_z, self.energy_loss)

    def _uniform_rows(self, context: Context) -> Tensor:
        """Give rows of U(Ω): the same ones each time, moved together around the box at random.

        Each row is uniform whatever the others are (Cranley & Patterson, SIAM J. Numer. Anal. 13
        (1976) 904), for the price of one random row.
        """
        sampler = next(sampler for _, sampler in self.terms if sampler.kind == "energy")
        low, high = sampler.low_, sampler.high_

        def draw(n: int) -> Tensor:
            like: dict[str, Any] = {"dtype": low.dtype, "device": low.device}
            return torch.rand((n, len(low)), generator=context.generator, **like)

        if self._unit_rows is None:
            self._unit_rows = draw(_Z_ROWS)
        return torch.lerp(low, high, (self._unit_rows + draw(1)).frac_())

    # ---------------------------------------------------------------- loss

    def loss_and_gradient(
        self, module: Any, x: Tensor, weight: Tensor | None, context: Context
    ) -> Tensor:
        """Give the batch loss (mean over members) and leave its gradient in the weights."""
        parts, weights = [module.coordinates(x)], [weight]
        if self.known is not None and self.gamma > 0:
            rows, known_weight = self.known(module.coordinates)
            parts.append(rows)
            weights.append(known_weight)
        if self._has_energy:
            self._track_z(module, context)
        parts += self._pseudo(module)
        sizes = tuple(part.shape[-2] for part in parts)
        g, backward = module.record(_stack(parts, module.n_members))
        sign, share, pull, penalty = self._coefficients(sizes, weights, g)
        value, slope = cross_entropy(g, sign)
        slope, loss = slope.mul_(share), value @ share
        if self._has_energy:
            slope.addcmul_(pull, self._energy_factor)
            loss = loss + self._energy_value
            if self.energy_penalty:
                slope.addcmul_(g, penalty)
                loss = loss + g.square() @ penalty / 2
        backward(slope)
        loss = loss.mean() if loss.dim() else loss
        if self.weight_decay:
            loss = loss + module.add_decay(self.weight_decay)
        self._last = g
        self._n_steps += 1
        return loss

    def _coefficients(
        self, sizes: tuple[int, ...], weights: list[Tensor | None], g: Tensor
    ) -> tuple[Tensor, ...]:
        """Give four numbers for each row.

        Sign −1 (normal) or +1; share of the loss, a mean within each term, so that those of a part
        sum to its factor 1, γ or (1 − ε)·share; that of E_P[g] for rows of energy samplers, whose
        first share is zero; twice that of λ(E₊ g² + E_P g²).
        """
        if sizes not in self._per_row:
            self._per_row[sizes] = self._new_coefficients(sizes, len(weights), g)
        sign, share, pull, penalty = self._per_row[sizes]
        if any(weight is not None for weight in weights):
            share, penalty = share.clone(), penalty.clone()
            parts = zip(share.split(sizes), penalty.split(sizes), weights, strict=False)
            for part, term, weight in parts:
                if weight is not None:
                    part.mul_(weight)
                    term.mul_(weight)
        return sign, share, pull, penalty

    def _new_coefficients(
        self, sizes: tuple[int, ...], n_given: int, g: Tensor
    ) -> tuple[Tensor, ...]:
        pseudo = [
            ((1.0 - self.eps) * share, float(sampler.kind == "energy"))
            for share, sampler in self.terms
        ]
        given = [(-1.0, 1.0, 0.0, 2 * self.energy_penalty), (1.0, self.gamma, 0.0, 0.0)][:n_given]
        rows = given + [
            (1.0, part * (1 - energy), part * energy, 2 * self.energy_penalty * energy)
            for part, energy in pseudo
        ]
        counts = torch.tensor(sizes)
        table = torch.tensor(rows, dtype=torch.float64).T
        table[1:] /= counts
        return tuple(table.repeat_interleave(counts, dim=1).to(g))

    def fault(self) -> str | None:
        """Say that the logit ran away: it stays there, so the last batch tells."""
        if self._last is None:
            return None
        largest, self._last = float(self._last.abs().max()), None
        if largest <= _LARGEST_LOGIT:
            return None
        return f"The logit reached |g| = {largest:.3g} (more than {_LARGEST_LOGIT:g})"


def _deal_out(n: int, shares: list[float]) -> list[int]:
    """Deal `n` rows out in proportion to shares, at least one for each."""
    return [max(1, round(n * share)) for share in shares]


def _reference_rows(sampler: PseudoAnomalySampler, n: int, n_members: int) -> Tensor:
    """Draw rows of a reference sampler, other ones for each member."""
    rows = sampler.sample(n * n_members)
    return rows if n_members == 1 else rows.reshape(n_members, n, -1)


def _stack(parts: list[Tensor], n_members: int) -> Tensor:
    """Put parts on top of each other; those that all members share are repeated."""
    if len(parts) == 1:
        return parts[0]
    if n_members > 1:
        parts = [p if p.dim() == 3 else p.expand(n_members, *p.shape) for p in parts]
    return torch.cat(parts, dim=-2)
