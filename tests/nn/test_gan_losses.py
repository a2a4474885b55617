"""GAN losses, their gradients and layers against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from skhep_anomaly.nn.gan import GAN, AdversarialMLP, Critic, Generator, SeededNoise
from skhep_anomaly.nn.gan_losses import critic_rows, gradient_penalty, interpolate, make_targets

LOG2 = math.log(2.0)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    "loss, c, target, expected",
    [
        ("bce", 0.0, 1.0, LOG2),
        ("bce", 0.0, 0.9, LOG2),
        ("bce", math.log(3.0), 1.0, math.log(4 / 3)),  # −log σ = −log ¾
        ("bce", math.log(3.0), 0.0, math.log(4.0)),  # −log(1 − σ) = −log ¼
        ("bce", math.log(3.0), 0.9, 0.9 * math.log(4 / 3) + 0.1 * math.log(4.0)),
        ("bce", 1000.0, 0.0, 1000.0),  # where log(1 − σ) alone would be infinite
        ("lsgan", 3.0, 1.0, 2.0),
        ("lsgan", 3.0, 0.0, 4.5),
        ("lsgan", 0.4, 0.9, 0.125),
        ("wgan_gp", 3.0, 1.0, -3.0),
        ("wgan_gp", 3.0, 0.0, 3.0),
    ],
)
def test_rows(loss, c, target, expected):
    value = critic_rows(loss, tensor([c]), tensor([target]))
    assert value.item() == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("loss, slope", [("bce", 0.75 - 0.9), ("lsgan", math.log(3) - 0.9)])
def test_slope_pulls_the_output_to_the_target(loss, slope):
    c = tensor([math.log(3.0)]).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic_rows(loss, c, tensor([0.9])).sum(), c)
    assert gradient.item() == pytest.approx(slope)


def test_targets():
    like = torch.zeros(2, 3, dtype=torch.float64)
    real = make_targets(like, True, smoothing=0.1, noise=0.0, generator=seeded())
    fake = make_targets(like, False, smoothing=0.1, noise=0.0, generator=seeded())
    np.testing.assert_array_equal(real, np.full((2, 3), 0.9))
    np.testing.assert_array_equal(fake, np.zeros((2, 3)))


@pytest.mark.parametrize("real", [True, False])
def test_a_share_of_the_targets_is_swapped(real):
    like = torch.zeros(1, 40_000)
    target = make_targets(like, real, smoothing=0.2, noise=0.25, generator=seeded())
    assert target.unique().tolist() == pytest.approx([0.0, 0.8])
    share_high = 0.75 if real else 0.25
    assert (target > 0).double().mean().item() == pytest.approx(share_high, abs=0.01)


def test_interpolated_points_lie_on_the_lines():
    real, fake = torch.zeros(1, 500, 2), torch.ones(1, 500, 2) * torch.tensor([1.0, 2.0])
    points = interpolate(real, fake, seeded())
    np.testing.assert_allclose(points[..., 1], 2 * points[..., 0], rtol=1e-6)
    assert points[..., 0].mean().item() == pytest.approx(0.5, abs=0.05)
    assert 0 <= points.min().item() < points.max().item() <= 2


def test_penalty_of_a_plane_and_of_a_bowl():
    plane = gradient_penalty(
        lambda p: p @ tensor([3.0, 4.0]), torch.zeros(2, 2, dtype=torch.double)
    )
    np.testing.assert_allclose(plane.detach(), [16.0, 16.0])  # slope 5
    bowl = gradient_penalty(lambda p: p.square().sum(-1), tensor([[0.5, 0.0], [0.0, 2.0]]))
    np.testing.assert_allclose(bowl.detach(), [0.0, 9.0], atol=1e-9)  # slope 2|p|


def test_penalty_is_finite_where_the_critic_is_flat():
    w = tensor([0.0, 0.0]).requires_grad_(True)
    value = gradient_penalty(lambda p: p @ w, torch.ones(3, 2, dtype=torch.double)).sum()
    (gradient,) = torch.autograd.grad(value, w)
    assert value.item() == pytest.approx(3.0, abs=1e-5)
    assert torch.isfinite(gradient).all()


# -------------------------------------------------------------------- layers


def set_weights(net, *values):
    with torch.no_grad():
        for piece, value in zip(net._split(), values, strict=True):
            piece.copy_(tensor(value).expand_as(piece))


def test_critic_by_hand():
    """One hidden layer, leaky slope .2: c = 2·φ(x − y + 1) − φ(2x) + .5."""
    critic = Critic(2, (2,)).double()
    set_weights(critic.net, [[1.0, 2.0], [-1.0, 0.0]], [[1.0, 0.0]], [[2.0], [-1.0]], [[0.5]])
    z = tensor([[1.0, 1.0], [0.0, 3.0], [-1.0, 0.0]])
    expected = [2 * 1 - 2 + 0.5, 2 * (-0.4) - 0 + 0.5, 0 + 0.4 + 0.5]
    np.testing.assert_allclose(critic(z).detach(), [expected])
    np.testing.assert_allclose(critic.features(z).detach()[0, 1], [-0.4, 0.0])
    assert critic.n_hidden == 2


def test_critic_without_hidden_layers_shows_its_input():
    critic = Critic(3, ()).double()
    z = tensor([[1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(critic.features(z), z[None])
    assert critic.n_hidden == 3


def test_batch_norm_by_hand():
    """Hidden h = x, gain 2, bias 1; output φ(·); running moments move by a tenth."""
    net = AdversarialMLP([1, 1, 1], batch_norm=True).double()
    set_weights(net, [[1.0]], [[1.0]], [[1.0]], [[0.0]], [[2.0]])
    x = tensor([[-1.0], [3.0]])  # mean 1, variance 4
    out = net.train()(x).detach().ravel()
    np.testing.assert_allclose(out, [0.2 * (1 - 2), 1 + 2], atol=1e-5)
    assert net.running_mean.item() == pytest.approx(0.1)
    assert net.running_var.item() == pytest.approx(0.9 + 0.1 * 8)  # unbiased
    single = net.eval()(tensor([[1.1]])).item()
    assert single == pytest.approx(1 + 2 * (1.1 - 0.1) / math.sqrt(1.7), abs=1e-5)


def test_batch_norm_equals_torchs():
    net = AdversarialMLP([3, 4, 2], batch_norm=True, n_members=2).double()
    net.reset(seeded())
    x = torch.randn(2, 9, 3, dtype=torch.float64, generator=seeded(1))
    norm = torch.nn.BatchNorm1d(4, dtype=torch.float64)
    for _ in range(2):
        out = net.train()(x)
        hidden = norm(x[1] @ net._split()[0][1])
    expected = torch.nn.functional.leaky_relu(hidden, 0.2) @ net._split()[2][1]
    np.testing.assert_allclose(out[1].detach(), expected.detach(), rtol=1e-9)
    np.testing.assert_allclose(net.running_mean[1, 0], norm.running_mean)
    np.testing.assert_allclose(net.running_var[1, 0], norm.running_var)


def test_members_are_apart():
    net = AdversarialMLP([2, 3, 1], n_members=2, batch_norm=True).double()
    net.reset(seeded())
    x = torch.randn(2, 5, 2, dtype=torch.float64, generator=seeded(1))
    net.train()(x)[0].sum().backward()
    assert net.flat.grad[0].abs().sum() > 0
    assert net.flat.grad[1].abs().sum().item() == 0.0


def test_reset_brings_the_start_back():
    net = AdversarialMLP([2, 3, 1], batch_norm=True)
    net.reset(seeded())
    first = {name: value.clone() for name, value in net.state_dict().items()}
    net.train()(torch.randn(8, 2, generator=seeded()))
    net.flat.data += 1
    net.reset(seeded())
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, first[name])
    weights = net._split()[0].abs().max().item()
    assert 0 < weights <= math.sqrt(6 / 5)


def test_noise_layer():
    layer = SeededNoise(0.5)
    h = torch.zeros(20_000)
    assert layer(h) is h  # no generator: outside a fit
    layer.generator = seeded()
    assert layer(h).std().item() == pytest.approx(0.5, rel=0.03)
    assert layer.eval()(h) is h


def make_gan(**options):
    generator = Generator(2, (8,), 3, **{"output": "linear", **options})
    gan = GAN(generator, Critic(3, (4,)), torch.nn.Identity())
    gan.reset(seeded())
    return gan.eval()


def test_draws_come_from_the_generator_given():
    gan = make_gan()
    again = [gan.generator.draw(5, seeded(4)).detach() for _ in range(2)]
    np.testing.assert_array_equal(again[0], again[1])
    assert again[0].shape == (1, 5, 3)
    assert make_gan(output="tanh").generator.draw(500, seeded()).abs().max().item() < 1


@pytest.mark.parametrize("output, width", [("linear", 4.0), ("tanh", 1.0)])
def test_linear_output_starts_wide(output, width):
    largest = make_gan(output=output).generator.net.output_weight().abs().max().item()
    assert 0.8 < largest / (width * math.sqrt(6 / (8 + 3))) <= 1


def test_stochastic_layers_can_stay_on():
    gan = make_gan(dropout=0.5, noise=1.0)
    latent = torch.ones(1, 400, 2)
    still = gan.generator(latent).detach()
    with gan.generator.stochastic(seeded()):
        moving = gan.generator(latent).detach()
    assert still.std(dim=1).max().item() == pytest.approx(0, abs=1e-6)
    assert moving.std(dim=1).min().item() > 0.1
    np.testing.assert_array_equal(gan.generator(latent).detach(), still)
