"""KL and likelihood have the values that are known by hand; noise and priors are what they say."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch.distributions import Independent, Normal, kl_divergence

from skhep_anomaly.nn import (
    VAE,
    FlowPrior,
    MixturePrior,
    NormalPrior,
    Standardizer,
    balanced_noise,
    gaussian_nll,
    kl_per_dim,
)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def make(n_members=1, decoder="gaussian", **kwargs):
    options = {
        "decoder": decoder,
        "learn_log_var": False,
        "log_var_bounds": (-6.0, 6.0),
        "n_draws": 4,
        "n_members": n_members,
        "dropout": 0.0,
        "standardizer": Standardizer(np.zeros(5), np.ones(5)),
    }
    module = VAE(5, (7,), 2, "silu", **(options | kwargs)).double()
    module.reset(rng(1))
    with torch.no_grad():
        module.log_var += torch.linspace(-1, 1, module.log_var.shape[-1])
    return module


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("mu", "variance", "want"),
    [([1.0], [1.0], 0.5), ([0.0], [4.0], 0.8068528), ([1.0, 2.0], [0.5, 2.0], 2.75)],
)
def test_kl_by_hand(mu, variance, want):
    got = kl_per_dim(torch.tensor(mu), torch.tensor(variance).log()).sum()
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_kl_equals_torch():
    mu, log_var = normal(6, 3), normal(6, 3, seed=1)
    want = kl_divergence(Normal(mu, torch.exp(0.5 * log_var)), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_per_dim(mu, log_var), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("width", [1, 3])
def test_gaussian_nll_equals_torch_with_one_or_many_widths(width):
    error, log_var = normal(6, 3), normal(1, width, seed=1)
    want = -Independent(Normal(0.0, torch.exp(0.5 * log_var)), 1).expand([6]).log_prob(error)
    if width == 1:
        want = -Normal(0.0, torch.exp(0.5 * log_var)).log_prob(error).sum(dim=1)
    torch.testing.assert_close(gaussian_nll(error, log_var), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n_members", [1, 2])
@pytest.mark.parametrize("decoder", ["gaussian", "gaussian_shared", "bernoulli"])
def test_bounds_are_the_sums_over_draws_written_out(decoder, n_members):
    module = make(n_members, decoder)
    z = torch.sigmoid(normal(6, 5))
    noise = normal(4, 1, 2, seed=2)
    mu, log_var = module.encode(z)
    total = []
    for epsilon in noise:
        sigma = torch.exp(0.5 * log_var)
        t = mu + sigma * epsilon
        out = module.decode(t)
        if decoder == "bernoulli":
            spread = torch.distributions.Bernoulli(logits=out, validate_args=False)
        else:
            width = torch.exp(0.5 * module.log_var)
            spread = Normal(out, width if n_members == 1 else width[:, None])
        log_p = spread.log_prob(z).sum(-1)
        ratio = (Normal(0.0, 1.0).log_prob(t) - Normal(mu, sigma).log_prob(t)).sum(-1)
        total.append((log_p, ratio))
    log_p = torch.stack([a for a, _ in total]).reshape(4, n_members, 6)
    ratio = torch.stack([b for _, b in total]).reshape(4, n_members, 6)
    reconstruction, kl = module.elbo_terms(z, noise)
    torch.testing.assert_close(reconstruction, -log_p.mean(0), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(kl, kl_per_dim(mu, log_var).sum(-1).reshape(n_members, 6))
    want = torch.logsumexp(log_p + ratio, dim=0) - math.log(4)
    torch.testing.assert_close(module.iwae(z, noise), want, rtol=1e-10, atol=1e-10)


def test_spread_of_the_estimate_falls_with_the_root_of_the_draws():
    module = make()
    z = normal(1, 5)
    with torch.no_grad():
        spread = [
            torch.stack(
                [module.elbo_terms(z, normal(n, 1, 2, seed=100 + i))[0] for i in range(400)]
            ).std()
            for n in (4, 64)
        ]
    np.testing.assert_allclose(spread[0] / spread[1], 4.0, rtol=0.2)


def test_balanced_noise_has_mean_zero_and_covariance_one():
    noise = balanced_noise(16, 5, rng())[:, 0]
    np.testing.assert_allclose(noise.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(noise.T @ noise / 16, np.eye(5), atol=1e-12)
    few = balanced_noise(4, 9, rng())[:, 0]
    np.testing.assert_allclose(few.square().mean(0), 1, atol=1e-12)
    assert balanced_noise(1, 3, rng()).shape == (1, 1, 3)


def test_encoder_variance_stays_in_bounds():
    module = make(log_var_bounds=(-0.1, 0.2))
    _, log_var = module.encode(100 * normal(50, 5))
    np.testing.assert_allclose([log_var.min().item(), log_var.max().item()], [-0.1, 0.2])


def test_samples_have_the_decoders_width():
    module = make()
    with torch.no_grad():
        t = torch.zeros(20_000, 2, dtype=torch.float64)
        x = module.sample(t, rng())
        mean, width = module.decode(t[:1])[0], torch.exp(0.5 * module.log_var[0])
    np.testing.assert_allclose((x.mean(0) - mean) / width, 0, atol=0.03)
    np.testing.assert_allclose(x.std(0) / width, 1, atol=0.03)
    ones = make(decoder="bernoulli").sample(t, rng())
    assert set(ones.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("n_members", [1, 2])
def test_priors_give_the_density_they_draw_from(n_members):
    t = normal(n_members, 7, 2)
    got = NormalPrior(2, n_members).log_prob(t)
    np.testing.assert_allclose(got, multivariate_normal(np.zeros(2)).logpdf(t).reshape(got.shape))
    mixture = MixturePrior(2, 2, n_members).double()
    means = torch.tensor([[-2.0, 0.0], [2.0, 1.0]])
    covariances = torch.tensor([[[1.0, 0.5], [0.5, 1.0]], [[0.2, 0.0], [0.0, 0.3]]])
    for member in range(n_members):
        mixture.learn(member, torch.tensor([0.25, 0.75]), means, covariances)
    parts = [multivariate_normal(m, c).pdf(t) for m, c in zip(means, covariances, strict=True)]
    want = np.log(0.25 * parts[0] + 0.75 * parts[1]).reshape(n_members, 7)
    np.testing.assert_allclose(mixture.log_prob(t), want, rtol=1e-6)
    drawn = mixture.sample(20_000, rng())
    np.testing.assert_allclose(drawn.mean(1), np.tile([1.0, 0.75], (n_members, 1)), atol=0.06)


@pytest.mark.parametrize("n_members", [1, 2])
def test_flow_prior_is_a_density_in_the_latents_own_scale(n_members):
    prior = FlowPrior(1, n_members).double()
    prior.flow.reset(rng())
    prior.center += 3.0
    prior.scale *= 2.0
    grid = torch.linspace(-40, 46, 4001, dtype=torch.float64)
    with torch.no_grad():
        density = prior.log_prob(grid.expand(n_members, -1)[..., None]).exp()
        drawn = prior.sample(4000, rng())
    np.testing.assert_allclose(torch.trapezoid(density, grid), 1.0, rtol=1e-3)
    mean = torch.trapezoid(density * grid, grid)
    np.testing.assert_allclose(drawn.mean((1, 2)), mean, atol=0.15)
