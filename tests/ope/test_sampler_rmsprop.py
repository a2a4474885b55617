"""Preconditioned Langevin chains on targets known by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from skhep_anomaly.ope.samplers import RMSPropSampler

NORMAL = np.random.default_rng(0).normal(size=(2_000, 2)) * [1.0, 0.5]


def gaussian(x):
    """g = -x₁²/2 - 2 x₂²."""
    slope = -x * x.new_tensor([1.0, 4.0])
    return (x * slope).sum(dim=-1) / 2, slope


def flat(x):
    return torch.zeros_like(x[..., 0]), torch.zeros_like(x)


def bound(low=-4.0, high=4.0, rows=NORMAL, n_members=1, **params):
    d = rows.shape[1]
    sampler = RMSPropSampler(**params)
    return sampler.bind([low] * d, [high] * d, rows, random_state=0, n_members=n_members)


def run(sampler, value_and_grad, n_calls, n=512):
    for _ in range(n_calls):
        x = sampler.sample(n, value_and_grad)
    return x


def test_constant_g_gives_uniform_rows():
    sampler = bound(low=-1.0, high=3.0, n_chains=2_000, reset_share=0.0)
    sampler.places_.mul_(0.2)
    run(sampler, flat, 100, n=2_000)
    for column in sampler.chains_.T.numpy():
        assert stats.kstest((column + 1) / 4, "uniform").pvalue > 1e-3


def test_gaussian_g_gives_its_standard_deviations():
    sampler = bound(n_chains=4_000, reset_share=0.0)
    x = run(sampler, gaussian, 150, n=4_000).numpy()
    np.testing.assert_allclose(x.std(axis=0), [1.0, 0.5], atol=0.1)
    np.testing.assert_allclose(x.mean(axis=0), 0.0, atol=0.1)


def test_new_chains_show_as_the_notes_say():
    sampler = bound(n_chains=4_000)
    run(sampler, gaussian, 150, n=4_000)
    np.testing.assert_allclose(sampler.chains_.std(dim=0), [1.25, 1.20], atol=0.06)


def test_each_member_has_its_own_target_and_preconditioner():
    precision = torch.tensor([[[1.0, 4.0]], [[4.0, 1.0]]], dtype=torch.float64)

    def value_and_grad(x):
        assert x.shape == (2, 2_000, 2)
        return -(precision * x**2).sum(dim=-1) / 2, -precision * x

    sampler = bound(n_members=2, n_chains=2_000, reset_share=0.0)
    x = run(sampler, value_and_grad, 150, n=2_000).numpy()
    np.testing.assert_allclose(x.std(axis=1), [[1.0, 0.5], [0.5, 1.0]], atol=0.1)
    mean_square = sampler.mean_square_ / sampler.scale_**2
    np.testing.assert_allclose(mean_square[:, 0], [[1.0, 4.0], [4.0, 1.0]], rtol=0.25)


def test_mean_square_by_hand():
    """Gradients 1, 3 with ρ = ½: v = 1, then (1·½ + 9)/(½ + 1)."""
    rows = np.array([[-1.0], [1.0]])  # standard deviation 1
    sampler = RMSPropSampler(n_steps=1, decay=0.5, reset_share=0.0).bind([-9], [9], rows)
    for slope, want in [(1.0, 1.0), (3.0, 9.5 / 1.5)]:
        sampler.sample(10, lambda x, slope=slope: (x[..., 0], torch.full_like(x, slope)))
        assert float(sampler.mean_square_) == pytest.approx(want)
    want = 0.02 / (0.1 + np.sqrt(9.5 / 1.5))
    assert sampler.diagnostics()["step_size"] == pytest.approx(want)


def test_one_step_by_hand():
    """Drift t P ∇g and noise of variance 2 t P: chains that all start in the middle."""
    rows = np.array([[-1.0], [1.0]])
    sampler = RMSPropSampler(n_steps=1, step_size=0.5, n_chains=20_000, reset_share=0.0)
    sampler.bind([-50], [50], rows, random_state=1)
    sampler.places_.fill_(0.5)
    x = sampler.sample(20_000, lambda x: (x[..., 0], torch.full_like(x, 3.0)))
    step = 0.5 / (0.1 + 3.0)
    assert float(x.mean()) == pytest.approx(3 * step, abs=0.02)
    assert float(x.std()) == pytest.approx(np.sqrt(2 * step), rel=0.03)


def test_costs_one_gradient_a_step():
    calls = []

    def counting(x):
        calls.append(tuple(x.shape))
        return flat(x)

    bound(n_steps=5).sample(16, counting)
    assert calls == [(16, 2)] * 5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["g", "gradient"])
def test_chains_at_non_finite_numbers_stay_and_spoil_nothing(bad, where):
    sampler = bound(n_chains=400, reset_share=0.0)

    def broken(x):
        g, gradient = gaussian(x)
        beyond = x[..., 0] > 2
        if where == "g":
            return torch.where(beyond, bad, g), gradient
        return g, torch.where(beyond[..., None], bad, gradient)

    before = sampler.chains_.clone()
    run(sampler, broken, 5, n=400)
    caught = before[:, 0] > 2
    assert 50 < int(caught.sum()) < 150
    np.testing.assert_allclose(sampler.chains_[caught], before[caught], atol=1e-12)
    assert bool((sampler.chains_[~caught] != before[~caught]).all())
    assert bool(sampler.mean_square_.isfinite().all())


def test_huge_gradients_do_not_stop_the_chains_for_ever():
    rows = NORMAL.astype(np.float32)
    sampler = bound(rows=rows, n_chains=64, reset_share=0.0)
    sampler.sample(64, lambda x: (x[..., 0], torch.full_like(x, 1e30)))
    assert bool(sampler.places_.isfinite().all() & sampler.mean_square_.isfinite().all())
    run(sampler, flat, 200, n=64)
    before = sampler.chains_.clone()
    run(sampler, flat, 20, n=64)
    assert float((sampler.chains_ - before).abs().mean()) > 0.1


@settings(max_examples=40, deadline=None)
@given(
    width=st.floats(1e-6, 1e6),
    steepness=st.floats(-1e30, 1e30),
    spread=st.floats(0, 1e4),
    step_size=st.floats(1e-4, 1e4),
)
def test_rows_stay_in_the_box(width, steepness, spread, step_size):
    low = np.array([-width, 10.0], dtype=np.float32)
    high = np.array([width, 10.0 + 1e-3], dtype=np.float32)
    rows = (np.random.default_rng(0).normal(size=(20, 2)) * spread).astype(np.float32)

    def steep(x):
        return steepness * x[..., 0], steepness * torch.ones_like(x)

    sampler = RMSPropSampler(step_size=step_size, n_chains=32).bind(low, high, rows, 0)
    for _ in range(4):
        x = sampler.sample(32, steep).numpy()
        assert ((x >= low) & (x <= high)).all()


def test_diagnostics():
    sampler = bound()
    assert np.isnan(sampler.diagnostics()["g_chains"])
    run(sampler, gaussian, 60)
    last = sampler.diagnostics()
    assert set(last) == {"step_size", "boundary_fraction", "g_chains"}
    assert -6 < last["g_chains"] < -1
    assert all(type(value) is float for value in last.values())
