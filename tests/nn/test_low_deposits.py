import numpy as np
import pytest
import torch

from skhep_anomaly.nn.low_deposits import LowDeposits

LIMIT = 0.06


def cells(draw, n=400, hits=12, width=50):
    """Images with `hits` small deposits each, some large ones, and zeros."""
    image = np.zeros((n, width), dtype=np.float32)
    image[:, :hits] = draw((n, hits))
    image[:, hits : hits + 3] = 5.0
    return image


def test_is_the_identity_until_it_has_learnt():
    made = torch.linspace(2e-4, 0.1, 1000).view(20, 50)
    torch.testing.assert_close(LowDeposits()(made.clone()), made, rtol=1e-4, atol=0.0)


def test_maps_one_law_onto_another():
    rng = np.random.default_rng(1)
    generated = cells(lambda size: rng.uniform(2e-3, 0.059, size))
    real = cells(lambda size: np.exp(rng.uniform(np.log(4e-3), np.log(0.059), size)))
    low = LowDeposits()
    low.learn(generated, real)
    mapped = low(torch.from_numpy(generated.copy())).numpy()
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    assert np.quantile(mapped[:, :12], levels) == pytest.approx(
        np.quantile(real[:, :12], levels), rel=0.06
    )
    np.testing.assert_array_equal(mapped[:, 12:], generated[:, 12:])


def test_surplus_hits_become_empty_cells_the_smallest_first():
    rng = np.random.default_rng(2)
    generated = cells(lambda size: rng.uniform(2e-3, 0.059, size), hits=12)
    real = cells(lambda size: rng.uniform(2e-3, 0.059, size), hits=9)
    low = LowDeposits()
    low.learn(generated, real)
    mapped = low(torch.from_numpy(generated.copy())).numpy()
    assert (mapped > 0).sum() == pytest.approx((real > 0).sum(), rel=0.01)
    emptied = (generated > 0) & (mapped == 0)
    assert generated[emptied].max() < generated[(mapped > 0) & (mapped < LIMIT)].min() * 1.06


def test_a_peak_of_tiny_deposits_is_reproduced():
    rng = np.random.default_rng(3)
    generated = cells(lambda size: rng.uniform(1e-3, 0.059, size), n=2000)
    real = generated.copy()
    tiny = (rng.random(real.shape) < 0.1) & (real > 0) & (real < LIMIT)
    real[tiny] = 4e-10
    low = LowDeposits()
    low.learn(generated, real)
    mapped = low(torch.from_numpy(generated.copy())).numpy()
    share = ((mapped > 0) & (mapped < 1e-8)).sum() / tiny.sum()
    assert share == pytest.approx(1.0, abs=0.15)


def test_too_few_small_deposits_leave_the_identity():
    low = LowDeposits()
    before = low.after.clone()
    low.learn(np.full((2, 5), 1e-2, np.float32), np.full((2, 5), 2e-2, np.float32))
    torch.testing.assert_close(low.after, before)
