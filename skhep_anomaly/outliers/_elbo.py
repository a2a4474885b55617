"""Loss of variational autoencoders, with noise from the step's generator.

"elbo" (A. Nardelli's thesis, eq. 3.17):
Σ_d [½ log 2πσ_d² + (x_d − μ_d)² / 2σ_d²] + β Σ_j ½(μ_j² + σ_j² − 1 − log σ_j²).
"mse_kl" (L. Hendriks' β-VAE): (1 − β)·MSE + β·KL. "mse+kl": MSE + β·KL. There MSE is the mean over
the features and KL the sum over the latents.

KL warm-up raises β linearly from zero over the first steps. The optimal σ_d² (O. Rybkin et al.,
arXiv:2006.13202, eq. 6) is the batch's mean squared error of feature d, at least .01. Without
dropout the gradient is written out by hand; it equals autograd's to rounding.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from skhep_anomaly.nn.vae import VAE, kl_per_dim
from skhep_anomaly.training import Context, Objective

__all__ = ["SIGMA_FLOOR", "ElboLoss", "optimal_log_var"]

SIGMA_FLOOR = 0.1
_LOG_2PI = math.log(2.0 * math.pi)
_MEMORY = 0.1


def optimal_log_var(variance: Tensor, shared: bool) -> Tensor:
    """Turn mean squared errors (n_members, d) into log σ², with the floor on σ."""
    if shared:
        variance = variance.mean(dim=-1, keepdim=True)
    return variance.clamp(min=SIGMA_FLOOR**2).log()


class ElboLoss(Objective):
    """Negative ELBO, or MSE and KL, of each row.

    Parameters
    ----------
    loss : {"elbo", "mse_kl", "mse+kl"}
        Formula.
    beta : float
        Weight β of the KL term.
    kl_warmup : float
        Share of the planned steps over which β rises from zero.
    n_draws : int
        Latents drawn per row and step.
    optimal : bool
        True sets the decoder's σ to its closed form in every step.
    by_hand : bool, default=True
        False always uses autograd.
    """

    def __init__(
        self,
        loss: str,
        beta: float,
        kl_warmup: float,
        n_draws: int,
        optimal: bool,
        by_hand: bool = True,
    ) -> None:
        super().__init__()
        self.loss, self.beta, self.kl_warmup = loss, beta, kl_warmup
        self.n_draws, self.optimal, self.by_hand = n_draws, optimal, by_hand
        self._weight: Tensor | None = None

    def factors(self, progress: float) -> tuple[float, float]:
        """Give the factors of the reconstruction and the KL term."""
        beta = self.beta
        if progress < self.kl_warmup:
            beta *= progress / self.kl_warmup
        return (1.0 - self.beta if self.loss == "mse_kl" else 1.0), beta

    def _noise(self, mu: Tensor, context: Context) -> Tensor:
        """Draw ε (…, L, n, k)."""
        *members, n, k = mu.shape
        return torch.randn(
            (*members, self.n_draws, n, k),
            dtype=mu.dtype,
            device=mu.device,
            generator=context.generator,
        )

    def _targets(self, z: Tensor) -> Tensor:
        return z if self.n_draws == 1 else z.repeat(self.n_draws, 1)

    @torch.no_grad()
    def _log_var(
        self, module: VAE, error: Tensor, weight: Tensor | None, context: Context
    ) -> Tensor:
        """Give the decoder's log σ²; the optimal one comes from `error` (…, L·n, d)."""
        own = module.log_var
        if isinstance(own, torch.nn.Parameter):
            own.clamp_(*module.log_var_bounds)
        if not (self.optimal and context.training):
            return own
        squares = error.square()
        if weight is not None:
            squares = squares * weight.repeat(self.n_draws).unsqueeze(-1)
        variance = squares.mean(dim=-2).reshape(module.n_members, -1)
        now = optimal_log_var(variance, module.kind == "gaussian_shared")
        own.lerp_(now, _MEMORY)
        return now

    def per_row(self, module: Any, x: Tensor, context: Context) -> Tensor:
        """Give the loss of each row, shape (n,) or (n_members, n)."""
        z = module.standardizer(x)
        mu, log_var = module.encode(z)
        out = module.decode(module.draw(mu, log_var, self._noise(mu, context)))
        target = self._targets(z)
        if self.loss == "elbo":
            spread = self._log_var(module, out.detach() - target, self._weight, context)
            rows = module.nll(out, target, spread)
        else:
            rows = (out - target).square().mean(dim=-1)
        rows = rows.unflatten(-1, (self.n_draws, len(z))).mean(dim=-2)
        first, beta = self.factors(context.progress)
        return first * rows + beta * kl_per_dim(mu, log_var).sum(dim=-1)

    def loss_and_gradient(
        self, module: Any, x: Tensor, weight: Tensor | None, context: Context
    ) -> Tensor:
        """Give the batch loss and leave its gradient behind, by hand where possible."""
        if self.by_hand and module.encoder.by_hand:
            with torch.no_grad():
                return self._by_hand(module, x, weight, context)
        self._weight = weight
        try:
            return super().loss_and_gradient(module, x, weight, context)
        finally:
            self._weight = None

    def _by_hand(self, module: VAE, x: Tensor, weight: Tensor | None, context: Context) -> Tensor:
        """Write out the chain rule: decoder, t = μ + σε, KL, encoder."""
        z = module.standardizer(x)
        kept_encoder = module.encoder.tape(z)
        mu, raw = kept_encoder.pop().chunk(2, dim=-1)
        log_var = raw.clamp(*module.log_var_bounds)
        sigma = torch.exp(0.5 * log_var)
        shift = sigma.unsqueeze(-3) * self._noise(mu, context)
        kept = module.decoder.tape((mu.unsqueeze(-3) + shift).flatten(-3, -2))
        factor = (1.0 / len(z)) if weight is None else (weight / len(z)).unsqueeze(-1)
        first, beta = self.factors(context.progress)
        loss, g_out = self._output_gradient(module, kept.pop(), z, weight, factor, first, context)
        g = module.decoder.gradient(kept, g_out, to_input=True)
        assert g is not None, "to_input asks for it"
        g = g.unflatten(-2, shift.shape[-3:-1])
        var_minus_1 = sigma.square_().sub_(1.0)
        kl = mu.square() + var_minus_1 - log_var
        loss = loss + 0.5 * beta * (kl * factor).sum()
        g_mu = g.sum(dim=-3) + beta * factor * mu
        g_log_var = 0.5 * ((g * shift).sum(dim=-3) + beta * factor * var_minus_1)
        g_log_var.mul_(raw == log_var)
        module.encoder.gradient(kept_encoder, torch.cat([g_mu, g_log_var], dim=-1))
        return loss

    def _output_gradient(
        self,
        module: VAE,
        out: Tensor,
        z: Tensor,
        weight: Tensor | None,
        factor: Any,
        first: float,
        context: Context,
    ) -> tuple[Tensor, Tensor]:
        """Give the reconstruction's loss and its gradient for the decoder's output."""
        target = self._targets(z)
        if weight is not None and self.n_draws > 1:
            factor = factor.repeat(self.n_draws, 1)
        factor = factor * (first / self.n_draws)
        if module.kind == "bernoulli":
            loss = (module.nll(out, target).unsqueeze(-1) * factor).sum()
            return loss, torch.sigmoid(out).sub_(target).mul_(factor)
        error = out.sub_(target)
        if self.loss != "elbo":
            g = error * (factor / error.shape[-1])
            return (error * g).sum(), g.mul_(2.0)
        spread = self._log_var(module, error, weight, context)
        log_var = module.per_member(spread)
        g = error * torch.exp(-log_var) * factor
        half_squares = 0.5 * (error * g).sum(dim=-2).reshape(module.n_members, -1)
        total = factor.sum() if isinstance(factor, Tensor) else factor * len(target)
        constant = 0.5 * total * (log_var.expand(*log_var.shape[:-1], error.shape[-1]) + _LOG_2PI)
        if isinstance(module.log_var, torch.nn.Parameter):
            wide = 0.5 * total - half_squares
            shared = module.log_var.shape[-1] == 1
            module.log_var.grad = wide.sum(dim=-1, keepdim=True) if shared else wide
        return half_squares.sum() + constant.sum(), g
