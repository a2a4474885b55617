"""Entropies known by hand: uniform, normal and correlated rows; members that do not meet."""

import math

import numpy as np
import pytest
import torch

from skhep_anomaly.nn.pseudo_generator import (
    ENTROPIES,
    PseudoGenerator,
    _log_det_correlation,
    _row_entropy,
    _spacing_entropy,
)

LOW, HIGH = torch.tensor([-4.0, 0.0]), torch.tensor([4.0, 1.0])


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def make(n_members=1, seed=0, hidden=(16, 16), low=LOW, high=HIGH):
    module = PseudoGenerator(low, high, 8, hidden, n_members)
    module.reset(stream(seed))
    return module


def test_rows_fill_the_box_at_the_start():
    rows = make().draw(4000, stream(1))[0]
    assert bool(((rows >= LOW) & (rows <= HIGH)).all())
    np.testing.assert_allclose(rows.mean(dim=0).detach() / (HIGH - LOW), [0.0, 0.5], atol=0.1)
    np.testing.assert_allclose(rows.std(dim=0).detach() / (HIGH - LOW), 0.289, atol=0.06)


def test_activations_have_the_gain_as_standard_deviation():
    module = make()
    with torch.no_grad():
        module._layers()[-1][1].copy_(torch.tensor([0.5, 3.0]).log())
    a = module.activation(module._latent(500, stream(2)))[0]
    np.testing.assert_allclose(a.std(dim=0, correction=0).detach(), [0.5, 3.0], rtol=1e-3)


def test_evaluation_mode_changes_nothing_and_small_draws_are_cut():
    module = make()
    train = module.draw(10, stream(3))
    assert torch.equal(module.eval().draw(10, stream(3)), train)
    assert train.shape == (1, 10, 2)
    assert torch.equal(module.draw(128, stream(3))[:, :10], train)
    assert module.draw(1, stream(3)).shape == (1, 1, 2)


def test_walls_hold_at_any_activation():
    module = make()
    a = torch.tensor([[[-1e9, 1e9], [40.0, -40.0]]])
    rows = module.put_into_box(a)
    np.testing.assert_allclose(rows[0], [[-4.0, 1.0], [4.0, 0.0]], atol=1e-9)
    assert bool(((rows >= LOW) & (rows <= HIGH)).all())
    assert bool(module._layer_entropy(a).isfinite().all())


def test_spacing_entropy_by_hand():
    generator = stream(0)
    uniform = 3.0 * torch.rand(1, 20_000, 1, generator=generator)
    normal = 0.5 * torch.randn(1, 20_000, 1, generator=generator)
    assert float(_spacing_entropy(uniform)) == pytest.approx(math.log(3.0), abs=0.05)
    expected = 0.5 * math.log(2 * math.pi * math.e * 0.25)
    assert float(_spacing_entropy(normal)) == pytest.approx(expected, abs=0.05)


def test_spacing_entropy_of_a_small_batch_is_low_by_a_constant():
    """By .19 for normals, whatever their width: the bias has no gradient."""
    x = torch.randn(500, 128, 1, generator=stream(0))
    true = 0.5 * math.log(2 * math.pi * math.e)
    assert float(_spacing_entropy(x).mean()) == pytest.approx(true - 0.19, abs=0.02)
    assert float(_spacing_entropy(3 * x).mean()) == pytest.approx(
        true - 0.19 + math.log(3), abs=0.02
    )


def test_correlation_costs_what_a_normal_loses():
    z = torch.randn(1, 20_000, 2, generator=stream(0), dtype=torch.float64)
    rho = 0.8
    x = torch.stack([z[..., 0], rho * z[..., 0] + (1 - rho**2) ** 0.5 * z[..., 1]], dim=-1)
    lost = 0.5 * math.log(1 - rho**2)
    assert float(_log_det_correlation(x)) == pytest.approx(lost, abs=0.02)
    full = math.log(2 * math.pi * math.e) + lost
    assert float(_row_entropy(x)) == pytest.approx(full, abs=0.08)


def test_spacing_entropy_has_the_gradient_of_its_differences():
    x = torch.randn(2, 12, 2, generator=stream(0), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(_row_entropy, x)


def test_batch_norm_entropy_by_hand():
    module = make(hidden=(5,))
    a = torch.zeros(1, 4, 2)
    per_unit = 0.5 * math.log(2 * math.pi * math.e)
    gains = 2 * math.log(1.7)
    slope = 2 * math.log(0.25) + math.log(8.0)
    assert float(module._layer_entropy(a).detach()) == pytest.approx(
        7 * per_unit + gains + slope, abs=1e-5
    )


@pytest.mark.parametrize("kind", ENTROPIES)
def test_rows_and_entropy_come_from_one_draw(kind):
    module = make(n_members=2)
    rows, entropy = module.draw_with_entropy(50, stream(4), kind)
    assert torch.equal(rows, module.draw(50, stream(4)))
    assert entropy.shape == (2,)
    entropy.sum().backward()
    assert bool(module.flat.grad.isfinite().all())
    assert bool((module.flat.grad.abs().sum(dim=1) > 0).all())


def test_members_do_not_meet():
    module = make(n_members=3)
    rows, entropy = module.draw_with_entropy(30, stream(0), "spacing")
    assert rows.shape == (3, 30, 2)
    (rows[1].sum() + entropy[1]).backward()
    assert torch.equal(module.flat.grad.abs().sum(dim=1) > 0, torch.tensor([False, True, False]))


def test_more_features_than_rows_leave_the_entropy_finite():
    low = torch.zeros(150)
    rows, entropy = make(low=low, high=low + 1).draw_with_entropy(10, stream(0), "spacing")
    assert rows.shape == (1, 10, 150)
    assert bool(entropy.isfinite().all())


def test_reset_repeats_from_its_own_stream():
    state = torch.get_rng_state()
    one, two, other = make(seed=0), make(seed=0), make(seed=1)
    assert torch.equal(one.flat, two.flat)
    assert not torch.equal(one.flat, other.flat)
    assert torch.equal(torch.get_rng_state(), state)


def test_double_precision_follows_the_box():
    module = make(low=LOW.double(), high=HIGH.double())
    assert module.draw(5, stream(0)).dtype == torch.float64
