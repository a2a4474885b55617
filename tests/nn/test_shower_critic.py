"""Critic and regressor of showers against linear algebra done by hand."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from skhep_anomaly.nn.cell_net import CellNet
from skhep_anomaly.nn.gan_losses import gradient_penalty
from skhep_anomaly.nn.shower_critic import ShowerCritic, log_cells


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=seeded(seed))


def made(seed=0, **options):
    critic = ShowerCritic(**{"shape": (8, 8), "widths": (6, 5), **options})
    critic.reset(seeded(seed))
    return critic


@pytest.mark.parametrize("cell, log", [(0.0, 0.0), (math.e - 1, 1.0), (99.0, 4.6052)])
def test_log_cells(cell, log):
    assert log_cells(torch.tensor(cell)).item() == pytest.approx(log, abs=1e-4)


@pytest.mark.parametrize(
    "kind, shape, widths, shapes",
    [
        ("mlp", (30, 30), None, [(256, 900), (256, 256), (1, 256)]),
        ("mlp", (3, 2), (), [(1, 6)]),
        ("conv", (30, 30), None, [(32, 1, 4, 4), (64, 32, 4, 4), (128, 64, 4, 4), (1, 128, 3, 3)]),
        ("conv", (40, 40), None, [(32, 1, 4, 4), (64, 32, 4, 4), (128, 64, 4, 4), (1, 128, 5, 5)]),
        ("conv", (4, 4), None, [(32, 1, 4, 4), (1, 32, 2, 2)]),
        ("conv", (9, 5), (3, 3, 3), [(3, 1, 4, 4), (1, 3, 4, 2)]),
        ("conv", (2, 3), None, [(1, 1, 2, 3)]),
    ],
)
def test_layers(kind, shape, widths, shapes):
    net = CellNet(kind, shape, 5, 1, widths=widths)
    assert [tuple(layer.weight.shape) for layer in net.layers] == shapes
    net.reset(seeded())
    assert net(normal(3, shape[0] * shape[1]), normal(3, 5)).shape == (3, 1)


@pytest.mark.parametrize(
    "options, n_joined",
    [({}, 5), ({"sees_response": True}, 6), ({"sees_response": True, "error_weight": 0.1}, 11)],
)
def test_numbers_beside_the_image(options, n_joined):
    assert made(**options).net.layers[0].shift.shape == (6, n_joined)


def test_unknown_kind():
    with pytest.raises(ValueError, match="kind='dense' is unknown; use one of"):
        CellNet("dense", (4, 4), 5, 1)


def test_linear_critic_by_hand():
    """Without hidden layers: w·x + v·(c, e) + b."""
    critic = made(widths=(), error_weight=0.5)
    (layer,) = critic.net.layers
    with torch.no_grad():
        layer.bias.fill_(0.7)
    x, c, e = normal(4, 64), normal(4, 5, seed=2), normal(4, 5, seed=3)
    by_hand = x @ layer.weight[0] + torch.cat([c, e], 1) @ layer.shift[0] + 0.7
    torch.testing.assert_close(critic(x, c, e)[:, 0], by_hand)


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_conditions_shift_every_layer(kind):
    """One unit everywhere: φ(W∗x + Vc) by hand with the leaky slope .2."""
    critic = made(kind=kind, shape=(4, 4), widths=(1,))
    hidden, last = critic.net.layers
    x, c = normal(3, 16), normal(3, 5, seed=2)
    if kind == "mlp":
        a = x @ hidden.weight.T + c @ hidden.shift.T
        h = torch.where(a > 0, a, 0.2 * a)
    else:
        a = torch.nn.functional.conv2d(x.view(3, 1, 4, 4), hidden.weight, None, 2, 1)
        a = a + (c @ hidden.shift.T)[:, :, None, None]
        h = torch.where(a > 0, a, 0.2 * a).flatten(1)
    by_hand = h @ last.weight.flatten(1).T + c @ last.shift.T
    torch.testing.assert_close(critic(x, c), by_hand)


@pytest.mark.parametrize("norm", [0.5, 1.0, 3.0])
def test_gradient_penalty_of_a_linear_critic(norm):
    """(‖w‖ − 1)² wherever it is taken, and the conditions' weights do not count."""
    critic = made(widths=())
    with torch.no_grad():
        weight = critic.net.layers[0].weight
        weight.mul_(norm / weight.norm())
    c = normal(7, 5)
    penalty = gradient_penalty(lambda points: critic(points, c), normal(7, 64))
    np.testing.assert_allclose(penalty.detach(), (norm - 1) ** 2, atol=1e-5)


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_spectral_norm_bounds_every_layer(kind):
    """Largest singular value 1 by the decomposition, also after steps that change the weights."""
    critic = made(kind=kind, spectral_norm=True).train()
    x, c = normal(16, 64), normal(16, 5, seed=2)
    for step in range(30):
        if step < 5:
            with torch.no_grad():
                for layer in critic.net.layers:
                    layer.weight.add_(0.1 * normal(*layer.weight.shape, seed=step))
        critic(x, c)
    for layer in critic.net.layers:
        largest = torch.linalg.svdvals(layer.bounded_weight().detach().flatten(1))[0]
        assert float(largest) == pytest.approx(1.0, abs=1e-2)


def test_spectral_norm_divides_by_sigma():
    bounded, plain = made(spectral_norm=True), made()
    for b, p in zip(bounded.net.layers, plain.net.layers, strict=True):
        sigma = torch.linalg.svdvals(p.weight.detach())[0]
        torch.testing.assert_close(b.bounded_weight(), p.weight / sigma, rtol=2e-2, atol=1e-4)


def test_spectral_norm_stands_still_in_evaluation():
    critic = made(spectral_norm=True).eval()
    before = copy.deepcopy(critic.state_dict())
    critic(normal(4, 64), normal(4, 5))
    assert all(torch.equal(value, before[name]) for name, value in critic.state_dict().items())
    with torch.no_grad():
        critic.net.layers[0].weight.add_(normal(6, 64))
    critic.train()(normal(4, 64), normal(4, 5))
    assert not torch.equal(critic.net.layers[0].u, before["net.layers.0.u"])


def test_a_shower_is_judged_by_itself():
    critic = made(kind="conv", n_features=3).train()
    x, c = normal(9, 64), normal(9, 5, seed=2)
    alone = torch.cat([critic(x[k : k + 1], c[k : k + 1]) for k in range(9)])
    torch.testing.assert_close(critic(x, c), alone, rtol=1e-5, atol=1e-6)
    assert alone.shape == (9, 3)


def test_outputs_start_at_the_size_of_the_input():
    critic = made(widths=(400, 400), n_features=200)
    out = critic(normal(50, 64), torch.zeros(50, 5))
    assert out.detach().square().mean().item() == pytest.approx(2 / 1.04, rel=0.15)


def test_own_stream():
    before = torch.get_rng_state()
    first, again = made(3, spectral_norm=True), made(3, spectral_norm=True)
    assert torch.equal(torch.get_rng_state(), before)
    x, c = normal(2, 64), normal(2, 5)
    assert torch.equal(first(x, c), again(x, c))
    assert not torch.equal(first(x, c), made(4, spectral_norm=True)(x, c))
