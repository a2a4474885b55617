"""HMC on targets known by hand, and the two things that make it right: reversal and reflection."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from skhep_anomaly.ope.samplers import HMCSampler
from skhep_anomaly.ope.samplers._chains import fold
from skhep_anomaly.ope.samplers.hmc import leapfrog

NORMAL = np.random.default_rng(0).normal(size=(2_000, 2)) * [1.0, 0.5]


def gaussian(*stds, centre=0.0):
    precision = torch.tensor(stds, dtype=torch.float64) ** -2

    def value_and_grad(x):
        gap = x - centre
        return -(precision * gap**2).sum(dim=-1) / 2, -precision * gap

    return value_and_grad


def flat(x):
    return torch.zeros_like(x[..., 0]), torch.zeros_like(x)


def bound(low=-4.0, high=4.0, rows=NORMAL, n_members=1, seed=0, **params):
    d = rows.shape[1]
    sampler = HMCSampler(**params)
    return sampler.bind([low] * d, [high] * d, rows, random_state=seed, n_members=n_members)


def run(sampler, value_and_grad, n_calls, n=512):
    for _ in range(n_calls):
        x = sampler.sample(n, value_and_grad)
    return x


# ------------------------------------------------------------------------ oracles


def test_constant_g_gives_uniform_rows():
    sampler = bound(low=-1.0, high=3.0, n_chains=2_000, reset_share=0.0)
    sampler.places_.mul_(0.2)  # far from uniform at the start
    run(sampler, flat, 150, n=2_000)
    for column in sampler.chains_.T.numpy():
        assert stats.kstest((column + 1) / 4, "uniform").pvalue > 1e-3
    assert sampler.diagnostics()["acceptance"] == pytest.approx(1.0)


def test_gaussian_g_gives_its_standard_deviations():
    sampler = bound(n_chains=6_000, reset_share=0.0)
    x = run(sampler, gaussian(1.0, 0.5), 120, n=6_000).numpy()
    np.testing.assert_allclose(x.std(axis=0), [1.0, 0.5], atol=0.05)
    np.testing.assert_allclose(x.mean(axis=0), 0.0, atol=0.05)
    assert stats.kstest(x[:, 0], stats.truncnorm(-4, 4).cdf).pvalue > 1e-3


def test_new_chains_show_as_the_notes_say():
    sampler = bound(n_chains=4_000)
    run(sampler, gaussian(1.0, 0.5), 160, n=4_000)
    spread = [sampler.sample(4_000, gaussian(1.0, 0.5)).var(dim=0) for _ in range(20)]
    np.testing.assert_allclose(torch.stack(spread).mean(dim=0).sqrt(), [1.04, 0.57], atol=0.02)


def test_a_wall_cuts_the_distribution_and_bends_nothing():
    """exp(2x) on [-1, 1]: density known by hand, highest at the wall."""

    def slope(x):
        return 2 * x[..., 0], torch.full_like(x, 2.0)

    rows = np.linspace(-1, 1, 50)[:, None]
    sampler = bound(low=-1.0, high=1.0, rows=rows, n_chains=4_000, reset_share=0.0)
    x = run(sampler, slope, 80, n=4_000).numpy()[:, 0]

    def cdf(t):
        return (np.exp(2 * t) - np.exp(-2)) / (np.exp(2) - np.exp(-2))

    assert stats.kstest(x, cdf).pvalue > 1e-3
    assert sampler.diagnostics()["boundary_fraction"] == pytest.approx(1 - cdf(0.98), abs=0.02)


def test_each_member_has_its_own_target():
    # member 0: standard deviations 1 and .3 around 0; member 1: .3 and 1 around 1
    std = torch.tensor([[[1.0, 0.3]], [[0.3, 1.0]]], dtype=torch.float64)
    centre = torch.tensor([[[0.0]], [[1.0]]], dtype=torch.float64)

    def value_and_grad(x):
        assert x.shape == (2, 3_000, 2)
        gap = (x - centre) / std
        return -(gap**2).sum(dim=-1) / 2, -gap / std

    sampler = bound(low=-6.0, high=6.0, n_members=2, n_chains=3_000, reset_share=0.0)
    x = run(sampler, value_and_grad, 120, n=3_000).numpy()
    np.testing.assert_allclose(x.std(axis=1), std[:, 0], atol=0.06)
    np.testing.assert_allclose(x.mean(axis=1), [[0, 0], [1, 1]], atol=0.08)
    assert sampler.log_step_.shape == (2, 1, 1)


def test_step_adapts_to_the_acceptance_asked_for():
    for target in (0.5, 0.7, 0.9):
        sampler = bound(target_acceptance=target)
        run(sampler, gaussian(0.2, 0.1), 150, n=256)
        assert sampler.diagnostics()["acceptance"] == pytest.approx(target, abs=0.1)
    fine = bound()
    run(fine, gaussian(0.02, 0.01), 150, n=256)
    assert fine.diagnostics()["acceptance"] == pytest.approx(0.7, abs=0.1)
    assert fine.diagnostics()["step_size"] < sampler.diagnostics()["step_size"]


def test_step_size_is_bounded():
    sampler = bound()
    run(sampler, flat, 200, n=8)
    assert sampler.diagnostics()["step_size"] == pytest.approx(1.0)
    for _ in range(400):
        sampler._adapt(torch.zeros(8, dtype=torch.float64))
    assert sampler.diagnostics()["step_size"] == pytest.approx(1e-5)


def test_no_length_of_trajectory_stays_in_step_with_the_target():
    """With a fixed length of π a trajectory mirrors its start for ever; the varied one forgets."""
    sampler = bound(rows=NORMAL / NORMAL.std(axis=0), n_chains=2_000, reset_share=0.0)
    sampler.places_.fill_(0.5 + 1.5 / 8)
    for _ in range(30):
        sampler.log_step_.fill_(np.log(np.pi / 4))
        x = sampler.sample(2_000, gaussian(1.0, 1.0))
    np.testing.assert_allclose(x.std(dim=0), 1.0, atol=0.1)


# ------------------------------------------------------------- walls and reversal


@pytest.mark.parametrize(
    "place, folded", [(0.3, 0.3), (1.25, 0.75), (-0.25, 0.25), (2.5, 0.5), (-7.75, 0.25), (3, 1)]
)
def test_fold_by_hand(place, folded):
    u = fold(torch.tensor([place], dtype=torch.float64))
    assert float(u.abs()) == pytest.approx(folded)


@pytest.mark.parametrize("speed", [0.3, 3.0])
def test_leapfrog_is_reversible_through_reflections(speed):
    g = torch.Generator().manual_seed(0)
    u = torch.rand(200, 3, generator=g, dtype=torch.float64)
    momentum = torch.randn(200, 3, generator=g, dtype=torch.float64)
    kick = torch.full((3,), 0.1, dtype=torch.float64)

    def travel(u, momentum):
        def locate(place):
            return 4 * place - 2

        target = gaussian(1.0, 0.5, 0.7)
        return leapfrog(u, momentum.clone(), 6, kick, kick * speed, locate, target)

    end, p_end, g_start, g_end = travel(u, momentum)
    n_reflected = int((end < 0).sum())
    back, p_back, g_there, g_home = travel(end.abs(), -p_end * torch.sign(end))
    np.testing.assert_allclose(back.abs(), u, atol=1e-5)
    np.testing.assert_allclose(-p_back * torch.sign(back), momentum, atol=1e-5)
    np.testing.assert_allclose(g_home, g_start, atol=1e-5)
    np.testing.assert_allclose(g_there, g_end, atol=1e-12)
    assert n_reflected > 20


def test_leapfrog_keeps_the_energy_to_second_order():
    u = torch.full((1, 2), 0.6, dtype=torch.float64)
    errors = []
    for n_steps in (10, 20):
        kick = torch.full((2,), 1.0 / n_steps, dtype=torch.float64)
        p = torch.tensor([[0.5, -0.2]], dtype=torch.float64)
        before = float((p**2).sum() / 2)
        _, p, g, g_end = leapfrog(
            u, p, n_steps, kick, kick / 8, lambda u: 8 * u - 4, gaussian(1.0, 0.5)
        )
        errors.append(float(abs((p**2).sum() / 2 - g_end - before + g)))
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.3)


@settings(max_examples=40, deadline=None)
@given(
    width=st.floats(1e-6, 1e6),
    steepness=st.floats(-1e12, 1e12),
    spread=st.floats(0, 1e4),
    step_size=st.floats(1e-4, 1.0),
)
def test_rows_stay_in_the_box(width, steepness, spread, step_size):
    low = np.array([-width, 10.0], dtype=np.float32)
    high = np.array([width, 10.0 + 1e-3], dtype=np.float32)
    rows = (np.random.default_rng(0).normal(size=(20, 2)) * spread).astype(np.float32)

    def steep(x):
        return steepness * x[..., 0], steepness * torch.ones_like(x)

    sampler = HMCSampler(step_size=step_size, n_chains=32).bind(low, high, rows, 0)
    for _ in range(4):
        x = sampler.sample(32, steep).numpy()
        assert ((x >= low) & (x <= high)).all()


# --------------------------------------------------------------------- non-finite


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["g", "gradient"])
def test_moves_that_meet_non_finite_numbers_are_rejected(bad, where):
    sampler = bound(n_chains=500, reset_share=0.0, step_size=1.0)
    sampler.places_.mul_(0.4)  # left of 0; right of it lies what is not finite
    target = gaussian(1.0, 0.5)

    def broken(x):
        g, gradient = target(x)
        beyond = x[..., 0] > 0
        if where == "g":
            return torch.where(beyond, bad, g), gradient
        return g, torch.where(beyond[..., None], bad, gradient)

    x = run(sampler, broken, 20, n=500)
    assert bool(sampler.places_.isfinite().all())
    assert float(x[:, 0].max()) <= 0
    assert float(x[:, 0].std()) > 0.3  # the rest goes on moving
    assert np.isfinite(list(sampler.diagnostics().values())).all()


# --------------------------------------------------------------- cost and the pool


def test_costs_one_gradient_more_than_steps():
    calls = []

    def counting(x):
        calls.append(tuple(x.shape))
        return flat(x)

    bound(n_steps=7).sample(16, counting)
    assert calls == [(16, 2)] * 8


def test_only_the_chains_chosen_move_and_are_given():
    sampler = bound(n_chains=100, reset_share=0.0)
    before = sampler.places_.clone()
    x = sampler.sample(30, flat)
    moved = (sampler.places_ != before).any(dim=1)
    assert int(moved.sum()) == 30
    assert {tuple(row) for row in x.tolist()} == {
        tuple(row) for row in sampler.chains_[moved].tolist()
    }
    for _ in range(40):
        sampler.sample(30, flat)
    assert bool((sampler.places_ != before).any(dim=1).all())


@pytest.mark.parametrize("n_members, lead", [(1, ()), (3, (3,))])
def test_the_pool_grows_where_more_rows_are_wanted(n_members, lead):
    sampler = bound(n_chains=10, n_members=n_members)
    assert sampler.sample(25, flat).shape == (*lead, 25, 2)
    assert sampler.places_.shape == (*lead, 25, 2)
    assert sampler.sample(5, flat).shape == (*lead, 5, 2)


def test_share_of_chains_that_start_anew():
    """Chains held fast by an infinite -g at their places: only new ones appear."""
    sampler = bound(n_chains=1_000, reset_share=0.025)

    def frozen(x):
        return torch.full_like(x[..., 0], torch.nan), torch.zeros_like(x)

    before = sampler.places_.clone()
    for _ in range(100):
        sampler.sample(10, frozen)  # a quarter of a chain each time
    assert 20 <= int((sampler.places_ != before).any(dim=1).sum()) <= 25
    assert bound(reset_share=0.0).sample(10, frozen).isfinite().all()


def test_members_start_anew_each_for_itself():
    sampler = bound(n_chains=10, n_members=3, reset_share=0.4)
    before = sampler.places_.clone()

    def frozen(x):
        return torch.full_like(x[..., 0], torch.nan), torch.zeros_like(x)

    sampler.sample(10, frozen)
    new = (sampler.places_ != before).any(dim=-1)
    assert new.sum(dim=1).tolist() == [4, 4, 4]
    assert len(sampler.places_[new].unique(dim=0)) == 12


def test_steps_are_in_units_of_the_features():
    rows = np.column_stack([NORMAL[:, 0], np.zeros(2_000), 1e3 * NORMAL[:, 1]])
    sampler = HMCSampler().bind([-4, -9, -10], [4, 9, 10], rows)
    np.testing.assert_allclose(sampler.scale_, [NORMAL[:, 0].std(), 1.0, 5.0])


def test_rescaled_features_give_rescaled_chains():
    factor = np.array([10.0, 0.01])
    x = run(bound(seed=3), gaussian(1.0, 0.5), 10)
    big = HMCSampler().bind(-4 * factor, 4 * factor, NORMAL * factor, random_state=3)
    y = run(big, gaussian(*(np.array([1.0, 0.5]) * factor)), 10)
    np.testing.assert_allclose(y / torch.from_numpy(factor), x, rtol=1e-6, atol=1e-8)


def test_diagnostics():
    sampler = bound(n_chains=2_000)
    first = sampler.diagnostics()
    assert np.isnan([first["acceptance"], first["g_chains"]]).all()
    assert first["boundary_fraction"] == pytest.approx(1 - 0.98**2, abs=0.02)
    assert first["step_size"] == pytest.approx(0.1)
    run(sampler, gaussian(1.0, 0.5), 100)
    last = sampler.diagnostics()
    assert last["g_chains"] == pytest.approx(-1.0, abs=0.2)  # E[-χ²/2] of two features
    assert last["boundary_fraction"] < 0.02
    assert all(type(value) is float for value in last.values())
