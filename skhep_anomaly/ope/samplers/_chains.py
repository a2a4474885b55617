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
        self._next_block, self._owed = 0, 0.0
        self._g = rows.new_full((1,), torch.nan)

    @property
    def _lead(self) -> tuple[int, ...]:
        return (self.n_members_,) if self.n_members_ > 1 else ()

    def _draw(self, n: int, value_and_grad: ValueAndGrad | None) -> Tensor:
        assert value_and_grad is not None
        block = self._choose(n)
        self._restart(block)
        u, self._g = self._move(block, value_and_grad)
        block.copy_(u)
        return self._locate(u)

    def _choose(self, n: int) -> Tensor:
        """Give the pool's next `n` chains, as a view; a pool that is too small gets new ones first.

        Once all have had their turn, the pool is shuffled: blocks cost less than rows picked one by
        one, and every chain moves equally often.
        """
        n_missing = n - self.places_.shape[-2]
        if n_missing > 0:
            more = self._unit_uniform(*self._lead, n_missing, len(self.low_))
            self.places_ = torch.cat([self.places_, more], dim=-2)
        start, n_chains = self._next_block, self.places_.shape[-2]
        if start + n > n_chains:
            start = 0
            if n < n_chains:
                order = torch.randperm(n_chains, generator=self._generator, device=self.low_.device)
                self.places_ = self.places_.index_select(-2, order)
        self._next_block = start + n
        return self.places_.narrow(-2, start, n)

    def _restart(self, u: Tensor) -> None:
        """Put a share of the chains `u`, next to each other at a random place, anew into the box.

        What is owed below one whole chain is carried to the next call.
        """
        n = u.shape[-2]
        self._owed += self.reset_share * n
        n_new = int(self._owed)
        self._owed -= n_new
        if n_new == 0:
            return
        start = int(torch.randint(n, (1,), generator=self._generator, device=self.low_.device))
        n_head = min(n_new, n - start)
        for first, count in ((start, n_head), (0, n_new - n_head)):
            if count:
                some = u.narrow(-2, first, count)
                some.copy_(self._unit_uniform(*some.shape))

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

        Raises
        ------
        NotFittedError
            If the sampler is not bound, as one from a model file.
        """
        self._check_bound()
        edge = torch.minimum(self.places_, 1 - self.places_).amin(dim=-1)
        return {
            "boundary_fraction": float((edge < _NEAR_WALL).double().mean()),
            "g_chains": float(self._g.double().mean()),
        }
