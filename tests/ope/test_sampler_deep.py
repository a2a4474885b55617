"""A generator trained on energies that are known: normal, flat, of two modes."""

import copy
import math
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import nn

from skhep_anomaly._random import seed_sequence
from skhep_anomaly._validation import InvalidParameterError
from skhep_anomaly.nn.pseudo_generator import PseudoGenerator
from skhep_anomaly.ope.samplers.deep import DeepSampler, PseudoGeneratorLoss
from skhep_anomaly.training import AdversarialNet, Context, Rows

LOW, HIGH = [-4.0, -4.0], [4.0, 4.0]
ROWS = np.zeros((256, 2), dtype=np.float32)


class Normal(nn.Module):
    """g = −½ xᵀ C⁻¹ x, beside a generator."""

    def __init__(self, covariance=((1.0, 0.0), (0.0, 0.25))):
        super().__init__()
        inverse = np.linalg.inv(np.asarray(covariance))
        self.register_buffer("inverse", torch.as_tensor(inverse, dtype=torch.float32))

    def value_and_grad(self, x):
        slope = -x @ self.inverse
        return 0.5 * (slope * x).sum(dim=-1), slope


class Flat(nn.Module):
    """g = 0."""

    def value_and_grad(self, x):
        return torch.zeros_like(x[..., 0]), torch.zeros_like(x)


def bound(n_members=1, seed=0, **params):
    sampler = DeepSampler(**params)
    return sampler.bind(LOW, HIGH, ROWS, random_state=seed, n_members=n_members)


def joined(module, sampler, seed=0):
    """The module with the sampler's generator, fresh, in it."""
    module.generator = sampler.make_generator(2)
    module.generator.reset(torch.Generator().manual_seed(seed))
    return module, sampler.attach(module)


def trained(module, sampler, n_steps):
    """The sampler after a game of the generator alone."""
    joined(module, sampler)
    net = AdversarialNet(
        module,
        players=[sampler.players("generator")],
        seeds=seed_sequence(0),
        batch_size=128,
        max_epochs=n_steps // 2,
    )
    net.partial_fit(Rows(ROWS))
    return sampler


def many(sampler, n=40):
    energy = sampler._module.value_and_grad
    return torch.cat([sampler.sample(128, energy) for _ in range(n)], dim=-2).numpy()


# --------------------------------------------------------------------- known energies


def test_a_normal_energy_gives_its_normal():
    """KL = −E[g] − H + log Z, log Z = log(2π·.5), goes to 0."""
    module, sampler = Normal(), bound()
    rows = many(trained(module, sampler, 800))
    np.testing.assert_allclose(rows.mean(axis=0), 0.0, atol=0.25)
    assert np.all(rows.std(axis=0) < [1.4, 0.75])
    assert np.all(rows.std(axis=0) > [0.7, 0.35])
    found = sampler.diagnostics()
    divergence = -found["g_chains"] - found["entropy"] + math.log(math.pi)
    assert abs(divergence) < 0.3


def test_a_correlated_energy_does_not_collapse_to_a_line():
    rows = many(trained(Normal([[1.0, 0.8], [0.8, 1.0]]), bound(), 600))
    assert 0.6 < np.corrcoef(rows.T)[0, 1] < 0.95
    assert np.linalg.eigvalsh(np.cov(rows.T))[0] > 0.1  # .2


def test_a_flat_energy_gives_uniform_rows():
    rows = many(trained(Flat(), bound(), 300))
    np.testing.assert_allclose(rows.std(axis=0), 8 / 12**0.5, rtol=0.15)
    share = np.histogram2d(*rows.T, bins=2, range=[[-4, 4]] * 2)[0] / len(rows)
    np.testing.assert_allclose(share, 0.25, atol=0.1)


def test_members_follow_each_their_own_energy():
    class Two(nn.Module):
        centres = torch.tensor([[[2.0, 0.0]], [[-2.0, 0.0]]])

        def value_and_grad(self, x):
            away = x - self.centres
            return -0.5 * away.square().sum(dim=-1), -away

    sampler = trained(Two(), bound(n_members=2), 300)
    rows = many(sampler, 5)
    assert rows.shape == (2, 640, 2)
    np.testing.assert_allclose(rows.mean(axis=1)[:, 0], [2.0, -2.0], atol=0.9)


def test_less_entropy_draws_rows_together():
    stds = [
        many(trained(Normal(), bound(entropy_weight=weight), 400)).std(axis=0)
        for weight in (0.25, 1.0)
    ]
    assert np.all(stds[0] < 0.95 * stds[1])


def test_the_published_entropy_spreads_rows_too():
    rows = many(trained(Normal(), bound(entropy="batch_norm"), 400))
    assert np.all(rows.std(axis=0) > 0.3)
    assert float(np.abs(rows).max()) <= 4.0


# ------------------------------------------------------------------------------ loss


def test_loss_has_the_value_and_the_gradient_of_its_formula():
    module, _ = joined(Normal(), bound())
    x = torch.zeros(128, 2)
    loss_of = PseudoGeneratorLoss("generator", 0.7, "spacing")
    loss = loss_of(module, x, None, Context(torch.Generator().manual_seed(3)))
    loss.backward()
    gradient = module.generator.flat.grad.clone()
    module.generator.flat.grad = None
    draw = torch.Generator().manual_seed(3)
    rows, entropy = module.generator.draw_with_entropy(128, draw, "spacing")
    g = -0.5 * ((rows @ module.inverse) * rows).sum(dim=-1)
    expected = -g.mean() - 0.7 * entropy.sum()
    expected.backward()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    np.testing.assert_allclose(gradient, module.generator.flat.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("n_members, d", [(1, 2), (1, 20), (3, 4)])
def test_the_gradient_by_hand_is_that_of_autograd(n_members, d):
    maker = PseudoGenerator(
        torch.full((d,), -3.0).double(), torch.full((d,), 2.0).double(), 8, (16, 12), n_members
    )
    maker.reset(torch.Generator().manual_seed(1))
    with torch.no_grad():
        maker.flat.add_(0.1 * torch.randn(maker.flat.shape, generator=seeded(4)).double())

    def energy(x):
        return -0.5 * x.square().sum(dim=-1), -x

    value, gradient = maker.climb(100, seeded(3), energy, 0.7)  # rows are cut from 128
    rows, entropy = maker.draw_with_entropy(100, seeded(3), "spacing")
    expected = -energy(rows)[0].mean(dim=-1) - 0.7 * entropy
    (wanted,) = torch.autograd.grad(expected.sum(), maker.flat)
    torch.testing.assert_close(value, expected.detach(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradient, wanted, rtol=1e-6, atol=1e-8)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def test_players_carry_the_parameters():
    player = bound(learning_rate=0.01, betas=(0.1, 0.9), entropy_weight=2.0).players("inner.maker")
    assert player.parts == ("inner.maker",)
    assert player.learning_rate == 0.01
    assert player.options == {"betas": (0.1, 0.9)}
    assert player.loss == PseudoGeneratorLoss("inner.maker", 2.0, "spacing")
    assert bound(latent_dim=3).make_generator(2).latent_dim == 3


# ------------------------------------------------------------------- seeds and state


def test_seeds_are_local_and_draws_repeat():
    state = torch.get_rng_state()
    one, two = (joined(Normal(), bound(seed=s))[1] for s in (0, 0))
    other = joined(Normal(), bound(seed=1))[1]
    assert np.array_equal(many(one, 3), many(two, 3))
    assert not np.array_equal(many(one, 3), many(other, 3))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("copied", [lambda s: pickle.loads(pickle.dumps(s)), copy.deepcopy])
def test_a_copy_goes_on_with_the_same_stream(copied):
    _, sampler = joined(Normal(), bound())
    many(sampler, 1)
    twin = copied(sampler)
    sampler.diagnostics()  # looking changes nothing
    assert np.array_equal(many(sampler, 2), many(twin, 2))
    assert clone(sampler).get_params() == sampler.get_params()


def test_diagnostics_before_and_after_the_first_draw():
    _, sampler = joined(Flat(), bound())
    assert set(sampler.diagnostics()) == {"entropy"}
    many(sampler, 1)
    found = sampler.diagnostics()
    assert found["g_chains"] == 0.0
    assert found["std_share"] == pytest.approx(0.289, abs=0.07)
    assert found["boundary_fraction"] == pytest.approx(0.04, abs=0.1)
    assert found["entropy"] == pytest.approx(math.log(64), abs=0.3)
    assert all(type(value) is float for value in found.values())


def test_one_feature_and_small_draws():
    sampler = DeepSampler().bind([2.0], [3.0], np.zeros((2, 1)), random_state=0)
    module = Flat()
    module.generator = sampler.make_generator(1)
    module.generator.reset(torch.Generator().manual_seed(0))
    rows = sampler.attach(module).sample(1, module.value_and_grad)
    assert rows.shape == (1, 1)
    assert rows.dtype == torch.float64
    assert 2.0 <= float(rows) <= 3.0
    assert not rows.requires_grad


# ---------------------------------------------------------------------------- faults


def test_what_is_missing_is_named():
    with pytest.raises(NotFittedError, match="DeepSampler has no box yet"):
        DeepSampler().make_generator(2)
    sampler = bound()
    with pytest.raises(ValueError, match="n_features=3 was asked for, but the box"):
        sampler.make_generator(3)
    with pytest.raises(RuntimeError, match=r"attach\(module\) first"):
        sampler.sample(3, Flat().value_and_grad)
    with pytest.raises(AttributeError, match="generator"):
        sampler.attach(Flat())
    with pytest.raises(AttributeError, match="get_submodule"):
        sampler.attach(SimpleNamespace())


@pytest.mark.parametrize(
    "params, match",
    [
        ({"latent_dim": 0}, "latent_dim"),
        ({"hidden_layer_sizes": (8, 0)}, "must be a sequence of ints in the range"),
        ({"hidden_layer_sizes": (8, True)}, "must be a sequence of ints in the range"),
        ({"betas": (0.5, 1.0)}, "must be two floats in the range"),
        ({"betas": (0.5,)}, "must be two floats in the range"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"entropy_weight": -1.0}, "entropy_weight"),
        ({"entropy": "exact"}, "entropy"),
    ],
)
def test_parameters_out_of_range(params, match):
    with pytest.raises(InvalidParameterError, match=match):
        bound(**params)
