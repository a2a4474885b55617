"""Langevin steps on exp(g), preconditioned as in RMSProp and without an accept step.

    v ← ρ v + (1 − ρ) mean over chains of (∇g)²,    P = 1/(damping + √v),
    x ← x + t P ∇g + √(2 t P) ξ,    ξ ~ N(0, 1),

feature by feature, ∇g and x in units of the feature's spread, reflected at the walls of the box
(RMSProp EOPE of arXiv:1906.06096; cf. pSGLD, arXiv:1512.07666, equations 4–6).
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, ClassVar

import torch
from torch import Tensor

from skhep_anomaly._validation import Interval
from skhep_anomaly.ope.samplers._base import ValueAndGrad
from skhep_anomaly.ope.samplers._chains import ChainSampler, fold

__all__ = ["RMSPropSampler"]

_MOST = 1e30  # of v: the square of a huge gradient must not become inf and stop the chains for ever


class RMSPropSampler(ChainSampler):
    """Draw pseudo-anomalies by preconditioned Langevin steps on exp(g).

    Parameters
    ----------
    n_steps : int ≥ 1, default=4
        Steps per call; each costs one gradient.
    step_size : float > 0, default=0.02
        Step t. Larger mixes faster and widens the distribution, as nothing is rejected.
    decay : float in [0, 1), default=0.9
        ρ, memory of v over the steps.
    damping : float > 0, default=0.1
        Bound on P: where g is flat, P = 1/damping.
    n_chains : int ≥ 1, default=1024
        Chains of a member's pool. Asked for more rows than that, the pool grows.
    reset_share : float in [0, 1], default=0.02
        Share of the chains moved that start anew from a uniform place.

    Attributes
    ----------
    low_, high_ : Tensor of shape (n_features,)
        Box Ω.
    scale_ : Tensor of shape (n_features,)
        Units: standard deviations of the normal rows, 1 where zero, at most a quarter of the box.
    places_ : Tensor of shape (n_chains, n_features) or (n_members, n_chains, n_features)
        Places of the chains as shares of the box.
    chains_ : Tensor of the same shape
        The chains in the net's coordinates.
    mean_square_ : Tensor of shape (1, n_features) or (n_members, 1, n_features)
        v, free of the bias of its first steps.

    Notes
    -----
    A call moves `n` random chains of the pool, without repetition, by n_steps steps: n_steps
    gradients of n rows. pSGLD has a v for each chain and a term for the change of P with x; here v
    is the mean over the chains moved, so that P is the same for all and this term is zero up to
    1/n. A chain at which g or its gradient is not finite stays where it is and does not enter v.

    The chains are slower than those of HMC, and with the defaults the new ones show: on a Gaussian
    of standard deviations (1, 0.5) in [−4, 4]² the chains' are (1.25, 1.20), with reset_share=0
    (1.01, 0.51).

    References
    ----------
    .. [1] M. Borisyak et al., "(1+ε)-class classification", arXiv:1906.06096.
    .. [2] C. Li et al., "Preconditioned stochastic gradient Langevin dynamics for deep neural
       networks", arXiv:1512.07666.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly.ope.samplers import RMSPropSampler
    >>> rows = np.random.default_rng(0).normal(size=(100, 2))
    >>> sampler = RMSPropSampler().bind([-4, -4], [4, 4], rows, random_state=0)
    >>> def slope(x):
    ...     return 3 * x[..., 0], x.new_tensor([3.0, 0.0]).expand_as(x)
    >>> for _ in range(200):
    ...     x = sampler.sample(500, slope)
    >>> bool(x[:, 0].mean() > 1.5), bool(x[:, 1].mean().abs() < 1)
    (True, True)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ChainSampler._parameter_constraints,
        "step_size": [Interval(Real, 0, None, closed="neither")],
        "decay": [Interval(Real, 0, 1, closed="left")],
        "damping": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        n_steps: int = 4,
        step_size: float = 0.02,
        *,
        decay: float = 0.9,
        damping: float = 0.1,
        n_chains: int = 1024,
        reset_share: float = 0.02,
    ) -> None:
        self.n_steps = n_steps
        self.step_size = step_size
        self.decay = decay
        self.damping = damping
        self.n_chains = n_chains
        self.reset_share = reset_share

    def _prepare(self, rows: Tensor) -> None:
        super()._prepare(rows)
        self.mean_square_ = rows.new_zeros((*self._lead, 1, rows.shape[1]))
        self._n_updates = 0

    def _move(self, u: Tensor, value_and_grad: ValueAndGrad) -> tuple[Tensor, Tensor]:
        before = self.mean_square_.clone(), self._n_updates
        end, g, traces = self._walk(u, value_and_grad)
        if not math.isfinite(float(traces)):  # again, with a look at each gradient
            self.mean_square_, self._n_updates = before
            end, g, _ = self._walk(u, value_and_grad, careful=True)
        return end, g

    def _walk(
        self, u: Tensor, value_and_grad: ValueAndGrad, careful: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Make all steps; give places, g one step before, and a number finite if all others were.

        Where `careful`, chains that meet what is not finite stay where they are.
        """
        seen: Any = 0.0
        for noise in self._normal(self.n_steps, *u.shape):
            g, gradient = value_and_grad(self._locate(u))
            seen = seen + g
            gradient = gradient * self.scale_
            if careful:
                stuck = ~(g.isfinite() & gradient.isfinite().all(dim=-1))
                gradient[stuck], noise[stuck] = 0.0, 0.0
            step = self.step_size / (self.damping + self._update(gradient).sqrt())
            u = torch.addcmul(u, gradient, step * self._drift)
            u = fold(u.addcmul_(noise, (2 * step).sqrt_() * self._drift)).abs_()
        return u, g, u.sum() + seen.sum()

    def _update(self, gradient: Tensor) -> Tensor:
        """Take gradients (…, n, d) into v; weights (1 − ρ)/(1 − ρᵏ) leave no bias at the start."""
        self._n_updates += 1
        weight = (1 - self.decay) / (1 - self.decay**self._n_updates)
        n = gradient.shape[-2]
        mean = gradient.new_full((1, n), 1 / n) @ gradient.square()  # quicker than mean(dim=-2)
        return self.mean_square_.lerp_(mean.clamp_(max=_MOST), weight)

    def diagnostics(self) -> dict[str, float]:
        """Give numbers that tell how well the chains mix.

        Returns
        -------
        dict of str to float
            ``step_size``, the mean over features of t P; ``boundary_fraction``, share of the chains
            within 1 % of the box's width from a wall in some feature; ``g_chains``, mean g of the
            last rows given, one step before their last (NaN before the first).

        Raises
        ------
        NotFittedError
            If the sampler is not bound, as one from a model file.
        """
        self._check_bound()
        step = self.step_size / (self.damping + self.mean_square_.sqrt())
        return {"step_size": float(step.mean()), **super().diagnostics()}
