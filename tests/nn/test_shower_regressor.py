"""The regressor of conditions: its targets, their inverse, and what least squares can know."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skhep_anomaly.nn.shower_critic import log_cells
from skhep_anomaly.nn.shower_regressor import ShowerRegressor


def made(seed=0, **options):
    regressor = ShowerRegressor(**{"shape": (3, 3), "widths": (), **options})
    regressor.reset(torch.Generator().manual_seed(seed))
    return regressor


def conditions(n, seed=0):
    rng = np.random.default_rng(seed)
    p, tx, ty = np.exp(rng.uniform(0, 4, n)), *rng.normal(0, 0.3, (2, n))
    pz = p / np.sqrt(1 + tx**2 + ty**2)
    return np.stack([pz * tx, pz * ty, pz, *rng.uniform(-0.5, 0.5, (2, n))], axis=1)


def test_targets_by_hand():
    """Mean 0 and spread 1 over the training rows, of ln |p|, tx, ty, x, y."""
    regressor, rows = made(), conditions(500)
    regressor.learn(rows, None)
    t = regressor.targets(torch.from_numpy(rows)).c.double().numpy()
    np.testing.assert_allclose(t.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(t.std(axis=0), 1, atol=1e-6)
    slope = rows[:, 0] / rows[:, 2]
    np.testing.assert_allclose(t[:, 1], (slope - slope.mean()) / slope.std(), atol=1e-5)


def test_guessing_the_mean_costs_one():
    regressor, rows = made(), conditions(400)
    regressor.learn(rows, None)
    with torch.no_grad():
        regressor.net.layers[0].weight.zero_()
        loss = regressor.loss_per_row(torch.ones(400, 9), torch.from_numpy(rows))
    assert loss.shape == (400,)
    assert float(loss.mean()) == pytest.approx(1.0, abs=1e-5)


def test_right_guesses_give_the_conditions_back():
    """A bias that is the target of one row: that row's conditions, whatever the image."""
    regressor, rows = made(), conditions(50)
    regressor.learn(rows, None)
    t = regressor.targets(torch.from_numpy(rows)).c
    layer = regressor.net.layers[0]
    for row in (0, 17):
        with torch.no_grad():
            layer.weight.zero_()
            layer.bias.copy_(t[row])
            guess = regressor.predict_conditions(torch.rand(2, 9))
            loss = regressor.loss_per_row(torch.rand(1, 9), torch.from_numpy(rows[[row]]))
        np.testing.assert_allclose(guess, rows[[row, row]], rtol=1e-5, atol=1e-6)
        assert float(loss) < 1e-10


def test_errors_are_guess_less_truth():
    regressor, rows = made(), conditions(6)
    regressor.learn(rows, None)
    cells, truth = torch.rand(6, 9), torch.from_numpy(rows)
    logs = log_cells(cells)
    errors = regressor.errors(logs, truth)
    torch.testing.assert_close(errors, regressor(logs) - regressor.targets(truth).c)
    torch.testing.assert_close(regressor.loss_per_row(cells, truth), errors.square().mean(dim=1))


def test_weights_of_the_targets():
    """A weight of two is a row given twice."""
    regressor, twice = made(), made()
    rows = conditions(20)
    weight = np.r_[np.full(5, 2.0), np.ones(15)]
    regressor.learn(rows, weight)
    twice.learn(np.r_[rows[:5], rows], None)
    torch.testing.assert_close(regressor.targets.center, twice.targets.center)
    torch.testing.assert_close(regressor.targets.scale, twice.targets.scale)


def test_reset_keeps_the_scale_of_the_targets():
    regressor = made()
    regressor.learn(conditions(20), None)
    center = regressor.targets.center.clone()
    before = regressor.net.layers[0].weight.detach().clone()
    regressor.reset(torch.Generator().manual_seed(9))
    assert torch.equal(regressor.targets.center, center)
    assert not torch.equal(regressor.net.layers[0].weight, before)
