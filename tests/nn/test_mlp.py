"""The hand-written backward equals autograd; members do not see each other."""

import copy
import pickle

import numpy as np
import pytest
import torch

from skhep_anomaly.nn import ACTIVATIONS, MLP, SeededDropout, Standardizer


def make(activation="silu", n_members=1, sizes=(5, 7, 6, 3), dtype=torch.float64, **kwargs):
    names = [activation] * (len(sizes) - 2) + ["linear"]
    net = MLP(sizes, names, n_members=n_members, **kwargs)
    return net.reset(torch.Generator().manual_seed(1)).to(dtype)


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_gradient_by_hand_equals_autograd(activation, n_members):
    net = make(activation, n_members)
    x = torch.randn(11, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 3
    x.requires_grad_()
    out = net(x)
    g = torch.randn(out.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    want, want_x = torch.autograd.grad((out * g).sum(), [net.flat, x])
    with torch.no_grad():
        kept = net.tape(x.detach())
        torch.testing.assert_close(kept[-1], out.detach(), rtol=1e-12, atol=1e-12)
        got_x = net.gradient(kept, g.clone(), to_input=True)
    if n_members > 1:
        got_x = got_x.sum(0)
    torch.testing.assert_close(net.flat.grad, want, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(got_x, want_x, rtol=1e-10, atol=1e-12)


def test_members_are_independent_copies():
    net = make(n_members=3)
    x = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = net(x)
    for member in range(3):
        alone = make()
        alone.flat.data.copy_(net.flat.data[member : member + 1])
        torch.testing.assert_close(together[member], alone(x), rtol=1e-12, atol=1e-12)
    net.flat.data[1] += 1.0
    assert torch.equal(net(x)[0], together[0])
    assert not torch.equal(net(x)[1], together[1])


def test_hand_computed_layer():
    net = MLP((2, 1), ["linear"])
    net.flat.data.copy_(torch.tensor([[2.0, -1.0, 0.5]]))
    np.testing.assert_allclose(net(torch.tensor([[3.0, 4.0]])).detach().numpy(), [[2.5]])


def test_xavier_bounds_and_zero_biases():
    net = make(sizes=(50, 100, 50))
    (w0, b0), _ = net.layers()
    bound = (6 / 150) ** 0.5
    assert 0.95 * bound < w0.abs().max() <= bound
    assert float(b0.detach().abs().max()) == 0.0


def test_views_follow_copies_moves_and_loads():
    net = make()
    x = torch.ones(2, 5, dtype=torch.float64)
    with torch.no_grad():
        before = net(x)
        other = copy.deepcopy(net)
        other.flat.data *= 2
        assert not torch.equal(other(x), before)
        assert torch.equal(pickle.loads(pickle.dumps(net))(x), before)
        other.load_state_dict(net.state_dict())
        assert torch.equal(other(x), before)
        assert net.float()(x.float()).dtype == torch.float32


def test_activation_count_is_checked():
    with pytest.raises(ValueError, match="2 layers need as many activations; got 1"):
        MLP((2, 3, 1), ["relu"])


def test_dropout_is_seeded_and_off_in_evaluation():
    layer = SeededDropout(0.25)
    h = torch.ones(4000)
    assert torch.equal(layer(h), h)
    layer.generator = torch.Generator().manual_seed(0)
    state = torch.get_rng_state()
    dropped = layer(h)
    assert torch.equal(torch.get_rng_state(), state)
    assert abs(float((dropped == 0).double().mean()) - 0.25) < 0.03
    assert abs(float(dropped.mean()) - 1.0) < 0.03
    assert torch.equal(layer.eval()(h), h)


def test_standardizer_clips_and_inverts():
    z = Standardizer([1.0, 2.0], [2.0, 4.0])
    x = torch.tensor([[3.0, 2.0], [1e38, -1e38]], dtype=torch.float64)
    np.testing.assert_allclose(z(x).numpy(), [[1.0, 0.0], [8.0, -8.0]])
    np.testing.assert_allclose(z.inverse(z(x[:1])).numpy(), x[:1].numpy())
    assert (
        Standardizer([0.0], [1e-30], bound=float("inf"))
        .float()(torch.tensor([[1e30]]))
        .isfinite()
        .all()
    )
