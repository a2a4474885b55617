"""Flows: exact inverse and Jacobian, densities that integrate to one, the hand-written gradient."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch

from skhep_anomaly.nn import FLOW_KINDS, MAF, Flow, FlowDensity, Standardizer

KINDS = pytest.mark.parametrize("kind", FLOW_KINDS)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=1, dtype=torch.float64):
    return torch.randn(shape, generator=generator(seed), dtype=dtype)


def make(kind="maf", d=3, context=0, shake=0.1, **kwargs):
    """A flow in float64, far enough from the identity to show mistakes."""
    flow = Flow(d, context, kind=kind, **kwargs).reset(generator()).double()
    with torch.no_grad():
        for net in flow.net.nets if kind == "maf" else ():
            net.flat.add_(shake * normal(*net.flat.shape, seed=7) * net.mask)
    return flow


@KINDS
@pytest.mark.parametrize("context", [0, 2])
@pytest.mark.parametrize("d", [1, 4])
@pytest.mark.parametrize("n_members", [1, 3])
def test_inverse_undoes_forward(kind, context, d, n_members):
    flow = make(kind, d, context, n_members=n_members)
    x = 2 * normal(9, d)
    c = normal(9, context, seed=2) if context else None
    u, log_det = flow.to_base(x, c)
    assert log_det.shape == ((9,) if n_members == 1 else (n_members, 9))
    assert (u - x).abs().max() > 0.05
    back = flow.from_base(u, c)
    torch.testing.assert_close(back, x.expand_as(back), rtol=0, atol=1e-9)
    single = copy.deepcopy(flow).float()
    x, c = x.float(), None if c is None else c.float()
    back = single.from_base(single.to_base(x, c)[0], c)
    torch.testing.assert_close(back, x.expand_as(back), rtol=1e-5, atol=1e-5)


@KINDS
def test_log_det_is_that_of_autograds_jacobian(kind):
    flow = make(kind, 4, 1)
    x, c = normal(1, 4), normal(1, 1, seed=2)
    jacobian = torch.autograd.functional.jacobian(lambda v: flow.to_base(v[None], c)[0][0], x[0])
    want = torch.linalg.slogdet(jacobian).logabsdet
    assert abs(float(want)) > 1e-2
    torch.testing.assert_close(flow.to_base(x, c)[1][0], want, rtol=1e-9, atol=1e-9)


@KINDS
def test_density_integrates_to_one(kind):
    flow = make(kind, 2, 1)
    axis = torch.linspace(-9, 9, 121, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        mass = flow.log_prob(grid, torch.full((1, 1), 0.3, dtype=torch.float64)).exp().sum()
    assert float(mass) * 0.15**2 == pytest.approx(1.0, abs=2e-3)


def test_untrained_identity_has_the_standard_normal_density():
    flow = Flow(2).double()
    x = torch.tensor([[0.0, 0.0], [1.0, -2.0]], dtype=torch.float64)
    want = [-math.log(2 * math.pi), -math.log(2 * math.pi) - 2.5]
    np.testing.assert_allclose(flow.log_prob(x).detach(), want, rtol=1e-14)


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("context", [0, 1])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_by_hand_equals_autograd(n_members, context, weighted):
    flow = make("maf", 4, context, n_members=n_members, hidden_layer_sizes=(6, 5))
    x = normal(11, 4)
    c = normal(11, 1, seed=2) if context else None
    w = torch.rand(11, generator=generator(3), dtype=torch.float64) if weighted else None
    nll = flow.nll_and_gradient(x, c, w)
    got = [p.grad.clone() for p in flow.parameters()]
    for parameter in flow.parameters():
        parameter.grad = None
    want_nll = -flow.log_prob(x, c)
    ((want_nll if w is None else want_nll * w).sum() / 11).backward()
    torch.testing.assert_close(nll, want_nll.detach(), rtol=1e-12, atol=1e-12)
    for ours, parameter in zip(got, flow.parameters(), strict=True):
        assert parameter.grad.abs().max() > 1e-3
        torch.testing.assert_close(ours, parameter.grad, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("context", [0, 2])
def test_maf_is_zukos_maf(context):
    """Zuko's masks and its weights give our log p: the same model, written twice."""
    import zuko

    d = 4
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = zuko.flows.MAF(
            d, context, transforms=3, hidden_features=(7, 9), activation=torch.nn.SiLU
        ).double()
    ours = MAF(d, context, hidden_layer_sizes=(7, 9)).double()
    with torch.no_grad():
        for net, transform in zip(ours.nets, theirs.transform.transforms, strict=True):
            linears = [m for m in transform.hyper if hasattr(m, "mask")]
            parts = []
            for k, linear in enumerate(linears):
                order = torch.arange(len(linear.bias))
                if k == len(linears) - 1:
                    order = torch.cat([order[::2], order[1::2]])
                weight = (linear.weight * linear.mask)[order].T
                parts += [weight.reshape(-1), linear.bias[order]]
            net.flat.copy_(torch.cat(parts)[None])
            mask = torch.cat([m.mask[: len(m.bias)].reshape(-1) for m in linears[:1]])
            assert torch.equal(net.mask[0, : mask.numel()].reshape(-1, 7).T.bool(), linears[0].mask)
    x = normal(6, d)
    c = normal(6, context, seed=2) if context else None
    u, log_det = ours.to_base(x, c)
    base = log_det - 0.5 * (u.square().sum(-1) + d * math.log(2 * math.pi))
    torch.testing.assert_close(base, theirs(c).log_prob(x), rtol=1e-10, atol=1e-10)


@KINDS
def test_members_do_not_see_each_other(kind):
    flow = make(kind, 3, 1, n_members=2)
    x, c = normal(2, 5, 3), normal(2, 5, 1, seed=2)
    both = flow.log_prob(x, c)
    assert both.shape == (2, 5)
    first, second = (flow.log_prob(x[k], c[k])[k] for k in range(2))
    torch.testing.assert_close(both, torch.stack([first, second]), rtol=1e-10, atol=1e-10)
    assert (flow.log_prob(x[0], c[0])[0] - flow.log_prob(x[0], c[0])[1]).abs().max() > 1e-3


@KINDS
def test_reset_is_seeded_and_leaves_the_global_stream_alone(kind):
    before = torch.get_rng_state()
    flow = Flow(1 if kind == "nsf" else 3, kind=kind)
    seeds = np.random.SeedSequence(5)
    first = [p.clone() for p in flow.reset(seeds).parameters()]
    again = Flow(flow.n_features, kind=kind).reset(np.random.SeedSequence(5))
    other = Flow(flow.n_features, kind=kind).reset(np.random.SeedSequence(6))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first, again.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other.parameters(), strict=True))
    assert sum(float(p.detach().abs().sum()) for p in first) > 0.1


@KINDS
def test_pickle_and_deepcopy(kind):
    flow = make(kind, 3, 1)
    x, c = normal(5, 3), normal(5, 1, seed=2)
    want = flow.log_prob(x, c)
    assert torch.equal(pickle.loads(pickle.dumps(flow)).log_prob(x, c), want)
    assert torch.equal(copy.deepcopy(flow).log_prob(x, c), want)


def test_masked_weights_stay_zero_when_trained():
    flow = make("maf", 3, n_members=2)
    optimizer = torch.optim.Adam(flow.parameters(), lr=1e-2, weight_decay=1e-2)
    before = [p.detach().clone() for p in flow.parameters()]
    for _ in range(5):
        flow.nll_and_gradient(normal(8, 3))
        optimizer.step()
    for net, old in zip(flow.net.nets, before, strict=True):
        now = net.flat.detach()
        assert float((now * (1 - net.mask)).abs().max()) == 0.0
        assert float((now - old).abs().max()) > 1e-3


def test_unknown_kind():
    with pytest.raises(ValueError, match="kind='glow' is no flow; use one of maf, nsf, realnvp"):
        Flow(2, kind="glow")
    assert len(FLOW_KINDS) == 3


def test_density_knows_whether_it_dequantizes():
    density = FlowDensity(Flow(2), Standardizer([0.0, 0.0], [1.0, 1.0]))
    assert density.dequantizes is False
    density.width[1] = 0.5
    assert density.dequantizes is True
    assert density.state_dict()["width"].tolist() == [0.0, 0.5]
