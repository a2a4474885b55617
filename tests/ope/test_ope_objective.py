"""The training step: hand-written slopes against autograd, and weights against copies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn.functional import softplus

from skhep_anomaly.nn import LogitNet, ModuleLogit, Standardizer
from skhep_anomaly.ope._objective import KnownAnomalies, OPELoss
from skhep_anomaly.training import Context, Rows

EPS, GAMMA, DECAY, PENALTY = 0.3, 0.7, 0.05, 0.02


class Fixed:
    """A bound sampler that always gives the same rows."""

    low_, high_ = torch.tensor([-2.0, -2.0]).double(), torch.tensor([2.0, 2.0]).double()

    def __init__(self, kind, rows):
        self.kind, self.rows, self.calls = kind, rows, 0

    def sample(self, n, value_and_grad=None):
        self.calls += 1
        assert self.rows.numel() // 2 in (n, 3 * n)
        return self.rows


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def make_net(n_members=1, activation="tanh"):
    standardizer = Standardizer([0.5, -0.2], [1.5, 0.7])
    net = LogitNet((6, 4), activation, standardizer, n_members=n_members).double()
    net.reset(torch.Generator().manual_seed(1))
    return net


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(2, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1)
        )

    def forward(self, z):
        return self.layers(z)


def known_rows(n=4, weight=None):
    rows = Rows(draw(n, 2, seed=2).numpy(), weight)
    return KnownAnomalies(rows, 10, np.random.default_rng(0))


def context():
    return Context(torch.Generator().manual_seed(5))


def terms(kinds, n_members):
    lead = (n_members,) if n_members > 1 else ()
    made = []
    for k, kind in enumerate(kinds):
        n = 6 if len(kinds) == 1 else 3
        shape = (n_members * n, 2) if kind == "reference" else (*lead, n, 2)
        made.append((1 / len(kinds), Fixed(kind, draw(*shape, seed=10 + k))))
    return made


def members_first(z, n_members):
    return z.expand(n_members, *z.shape) if n_members > 1 and z.dim() == 2 else z


def by_autograd(net, loss, x, weight, n_members):
    """The same loss written down plainly; energy terms by the stated gradient Z/(1+Z) E_P[∇g]."""

    def g_of(z):
        return net(members_first(z, n_members)).reshape(n_members, -1)

    def mean(values, weight):
        return (values if weight is None else values * weight).mean(dim=1)

    g_normal = g_of(net.coordinates(x))
    total = mean(softplus(-g_normal), weight)
    if loss.known is not None:
        rows, known_weight = loss.known()
        total = total + GAMMA * mean(softplus(g_of(net.coordinates(rows))), known_weight)
    energy = False
    for share, sampler in loss.terms:
        rows = sampler.rows
        part = (1 - EPS) * share
        if sampler.kind == "reference":
            g = g_of(rows.view(n_members, -1, 2) if n_members > 1 else rows)
            total = total + part * softplus(g).mean(dim=1)
            continue
        energy = True
        g = g_of(rows)
        log_z = loss.log_z.reshape(-1)
        factor = log_z.sigmoid() if loss.energy_loss == "log1pz" else torch.ones_like(log_z)
        value = softplus(log_z) if loss.energy_loss == "log1pz" else log_z
        pull = factor * g.mean(dim=1)
        total = total + part * (value + pull - pull.detach())
        total = total + PENALTY * g.square().mean(dim=1)
    if energy:
        total = total + PENALTY * mean(g_normal.square(), weight)
    return total


def squares(net):
    if isinstance(net, ModuleLogit):
        return sum((p**2).sum() for p in net.net.parameters() if p.dim() > 1)
    return sum((w**2).sum() for w, _ in net.net.layers())


def parameters(net):
    return list(net.net.parameters())


@pytest.mark.parametrize("kind", ["log1pz", "logz"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "kinds", [[], ["reference"], ["energy"], ["reference", "energy"]], ids="+".join
)
@pytest.mark.parametrize("n_members", [1, 3, "module"])
def test_step_equals_autograd(n_members, kinds, weighted, kind):
    own = n_members == "module"
    n_members = 1 if own else n_members
    net = make_net(n_members)
    if own:
        with torch.random.fork_rng():
            net = ModuleLogit(Small(), net.standardizer, (2,)).double()
    x = draw(8, 2, seed=3)
    weight = torch.rand(8, generator=torch.Generator().manual_seed(4)).double()
    weight = weight / weight.mean() if weighted else None
    known = known_rows(weight=np.array([0.5, 1.5, 0.8, 1.2]) if weighted else None)
    loss = OPELoss(
        EPS,
        GAMMA,
        known,
        terms(kinds, n_members),
        n_pseudo=6,
        energy_loss=kind,
        energy_penalty=PENALTY,
        weight_decay=DECAY,
    )
    value = loss.loss_and_gradient(net, x, weight, context())
    got = [p.grad.clone() for p in parameters(net)]
    for p in parameters(net):
        p.grad = None
    total = by_autograd(net, loss, x, weight, n_members)
    decay = 0.5 * DECAY * squares(net)
    (total.sum() + decay).backward()
    for p, grad in zip(parameters(net), got, strict=True):
        torch.testing.assert_close(grad, p.grad, rtol=0, atol=1e-10)
    want = float((total.sum() + decay).detach() / n_members)
    assert float(value) == pytest.approx(want, rel=1e-10)


def test_log_z_follows_the_net():
    """Tracked from 512 uniform rows: 0 for a net that gives 0, and so its factor ½."""
    net = make_net()
    with torch.no_grad():
        net.net.flat.zero_()
    loss = OPELoss(0.0, 0.0, None, terms(["energy"], 1), n_pseudo=6)
    value = loss.loss_and_gradient(net, draw(8, 2), None, context())
    assert float(loss.log_z) == pytest.approx(0.0, abs=1e-12)
    assert float(value) == pytest.approx(2 * np.log(2), rel=1e-12)
    with torch.no_grad():
        net.net.flat[0, -1] = 5.0  # now g = 5 everywhere, taken over by .36 every eighth step
    for want in [0.0] * 7 + [1.8]:
        loss.loss_and_gradient(net, draw(8, 2), None, context())
        assert float(loss.log_z) == pytest.approx(want, abs=1e-12)


def test_looking_at_z_moves_no_batch_statistic():
    """Else running means would be those of uniform rows rather than of the training batches."""
    batches = torch.nn.BatchNorm1d(2)
    own = torch.nn.Sequential(batches, torch.nn.Linear(2, 1))
    net = ModuleLogit(own, make_net().standardizer, (2,)).double().train()
    loss = OPELoss(0.0, 0.0, None, terms(["energy"], 1), n_pseudo=6)
    for _ in range(5):
        loss.loss_and_gradient(net, draw(8, 2), None, context())
    assert int(batches.num_batches_tracked) == 5
    assert net.net.training


def test_energy_rows_are_used_for_several_steps():
    term = terms(["reference", "energy"], 1)
    loss = OPELoss(0.0, 0.0, None, term, n_pseudo=6, sample_every=3)
    for _ in range(7):
        loss.loss_and_gradient(make_net(), draw(8, 2), None, context())
    assert [sampler.calls for _, sampler in term] == [7, 3]


def test_looks_at_z_are_uniform_and_differ():
    loss = OPELoss(0.0, 0.0, None, terms(["energy"], 1), n_pseudo=6)
    generator = context()
    looks = [loss._uniform_rows(generator) for _ in range(200)]
    assert not torch.equal(looks[0], looks[1])
    one_row = torch.stack([look[0] for look in looks]).numpy()
    for column in (looks[0].numpy().T, one_row.T):
        for values in column:
            assert stats.kstest((values + 2) / 4, "uniform").pvalue > 1e-3


def test_chains_move_in_blocks_of_two_draws():
    """Asked every second time for twice the rows, where the pool has them."""
    (term,) = terms(["energy"], 1)
    term[1].rows, term[1].n_chains = draw(12, 2), 12
    term[1].sample = lambda n, value_and_grad: calls.append(n) or term[1].rows
    calls = []
    loss = OPELoss(0.0, 0.0, None, [term], n_pseudo=6)
    first, second, third = (loss._pseudo(make_net())[0] for _ in range(3))
    assert calls == [12, 12]
    assert torch.equal(torch.cat([first, second]), term[1].rows)
    assert torch.equal(third, first)
    term[1].n_chains, calls[:] = 11, []
    term[1].rows = draw(6, 2)
    loss = OPELoss(0.0, 0.0, None, [term], n_pseudo=6)
    for _ in range(2):
        loss._pseudo(make_net())
    assert calls == [6, 6]


def test_known_anomalies_beyond_one_batch_take_turns():
    known = KnownAnomalies(Rows(np.arange(5.0)[:, None], np.ones(5)), 2, np.random.default_rng(0))
    seen = torch.cat([known()[0] for _ in range(2)]).flatten().tolist()
    assert sorted(seen) == [0, 1, 2, 3, 4]  # the odd row joins the last batch


def test_nothing_of_known_anomalies_at_gamma_zero():
    net, x = make_net(), draw(8, 2)
    losses = [OPELoss(0.5, 0.0, known, [], n_pseudo=6) for known in (known_rows(), None)]
    values = [float(loss.loss_and_gradient(net, x, None, context())) for loss in losses]
    assert values[0] == values[1]


def test_fault_tells_of_a_logit_that_ran_away():
    net = make_net()
    loss = OPELoss(1.0, 1.0, known_rows(), [], n_pseudo=6)
    loss.loss_and_gradient(net, draw(8, 2), None, context())
    assert loss.fault() is None
    with torch.no_grad():
        net.net.flat[0, -1] = -2000.0
    loss.loss_and_gradient(net, draw(8, 2), None, context())
    assert "The logit reached |g| = 2e+03" in loss.fault()
    assert loss.fault() is None  # of the epoch just done only


# ------------------------------------------------------------------ weights (O10)


@pytest.mark.parametrize("kind", ["reference", "energy"])
@pytest.mark.parametrize("n_members", [1, 3])
def test_weight_k_is_k_copies_in_the_loss_and_its_gradient(n_members, kind):
    net = make_net(n_members)
    count, known_count = np.array([1, 2, 3, 1, 4]), np.array([2, 1, 5])
    x, odd = draw(5, 2, seed=6), draw(3, 2, seed=7)
    results = []
    for copies in (False, True):
        rows = x.repeat_interleave(torch.tensor(count), 0) if copies else x
        known = odd.repeat_interleave(torch.tensor(known_count), 0) if copies else odd
        weight = None if copies else torch.tensor(count / count.mean())
        known_weight = None if copies else known_count / known_count.mean()
        loss = OPELoss(
            EPS,
            GAMMA,
            KnownAnomalies(Rows(known.numpy(), known_weight), 10, np.random.default_rng(0)),
            terms([kind], n_members),
            n_pseudo=6,
            energy_penalty=PENALTY,
            weight_decay=DECAY,
        )
        value = loss.loss_and_gradient(net, rows, weight, context())
        results.append((float(value), net.net.flat.grad.clone()))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-12)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=0, atol=1e-12)
