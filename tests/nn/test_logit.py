"""The classifier's net: slopes by hand equal those of autograd, and leave the weights alone."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from skhep_anomaly.nn import ACTIVATIONS, LogitNet, ModuleLogit, Standardizer


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def make_net(n_members=1, activation="tanh", hidden=(6, 4)):
    standardizer = Standardizer([0.5, -0.2, 0.0], [1.5, 0.7, 1.0])
    net = LogitNet(hidden, activation, standardizer, n_members=n_members).double()
    net.reset(torch.Generator().manual_seed(1))
    with torch.no_grad():
        net.net.flat.add_(0.1 * draw(*net.net.flat.shape, seed=2))
    return net


def own_net(*layers, row_shape=(3,)):
    standardizer = Standardizer(np.zeros(3), np.ones(3))
    return ModuleLogit(nn.Sequential(*layers), standardizer, row_shape).double()


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("n_members", [1, 3])
def test_slopes_with_respect_to_the_input(n_members, activation):
    net = make_net(n_members, activation)
    z = draw(9, 3, seed=3)
    g, slope = net.value_and_grad(z)
    leaf = (z.expand(3, 9, 3) if n_members > 1 else z).clone().requires_grad_()
    want = net(leaf)
    want.sum().backward()
    torch.testing.assert_close(g, want.detach())
    torch.testing.assert_close(slope, leaf.grad, rtol=0, atol=1e-12)
    assert slope.shape == ((3, 9, 3) if n_members > 1 else (9, 3))
    assert not g.requires_grad
    assert not slope.requires_grad


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("n_members", [1, 3])
def test_slopes_with_respect_to_the_weights(n_members, activation):
    net = make_net(n_members, activation)
    z = draw(9, 3, seed=3)
    g, backward = net.record(z)
    slope = draw(*g.shape, seed=4)
    backward(slope.clone())
    got = net.net.flat.grad.clone()
    net.net.flat.grad = None
    (net(z) * slope).sum().backward()
    torch.testing.assert_close(got, net.net.flat.grad, rtol=0, atol=1e-12)


def test_each_member_has_rows_of_its_own():
    net, z = make_net(3), draw(3, 5, 3)
    together, slopes = net.value_and_grad(z)
    for member in range(3):
        alone = make_net()
        with torch.no_grad():
            alone.net.flat.copy_(net.net.flat[member : member + 1])
        g, slope = alone.value_and_grad(z[member])
        torch.testing.assert_close(together[member], g)
        torch.testing.assert_close(slopes[member], slope)


@pytest.mark.parametrize("make", [make_net, lambda: own_net(nn.Linear(3, 4), nn.Linear(4, 1))])
def test_slopes_of_the_input_leave_gradients_of_the_weights(make):
    net, z = make(), draw(5, 3)
    g, backward = net.record(z)
    backward(torch.ones_like(g))
    before = [p.grad.clone() for p in net.net.parameters()]
    net.value_and_grad(draw(5, 3, seed=9))
    for p, grad in zip(net.net.parameters(), before, strict=True):
        torch.testing.assert_close(p.grad, grad, rtol=0, atol=0)


@pytest.mark.parametrize("n_members", [1, 3])
def test_decay_is_that_of_weights_without_biases(n_members):
    net = make_net(n_members)
    g, backward = net.record(draw(5, 3))
    backward(torch.zeros_like(g))
    value = net.add_decay(0.3)
    got = net.net.flat.grad.clone()
    net.net.flat.grad = None
    penalty = 0.15 * sum((w**2).sum() for w, _ in net.net.layers())
    penalty.backward()
    torch.testing.assert_close(got, net.net.flat.grad)
    assert float(value) == pytest.approx(float(penalty.detach()) / n_members)


def test_weight_of_a_single_input_and_unit_is_no_bias():
    standardizer = Standardizer([0.0], [1.0])
    net = LogitNet((1,), "tanh", standardizer).double()
    assert net.decay.flatten().tolist() == [1, 0, 1, 0]


def test_no_hidden_layers_is_linear():
    net = make_net(hidden=())
    ((weight, bias),) = net.net.layers()
    z = draw(4, 3)
    torch.testing.assert_close(net(z), (z @ weight + bias).squeeze(1))


def test_coordinates_flatten_and_standardise():
    net = make_net()
    x = draw(4, 3, 1)
    want = (x.flatten(1) - net.standardizer.mean) / net.standardizer.scale
    torch.testing.assert_close(net.coordinates(x), want)


# ------------------------------------------------------------------ modules of users


@pytest.mark.parametrize("last", [nn.Identity(), nn.Flatten(0)], ids=["column", "vector"])
def test_module_gives_logits_and_slopes(last):
    net = own_net(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), last)
    z = draw(6, 3)
    g, slope = net.value_and_grad(z)
    leaf = z.clone().requires_grad_()
    net.net(leaf).sum().backward()
    torch.testing.assert_close(slope, leaf.grad)
    torch.testing.assert_close(g, net.net(z).detach().reshape(-1))
    recorded, backward = net.record(z)
    torch.testing.assert_close(recorded, g)
    backward(torch.ones_like(g))
    again = copy.deepcopy(net)
    for p in again.net.parameters():
        p.grad = None
    again.net(z).sum().backward()
    for a, b in zip(net.net.parameters(), again.net.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_module_sees_rows_in_their_shape():
    net = own_net(nn.Flatten(), nn.Linear(3, 1), row_shape=(1, 3, 1))
    assert net(draw(6, 3)).shape == (6,)


def test_slopes_of_the_input_use_fixed_batch_statistics():
    """Else asking for chains would move running means, and rows would depend on each other."""
    net = own_net(nn.BatchNorm1d(3), nn.Linear(3, 1)).train()
    mean = net.net[0].running_mean.clone()
    z = draw(6, 3)
    g, _ = net.value_and_grad(z)
    torch.testing.assert_close(net.net[0].running_mean, mean)
    assert net.net.training
    torch.testing.assert_close(net.value_and_grad(z[:2])[0], g[:2])


@pytest.mark.parametrize(
    "layers, message",
    [
        ([nn.Linear(3, 2)], r"module=Sequential gives \(6, 2\) for 6 rows; one logit for each row"),
        ([nn.Flatten(0)], r"module=Sequential gives \(18,\) for 6 rows"),
    ],
)
def test_wrong_shapes_are_named(layers, message):
    with pytest.raises(ValueError, match=message):
        own_net(*layers)(draw(6, 3))


def test_decay_of_a_module():
    net = own_net(nn.Linear(3, 1))
    _, backward = net.record(draw(4, 3))
    backward(torch.zeros(4, dtype=torch.float64))
    value = net.add_decay(0.5)
    weight = net.net[0].weight.detach()
    torch.testing.assert_close(net.net[0].weight.grad, 0.5 * weight)
    assert float(net.net[0].bias.grad) == 0.0
    assert float(value) == pytest.approx(0.25 * float((weight**2).sum()))
