"""Games with known moves: every update computed by hand with plain gradient descent."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback
from torch import nn

from skhep_anomaly.exceptions import TrainingDivergedError
from skhep_anomaly.nn import SeededDropout
from skhep_anomaly.nn.gan_losses import gradient_penalty
from skhep_anomaly.training import AdversarialNet, Objective, Player, Rows

RATE = 0.1


class Point(nn.Module):
    """One number."""

    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(torch.tensor([value], dtype=torch.float64))


class Game(nn.Module):
    """Players a and b on the function f(a, b) = a·b·m, m the batch mean of x."""

    def __init__(self, a=1.0, b=2.0, noise=0.0):
        super().__init__()
        self.a, self.b = Point(a), Point(b)
        self.dropout = SeededDropout(noise)


def product(module, x, weight, context):
    rows = x[:, 0] if weight is None else x[:, 0] * weight
    return (module.a.value * module.b.value).sum() * module.dropout(rows).mean()


def lower(module, x, weight, context):
    return product(module, x, weight, context)


def higher(module, x, weight, context):
    return -product(module, x, weight, context)


def players(**options):
    first = {"optimizer": "sgd", **options.pop("first", {})}
    second = {"optimizer": "sgd", **options.pop("second", {})}
    return Player("low", ("a",), lower, **first), Player("high", ("b",), higher, **second)


def make_net(module=None, sides=None, **options):
    return AdversarialNet(
        Game() if module is None else module,
        players=players() if sides is None else sides,
        **{"seeds": np.random.SeedSequence(3), "lr": RATE, "batch_size": 4, **options},
    ).initialize()


def ones(n=4, **options):
    return Rows(np.ones((n, 1)), **options)


def ab(net):
    return net.module_.a.value.item(), net.module_.b.value.item()


def test_players_move_in_turn():
    """a ← a − r·b, then b ← b + r·a with the new a."""
    net = make_net(max_epochs=1)
    net.partial_fit(ones())
    assert ab(net) == pytest.approx((1 - RATE * 2, 2 + RATE * 0.8), abs=1e-15)
    row = net.history[-1]
    assert row["loss_low"] == pytest.approx(1 * 2)  # at (1, 2)
    assert row["loss_high"] == pytest.approx(-0.8 * 2)  # at (.8, 2)
    assert row["train_loss"] == pytest.approx(2 - 1.6)


def test_weights_count_as_copies():
    X, weight = np.array([[1.0], [5.0]]), np.array([1.5, 0.5])
    net = make_net(max_epochs=1)
    net.partial_fit(Rows(X, weight))
    m = (1.0 * 3 + 5.0) / 4
    assert ab(net)[0] == pytest.approx(1 - RATE * 2 * m)
    copies = make_net(max_epochs=1)
    copies.partial_fit(Rows(np.repeat(X, [3, 1], axis=0)))
    assert ab(net) == pytest.approx(ab(copies), abs=1e-14)


def test_only_the_mover_collects_gradients():
    seen = {}

    def watching(name):
        def loss(module, x, weight, context):
            seen[name] = [part for part, p in module.named_parameters() if p.requires_grad]
            return lower(module, x, weight, context)

        return loss

    module = Game()
    module.outsider = Point(7.0)
    module.b.frozen_by_user = nn.Parameter(torch.ones(1), requires_grad=False)
    net = make_net(
        module,
        [
            Player("one", ("a",), watching("one"), optimizer="sgd"),
            Player("two", ("b",), watching("two"), optimizer="sgd"),
        ],
        max_epochs=2,
    )
    net.partial_fit(ones())
    assert seen == {"one": ["a.value"], "two": ["b.value"]}
    after = {name: p.requires_grad for name, p in module.named_parameters()}
    assert after.pop("b.frozen_by_user") is False
    assert all(after.values())
    assert module.outsider.value.item() == 7.0


@pytest.mark.parametrize(
    "options, expected",
    [({}, (6, 6)), ({"steps": 3}, (18, 6)), ({"every": 2}, (3, 6)), ({"every": 4}, (1, 6))],
)
def test_counts_of_moves(options, expected):
    moves = {"low": 0, "high": 0}

    def counted(name):
        def loss(module, x, weight, context):
            moves[name] += 1
            return (module.a.value * 0 + module.b.value * 0).sum()

        return loss

    sides = [
        Player("low", ("a",), counted("low"), optimizer="sgd", **options),
        Player("high", ("b",), counted("high"), optimizer="sgd"),
    ]
    make_net(sides=sides, max_epochs=3).partial_fit(ones(8))  # 3 epochs of 2 batches
    assert (moves["low"], moves["high"]) == expected


def test_rare_moves_are_counted_over_fits():
    """One batch a fit: a player with every=3 moves in the third, and has its column then."""
    net = make_net(sides=players(second={"every": 3}), max_epochs=1)
    columns = []
    for _ in range(3):
        net.partial_fit(ones())
        columns.append("loss_high" in net.history[-1])
    assert columns == [False, False, True]
    a = 1 - 3 * RATE * 2
    assert ab(net) == pytest.approx((a, 2 + RATE * a))


def test_each_player_has_its_rate_and_schedule():
    net = make_net(sides=players(second={"learning_rate": 0.5}), max_epochs=1)
    net.partial_fit(ones())
    assert ab(net) == pytest.approx((0.8, 2 + 0.5 * 0.8))
    # cosine: the first step of a warm-up over 5 % has a hundredth of the rate
    warm = make_net(sides=players(second={"learning_rate": 0.5}), max_epochs=1, schedule="cosine")
    warm.partial_fit(ones())
    a = 1 - RATE * 0.01 * 2
    assert ab(warm) == pytest.approx((a, 2 + 0.5 * 0.01 * a))


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_first_step_of_other_optimisers(optimizer):
    """Adam's first step has length r; RMSprop's r/√(1 − .99) = 10 r."""
    net = make_net(sides=players(first={"optimizer": optimizer}), max_epochs=1)
    net.partial_fit(ones())
    length = {"adam": RATE, "rmsprop": 10 * RATE}[optimizer]
    assert ab(net)[0] == pytest.approx(1 - length, abs=1e-6)


def test_gradient_is_bounded():
    net = make_net(max_epochs=1, max_grad_norm=0.5)
    net.partial_fit(ones())
    assert ab(net) == pytest.approx((1 - RATE * 0.5, 2 + RATE * 0.5), rel=1e-5)


def test_plain_mean_over_the_last_epochs():
    path = make_net(max_epochs=1)
    ends = []
    for _ in range(5):
        path.partial_fit(ones())
        ends.append(ab(path))
    net = make_net(sides=players(first={"average_epochs": 3}), max_epochs=5)
    net.partial_fit(ones())
    assert ab(net)[0] == pytest.approx(np.mean([a for a, _ in ends[-3:]]), abs=1e-14)
    assert ab(net)[1] == pytest.approx(ends[-1][1], abs=1e-14)


def test_exponential_mean_over_the_moves():
    path = make_net(max_epochs=1)
    visited = []
    for _ in range(4):
        path.partial_fit(ones())
        visited.append(ab(path)[0])
    weights = 0.6 ** np.arange(4)[::-1]
    net = make_net(sides=players(first={"ema_decay": 0.6}), max_epochs=4)
    net.partial_fit(ones())
    assert ab(net)[0] == pytest.approx(np.average(visited, weights=weights), abs=1e-14)


def test_mean_brings_a_circling_game_home():
    """Simultaneous descent on a·b circles around (0, 0); the mean of its path is close to it."""
    sides = players(first={"average_epochs": 63}, second={"average_epochs": 63})
    net = make_net(sides=sides, max_epochs=126)  # two turns of 2π/r moves
    net.partial_fit(ones())
    plain = make_net(max_epochs=126)
    plain.partial_fit(ones())
    assert np.hypot(*ab(plain)) > 1.5
    assert np.hypot(*ab(net)) < 0.2


class HeldOut(Objective):
    """Loss of held-out rows: (b − 2.2)², so that an epoch in the middle is the best."""

    def per_row(self, module, x, context):
        return (module.b.value - 2.2).square().expand(len(x))


@pytest.mark.parametrize("options", [{}, {"average_epochs": 2}])
def test_best_epoch_on_held_out_rows(options):
    """b goes 2.08, 2.13, … to its best near 2.2; training stops two epochs after that."""
    path, ends = make_net(max_epochs=1), []
    for _ in range(6):
        path.partial_fit(ones())
        ends.append(ab(path)[1])
    best = int(np.argmin(np.abs(np.array(ends) - 2.2)))
    net = make_net(sides=players(second=options), criterion=HeldOut(), max_epochs=50, patience=2)
    net.partial_fit((ones(), ones()))
    expected = ends[best] if not options else np.mean(ends[max(0, best - 1) : best + 1])
    assert ab(net)[1] == pytest.approx(expected, abs=1e-14)
    assert len(net.history) == best + 3
    assert 0 < best < 4


def test_float_buffers_are_averaged_and_counters_are_not():
    part = nn.BatchNorm1d(1, dtype=torch.float64)
    module = Game()
    module.a.norm = part

    def loss(module, x, weight, context):
        return module.a.norm(x * module.a.value).sum()

    sides = [Player("low", ("a",), loss, optimizer="sgd", average_epochs=2)]
    net = make_net(module, sides, max_epochs=2, lr=1e-12)
    net.partial_fit(Rows(np.array([[0.0], [2.0]])))  # mean 1: running means .1, .19
    assert float(part.running_mean) == pytest.approx((0.1 + 0.19) / 2)
    assert int(part.num_batches_tracked) == 2


# ------------------------------------------------------------------ loops


class BatchListener(Callback):
    def __init__(self):
        self.n = 0

    def on_batch_end(self, net, **kwargs):
        self.n += 1


def test_skorchs_loop_gives_the_same_weights():
    listener = BatchListener()
    X = np.random.default_rng(0).normal(size=(22, 1)) + 1
    nets = []
    for callbacks in (None, [listener]):
        net = make_net(Game(noise=0.3), max_epochs=3, callbacks=callbacks)
        nets.append(net.partial_fit(Rows(X)))
    assert listener.n == 3 * 6
    assert ab(nets[0]) == ab(nets[1])
    for key in ("loss_low", "loss_high", "train_loss"):
        ours, theirs = (np.array(net.history[:, key]) for net in nets)
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("listening", [False, True])
def test_interrupt_keeps_the_state(listening):
    calls = SimpleNamespace(n=0)

    def interrupted(module, x, weight, context):
        calls.n += 1
        if calls.n == 3:
            raise KeyboardInterrupt
        return higher(module, x, weight, context)

    sides = [players()[0], Player("high", ("b",), interrupted, optimizer="sgd")]
    callbacks = [BatchListener()] if listening else None
    net = make_net(sides=sides, max_epochs=9, callbacks=callbacks)
    net.partial_fit(ones())
    assert net.interrupted_
    a, b = 0.8, 2.08
    a, b = a - RATE * b, b + RATE * (a - RATE * b)
    assert ab(net) == pytest.approx((a - RATE * b, b))
    assert all(p.requires_grad for p in net.module_.parameters())
    assert not net.module_.training
    assert net.module_.dropout.generator is None


def test_interrupt_with_averages_takes_the_last_whole_epoch():
    calls = SimpleNamespace(n=0)

    def interrupted(module, x, weight, context):
        calls.n += 1
        if calls.n == 3:
            raise KeyboardInterrupt
        return higher(module, x, weight, context)

    low = players(first={"average_epochs": 2})[0]
    net = make_net(sides=[low, Player("high", ("b",), interrupted, optimizer="sgd")], max_epochs=9)
    net.partial_fit(ones())
    ends = [0.8, 0.8 - RATE * 2.08]
    assert ab(net)[0] == pytest.approx(np.mean(ends))


def explode_from(epoch):
    calls = SimpleNamespace(n=0)

    def loss(module, x, weight, context):
        calls.n += 1
        bad = float("nan") if calls.n >= epoch else 1.0
        return higher(module, x, weight, context) * bad

    return loss


@pytest.mark.parametrize("options", [{}, {"ema_decay": 1e-12}])
def test_divergence_keeps_finite_weights(options):
    bad = Player("high", ("b",), explode_from(3), optimizer="sgd", **options)
    net = make_net(sides=[players()[0], bad], max_epochs=9)
    with pytest.warns(ConvergenceWarning, match="became non-finite in epoch 3"):
        net.partial_fit(ones())
    path = make_net(max_epochs=2)
    path.partial_fit(ones())
    assert ab(net) == pytest.approx(ab(path), abs=1e-11)


def test_divergence_from_the_start():
    net = make_net(sides=[players()[0], Player("high", ("b",), explode_from(1))], max_epochs=9)
    with pytest.raises(TrainingDivergedError, match="non-finite in epoch 1 with learning_rate=0.1"):
        net.partial_fit(ones())


def test_gradient_penalty_goes_through_a_second_derivative():
    """c(x) = a·x: penalty (|a| − 1)², gradient 2(|a| − 1) sign a; b stays."""

    def penalty(module, x, weight, context):
        return gradient_penalty(lambda p: (p * module.a.value).sum(-1), x).mean()

    module = Game(a=3.0)
    net = make_net(module, [Player("low", ("a",), penalty, optimizer="sgd")], max_epochs=1)
    net.partial_fit(ones())
    assert ab(net) == pytest.approx((3 - RATE * 2 * 2, 2.0))
    assert net.history[-1, "loss_low"] == pytest.approx(4.0)


# ------------------------------------------------------------------ state


@pytest.mark.parametrize("way", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_a_copy_trains_on_like_the_original(way, optimizer):
    """The copy's optimisers hold the copy's weights, and their own memory of past gradients."""
    sides = players(
        first={"optimizer": optimizer},
        second={"optimizer": "adam", "every": 2, "ema_decay": 0.5},
    )
    net = make_net(Game(noise=0.2), sides, max_epochs=2)
    net.partial_fit(ones(12))
    again = way(net)
    before = ab(net)
    again.partial_fit(ones(12))
    assert ab(net) == before
    net.partial_fit(ones(12))
    assert ab(again) == ab(net) != before


def test_same_seed_same_weights():
    fits = [ab(make_net(Game(noise=0.2), max_epochs=3).partial_fit(ones(12))) for _ in range(2)]
    other = make_net(Game(noise=0.2), max_epochs=3, seeds=np.random.SeedSequence(4))
    assert fits[0] == fits[1] != ab(other.partial_fit(ones(12)))


def test_held_out_rows_need_a_loss():
    with pytest.raises(NotImplementedError, match="gives the loss of each row in per_row"):
        make_net(max_epochs=1, patience=2).partial_fit((ones(), ones()))


@pytest.mark.parametrize(
    "options, told",
    [
        ({"optimizer": "lbfgs"}, "optimizer='lbfgs' is unknown; use one of"),
        ({"steps": 0}, "steps=0, every=1 and average_epochs=1 must be at least 1"),
        ({"every": 0}, "every=0 and"),
        ({"average_epochs": 0}, "average_epochs=0 must be at least 1"),
        ({"ema_decay": 1.0}, "ema_decay=1.0 must lie between 0 and 1"),
        (
            {"ema_decay": 0.9, "average_epochs": 2},
            "ema_decay and average_epochs exclude each other",
        ),
    ],
)
def test_refused_players(options, told):
    with pytest.raises(ValueError, match="Player 'low': ") as error:
        Player("low", ("a",), lower, **options)
    assert told in str(error.value)
