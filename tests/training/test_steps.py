"""Training counted in steps instead of passes, faults that a loss tells of, losses of players."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from skhep_anomaly.exceptions import TrainingDivergedError
from skhep_anomaly.training import AdversarialNet, Batches, Net, Objective, Player, Rows

RATE = 0.1


class Number(nn.Module):
    """One number a."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.zeros(1, dtype=torch.float64))


class Pull(Objective):
    """½ (a − x)², with a note of every step; a fault in one of the epochs."""

    def __init__(self, faulty=None):
        super().__init__()
        self.seen, self.progress, self.epochs, self.faulty = [], [], 0, faulty

    def per_row(self, module, x, context):
        self.seen.append(x[:, 0].tolist())
        self.progress.append(context.progress)
        return 0.5 * (module.a - x[:, 0]).square()

    def fault(self):
        self.epochs += 1
        return "The number ran away" if self.epochs == self.faulty else None


def rows(n):
    return Rows(np.arange(float(n))[:, None])


def make_net(loss, module=None, **options):
    defaults = {
        "seeds": np.random.SeedSequence(3),
        "lr": RATE,
        "batch_size": 2,
        "optimizer": torch.optim.SGD,
        "optimizer__fused": False,
    }
    return Net(Number() if module is None else module, loss, **(defaults | options)).initialize()


# ------------------------------------------------------------------ batches


@pytest.mark.parametrize("n, steps", [(6, 1), (6, 3), (6, 4), (7, 10), (5, 2), (1, 3)])
def test_batches_go_on_over_passes(n, steps):
    """Any window of steps is a piece of one endless sequence of shuffles."""
    batches = Batches(rows(n), 2, np.random.default_rng(0), steps=steps)
    assert len(batches) == steps
    seen = [x[:, 0].tolist() for _ in range(3) for x, _ in batches]
    assert len(seen) == 3 * steps
    per_pass = batches.pass_length
    for start in range(0, len(seen) - per_pass + 1, per_pass):
        one_pass = [value for batch in seen[start : start + per_pass] for value in batch]
        assert sorted(one_pass) == list(range(n))


def test_one_pass_without_steps():
    batches = Batches(rows(5), 2)
    assert len(batches) == batches.pass_length == 2  # the odd row joins the last batch
    assert [x[:, 0].tolist() for x, _ in batches] == [[0, 1], [2, 3, 4]]
    assert [x[:, 0].tolist() for x, _ in batches] == [[0, 1], [2, 3, 4]]


# ------------------------------------------------------------------ the net


@pytest.mark.parametrize("max_steps, epochs", [(1, 1), (10, 3), (7, 7), (25, 2), (3, 5)])
def test_exact_number_of_steps_and_even_epochs(max_steps, epochs):
    loss = Pull()
    net = make_net(loss, max_steps=max_steps, max_epochs=min(epochs, max_steps))
    net.partial_fit(rows(6))
    assert net.n_steps == max_steps
    assert len(loss.seen) == max_steps
    np.testing.assert_allclose(loss.progress, np.arange(max_steps) / max_steps)
    assert len(net.history) == min(epochs, max_steps)


def test_steps_do_not_depend_on_the_epochs():
    """Where epochs are cut changes neither the batches nor the result."""
    ends = []
    for epochs in (1, 2, 5):
        loss = Pull()
        net = make_net(loss, max_steps=11, max_epochs=epochs).partial_fit(rows(6))
        ends.append((net.module_.a.item(), loss.seen))
    assert ends[0] == ends[1] == ends[2]


def test_steps_by_hand():
    """a ← a + r (mean x − a), along the schedule's rates."""
    loss = Pull()
    net = make_net(loss, max_steps=5, max_epochs=2).partial_fit(rows(6))
    a = 0.0
    for batch in loss.seen:
        a += RATE * (np.mean(batch) - a)
    assert net.module_.a.item() == pytest.approx(a, abs=1e-14)


def test_max_steps_with_batch_callbacks_makes_the_same_steps():
    from skorch.callbacks import Callback

    class Listens(Callback):
        def __init__(self):
            self.n = 0

        def on_batch_end(self, net, **kwargs):
            self.n += 1

    listens = Listens()
    heard = make_net(Pull(), max_steps=9, max_epochs=2, callbacks=[listens]).partial_fit(rows(6))
    plain = make_net(Pull(), max_steps=9, max_epochs=2).partial_fit(rows(6))
    assert listens.n == 9
    assert heard.module_.a.item() == plain.module_.a.item()


# ------------------------------------------------------------------ faults


def test_a_fault_stops_and_gives_the_state_before_it_back():
    loss, alone = Pull(faulty=3), Pull()
    net = make_net(loss, max_steps=10, max_epochs=5)
    with pytest.warns(ConvergenceWarning, match="The number ran away in epoch 3; the weights of"):
        net.partial_fit(rows(6))
    assert len(loss.seen) == 6
    before = make_net(alone, max_steps=4, max_epochs=2).partial_fit(rows(6))
    assert net.module_.a.item() == before.module_.a.item()


def test_a_fault_in_the_first_epoch_is_an_error():
    net = make_net(Pull(faulty=1), max_steps=10, max_epochs=5)
    with pytest.raises(TrainingDivergedError, match="The number ran away in epoch 1 with"):
        net.partial_fit(rows(6))


def test_a_loss_without_faults():
    assert Objective().fault() is None


# ------------------------------------------------------------------ players


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = Number(), Number()


class Sum(Objective):
    """Writes the gradient of ½ (a₁ + a₂ − x)² for a₁ by hand."""

    def loss_and_gradient(self, module, x, weight, context):
        gap = module.one.a.detach() + module.two.a.detach() - x.mean()
        module.one.a.grad = gap.clone()
        return 0.5 * gap.square().sum()


def push(module, x, weight, context):
    return -(module.two.a * module.one.a).sum()


def test_a_player_with_an_objective_uses_its_own_gradient():
    players = (
        Player("sum", ("one",), Sum(), optimizer="sgd"),
        Player("push", ("two",), push, optimizer="sgd"),
    )
    net = AdversarialNet(
        Two(),
        players=players,
        seeds=np.random.SeedSequence(0),
        lr=RATE,
        batch_size=4,
        max_steps=2,
        max_epochs=1,
    ).initialize()
    net.partial_fit(Rows(np.full((4, 1), 3.0)))
    a = b = 0.0
    for _ in range(2):
        a -= RATE * (a + b - 3.0)
        b += RATE * a
    assert net.module_.one.a.item() == pytest.approx(a, abs=1e-14)
    assert net.module_.two.a.item() == pytest.approx(b, abs=1e-14)
    first = 0.5 * 9.0
    second = 0.5 * (RATE * 3.0 + RATE**2 * 3.0 - 3.0) ** 2
    assert net.history[-1, "loss_sum"] == pytest.approx((first + second) / 2)
