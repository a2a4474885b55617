"""Cell noise: the lookup's gradients, and a start that is a compound Poisson process."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from skhep_anomaly.nn.cell_noise import (
    E_GRID,
    L_GRID,
    THRESHOLD,
    TableNoise,
    compound_poisson_table,
    table_lookup,
)

SPECTRUM = np.random.default_rng(0).exponential(0.6, 20_000) + 0.01
MEAN, RATIO = SPECTRUM.mean(), (SPECTRUM**2).mean() / SPECTRUM.mean()


@pytest.fixture(scope="module")
def noise():
    """A table as it starts; neighbours are left out, so that cells are independent."""
    made = TableNoise((40, 40))
    made.start(SPECTRUM, np.random.default_rng(1))
    with torch.no_grad():
        made.share.zero_()
    return made


def drawn(noise, mean, n=200_000, seed=0):
    """Deposits of `n` cells of one mean."""
    eps = torch.randn(n // 100, 100, generator=torch.Generator().manual_seed(seed))
    cells = torch.arange(100).expand_as(eps)
    with torch.no_grad():
        made = noise(torch.full_like(eps, float(np.log(mean))), eps, cells, (10, 10))
    return made.numpy().ravel().astype(np.float64)


def grid():
    """Mean λ of each row of the table, level of each column."""
    rows, columns = np.arange(41), np.arange(121)
    mean = THRESHOLD * np.exp(L_GRID[0] + L_GRID[1] * rows)
    return mean, stats.norm.cdf(E_GRID[0] + E_GRID[1] * columns)


# ------------------------------------------------------------------ lookup


def test_lookup_is_bilinear():
    table = torch.tensor([[0.0, 1.0, 5.0], [10.0, 11.0, 15.0]])
    a, b = torch.tensor([0.0, 0.5, 0.25]), torch.tensor([0.5, 0.0, 1.5])
    expected = torch.tensor([0.5, 5.0, 0.75 * 3 + 0.25 * 13])
    torch.testing.assert_close(table_lookup(table, a, b), expected)


def test_lookup_beyond_the_table_is_its_edge():
    table = torch.arange(12.0).view(3, 4)
    at = torch.tensor([-5.0, 99.0])
    torch.testing.assert_close(
        table_lookup(table, at, at), torch.tensor([0.0, 11.0]), atol=1e-2, rtol=0
    )


def test_gradients_of_the_lookup():
    rng = np.random.default_rng(3)
    table = torch.from_numpy(rng.normal(size=(5, 6))).requires_grad_()
    a = torch.from_numpy(rng.integers(0, 4, (3, 7)) + rng.uniform(0.1, 0.9, (3, 7)))
    b = torch.from_numpy(rng.integers(0, 5, (3, 7)) + rng.uniform(0.1, 0.9, (3, 7)))
    assert torch.autograd.gradcheck(table_lookup, (table, a.requires_grad_(), b.requires_grad_()))


# ------------------------------------------------------------------- start


@pytest.mark.parametrize("row", [0, 4, 8, 12, 14])
def test_zeros_are_those_of_poisson(noise, row):
    """Every knot of a level above exp(−λ/μ) is above zero, and few of those below.

    The first of them continue the slope on their right, so that the crossing may come early.
    """
    mean, level = grid()
    above = noise.table.detach().numpy()[row] > 0
    hit = level > np.exp(-mean[row] / MEAN)
    assert above[hit].all()
    assert (above & ~hit).sum() <= 6
    assert not above[level < 0.8 * np.exp(-mean[row] / MEAN)].any()


@pytest.mark.parametrize(("mean", "error"), [(0.05, 0.03), (0.3, 0.05), (1.0, 0.02), (4.0, 2e-3)])
def test_drawn_zeros_start_near_those_of_poisson(noise, mean, error):
    """Between the last knot at zero and the first one above, the crossing is not exact."""
    assert (drawn(noise, mean) == 0).mean() == pytest.approx(np.exp(-mean / MEAN), abs=error)


@pytest.mark.parametrize("mean", [0.02, 0.1, 0.5, 2.0, 8.0, 40.0, 400.0])
def test_mean_and_variance_are_those_of_a_compound_poisson_process(noise, mean):
    """Mean λ, variance λ·E[e²]/E[e]; the table's grid costs a few per cent."""
    cells = drawn(noise, mean)
    variance = mean * RATIO
    assert cells.mean() == pytest.approx(mean, rel=0.05, abs=4 * np.sqrt(variance / len(cells)))
    assert cells.var() == pytest.approx(variance, rel=0.15)


def test_hits_of_a_thin_cell_have_the_spectrum_of_single_deposits(noise):
    mean, level = grid()
    row = 8  # two hits are 40 times rarer than one
    empty = np.exp(-mean[row] / MEAN)
    inside = (level > empty) & (level < 1 - 1e-3 * (1 - empty))
    found = np.expm1(noise.table.detach().numpy()[row][inside]) * THRESHOLD
    expected = np.quantile(SPECTRUM, (level[inside] - empty) / (1 - empty))
    assert inside.sum() > 10
    np.testing.assert_allclose(found, expected, rtol=0.1, atol=0.02)


def test_a_thick_cell_is_nearly_gaussian(noise):
    cells = drawn(noise, 2e4)
    standard = (cells - cells.mean()) / cells.std()
    assert cells.std() / cells.mean() == pytest.approx(np.sqrt(RATIO / 2e4), rel=0.05)
    assert abs(stats.skew(standard)) < 0.05
    assert abs(stats.kurtosis(standard)) < 0.1


def test_table_by_hand():
    """Deposits of 1 MeV alone: the quantiles of a Poisson number."""
    table = compound_poisson_table(np.ones(10), np.random.default_rng(0))
    mean, level = grid()
    row = int(np.argmin(np.abs(mean - 3.0)))
    counts = np.expm1(table[row]) * THRESHOLD
    expected = stats.poisson.ppf(level, mean[row])
    hit = (expected > 0) & (level > 1e-3) & (level < 1 - 1e-3)
    assert np.abs(counts - expected)[hit].max() < 1.01  # at steps, by one
    assert (np.abs(counts - expected)[hit] < 1e-4).mean() > 0.9


@pytest.mark.parametrize("row", [0, 10, 20])
def test_the_table_rises_and_goes_on_below_zero(noise, row):
    table = noise.table.detach().numpy()
    assert (np.diff(table[row]) >= -1e-6).all()
    zeros = int((table[row] <= 0).sum())
    assert zeros > 1
    slopes = np.diff(table[row][:zeros])
    np.testing.assert_allclose(slopes, slopes[0], rtol=1e-3)
    assert 0 < slopes[0] < 0.26


# ------------------------------------------------------------------ mixing


def test_neighbours_by_hand():
    made = TableNoise((3, 3))
    with torch.no_grad():
        made.share.copy_(torch.tensor([0.5, 0.25, 0.0, 0.0]))
    eps = torch.zeros(1, 9)
    eps[0, 0] = 1.0  # a corner
    cells = torch.arange(9)[None]
    mixed = made.mixed(eps, cells, (3, 3), torch.full((1, 9), 5.0)).detach().view(3, 3)
    norm = 1 / np.sqrt(1 + 4 * (0.25 + 0.0625))
    expected = norm * np.array([[1, 0.5, 0], [0.5, 0.25, 0], [0, 0, 0]])
    np.testing.assert_allclose(mixed, expected, rtol=1e-6)


@pytest.mark.parametrize("mean", [1e-4, 0.2, 50.0])
def test_mixed_numbers_keep_their_scale(mean):
    made = TableNoise((9, 9))
    with torch.no_grad():
        made.log_scale.fill_(float(np.log(1.5)))
        made.mixing.uniform_(-0.3, 0.3, generator=torch.Generator().manual_seed(0))
    eps = torch.randn(20_000, 81, generator=torch.Generator().manual_seed(1))
    log_mean = torch.full_like(eps, float(np.log(mean)))
    mixed = made.mixed(eps, torch.arange(81).expand_as(eps), (9, 9), log_mean).detach()
    inside = mixed.view(-1, 9, 9)[:, 1:-1, 1:-1]
    np.testing.assert_allclose(inside.std(dim=0), 1.5, rtol=0.04)


def test_gradients_reach_every_part():
    made = TableNoise((5, 5))
    made.start(SPECTRUM, np.random.default_rng(1))
    log_mean = torch.full((20, 25), 0.5, requires_grad=True)
    eps = torch.randn(20, 25, generator=torch.Generator().manual_seed(0))
    made(log_mean, eps, torch.arange(25).expand(20, -1), (5, 5)).sum().backward()
    parts = [log_mean, *made.parameters()]
    assert all(torch.isfinite(part.grad).all() for part in parts)
    assert all(part.grad.abs().sum() > 0 for part in parts)
    assert (log_mean.grad >= 0).all()  # more energy on average, more in each cell
