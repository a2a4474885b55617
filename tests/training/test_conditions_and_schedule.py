"""Rows with conditions in front, the linear schedule, and a training that ends by the clock."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from skhep_anomaly.training import Net, Objective, Rows
from skhep_anomaly.training.rows import Batches
from skhep_anomaly.training.schedule import SCHEDULES


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return rng.random((20, 3, 4), np.float32), rng.normal(size=(20, 5))


@pytest.mark.parametrize("flat", [False, True])
def test_conditions_stand_before_the_flattened_rows(arrays, flat):
    images, conditions = arrays
    X = images.reshape(20, -1) if flat else images
    x, weight = Rows(X, dtype=torch.float32, conditions=conditions).take(np.array([4, 0, 7]))
    assert weight is None
    assert x.dtype == torch.float32
    np.testing.assert_array_equal(x[:, :5], conditions[[4, 0, 7]].astype(np.float32))
    np.testing.assert_array_equal(x[:, 5:], images[[4, 0, 7]].reshape(3, -1))


def test_conditions_follow_subsets_splits_and_batches(arrays):
    images, conditions = arrays
    weight = np.arange(20.0)
    rows = Rows(images, weight, conditions=conditions, dtype=torch.float64)
    part = rows.subset(np.arange(5, 15)).subset(np.array([1, 3]))
    x, w = part.take(np.array([1]))
    np.testing.assert_allclose(x[0, :5], conditions[8])
    assert w.tolist() == [8.0]
    train, valid = rows.split(0.3, np.random.default_rng(0))
    seen = np.concatenate([x[:, 0] for part in (train, valid) for x, _ in Batches(part, 4)])
    np.testing.assert_allclose(np.sort(seen), np.sort(conditions[:, 0]))


def test_the_linear_schedule():
    rate = SCHEDULES["linear"]
    assert [rate(p) for p in (0.0, 0.1, 0.2999)] == [1.0, 1.0, 1.0]
    assert rate(0.65) == pytest.approx(0.505)
    assert rate(1.0) == pytest.approx(0.01)
    steps = np.diff([rate(p) for p in np.linspace(0.3, 1, 50)])
    np.testing.assert_allclose(steps, steps[0])


class Square(Objective):
    def per_row(self, module, x, context):
        return (x - module(x[:, :1])).square().sum(dim=1)


def make_net(**options):
    torch_module = nn.Linear(1, 3)
    with torch.no_grad():
        torch_module.weight.fill_(0.1)
        torch_module.bias.zero_()
    seeds = np.random.SeedSequence(0)
    return Net(torch_module, Square(), seeds=seeds, batch_size=8, lr=0.1, **options)


def rates(net, rows, epochs):
    """The learning rate of each step."""
    seen = []
    step = net.initialize().optimizer_.step
    net.optimizer_.step = lambda: seen.append(net.optimizer_.param_groups[0]["lr"]) or step()
    net.set_params(max_epochs=epochs)
    net.partial_fit(rows)
    return seen


def test_rates_of_a_fit_follow_the_linear_schedule():
    rows = Rows(np.random.default_rng(0).random((32, 3), np.float32))
    seen = rates(make_net(schedule="linear"), rows, epochs=5)
    expected = [0.1 * SCHEDULES["linear"](k / 20) for k in range(20)]
    np.testing.assert_allclose(seen, expected)


class Clock:
    """Seconds that pass at every look."""

    def __init__(self, tick):
        self.now, self.tick = 0.0, tick

    def __call__(self):
        self.now += self.tick
        return self.now


@pytest.mark.parametrize("tick", [0.5, 2.0])
def test_max_time_ends_after_an_epoch_and_the_rate_falls_with_it(monkeypatch, tick):
    monkeypatch.setattr("skhep_anomaly.training.net.time.monotonic", Clock(tick))
    rows = Rows(np.random.default_rng(0).random((32, 3), np.float32))
    net = make_net(schedule="linear", max_time=20.0)
    seen = rates(net, rows, epochs=1000)
    assert len(seen) % 4 == 0  # whole epochs
    assert 20 / tick / 2 <= len(seen) <= 20 / tick + 4
    assert len(net.history) == len(seen) // 4
    assert seen[0] == pytest.approx(0.1)
    assert seen[-1] < 0.02
    assert (np.diff(seen) <= 0).all()


def test_without_max_time_nobody_looks_at_the_clock(monkeypatch):
    rows = Rows(np.random.default_rng(0).random((32, 3), np.float32))
    one = rates(make_net(schedule="linear"), rows, epochs=3)
    monkeypatch.setattr("skhep_anomaly.training.net.time.monotonic", Clock(1e6))
    assert rates(make_net(schedule="linear"), rows, epochs=3) == one


def test_steps_are_dealt_out_evenly_to_epochs():
    rows = Rows(np.random.default_rng(0).random((32, 3), np.float32))
    seen = rates(make_net(schedule="linear", max_steps=10), rows, epochs=3)
    np.testing.assert_allclose(seen, [0.1 * SCHEDULES["linear"](k / 10) for k in range(10)])
