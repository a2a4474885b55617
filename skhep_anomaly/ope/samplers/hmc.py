"""Hamiltonian Monte Carlo on P(x) ∝ exp(g(x)), where the classifier takes too much for normal.

With momentum p ~ N(0, 1) and units s of the features, H(x, p) = −g(x) + p²/2; one leapfrog step is

    p ← p + ½ t s ∇g(x);    x ← x + t s p;    p ← p + ½ t s ∇g(x)

and a trajectory of n_steps is accepted with probability min(1, exp(H₀ − H₁)). The walls reflect
(see _chains.py). The chains persist while g trains (methods 2 and 3 of arXiv:1906.06096; persistent
chains: Tieleman 2008; leapfrog and step size: Neal, arXiv:1206.1901, sections 2.3 and 4.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar

import torch
from torch import Tensor

from skhep_anomaly._validation import Interval
from skhep_anomaly.ope.samplers._base import ValueAndGrad
from skhep_anomaly.ope.samplers._chains import ChainSampler, fold

__all__ = ["HMCSampler", "leapfrog"]

_SMALLEST_STEP, _LARGEST_STEP = 1e-5, 1.0
_JITTER, _GOLDEN = 0.3, 0.618033988749895  # relative half width of the steps; their sequence
_GAIN = 0.05  # of step size and mean acceptance, after 1, 1/2, 1/3 … of the first calls


class HMCSampler(ChainSampler):
    """Draw pseudo-anomalies by Hamiltonian Monte Carlo on exp(g).

    Parameters
    ----------
    n_steps : int ≥ 1, default=4
        Leapfrog steps of a trajectory; more travel farther and cost one gradient each.
    step_size : float in (0, 1], default=0.1
        Step t at the start, in units of `scale_`; adapted from then on.
    target_acceptance : float in (0, 1), default=0.7
        Share of accepted trajectories that the step is adapted to; larger means smaller steps.
    n_chains : int ≥ 1, default=1024
        Chains of a member's pool. Asked for more rows than that, the pool grows.
    reset_share : float in [0, 1], default=0.02
        Share of the chains moved that start anew from a uniform place. More keeps the far parts of
        the box in sight; the chains are then less of P.

    Attributes
    ----------
    low_, high_ : Tensor of shape (n_features,)
        Box Ω.
    scale_ : Tensor of shape (n_features,)
        Units s: standard deviations of the normal rows, 1 where zero, at most a quarter of the box.
    places_ : Tensor of shape (n_chains, n_features) or (n_members, n_chains, n_features)
        Places of the chains as shares of the box.
    chains_ : Tensor of the same shape
        The chains in the net's coordinates.
    log_step_ : Tensor of shape () or (n_members, 1, 1)
        Logarithm of the adapted step.

    Notes
    -----
    A call moves `n` random chains of the pool, without repetition, by one trajectory: n_steps + 1
    gradients of n rows, whatever the pool's size. Moves that meet a non-finite g or gradient are
    rejected. Each call's step is t times a number from [0.7, 1.3] ([2]_, section 3.2; they follow
    each other in golden ratio): at a fixed length of π, say, a trajectory in a Gaussian of unit
    width only mirrors its start. t itself follows log t ← log t + a (acceptance −
    target_acceptance) within [1e-5, 1], with a = 1/k at call k and never below 0.05, since g goes
    on changing.

    New chains show until they have found their way: on a Gaussian of standard deviations (1, 0.5)
    in [−4, 4]² the defaults give (1.04, 0.57), reset_share=0 gives (1.00, 0.50).

    References
    ----------
    .. [1] M. Borisyak et al., "(1+ε)-class classification", arXiv:1906.06096, algorithm 2.
    .. [2] R. M. Neal, "MCMC using Hamiltonian dynamics", arXiv:1206.1901.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly.ope.samplers import HMCSampler
    >>> rows = np.random.default_rng(0).normal(size=(100, 2))
    >>> sampler = HMCSampler().bind([-4, -4], [4, 4], rows, random_state=0)
    >>> def gaussian(x):
    ...     return -(x**2).sum(dim=-1) / 2, -x
    >>> for _ in range(100):
    ...     x = sampler.sample(500, gaussian)
    >>> bool((x.std(dim=0) - 1).abs().max() < 0.2)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ChainSampler._parameter_constraints,
        "step_size": [Interval(Real, 0, 1, closed="right")],
        "target_acceptance": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        n_steps: int = 4,
        step_size: float = 0.1,
        *,
        target_acceptance: float = 0.7,
        n_chains: int = 1024,
        reset_share: float = 0.02,
    ) -> None:
        self.n_steps = n_steps
        self.step_size = step_size
        self.target_acceptance = target_acceptance
        self.n_chains = n_chains
        self.reset_share = reset_share

    def _prepare(self, rows: Tensor) -> None:
        super()._prepare(rows)
        shape = (self.n_members_, 1, 1) if self._lead else ()
        self.log_step_ = rows.new_full(shape, self.step_size).log_()
        self._acceptance = torch.full_like(self.log_step_, torch.nan)
        self._n_calls = 0

    def _move(self, u: Tensor, value_and_grad: ValueAndGrad) -> tuple[Tensor, Tensor]:
        self._n_calls += 1
        step = self.log_step_.exp().mul_(1 - _JITTER + 2 * _JITTER * (self._n_calls * _GOLDEN % 1))
        momentum = self._normal(*u.shape)
        energy = torch.linalg.vector_norm(momentum, dim=-1).square_()
        end, momentum, g, g_end = leapfrog(
            *(u, momentum, self.n_steps, step * self.scale_, step * self._drift),
            *(self._locate, value_and_grad),
        )
        left = torch.linalg.vector_norm(momentum, dim=-1).square_()
        log_ratio = energy.sub_(left).mul_(0.5).add_(g_end).sub_(g)
        never = -torch.inf  # also where NaN or inf arose on the way: momentum and energy show it
        chance = log_ratio.nan_to_num_(never, never, never).clamp_(max=0).exp_()
        self._adapt(chance)
        accept = self._unit_uniform(*chance.shape) < chance
        # weights of 0 and 1 give one or the other to the bit, in a fifth of the time of where()
        weight = accept.to(u.dtype).unsqueeze(-1)
        return torch.lerp(u, end.abs_().nan_to_num_(), weight), torch.where(accept, g_end, g)

    def _adapt(self, chance: Tensor) -> None:
        """Take a Robbins-Monro step towards the target, each member for itself."""
        gain = max(1 / self._n_calls, _GAIN)
        mean = chance.mean(dim=-1).reshape(self.log_step_.shape)
        if self._n_calls == 1:
            self._acceptance.copy_(mean)
        self._acceptance.lerp_(mean, gain)
        self.log_step_.add_(mean - self.target_acceptance, alpha=gain)
        self.log_step_.clamp_(math.log(_SMALLEST_STEP), math.log(_LARGEST_STEP))

    def diagnostics(self) -> dict[str, float]:
        """Give numbers that tell how well the chains mix.

        Returns
        -------
        dict of str to float
            ``acceptance`` (mean over about the last 20 calls; NaN before the first), ``step_size``,
            ``boundary_fraction`` (share of the chains within 1 % of the box's width from a wall in
            some feature), ``g_chains`` (mean g of the last rows given); means over the members.

        Raises
        ------
        NotFittedError
            If the sampler is not bound, as one from a model file.
        """
        self._check_bound()
        return {
            "acceptance": float(self._acceptance.mean()),
            "step_size": float(self.log_step_.exp().mean()),
            **super().diagnostics(),
        }


def leapfrog(
    u: Tensor,
    momentum: Tensor,
    n_steps: int,
    kick: Tensor,
    drift: Tensor,
    locate: Callable[[Tensor], Tensor],
    value_and_grad: ValueAndGrad,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Follow one trajectory between reflecting walls.

    Parameters
    ----------
    u : Tensor of shape (…, n, d)
        Places in the box, in [0, 1].
    momentum : Tensor of shape (…, n, d)
        Overwritten.
    n_steps : int
        Steps.
    kick, drift : Tensor of shape (d,) or (…, 1, d)
        Change of momentum per gradient, and of place per momentum, in one step.
    locate : callable
        Places in the box → coordinates of the net.
    value_and_grad : callable
        x → (g, ∇g).

    Returns
    -------
    u, momentum : Tensor of shape (…, n, d)
        At the end, unfolded: in the box, the place is |u| and the momentum sign(u)·momentum.
    g, g_end : Tensor of shape (…, n)
        At both ends.
    """
    half = kick / 2
    g, gradient = value_and_grad(locate(u))
    momentum.addcmul_(half, gradient)
    end, g_end = u.clone(), g
    for left in reversed(range(n_steps)):
        fold(end.addcmul_(drift, momentum))
        g_end, gradient = value_and_grad(locate(end.abs()))
        momentum.addcmul_(torch.copysign(kick if left else half, end), gradient)
    return end, momentum, g, g_end
