"""Losses of generative adversarial nets, per row, on the critic's raw output c.

- "bce" (Goodfellow et al. 2014, arXiv:1406.2661): D = σ(c), cross-entropy with targets t;
  generator non-saturating, −log D(G(z)).
- "lsgan" (Mao et al. 2016, arXiv:1611.04076, eq. 9): ½(c − t)².
- "wgan_gp" (Gulrajani et al. 2017, arXiv:1704.00028, eq. 3): critic c(G(z)) − c(x) +
  λ(‖∇c(x̂)‖ − 1)², generator −c(G(z)).

Targets are 1 for real and 0 for generated rows; label smoothing s makes the real ones 1 − s
(one-sided, Salimans et al. 2016, arXiv:1606.03498), label noise swaps a share of them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["GAN_LOSSES", "critic_rows", "gradient_penalty", "interpolate", "make_targets"]


def _bce(c: Tensor, target: Tensor) -> Tensor:
    return functional.softplus(c) - target * c


def _lsgan(c: Tensor, target: Tensor) -> Tensor:
    return 0.5 * (c - target).square()


def _wgan(c: Tensor, target: Tensor) -> Tensor:
    return (1.0 - 2.0 * target) * c


GAN_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": _bce,
    "lsgan": _lsgan,
    "wgan_gp": _wgan,
}


def critic_rows(loss: str, c: Tensor, target: Tensor) -> Tensor:
    """Give the loss of each row.

    Parameters
    ----------
    loss : {"bce", "lsgan", "wgan_gp"}
        Kind.
    c : Tensor
        Critic's output.
    target : Tensor of the shape of `c`
        1 for real, 0 for generated rows, or softened; a generator's loss is that of its rows
        with target 1.

    Returns
    -------
    Tensor of the shape of `c`
    """
    return GAN_LOSSES[loss](c, target)


def make_targets(
    like: Tensor, real: bool, *, smoothing: float, noise: float, generator: torch.Generator
) -> Tensor:
    """Give the critic's targets.

    Parameters
    ----------
    like : Tensor
        Gives shape, dtype and device.
    real : bool
        True for rows of the data.
    smoothing : float
        Real targets are 1 − `smoothing`.
    noise : float
        Share of targets that are swapped.
    generator : torch.Generator
        Source of the swaps.

    Returns
    -------
    Tensor
    """
    high, low = 1.0 - smoothing, 0.0
    right, wrong = (high, low) if real else (low, high)
    target = torch.full_like(like, right)
    if noise > 0:
        swapped = torch.empty_like(like).bernoulli_(noise, generator=generator).bool()
        target[swapped] = wrong
    return target


def interpolate(real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
    """Give points x̂ = u·x + (1 − u)·G(z), one uniform u per row; (…, n, d) each."""
    u = torch.rand((*fake.shape[:-1], 1), dtype=fake.dtype, device=fake.device, generator=generator)
    return u * real + (1.0 - u) * fake


def gradient_penalty(critic: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """Give (‖∇c(x̂)‖ − 1)² at each point, differentiable in the critic's weights.

    Parameters
    ----------
    critic : callable
        Points (…, n, d) → outputs (…, n), each of its own point alone.
    points : Tensor of shape (…, n, d)
        Where the slope is held at 1.

    Returns
    -------
    Tensor of shape (…, n)
    """
    points = points.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return (slope.square().sum(dim=-1).add(1e-12).sqrt() - 1.0).square()
