"""Densities on grids, scikit-learn's own mixture, moments known by hand."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.mixture import GaussianMixture

from skhep_anomaly._validation import InvalidParameterError
from skhep_anomaly.ope.samplers.gaussian_mixture import GaussianMixtureSampler

LOW, HIGH = [-4.0, -3.0], [4.0, 3.0]


def banana(n=600, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    rows = np.stack([x, 0.5 * x**2 - 0.5 + 0.3 * rng.normal(size=n)], axis=1)
    return rows[(abs(rows) < 2.9).all(axis=1)].astype(dtype)


def grid(low, high, n):
    axes = [a + (b - a) * (np.arange(n) + 0.5) / n for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(low))
    return points, math.prod((b - a) / n for a, b in zip(low, high, strict=True))


# --------------------------------------------------------------------------- density


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("box", [(LOW, HIGH), ([-0.5, -0.6], [0.8, 0.2])])
def test_the_density_integrates_to_one_on_the_box(share, box):
    sampler = GaussianMixtureSampler(5, uniform_share=share).bind(*box, banana(), random_state=0)
    points, area = grid(*box, 300)
    assert float(sampler.log_prob(points).exp().sum()) * area == pytest.approx(1.0, abs=0.01)


def test_it_is_scikit_learns_density_up_to_the_mass_inside():
    X = banana()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    sampler = GaussianMixtureSampler(3, widen=1.0, uniform_share=0.0, reg_covar=0.02)
    sampler.bind([-9, -9], [9, 9], X, random_state=1)
    seed = torch.randint(2**31 - 1, (1,), generator=fresh_generator(1))
    theirs = GaussianMixture(3, reg_covar=0.02, random_state=int(seed)).fit(X)
    constant = sampler.log_prob(X).numpy() - theirs.score_samples(X)
    np.testing.assert_allclose(constant, constant[0], atol=1e-9)
    assert constant[0] == pytest.approx(-math.log(sampler.mass_), abs=1e-9)


def fresh_generator(seed):
    """The generator as it is when `bind` starts to learn."""
    sampler = GaussianMixtureSampler()
    sampler._prepare = lambda rows: None
    return sampler.bind(LOW, HIGH, banana(), random_state=seed)._generator


def test_one_wide_gaussian_by_hand():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]])
    sampler = GaussianMixtureSampler(1, widen=1.5, uniform_share=0.2, reg_covar=0.05)
    sampler.bind([-9, -9], [9, 9], X, random_state=0)
    covariance = 1.5 * (np.cov(X.T, bias=True) + 0.05 * np.diag(X.var(axis=0)))
    points = rng.uniform(-3, 3, size=(50, 2))
    gauss = stats.multivariate_normal(X.mean(axis=0), covariance).pdf(points)
    expected = np.log(0.8 * gauss / sampler.mass_ + 0.2 / 18**2)
    np.testing.assert_allclose(sampler.log_prob(points), expected, atol=1e-9)
    np.testing.assert_allclose(sampler.chol_[0] @ sampler.chol_[0].T, covariance, rtol=1e-9)


def test_outside_the_box_it_goes_on_without_a_step_and_stays_finite():
    sampler = GaussianMixtureSampler().bind(LOW, HIGH, banana(), random_state=0)
    edge = torch.tensor([[4.0 - 1e-9, -2.9], [4.0 + 1e-9, -2.9]])
    inside, outside = sampler.log_prob(edge)
    assert float(inside) == pytest.approx(float(outside), abs=1e-6)
    distances = 4.0 + 10.0 ** torch.arange(-1, 40, 2)
    far = sampler.log_prob(torch.stack([distances, 0 * distances], dim=1))
    assert bool(far.isfinite().all())
    assert bool((far.diff()[:2] < 0).all())
    single = GaussianMixtureSampler().bind(LOW, HIGH, banana(dtype=np.float32), random_state=0)
    assert bool(single.log_prob([[3e38, -3e38]]).isfinite().all())


# ----------------------------------------------------------------------------- draws


def test_draws_have_the_density_moments():
    sampler = GaussianMixtureSampler(6, uniform_share=0.2).bind(LOW, HIGH, banana(), random_state=3)
    points, area = grid(LOW, HIGH, 200)
    q = sampler.log_prob(points).exp().numpy() * area
    mean = q @ points
    covariance = (points - mean).T @ ((points - mean) * q[:, None])
    rows = torch.cat([sampler.sample(1000) for _ in range(40)]).numpy()
    np.testing.assert_allclose(rows.mean(axis=0), mean, atol=0.03)
    np.testing.assert_allclose(np.cov(rows.T), covariance, atol=0.05)


def test_redrawing_gives_the_truncated_density_where_little_mass_is_inside():
    """Mass .18: 96 % of the rows come from p after 16 tries, the rest is uniform."""
    box = ([0.5], [3.0])
    X = np.random.default_rng(0).normal(size=(4000, 1)) - 0.4
    sampler = GaussianMixtureSampler(1, widen=1.0, uniform_share=0.0).bind(*box, X, 0)
    assert sampler.mass_ == pytest.approx(1 - stats.norm.cdf(0.9), abs=0.02)
    rows = sampler.sample(30_000).numpy()[:, 0]
    points, step = grid(*box, 400)
    cumulated = np.cumsum(sampler.log_prob(points).exp().numpy()) * step
    np.testing.assert_allclose(
        (rows[:, None] <= points[::40, 0] + step / 2).mean(axis=0), cumulated[::40], atol=0.02
    )


def test_a_box_far_from_the_rows_is_filled_uniformly():
    sampler = GaussianMixtureSampler().bind([50, 50], [52, 51], banana(), random_state=0)
    assert sampler.diagnostics()["mass_inside"] < 1e-4
    rows = sampler.sample(4000).numpy()
    assert stats.kstest(rows[:, 0], stats.uniform(50, 2).cdf).pvalue > 1e-3
    inside = sampler.log_prob(rows)
    np.testing.assert_allclose(inside, -math.log(2), atol=1e-3)


def test_all_rows_lie_in_the_box_and_none_comes_twice():
    sampler = GaussianMixtureSampler().bind([-1, -1], [1, 1], banana(), random_state=0)
    rows = torch.cat([sampler.sample(n) for n in (1, 127, 9000, 20_000)])
    assert rows.shape == (29_128, 2)
    assert float(rows.abs().max()) <= 1.0
    assert len(torch.unique(rows, dim=0)) == len(rows)


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_the_uniform_share_fills_what_the_mixture_leaves(share):
    X = np.random.default_rng(0).normal(size=(500, 3)) * 0.1
    sampler = GaussianMixtureSampler(uniform_share=share).bind([-3] * 3, [3] * 3, X, 0)
    far = (sampler.sample(8000).abs() > 1).any(dim=1).double().mean()
    assert float(far) == pytest.approx(share * (1 - 1 / 27), abs=0.03)


# -------------------------------------------------------------------- seeds and state


def test_seeds_are_local_and_runs_repeat():
    state = torch.get_rng_state()
    one, two, other = (
        GaussianMixtureSampler().bind(LOW, HIGH, banana(), random_state=s) for s in (0, 0, 1)
    )
    assert torch.equal(one.sample(9000), two.sample(9000))
    assert not torch.equal(one.sample(5), other.sample(5))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("copied", [lambda s: pickle.loads(pickle.dumps(s)), copy.deepcopy])
def test_a_copy_goes_on_with_the_same_stream(copied):
    sampler = GaussianMixtureSampler().bind(LOW, HIGH, banana(), random_state=0)
    sampler.sample(8000)
    twin = copied(sampler)
    assert torch.equal(sampler.sample(1000), twin.sample(1000))
    assert torch.equal(sampler.log_prob([[0.0, 0.0]]), twin.log_prob([[0.0, 0.0]]))


# ---------------------------------------------------------------------- odd rows


@pytest.mark.parametrize("n, k", [(2, 1), (19, 1), (20, 2), (99, 9), (500, 10)])
def test_one_component_for_ten_rows(n, k):
    sampler = GaussianMixtureSampler().bind(LOW, HIGH, banana()[:n], random_state=0)
    assert len(sampler.means_) == k
    assert bool(sampler.log_prob(sampler.sample(50)).isfinite().all())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_and_repeated_columns(dtype):
    x = np.random.default_rng(0).normal(size=(200, 1))
    X = np.concatenate([x, np.full_like(x, 7.0), x, np.round(x)], axis=1).astype(dtype)
    low, high = X.min(axis=0) - 0.5, X.max(axis=0) + 0.5
    sampler = GaussianMixtureSampler().bind(low, high, X, random_state=0)
    rows = sampler.sample(500)
    assert rows.dtype == torch.as_tensor(X).dtype
    assert bool(((rows >= sampler.low_) & (rows <= sampler.high_)).all())
    assert bool(sampler.log_prob(X).isfinite().all())
    assert sampler.mass_ > 0.9


def test_many_equal_rows_fit_without_a_warning():
    sampler = GaussianMixtureSampler().bind(LOW, HIGH, np.zeros((200, 2)), random_state=0)
    assert sampler.sample(10).shape == (10, 2)


def test_one_feature_and_a_scale_far_from_one():
    X = 1e-4 * np.random.default_rng(0).normal(size=(1000, 1)) + 5
    sampler = GaussianMixtureSampler(1, uniform_share=0.0, widen=1.0)
    sampler.bind([4.999], [5.001], X, random_state=0)
    assert float(sampler.sample(5000).std()) == pytest.approx(1e-4, rel=0.05)


def test_wider_reaches_further():
    stds = [
        float(GaussianMixtureSampler(1, widen=w).bind([-9] * 2, [9] * 2, banana(), 0).chol_.norm())
        for w in (1.0, 4.0)
    ]
    assert stds[1] == pytest.approx(2 * stds[0], rel=1e-6)


def test_of_very_many_rows_a_part_is_fitted():
    X = np.random.default_rng(0).normal(size=(40_000, 1))
    sampler = GaussianMixtureSampler(1, widen=1.0, reg_covar=1e-6).bind([-6], [6], X, 0)
    assert float(sampler.chol_) == pytest.approx(1.0, abs=0.02)


# ---------------------------------------------------------------------------- faults


def test_a_density_needs_two_rows():
    with pytest.raises(ValueError, match="needs at least 2 normal rows; got 1"):
        GaussianMixtureSampler().bind(LOW, HIGH, banana()[:1])


@pytest.mark.parametrize(
    "params",
    [
        {"n_components": 0},
        {"reg_covar": 0.0},
        {"widen": -1.0},
        {"uniform_share": 1.1},
        {"max_iter": 0},
    ],
)
def test_parameters_out_of_range(params):
    with pytest.raises(InvalidParameterError, match=next(iter(params))):
        GaussianMixtureSampler(**params).bind(LOW, HIGH, banana())
