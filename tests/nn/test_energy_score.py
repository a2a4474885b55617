"""Energy score: its value for a Gaussian, and that the truth scores best."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skhep_anomaly.nn.energy_score import crps, energy_score

N = 400_000


def normal(*shape, seed):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


@pytest.mark.parametrize("score", [energy_score, crps])
def test_a_gaussian_against_itself(score):
    a, b, y = (normal(N, 1, seed=k) for k in range(3))
    rows = score(a, b, y)
    error = float(rows.std()) / N**0.5
    assert rows.shape == (N,)
    assert abs(float(rows.mean()) - 1 / np.sqrt(np.pi)) < 4 * error
    assert error < 2e-3


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.7, 1.0), (0.0, 2.0), (-0.5, 0.4)])
def test_closed_form_of_the_crps(shift, scale):
    """E|X| of N(m, s²) is s √(2/π) e^{−m²/2s²} + m erf(m/(s √2))."""
    a, b, y = (normal(N, 1, seed=k) for k in range(3))

    def mean_size(m, s):
        erf = float(torch.erf(torch.tensor(m / (s * 2**0.5), dtype=torch.float64)))
        return s * np.sqrt(2 / np.pi) * np.exp(-(m**2) / (2 * s**2)) + m * erf

    expected = mean_size(shift, np.sqrt(1 + scale**2)) - 0.5 * mean_size(0.0, scale * 2**0.5)
    rows = energy_score(shift + scale * a, shift + scale * b, y)
    assert float(rows.mean()) == pytest.approx(expected, abs=4 * float(rows.std()) / N**0.5)


@pytest.mark.parametrize("dim", [1, 5])
@pytest.mark.parametrize("change", ["shift", "wider", "narrower", "independent"])
def test_every_other_forecast_scores_worse(change, dim):
    if change == "independent" and dim == 1:
        dim = 2
    n = N // 8
    mix = torch.eye(dim, dtype=torch.float64)
    mix[0, 1:] = 1.0  # correlated
    a, b, y = (normal(n, dim, seed=k) @ mix for k in range(3))
    other = {
        "shift": lambda u: u + 0.4,
        "wider": lambda u: 1.6 * u,
        "narrower": lambda u: 0.5 * u,
        "independent": lambda u: torch.stack([u[:, k].roll(17 * k) for k in range(dim)], dim=1),
    }[change]
    gain = energy_score(other(a), other(b), y) - energy_score(a, b, y)
    assert float(gain.mean()) > 5 * float(gain.std()) / n**0.5


def test_crps_adds_up_over_numbers_and_ignores_their_correlation():
    a, b, y = (normal(100, 4, seed=k) for k in range(3))
    each = sum(crps(a[:, k : k + 1], b[:, k : k + 1], y[:, k : k + 1]) for k in range(4))
    torch.testing.assert_close(crps(a, b, y), each)
    torch.testing.assert_close(
        crps(a[:, :1], b[:, :1], y[:, :1]),
        energy_score(*(u[:, :1] for u in (a, b, y))),
        atol=1e-5,
        rtol=0,
    )


def test_gradients_are_finite_where_draws_agree():
    a = torch.zeros(3, 2, requires_grad=True)
    energy_score(a, torch.zeros(3, 2), torch.zeros(3, 2)).sum().backward()
    assert torch.isfinite(a.grad).all()
