"""Variational autoencoder of standardised rows z.

An encoder gives q(t|z) = N(μ(z), diag σ²(z)), a decoder p(z|t), and p(t) is a prior.

log p(z) ≥ ELBO(z) = E_q[log p(z|t)] − KL(q(t|z) ‖ p(t)), with KL = ½ Σ_j (μ_j² + σ_j² − 1 − log
σ_j²) for the prior N(0, 1).
IWAE(z) = log 1/L Σ_l p(z|t_l) p(t_l) / q(t_l|z), t_l ~ q, lies between ELBO and log p(z).

D. P. Kingma, M. Welling, arXiv:1312.6114, eq. 3 and appendix B; Y. Burda et al., arXiv:1509.00519,
eq. 8.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from skhep_anomaly.nn.latent_prior import NormalPrior
from skhep_anomaly.nn.mlp import MLP
from skhep_anomaly.nn.standardizer import Standardizer

__all__ = ["VAE", "balanced_noise", "gaussian_nll", "kl_per_dim"]

_LOG_2PI = math.log(2.0 * math.pi)


def kl_per_dim(mu: Tensor, log_var: Tensor) -> Tensor:
    """Give ½(μ² + σ² − 1 − log σ²), the KL divergence of N(μ, σ²) from N(0, 1), entry by entry."""
    return 0.5 * (mu.square() + log_var.exp() - 1.0 - log_var)


def gaussian_nll(error: Tensor, log_var: Tensor) -> Tensor:
    """Give Σ_d [½ log 2πσ_d² + error_d² / 2σ_d²]; `log_var` has one entry or one per feature."""
    constant = 0.5 * (_LOG_2PI + log_var).expand(*log_var.shape[:-1], error.shape[-1]).sum(dim=-1)
    return constant + 0.5 * (error.square() * torch.exp(-log_var)).sum(dim=-1)


def balanced_noise(n_draws: int, latent_dim: int, generator: torch.Generator) -> Tensor:
    """Draw normal vectors (n_draws, 1, latent_dim), then give them mean 0 and covariance 1.

    Where all rows share a few vectors, their mean and covariance would shift all scores alike;
    balanced, the ELBO of a linear decoder is exact.
    With fewer draws than latents only the variances are set.
    """
    noise = torch.randn(n_draws, latent_dim, generator=generator, dtype=torch.float64)
    if n_draws < 2:
        return noise.unsqueeze(1)
    noise -= noise.mean(dim=0)
    if n_draws > latent_dim:
        left, _, right = torch.linalg.svd(noise, full_matrices=False)
        noise = n_draws**0.5 * left @ right
    else:
        noise /= noise.square().mean(dim=0).sqrt()
    return noise.unsqueeze(1)


class VAE(nn.Module):
    """Encoder and decoder as two `MLP` of mirrored hidden layers.

    Parameters
    ----------
    n_features : int
        Width d of a row.
    hidden_layer_sizes : sequence of int
        Of the encoder; may be empty.
    latent_dim : int
        Width k of the latent space.
    activation : str
        Name in `ACTIVATIONS`.
    decoder : {"gaussian", "gaussian_shared", "fixed", "bernoulli"}
        p(z|t): Gaussian with a variance per feature, one variance, one that is given, or Bernoulli.
    learn_log_var : bool
        True makes the decoder's log-variance a parameter, else it is a buffer.
    log_var_bounds : tuple of float
        Bounds of the encoder's log σ² and of a learnt one of the decoder.
    n_draws : int
        Noise vectors that serve every row in scoring.
    n_members : int
        Copies side by side.
    dropout : float
        Of hidden layers, in training.
    standardizer : Standardizer
        Maps rows to z.

    Notes
    -----
    Outputs have a leading member axis where there are several members.
    """

    log_var: Tensor
    score_noise: Tensor
    prior: Any

    def __init__(
        self,
        n_features: int,
        hidden_layer_sizes: Sequence[int],
        latent_dim: int,
        activation: str,
        *,
        decoder: str,
        learn_log_var: bool,
        log_var_bounds: tuple[float, float],
        n_draws: int,
        n_members: int,
        dropout: float,
        standardizer: Standardizer,
    ) -> None:
        super().__init__()
        hidden = [int(width) for width in hidden_layer_sizes]
        names = [*([activation] * len(hidden)), "linear"]
        options = {"n_members": n_members, "dropout": dropout}
        self.encoder = MLP([n_features, *hidden, 2 * latent_dim], names, **options)  # type: ignore[arg-type]
        self.decoder = MLP([latent_dim, *hidden[::-1], n_features], names, **options)  # type: ignore[arg-type]
        log_var = torch.zeros(n_members, n_features if decoder == "gaussian" else 1)
        if learn_log_var:
            self.log_var = nn.Parameter(log_var)
        else:
            self.register_buffer("log_var", log_var)
        self.register_buffer("score_noise", torch.zeros(n_draws, 1, latent_dim))
        self.prior = NormalPrior(latent_dim, n_members)
        self.kind, self.log_var_bounds = decoder, log_var_bounds
        self.n_members, self.latent_dim = n_members, latent_dim
        self.standardizer = standardizer

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw new weights."""
        self.encoder.reset(generator)
        self.decoder.reset(generator)

    def encode(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Map z to μ and log σ² of q(t|z), each (n, k) or (n_members, n, k)."""
        mu, log_var = self.encoder(z).chunk(2, dim=-1)
        return mu, log_var.clamp(*self.log_var_bounds)

    def decode(self, t: Tensor) -> Tensor:
        """Map latents to the decoder's mean, for Bernoulli to its logit."""
        out: Tensor = self.decoder(t)
        return out

    def activate(self, out: Tensor) -> Tensor:
        """Turn what `decode` gives into the expected row."""
        return torch.sigmoid(out) if self.kind == "bernoulli" else out

    def forward(self, z: Tensor) -> Tensor:
        """Reconstruct z from μ."""
        return self.activate(self.decode(self.encode(z)[0]))

    def draw(self, mu: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
        """Give t = μ + σε for `noise` (…, L, n or 1, k), draws stacked: (…, L·n, k)."""
        t = mu.unsqueeze(-3) + torch.exp(0.5 * log_var).unsqueeze(-3) * noise
        return t.flatten(-3, -2)

    def nll(self, out: Tensor, z: Tensor, log_var: Tensor | None = None) -> Tensor:
        """Give −log p(z|t) of rows for the decoder's output `out`, with its own or another σ."""
        if self.kind == "bernoulli":
            error = binary_cross_entropy_with_logits(out, z.expand_as(out), reduction="none")
            return error.sum(dim=-1)
        spread = self.log_var if log_var is None else log_var
        return gaussian_nll(out - z, self.per_member(spread))

    def per_member(self, values: Tensor) -> Tensor:
        """Shape (n_members, d) so that it goes with (…, n, d)."""
        return values if self.n_members == 1 else values.unsqueeze(1)

    def log_weights(self, z: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Give log p(z|t) and log p(t) − log q(t|z) of each draw, each (n_members, L, n)."""
        mu, log_var = self.encode(z)
        t = self.draw(mu, log_var, noise)
        shape = (self.n_members, len(noise), len(z))
        log_p_z = -self.nll(self.decode(t), z.repeat(len(noise), 1)).reshape(shape)
        prior = self.prior.log_prob(t.reshape(self.n_members, -1, self.latent_dim)).reshape(shape)
        log_q = -0.5 * (_LOG_2PI + log_var.unsqueeze(-3) + noise.square()).sum(dim=-1)
        return log_p_z, prior - log_q.reshape(shape)

    def elbo_terms(self, z: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Give E_q[−log p(z|t)] and KL(q ‖ p), exact for p = N(0, 1), each (n_members, n)."""
        log_p_z, log_ratio = self.log_weights(z, noise)
        if not isinstance(self.prior, NormalPrior):
            return -log_p_z.mean(dim=1), -log_ratio.mean(dim=1)
        kl = kl_per_dim(*self.encode(z)).sum(dim=-1)
        return -log_p_z.mean(dim=1), kl.reshape(self.n_members, -1)

    def iwae(self, z: Tensor, noise: Tensor) -> Tensor:
        """Give the importance-weighted bound on log p(z), (n_members, n)."""
        log_p_z, log_ratio = self.log_weights(z, noise)
        return torch.logsumexp(log_p_z + log_ratio, dim=1) - math.log(len(noise))

    def sample(self, t: Tensor, generator: torch.Generator) -> Tensor:
        """Draw rows z ~ p(z|t) for latents t; `generator` is on the CPU."""
        mean = self.activate(self.decode(t))
        if self.kind == "bernoulli":
            return torch.bernoulli(mean.cpu(), generator=generator).to(mean)
        noise = torch.randn(mean.shape, generator=generator, dtype=torch.float64).to(mean)
        return mean + torch.exp(0.5 * self.per_member(self.log_var)) * noise
