"""Pools of persistent chains in the box: choose, restart, move, write back.

A chain's place is u ∈ [0, 1]ᵈ, x = low + (high − low) u. Walls reflect: a free flight is followed
in the unfolded space, where u may leave the box, and r = u − 2 round(u/2) ∈ [−1, 1] is it modulo
its period. The place is then |r|, and sign r tells whether an odd number of reflections has turned
the direction; nothing has to be flipped on the way. That is exact and reversible for flights of
any length.
"""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import Tensor

from skhep_anomaly._validation import Interval
from skhep_anomaly.ope.samplers._base import PseudoAnomalySampler, ValueAndGrad

__all__ = ["ChainSampler", "fold"]

_NEAR_WALL = 0.01


def fold(u: Tensor) -> Tensor:
    """Take unfolded places modulo their period, in place: |result| is the place in the box."""
    return u.sub_((u * 0.5).round_(), alpha=2)


class ChainSampler(PseudoAnomalySampler):
    """Base of the samplers whose chains follow P(x) ∝ exp(g(x)) on the box; not for direct use.

    Subclasses give `_move` and the parameters `n_chains` and `reset_share`.

    Attributes
    ----------
    low_, high_ : Tensor of shape (n_features,)
        Box Ω.
    scale_ : Tensor of shape (n_features,)
        Unit of a step: standard deviation of the normal rows, 1 where that is zero, at most a
        quarter of the box's width.
    places_ : Tensor of shape (n_chains, n_features) or (n_members, n_chains, n_features)
        Places of the chains as shares of the box, 0 at `low_` and 1 at `high_`.
    """

    kind = "energy"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "n_chains": [Interval(Integral, 1, None, closed="left")],
        "reset_share": [Interval(Real, 0, 1, closed="both")],
    }

    n_chains: int
    reset_share: float

    @abstractmethod
    def _move(self, u: Tensor, value_and_grad: ValueAndGrad) -> tuple[Tensor, Tensor]:
        """Move chains from places `u` (…, n, d); give new places, all finite, and g there."""

    def _prepare(self, rows: Tensor) -> None:
        spread = rows.std(dim=0, unbiased=False)
        spread = torch.where(spread.isfinite() & (spread > 0), spread, 1.0)
        self.scale_ = torch.minimum(spread, self._width / 4)
        self._drift = self.scale_ / self._width
        self.places_ = self._unit_uniform(*self._lead, self.n_chains, len(self.low_))
        self._owed = 0.0
        self._g = rows.new_full((1,), torch.nan)

    @property
    def _lead(self) -> tuple[int, ...]:
        return (self.n_members_,) if self.n_members_ > 1 else ()

    def _draw(self, n: int, value_and_grad: ValueAndGrad | None) -> Tensor:
        assert value_and_grad is not None
        chosen = self._choose(n)
        u = self._restart(self.places_.index_select(-2, chosen))
        u, self._g = self._move(u, value_and_grad)
        self.places_.index_copy_(-2, chosen, u)
        return self._locate(u)

    def _choose(self, n: int) -> Tensor:
        """Draw `n` different chains; a pool that is too small gets new ones first."""
        n_missing = n - self.places_.shape[-2]
        if n_missing > 0:
            more = self._unit_uniform(*self._lead, n_missing, len(self.low_))
            self.places_ = torch.cat([self.places_, more], dim=-2)
        n_chains, device = self.places_.shape[-2], self.low_.device
        return torch.randperm(n_chains, generator=self._generator, device=device)[:n]

    def _restart(self, u: Tensor) -> Tensor:
        """Put a share of the chains (in random order as they are) somewhere new in the box.

        What is owed below one whole chain is carried to the next call.
        """
        self._owed += self.reset_share * u.shape[-2]
        n_new = int(self._owed)
        self._owed -= n_new
        if n_new:
            u[..., :n_new, :] = self._unit_uniform(*u[..., :n_new, :].shape)
        return u

    def _locate(self, u: Tensor) -> Tensor:
        """Give the net's coordinates of places in the box."""
        return torch.lerp(self.low_, self.high_, u)

    @property
    def chains_(self) -> Tensor:
        """All chains in the net's coordinates."""
        return self._locate(self.places_)

    def diagnostics(self) -> dict[str, float]:
        """Give numbers that tell how well the chains mix.

        Returns
        -------
        dict of str to float
            ``boundary_fraction``, share of the chains within 1 % of the box's width from a wall in
            some feature; ``g_chains``, mean g of the last rows given (NaN before the first).
        """
        edge = torch.minimum(self.places_, 1 - self.places_).amin(dim=-1)
        return {
            "boundary_fraction": float((edge < _NEAR_WALL).double().mean()),
            "g_chains": float(self._g.double().mean()),
        }
