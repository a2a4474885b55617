"""Summary numbers of showers against numbers counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skhep_anomaly.nn.shower_summary import ShowerSummary, Track

CELL, DEPTH = 2.02, 12.0
FIRST_COUNT = 12  # numbers before the counts


def track(n=1, energy=1.0, slope=(0.0, 0.0), shape=(4, 4)):
    rows = torch.tensor([[slope[0] * energy, slope[1] * energy, energy, 0.0, 0.0]]).repeat(n, 1)
    return Track.of(rows, shape, CELL, DEPTH)


def raw(image, **more):
    image = torch.as_tensor(np.asarray(image, dtype=np.float32))
    summary = ShowerSummary(tuple(image.shape))
    return summary.raw(image.reshape(1, -1), track(shape=tuple(image.shape), **more))[0].numpy()


def showers(n=300, shape=(8, 8), seed=0, energy=None):
    rng = np.random.default_rng(seed)
    energy = np.exp(rng.uniform(0, 4, n)) if energy is None else np.full(n, energy)
    x, y = np.meshgrid(*(np.arange(k) - (k - 1) / 2 for k in shape), indexing="ij")
    profile = np.exp(-(x**2 + y**2) / 3)
    mean = profile / profile.sum() * energy[:, None, None] * 170
    cells = rng.gamma(mean, 1.0).astype(np.float32)
    slope = rng.normal(0, 0.2, (n, 2))
    rows = np.column_stack([slope, np.ones(n), np.zeros((n, 2))])
    rows[:, :3] *= (energy / np.linalg.norm(rows[:, :3], axis=1))[:, None]
    return torch.from_numpy(cells).flatten(1), torch.from_numpy(rows.astype(np.float32))


def test_moments_by_hand():
    image = np.zeros((4, 4))
    image[1, 2], image[3, 2] = 30.0, 10.0
    found = raw(image, energy=2.0)
    assert found[0] == pytest.approx(40 / 2000)
    assert found[1] == pytest.approx(1.5)
    assert found[2] == pytest.approx(2.0)
    assert found[3] == pytest.approx(np.sqrt(0.75), rel=1e-5)
    assert found[4] == pytest.approx(1e-3)  # no width: the floor


def test_widths_along_and_across_the_slope():
    image = np.zeros((5, 5))
    image[1, 1] = image[2, 2] = image[3, 3] = 1.0  # along the diagonal
    along, across = raw(image, slope=(0.3, 0.3))[5:7]
    assert along == pytest.approx(np.sqrt(4 / 3), rel=1e-5)
    assert across == pytest.approx(1e-3, abs=1e-3)
    turned = raw(image, slope=(0.3, -0.3))[5:7]
    np.testing.assert_allclose(turned[::-1], [along, across], atol=1e-3)


def test_asymmetry_is_what_lies_ahead_less_what_lies_behind():
    image = np.zeros((7, 7))
    image[6, 3], image[0, 3] = 3.0, 1.0
    slope = 0.1  # the axis crosses the depth 0.6 cells off the middle
    assert raw(image, slope=(slope, 0.0))[7] == pytest.approx(0.5)
    assert raw(image, slope=(-slope, 0.0))[7] == pytest.approx(-0.5)


@pytest.mark.parametrize("shape", [(8, 8), (5, 9)])
def test_windows_against_brute_force(shape):
    image = np.random.default_rng(1).exponential(size=shape)
    found = raw(image)[8:FIRST_COUNT]
    for k, share in zip((1, 2, 3, 5), found, strict=True):
        windows = [
            image[i : i + k, j : j + k].sum()
            for i in range(shape[0] - k + 1)
            for j in range(shape[1] - k + 1)
        ]
        assert share == pytest.approx(max(windows) / image.sum(), rel=1e-5)


def test_a_window_larger_than_the_calorimeter_holds_all():
    assert raw(np.ones((4, 4)))[FIRST_COUNT - 1] == pytest.approx(1.0)


def test_soft_counts_are_hard_ones_far_from_the_thresholds():
    edges = np.array([0.005, 0.02, 0.06, 0.15, 0.4, 1.0, 3.0, 10.0, 40.0, 150.0])
    middles = np.sqrt(edges[1:] * edges[:-1])
    cells = np.concatenate([np.repeat(middles, 3), [1e4] * 2, np.zeros(7)])
    soft = raw(cells.reshape(6, 6))[FIRST_COUNT : FIRST_COUNT + 10]
    hard = np.histogram(cells, np.append(edges, 1e9))[0]
    assert hard.tolist() == [3] * 9 + [2]
    np.testing.assert_allclose(soft, hard, atol=0.7)
    assert soft.sum() == pytest.approx(29, abs=0.3)
    above = raw(np.full((2, 2), 0.15))[FIRST_COUNT : FIRST_COUNT + 10]
    assert above[3:].sum() == pytest.approx(2.0, abs=1e-3)  # at the threshold: half of each


def test_neighbours_by_hand():
    """Hit cells of 4 × 4: an L of three, and one alone."""
    image = np.zeros((4, 4))
    image[0, 0] = image[0, 1] = image[1, 0] = image[3, 3] = 1e5
    adjacent, diagonal, apart, isolated = raw(image)[-4:]
    assert adjacent == pytest.approx(2.0, abs=1e-3)
    assert diagonal == pytest.approx(1.0, abs=1e-3)
    assert apart == pytest.approx(0.0, abs=1e-3)
    assert isolated == pytest.approx(1.0, abs=1e-3)
    image[1, 0] = 0
    image[2, 0] = 1e5
    np.testing.assert_allclose(raw(image)[-4:], [1, 0, 1, 2], atol=1e-3)


def test_numbers_are_in_units_of_their_fluctuation_at_all_energies():
    cells, rows = showers(3000)
    summary = ShowerSummary((8, 8))
    seen = Track.of(rows, (8, 8), CELL, DEPTH)
    c = torch.cat([seen.energy.log()[:, None], rows[:, :2] / rows[:, 2:3]], dim=1)
    summary.learn(cells, torch.cat([c, c.new_zeros(len(c), 2)], dim=1), seen)
    for energy in (2.0, 8.0, 30.0):
        more, others = showers(2000, seed=5, energy=energy)
        numbers = summary(more, Track.of(others, (8, 8), CELL, DEPTH))
        spread = numbers[:, [0, 1, 2, 8, 9, 10]].std(dim=0)
        np.testing.assert_allclose(spread, 1.0, rtol=0.35)


def test_gradients_are_finite_at_empty_images():
    summary = ShowerSummary((6, 6))
    cells = torch.zeros(3, 36)
    cells[1, 7] = 5.0
    cells.requires_grad_()
    numbers = summary(cells, track(3, shape=(6, 6), slope=(0.1, 0.2)))
    numbers.sum().backward()
    assert torch.isfinite(numbers).all()
    assert torch.isfinite(cells.grad).all()
    assert numbers.shape == (3, summary.n_numbers)
