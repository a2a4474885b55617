"""Densities that integrate to one, moments of known normals, temperature by hand."""

import math
import pickle

import numpy as np
import pytest
import torch

from skhep_anomaly._validation import InvalidParameterError
from skhep_anomaly.ope.samplers.flow import FlowSampler

FAST = {"n_transforms": 2, "hidden_layer_sizes": (16,), "max_epochs": 20}
BOX = [-5.0, -5.0], [5.0, 5.0]


def banana(n=500, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    rows = np.stack([x, 0.5 * x**2 - 0.5 + 0.3 * rng.normal(size=n)], axis=1)
    return rows[(abs(rows) < 4.5).all(axis=1)].astype(dtype)


def plane(half, n=300):
    axis = -half + 2 * half * (np.arange(n) + 0.5) / n
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    return points, (2 * half / n) ** 2


@pytest.fixture(scope="module")
def fitted():
    """One sampler for each kind of flow, on a banana in a box with room."""
    return {
        kind: FlowSampler(kind, **FAST).bind(*BOX, banana(), random_state=0)
        for kind in ("realnvp", "maf")
    }


def with_temperature(sampler, temperature, box=BOX):
    """The same flow at another temperature and in another box."""
    other = FlowSampler(sampler.flow, **FAST, temperature=temperature)
    other._fit = lambda rows, seed: setattr(other, "flow_", sampler.flow_)
    return other.bind(*box, banana(), random_state=1)


# --------------------------------------------------------------------------- density


@pytest.mark.parametrize("kind", ["realnvp", "maf"])
@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.5])
def test_o13_the_density_integrates_to_one(fitted, kind, temperature):
    wide = with_temperature(fitted[kind], temperature, ([-20, -20], [20, 20]))
    points, area = plane(20, 500)
    assert wide.mass_ > 0.98
    assert float(wide.log_prob(points).exp().sum()) * area == pytest.approx(1.0, abs=0.02)


def test_a_spline_flow_integrates_to_one():
    sampler = FlowSampler("nsf", 1, hidden_layer_sizes=(8,), max_epochs=4)
    sampler.bind(*BOX, banana(300), random_state=0)
    points, area = plane(5, 200)
    assert float(sampler.log_prob(points).exp().sum()) * area == pytest.approx(1.0, abs=0.02)


def test_on_a_small_box_it_integrates_to_one_too(fitted):
    small = with_temperature(fitted["realnvp"], 1.0, ([-1, -1], [1, 1]))
    points, area = plane(1)
    assert small.mass_ < 0.8
    assert float(small.log_prob(points).exp().sum()) * area == pytest.approx(1.0, abs=0.02)


def test_temperature_stretches_the_base_by_hand(fitted):
    sampler = fitted["maf"]
    hot = with_temperature(sampler, 2.0)
    x = torch.as_tensor(banana(50, seed=5))
    module = sampler.flow_.net_.module_
    u, _ = module.flow.to_base(module.standardizer(x), sampler._context(x))
    change = 0.5 * (1 - 1 / 4) * u.square().sum(dim=1) - 2 * math.log(2.0)
    expected = sampler._log_free(x) + change
    np.testing.assert_allclose(hot._log_free(x).detach(), expected.detach(), atol=1e-4)


def test_the_flow_learns_a_normal_and_its_smoothing():
    """N(0, 1) smoothed by .5 has variance 1.25; at temperature 2 draws have four times that."""
    X = np.random.default_rng(0).normal(size=(3000, 2)).astype(np.float32)
    params = {**FAST, "max_epochs": 40, "smoothing": 0.5}
    for temperature in (1.0, 2.0):
        sampler = FlowSampler("maf", **params, temperature=temperature)
        rows = sampler.bind([-15, -15], [15, 15], X, random_state=0).sample(16_000)
        np.testing.assert_allclose(rows.var(dim=0), 1.25 * temperature**2, rtol=0.12)
    points = np.zeros((1, 2))
    peak = -math.log(2 * math.pi * 1.25 * 4)
    assert float(sampler.log_prob(points)) == pytest.approx(peak, abs=0.15)


def test_outside_the_box_the_density_is_finite(fitted):
    for sampler in fitted.values():
        far = sampler.log_prob([[6.0, 0.0], [1e4, -1e4], [3e38, 3e38]])
        assert bool(far.isfinite().all())


# ----------------------------------------------------------------------------- draws


@pytest.mark.parametrize("kind", ["realnvp", "maf"])
def test_draws_have_the_density(fitted, kind):
    sampler = fitted[kind]
    points, area = plane(5, 200)
    q = sampler.log_prob(points).exp().double().numpy() * area
    mean = q @ points / q.sum()
    covariance = (points - mean).T @ ((points - mean) * q[:, None]) / q.sum()
    rows = sampler.sample(16_000).numpy()
    np.testing.assert_allclose(rows.mean(axis=0), mean, atol=0.05)
    np.testing.assert_allclose(np.cov(rows.T), covariance, atol=0.12)


def test_hot_draws_are_uniform_where_the_flow_leaves_the_box(fitted):
    hot = with_temperature(fitted["realnvp"], 50.0)
    assert hot.mass_ < 0.05
    rows = hot.sample(4000)
    assert float(rows.abs().max()) <= 5.0
    assert float(rows.var(dim=0).mean()) == pytest.approx(100 / 12, rel=0.3)
    points, area = plane(5, 200)
    assert float(hot.log_prob(points).exp().sum()) * area == pytest.approx(1.0, abs=0.05)


def test_uniform_share_reaches_the_corners():
    sampler = FlowSampler(**{**FAST, "max_epochs": 2}, uniform_share=0.5)
    sampler.bind([-50, -50], [50, 50], banana(), random_state=0)
    far = (sampler.sample(4000).abs() > 25).any(dim=1).double().mean()
    assert float(far) == pytest.approx(0.5 * 0.75, abs=0.03)
    assert float(sampler.log_prob([[45.0, -45.0]])) == pytest.approx(math.log(0.5 / 1e4), abs=1e-2)


def test_the_pool_is_handed_out_whole_and_then_in_another_order(fitted):
    sampler = pickle.loads(pickle.dumps(fitted["maf"]))
    sampler._next = 0
    first, again = sampler.sample(2**14), sampler.sample(2**14)
    assert not torch.equal(first, again)
    assert torch.equal(torch.sort(first[:, 0]).values, torch.sort(again[:, 0]).values)
    assert len(sampler.sample(40_000)) == 40_000


# -------------------------------------------------------------------- seeds and state


def test_seeds_are_local_and_runs_repeat():
    state = torch.get_rng_state()
    params = {**FAST, "max_epochs": 2}
    one, two, other = (
        FlowSampler(**params).bind(*BOX, banana(), random_state=s) for s in (0, 0, 1)
    )
    assert torch.equal(one.sample(500), two.sample(500))
    assert not torch.equal(one.sample(500), other.sample(500))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_pickle_goes_on_with_the_same_stream(fitted):
    for sampler in fitted.values():
        twin = pickle.loads(pickle.dumps(sampler))
        n = len(sampler._block) + 10
        assert torch.equal(sampler.sample(n), twin.sample(n))
        x = banana(20, seed=9)
        assert torch.equal(sampler.log_prob(x), twin.log_prob(x))


# -------------------------------------------------------------------------- odd rows


@pytest.mark.parametrize("kind", ["realnvp", "maf", "nsf"])
@pytest.mark.parametrize("n, d", [(2, 1), (2, 3), (60, 1)])
def test_few_rows_and_one_feature(kind, n, d):
    X = np.random.default_rng(0).normal(size=(n, d))
    sampler = FlowSampler(kind, 1, hidden_layer_sizes=(4,), max_epochs=1)
    sampler.bind([-4.0] * d, [4.0] * d, X, random_state=0)
    rows = sampler.sample(40)
    assert rows.shape == (40, d)
    assert rows.dtype == torch.float64
    assert bool((rows.abs() <= 4).all() & sampler.log_prob(rows).isfinite().all())


def test_a_constant_column():
    X = banana()
    X = np.concatenate([X, np.full((len(X), 1), 3.0, dtype=np.float32)], axis=1)
    sampler = FlowSampler(**FAST).bind([-5, -5, 2.5], [5, 5, 3.5], X, random_state=0)
    rows = sampler.sample(3000)
    assert bool(((rows >= sampler.low_) & (rows <= sampler.high_)).all())
    assert float(rows[:, 2].std()) < 0.28  # narrower than uniform
    assert sampler.diagnostics()["mass_inside"] == sampler.mass_ > 0.5


# ---------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    "params",
    [
        {"flow": "glow"},
        {"n_transforms": 0},
        {"hidden_layer_sizes": (0,)},
        {"temperature": 0.0},
        {"smoothing": 0.01},
        {"uniform_share": -0.1},
        {"max_epochs": 0},
        {"learning_rate": 0.0},
        {"batch_size": 0},
    ],
)
def test_parameters_out_of_range(params):
    with pytest.raises(InvalidParameterError, match=next(iter(params))):
        FlowSampler(**params).bind(*BOX, banana())
