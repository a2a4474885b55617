"""Fit the prior of a VAE's latent space after training, on latents t ~ q(t|x) of the training rows.

Draws, not the means μ: a latent that the net does not use has μ ≈ 0 and σ ≈ 1, and its
draws are N(0, 1) as they should be.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from skhep_anomaly.nn.latent_prior import FlowPrior, MixturePrior
from skhep_anomaly.training import Context, Net, Objective, Rows, weighted_mean

__all__ = ["choose_rows", "fit_flow", "fit_mixture", "mixture_size"]

_MOST_COMPONENTS, _ROWS_PER_COMPONENT = 10, 20
_MOST_ROWS = 20_000
_REGULARIZATION = 1e-3
_FLOW_STEPS, _FLOW_BATCH, _FLOW_RATE, _FLOW_CLIP = 800, 256, 3e-3, 5.0


def mixture_size(n_rows: int) -> int:
    """Give the number of components: 10, fewer where there are not 20 rows for each."""
    return max(1, min(_MOST_COMPONENTS, n_rows // _ROWS_PER_COMPONENT))


def choose_rows(
    n_rows: int, weight: NDArray[np.float64] | None, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Choose at most 20,000 rows; with weights, in proportion to them and with repetition."""
    n_chosen = min(n_rows, _MOST_ROWS)
    if weight is not None:
        return np.sort(rng.choice(n_rows, n_chosen, p=weight / weight.sum()))
    if n_chosen == n_rows:
        return np.arange(n_rows)
    return np.sort(rng.choice(n_rows, n_chosen, replace=False))


def fit_mixture(prior: MixturePrior, latents: NDArray[Any], rng: np.random.Generator) -> None:
    """Set the mixture of each member by expectation maximisation.

    Parameters
    ----------
    prior : MixturePrior
        Changed in place.
    latents : ndarray of shape (n_members, n, k)
        Draws from q.
    rng : numpy.random.Generator
        Source of the first guess.
    """
    n_components = prior.log_weight.shape[1]
    for member, t in enumerate(latents):
        mixture = GaussianMixture(
            n_components,
            reg_covar=_REGULARIZATION,
            random_state=int(rng.integers(2**31)),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(t.astype(np.float64))
        parts = (mixture.weights_, mixture.means_, mixture.covariances_)
        prior.learn(
            member,
            *(torch.from_numpy(np.maximum(parts[0], 1e-300)), *map(torch.from_numpy, parts[1:])),
        )


class LatentNll(Objective):
    """−log p(t), t drawn afresh from q in every step; rows hold μ and σ of all members."""

    @staticmethod
    def _draws(module: FlowPrior, x: Tensor, context: Context) -> Tensor:
        parts = x.unflatten(1, (2, module.n_members, module.latent_dim))
        mu, sigma = parts.permute(1, 2, 0, 3)
        noise = torch.randn(mu.shape, generator=context.generator, dtype=x.dtype, device=x.device)
        return mu + sigma * noise

    def per_row(self, module: Any, x: Tensor, context: Context) -> Tensor:
        """Give −log p, shape (n_members, n)."""
        nll: Tensor = -module.log_prob(self._draws(module, x, context))
        return nll

    def loss_and_gradient(
        self, module: Any, x: Tensor, weight: Tensor | None, context: Context
    ) -> Tensor:
        """Give the batch loss, of latents at scale 1, and leave its gradient behind."""
        u = module.standard(self._draws(module, x, context))
        return weighted_mean(module.flow.nll_and_gradient(u, None, weight), weight)


def fit_flow(
    prior: FlowPrior,
    mu: NDArray[np.float64],
    sigma: NDArray[np.float64],
    seeds: np.random.SeedSequence,
    device: str,
) -> bool:
    """Train the flow of each member in 800 steps; give True after Ctrl-C.

    Parameters
    ----------
    prior : FlowPrior
        Changed in place.
    mu, sigma : ndarray of shape (n_members, n, k)
        Of q for the training rows.
    seeds : numpy.random.SeedSequence
        Root of weights, order and noise.
    device : str
        Where to train.
    """
    n = mu.shape[1]
    spread = np.sqrt(mu.var(axis=1, keepdims=True) + np.square(sigma).mean(axis=1, keepdims=True))
    prior.center.copy_(torch.from_numpy(mu.mean(axis=1, keepdims=True)))
    prior.scale.copy_(torch.from_numpy(spread))
    weights, training = seeds.spawn(2)
    prior.flow.reset(weights)
    rows = Rows(
        np.ascontiguousarray(np.stack([mu, sigma]).transpose(2, 0, 1, 3).reshape(n, -1)),
        dtype=prior.center.dtype,
        device=device,
    )
    net = Net(
        prior,
        LatentNll(),
        seeds=training,
        lr=_FLOW_RATE,
        schedule="cosine",
        batch_size=_FLOW_BATCH,
        max_grad_norm=_FLOW_CLIP,
        max_epochs=max(1, round(_FLOW_STEPS / max(1, round(n / _FLOW_BATCH)))),
        device=device,
    )
    net.partial_fit(rows)
    for parameter in prior.parameters():
        parameter.grad = None
    return bool(net.interrupted_)
