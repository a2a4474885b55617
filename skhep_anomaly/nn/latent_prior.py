"""Priors p(t) of a latent space: the standard normal, or one fitted to the training rows' latents.

A prior fitted to the aggregate posterior ∫ q(t|x) p(x) dx closes the gap that a VAE with N(0, 1)
leaves there (M. Hoffman, M. Johnson, "ELBO
surgery", 2016). All of them speak of several members at once: latents are (n_members, n, k).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skhep_anomaly.nn.flow import Flow

__all__ = ["FlowPrior", "MixturePrior", "NormalPrior"]

_LOG_2PI = math.log(2.0 * math.pi)


class NormalPrior(nn.Module):
    """N(0, 1) in k dimensions.

    Parameters
    ----------
    latent_dim : int
        Dimensions k.
    n_members : int
        Members side by side.
    """

    def __init__(self, latent_dim: int, n_members: int) -> None:
        super().__init__()
        self.latent_dim, self.n_members = latent_dim, n_members

    def log_prob(self, t: Tensor) -> Tensor:
        """Give log p(t) of latents (n_members, n, k)."""
        return -0.5 * (t.square() + _LOG_2PI).sum(dim=-1)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw latents (n_members, n, k) in float64."""
        shape = (self.n_members, n, self.latent_dim)
        return torch.randn(shape, generator=generator, dtype=torch.float64)


class MixturePrior(nn.Module):
    """Σ_c π_c N(m_c, S_c), one mixture for each member, with full covariances S.

    Parameters
    ----------
    n_components : int
        Components c.
    latent_dim : int
        Dimensions k.
    n_members : int
        Members side by side.
    """

    log_weight: Tensor
    mean: Tensor
    factor: Tensor

    def __init__(self, n_components: int, latent_dim: int, n_members: int) -> None:
        super().__init__()
        shape = (n_members, n_components)
        self.register_buffer("log_weight", torch.full(shape, -math.log(n_components)))
        self.register_buffer("mean", torch.zeros(*shape, latent_dim))
        self.register_buffer("factor", torch.eye(latent_dim).repeat(*shape, 1, 1))

    @torch.no_grad()
    def learn(self, member: int, weight: Tensor, mean: Tensor, covariance: Tensor) -> None:
        """Set the mixture of one member from π (c,), m (c, k) and S (c, k, k)."""
        self.log_weight[member].copy_(weight.log())
        self.mean[member].copy_(mean)
        self.factor[member].copy_(torch.linalg.cholesky(covariance))

    def log_prob(self, t: Tensor) -> Tensor:
        """Give log p(t) of latents (n_members, n, k)."""
        centred = (t.unsqueeze(1) - self.mean.unsqueeze(2)).mT
        scaled = torch.linalg.solve_triangular(self.factor, centred, upper=False)
        log_det = self.factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
        constant = self.log_weight - log_det - 0.5 * t.shape[-1] * _LOG_2PI
        return torch.logsumexp(constant.unsqueeze(-1) - 0.5 * scaled.square().sum(dim=-2), dim=1)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw latents (n_members, n, k) in float64, on the CPU as `generator` is."""
        parts = (self.log_weight, self.mean, self.factor)
        log_weight, mean, factor = (part.cpu().double() for part in parts)
        n_members, _, k = mean.shape
        component = torch.multinomial(log_weight.exp(), n, replacement=True, generator=generator)
        normal = torch.randn(n_members, n, k, 1, generator=generator, dtype=torch.float64)
        member = torch.arange(n_members).unsqueeze(1)
        spread = (factor[member, component] @ normal).squeeze(-1)
        return mean[member, component] + spread


class FlowPrior(nn.Module):
    """Masked autoregressive flow on latents of mean 0 and scale 1, one flow for each member.

    Parameters
    ----------
    latent_dim : int
        Dimensions k.
    n_members : int
        Members side by side.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int, n_members: int) -> None:
        super().__init__()
        self.flow = Flow(latent_dim, n_members=n_members)
        self.register_buffer("center", torch.zeros(n_members, 1, latent_dim))
        self.register_buffer("scale", torch.ones(n_members, 1, latent_dim))
        self.latent_dim, self.n_members = latent_dim, n_members

    def standard(self, t: Tensor) -> Tensor:
        """Bring latents (n_members, n, k) to scale 1, in the shape that the flow takes."""
        u = (t - self.center) / self.scale
        return u if self.n_members > 1 else u[0]

    def log_prob(self, t: Tensor) -> Tensor:
        """Give log p(t) of latents (n_members, n, k)."""
        log_p = self.flow.log_prob(self.standard(t)).reshape(self.n_members, -1)
        return log_p - self.scale.log().sum(dim=-1)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw latents (n_members, n, k)."""
        shape = (self.n_members, n, self.latent_dim)
        base = torch.randn(shape, generator=generator, dtype=torch.float64).to(self.center)
        u = self.flow.from_base(base if self.n_members > 1 else base[0])
        return u.reshape(shape) * self.scale + self.center
