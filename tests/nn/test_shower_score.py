"""The loss of the shower generator is a proper score."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skhep_anomaly.nn.energy_score import energy_score
from skhep_anomaly.nn.shower_score import ShowerScore

SHAPE = (6, 6)


def showers(n, seed, factor=1.0, power=1.0):
    rng = np.random.default_rng(seed)
    mean = np.random.default_rng(9).exponential(2.0, 36)
    cells = factor * rng.gamma(mean * power, 1.0 / power, (n, 36))
    return torch.from_numpy(cells.astype(np.float32))


def conditions(n):
    return torch.tensor([[0.1, 0.0, 1.0, 0.0, 0.0]]).repeat(n, 1)


@pytest.fixture(scope="module")
def score():
    return ShowerScore(SHAPE)


@pytest.mark.parametrize("change", [{"factor": 1.15}, {"power": 2.0}, {"power": 0.5}])
def test_the_truth_scores_best(score, change):
    n = 3000
    a, b, y = (showers(n, seed) for seed in range(3))
    worse = score(showers(n, 3, **change), showers(n, 4, **change), y, conditions(n))
    gain = worse - score(a, b, y, conditions(n))
    assert float(gain.mean()) > 4 * float(gain.std()) / n**0.5


def test_right_cells_at_wrong_places_score_worse(score):
    """Each cell alone is right; what neighbours have in common is not."""
    n = 3000
    rng = np.random.default_rng(0)
    common = torch.from_numpy(rng.gamma(2.0, 0.5, (3, n, 1)).astype(np.float32))
    a, b, y = (showers(n, k) * common[k] for k in range(3))
    apart = [torch.stack([u[:, j].roll(31 * j) for j in range(36)], dim=1) for u in (a, b)]
    gain = score(*apart, y, conditions(n)) - score(a, b, y, conditions(n))
    assert float(gain.mean()) > 4 * float(gain.std()) / n**0.5


def test_tiles_against_patches_cut_by_hand(score):
    """ES of 2 × 2 patches from sums of squares is the energy score of the patches."""
    a, b, y = (torch.log1p(showers(5, seed) / 0.3) for seed in range(3))

    def patches(u, k=3):
        return u.view(-1, 6 // k, k, 6 // k, k).transpose(2, 3).reshape(len(u), -1, k * k)

    by_hand = energy_score(*(patches(u) for u in (a, b, y))).sum(dim=1)
    gaps = [(a - y).square(), (b - y).square(), (a - b).square()]
    norm = [score._tiled(gap.view(-1, 6, 6), 3).sqrt().sum(dim=(1, 2)) for gap in gaps]
    torch.testing.assert_close(0.5 * (norm[0] + norm[1] - norm[2]), by_hand, rtol=1e-4, atol=1e-4)


def test_rows_are_scored_one_by_one(score):
    a, b, y = (showers(20, seed) for seed in range(3))
    whole = score(a, b, y, conditions(20))
    part = score(a[7:9], b[7:9], y[7:9], conditions(2))
    torch.testing.assert_close(whole[7:9], part, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(score(b, a, y, conditions(20)), whole, rtol=1e-5, atol=1e-5)


def test_projections_are_drawn_from_the_generator(score):
    a, b, y = (showers(20, seed) for seed in range(3))

    def at(seed):
        return score(a, b, y, conditions(20), torch.Generator().manual_seed(seed))

    torch.testing.assert_close(at(1), at(1), rtol=0, atol=0)
    assert not torch.equal(at(1), at(2))


def test_gradients_are_finite_at_empty_images(score):
    a = torch.zeros(4, 36, requires_grad=True)
    empty = torch.zeros(4, 36)
    score(a, empty, empty, conditions(4), torch.Generator().manual_seed(0)).sum().backward()
    assert torch.isfinite(a.grad).all()
    full = showers(4, 0).requires_grad_()
    score(full, empty, showers(4, 1), conditions(4)).sum().backward()
    assert torch.isfinite(full.grad).all()
    assert full.grad.abs().sum() > 0


def test_a_calorimeter_of_few_cells_has_a_score():
    small = ShowerScore((2, 3))
    a, b, y = (showers(5, seed)[:, :6] for seed in range(3))
    assert torch.isfinite(small(a, b, y, conditions(5))).all()
