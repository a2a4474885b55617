"""Losses of (1+ε)-class classification against optima known by hand, on few states and on grids."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from skhep_anomaly.nn import LogitNet, Standardizer
from skhep_anomaly.ope.losses import (
    ENERGY_LOSSES,
    cross_entropy,
    energy_loss_value,
    energy_weight,
    log_mean_exp,
)

# densities of normal rows, known anomalies and pseudo-anomalies on 3, 4 and 5 states
STATES = [
    ([0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [1 / 3, 1 / 3, 1 / 3]),
    ([0.4, 0.3, 0.2, 0.1], [0.05, 0.15, 0.3, 0.5], [0.25, 0.25, 0.25, 0.25]),
    ([0.05, 0.5, 0.25, 0.15, 0.05], [0.6, 0.1, 0.1, 0.1, 0.1], [0.1, 0.2, 0.4, 0.2, 0.1]),
]
states = pytest.mark.parametrize("p, a, u", STATES, ids=["3 states", "4 states", "5 states"])
rates = pytest.mark.parametrize("eps", [0.0, 0.3, 0.9])


def normal_loss(g):
    return cross_entropy(g, torch.full_like(g, -1.0))


def anomaly_loss(g):
    return cross_entropy(g, torch.ones_like(g))


def given_terms(g, p, a, gamma):
    return (p * normal_loss(g)[0]).sum() + gamma * (a * anomaly_loss(g)[0]).sum()


def log_z_of(g, u):
    """Log Z = log E_u[e^g] for any weights u of the states."""
    return torch.logsumexp(g + u.log(), dim=-1)


def minimum(loss, n, most_steps=10_000):
    """Minimise over g by L-BFGS, with autograd's gradient."""

    def value_and_slope(g):
        g = torch.tensor(g, requires_grad=True)
        value = loss(g)
        value.backward()
        return value.item(), g.grad.numpy()

    options = {"maxiter": most_steps, "ftol": 1e-16, "gtol": 1e-10}
    found = minimize(value_and_slope, np.zeros(n), jac=True, method="L-BFGS-B", options=options)
    return torch.tensor(found.x)


def tensors(*lists):
    return [torch.tensor(values, dtype=torch.float64) for values in lists]


# -------------------------------------------------------------------- optima (O3)


@states
@pytest.mark.parametrize("eps, gamma", [(0.0, 0.0), (0.3, 0.3), (0.9, 0.9), (1.0, 1.0), (0.5, 2.0)])
def test_brute_force_optimum_is_the_log_of_a_ratio(p, a, u, eps, gamma):
    p, a, u = tensors(p, a, u)
    found = minimum(
        lambda g: given_terms(g, p, a, gamma) + (1 - eps) * (u * anomaly_loss(g)[0]).sum(), len(p)
    )
    torch.testing.assert_close(found, (p / (gamma * a + (1 - eps) * u)).log(), rtol=0, atol=1e-6)


def energy_optimum(p, a, u, eps, gamma, kind, sign=1, **options):
    return minimum(
        lambda g: (
            given_terms(g, p, a, gamma) + sign * (1 - eps) * energy_loss_value(log_z_of(g, u), kind)
        ),
        len(p),
        **options,
    )


@states
@pytest.mark.parametrize("eps", [0.1, 0.3, 0.9])
def test_log_z_optimum_has_mean_f_of_eps_and_no_brute_force_logit(p, a, u, eps):
    """e^g (1 + e^g) = p₊ Z / ((1 − ε) u), and so E₊ f = ε."""
    p, a, u = tensors(p, a, u)
    g = energy_optimum(p, a, u, eps, 0.0, "logz")
    z = (u * g.exp()).sum()
    torch.testing.assert_close(g.exp() * (1 + g.exp()), p * z / ((1 - eps) * u), rtol=1e-6, atol=0)
    assert float((p * g.sigmoid()).sum()) == pytest.approx(eps, abs=1e-6)
    assert float((g - (p / ((1 - eps) * u)).log()).abs().max()) > 0.1


@states
@rates
def test_log_one_plus_z_optimum(p, a, u, eps):
    """e^g (1 + e^g) = p₊ (1 + Z) / ((1 − ε) u), finite for ε = 0 too."""
    p, a, u = tensors(p, a, u)
    g = energy_optimum(p, a, u, eps, 0.0, "log1pz")
    z = (u * g.exp()).sum()
    want = p * (1 + z) / ((1 - eps) * u)
    torch.testing.assert_close(g.exp() * (1 + g.exp()), want, rtol=1e-6, atol=0)
    assert float((p * (-g).sigmoid()).sum()) == pytest.approx(
        float((1 - eps) * z / (1 + z)), abs=1e-6
    )


@states
@rates
@pytest.mark.parametrize("kind", ENERGY_LOSSES)
def test_energy_optimum_with_known_anomalies(p, a, u, eps, kind):
    """State by state: p₊ = γ p₋ e^g + (1 − ε) w u e^g (1 + e^g) / Z, w = 1 or Z / (1 + Z)."""
    p, a, u = tensors(p, a, u)
    gamma = 0.4
    g = energy_optimum(p, a, u, eps, gamma, kind)
    log_z = log_z_of(g, u)
    weight = energy_weight(log_z, kind) / log_z.exp()
    right = gamma * a * g.exp() + (1 - eps) * weight * u * g.exp() * (1 + g.exp())
    torch.testing.assert_close(p, right, rtol=0, atol=1e-6)


@states
def test_order_of_states_is_that_of_the_density_ratio(p, a, u):
    """Where no anomalies are known every loss ranks states by p₊/u."""
    p, a, u = tensors(p, a, u)
    order = (p / u).log()
    for kind in ENERGY_LOSSES:
        g = energy_optimum(p, a, u, 0.2, 0.0, kind)
        higher = order[:, None] > order[None] + 1e-9
        assert (g[:, None] > g[None])[higher].all()


@states
def test_log_z_has_no_finite_optimum_at_eps_zero(p, a, u):
    """A shift of g to −∞ always helps: the slope along it is E₊σ(−g) − 1 < 0."""
    p, a, u = tensors(p, a, u)

    def loss(g, kind):
        return float(given_terms(g, p, a, 0.0) + energy_loss_value(log_z_of(g, u), kind))

    best = (p / u).log()
    shifts = [0.0, 3.0, 6.0, 12.0, 24.0]
    falling = [loss(best - shift, "logz") for shift in shifts]
    assert (np.diff(falling) < 0).all()
    assert falling[-1] == pytest.approx(-float((p * (p / u).log()).sum()), abs=1e-9)
    rising = [loss(best - shift, "log1pz") for shift in shifts]
    assert (np.diff(rising) > 0).all()


@states
def test_the_published_sign_has_no_optimum(p, a, u):
    """−log Z in place of log Z: raising g everywhere lowers the loss without end."""
    p, a, u = tensors(p, a, u)
    for shift in (1.0, 10.0, 100.0):
        g = torch.full_like(p, shift)
        wrong = given_terms(g, p, a, 0.0) - 0.7 * energy_loss_value(log_z_of(g, u), "logz")
        assert float(wrong) < -0.7 * shift + 0.4
    g = energy_optimum(p, a, u, 0.3, 0.0, "logz", sign=-1, most_steps=20)
    assert abs(float((p * g.sigmoid()).sum()) - 0.3) > 0.5


# -------------------------------------------------------------------- gradients (O4)


@pytest.mark.parametrize("function", [normal_loss, anomaly_loss])
def test_slopes_are_those_of_autograd(function):
    g = torch.linspace(-40, 40, 161, dtype=torch.float64, requires_grad=True)
    value, slope = function(g)
    value.sum().backward()
    torch.testing.assert_close(slope.detach(), g.grad, rtol=0, atol=3e-9)  # torch: 1 from 20 on
    assert value.isfinite().all()


def test_terms_are_log_likelihoods():
    g = torch.tensor([-2.0, 0.0, 3.0], dtype=torch.float64)
    f = 1 / (1 + (-g).exp())
    torch.testing.assert_close(normal_loss(g)[0], -f.log())
    torch.testing.assert_close(anomaly_loss(g)[0], -(1 - f).log())


@pytest.mark.parametrize("kind", ENERGY_LOSSES)
def test_factor_of_the_energy_gradient(kind):
    log_z = torch.linspace(-30, 30, 61, dtype=torch.float64, requires_grad=True)
    energy_loss_value(log_z, kind).sum().backward()
    torch.testing.assert_close(energy_weight(log_z.detach(), kind), log_z.grad)


def grid_net():
    """A net on a grid of the box [−4, 4]²."""
    axis = torch.linspace(-4, 4, 81, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    net = LogitNet((7, 5), "tanh", Standardizer([0.0, 0.0], [1.0, 1.0])).double()
    net.reset(torch.Generator().manual_seed(0))
    with torch.no_grad():
        net.net.flat.mul_(2.0)
    return net, grid


@pytest.mark.parametrize("kind", ENERGY_LOSSES)
def test_gradient_of_log_z_is_the_mean_slope_over_its_density(kind):
    """∇ log Z = E_P[∇g], P = e^g / Σ e^g on the grid: against autograd and differences."""
    net, grid = grid_net()
    g, backward = net.record(grid)
    log_z = log_mean_exp(g)
    backward(energy_weight(log_z, kind) * torch.softmax(g, dim=0))
    by_mean = net.net.flat.grad.clone()
    net.net.flat.grad = None
    energy_loss_value(log_mean_exp(net(grid)), kind).backward()
    torch.testing.assert_close(by_mean, net.net.flat.grad, rtol=0, atol=1e-10)
    step = 1e-5
    for k in (0, 9, 30, 60):
        values = []
        for side in (step, -step):
            with torch.no_grad():
                net.net.flat[0, k] += side
                values.append(float(energy_loss_value(log_mean_exp(net(grid)), kind)))
                net.net.flat[0, k] -= side
        difference = (values[0] - values[1]) / (2 * step)
        assert float(by_mean[0, k]) == pytest.approx(difference, abs=1e-5)


# -------------------------------------------------------------------- the identity (O5)


def test_identity_of_the_pseudo_anomaly_term():
    """L⁰ = −E_U log(1 − f) = log Z − KL(U‖P) − E_U log f, with Z = E_U[e^g].

    With the opposite sign, or with Z = ∫ e^g over the box, it does not hold.
    """
    net, grid = grid_net()
    with torch.no_grad():
        g = net(grid)
    density = torch.softmax(g, dim=0) * len(g)  # P/U
    divergence = -density.log().mean()
    left = anomaly_loss(g)[0].mean()
    log_f = -normal_loss(g)[0].mean()
    log_z = log_mean_exp(g)
    assert float(log_z - divergence - log_f) == pytest.approx(float(left), abs=1e-12)
    assert abs(float(-log_z + divergence + log_f - left)) > 0.1
    volume = 64.0
    assert abs(float(log_z + np.log(volume) - divergence - log_f - left)) > 4


@settings(deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20))
def test_log_one_plus_z_bounds_the_pseudo_anomaly_term(values):
    """log(1 + Z) ≥ E_U log(1 + e^g), and above log Z by log(1 + 1/Z) at most."""
    g = torch.tensor(values, dtype=torch.float64)
    log_z = log_mean_exp(g)
    upper = energy_loss_value(log_z, "log1pz")
    assert float(upper) >= float(anomaly_loss(g)[0].mean()) - 1e-8
    gap = float(upper - energy_loss_value(log_z, "logz"))
    assert gap == pytest.approx(float(torch.nn.functional.softplus(-log_z)), rel=1e-8, abs=1e-8)


def test_log_mean_exp_by_member():
    g = torch.tensor([[0.0, np.log(3.0)], [1000.0, 1000.0]], dtype=torch.float64)
    torch.testing.assert_close(
        log_mean_exp(g), torch.tensor([np.log(2.0), 1000.0], dtype=torch.float64)
    )
