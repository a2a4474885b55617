"""The engine: steps, weights, stopping, faults."""

import pickle
import signal
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from skhep_anomaly.exceptions import TrainingDivergedError
from skhep_anomaly.training import Batches, Context, Net, Objective, Rows, weighted_mean
from skhep_anomaly.training.net import clip_members
from skhep_anomaly.training.schedule import SCHEDULES


class Line(nn.Module):
    """y = a x: one weight."""

    def __init__(self, a=0.0, dtype=torch.float64):
        super().__init__()
        self.a = nn.Parameter(torch.tensor([a], dtype=dtype))


class Squared(Objective):
    """(a x_0 − x_1)², whose optimum is the least-squares slope."""

    noise = 0.0

    def per_row(self, module, x, context):
        x0 = x[:, 0]
        if self.noise:
            x0 = x0 + self.noise * torch.randn(len(x), generator=context.generator, dtype=x.dtype)
        return (module.a * x0 - x[:, 1]).square()


def make_net(module=None, objective=None, **kwargs):
    settings = {"max_epochs": 3, "batch_size": 4, "lr": 0.1, "seeds": np.random.SeedSequence(0)}
    return Net(module or Line(), objective or Squared(), **(settings | kwargs))


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    return np.stack([x, 2 * x + 0.1 * rng.normal(size=40)], axis=1)


def test_one_sgd_step_is_that_of_the_formula(data):
    net = make_net(
        max_epochs=1, batch_size=100, optimizer=torch.optim.SGD, optimizer__fused=False, lr=0.05
    )
    weight = np.random.default_rng(1).uniform(0.5, 2, 40)
    weight /= weight.mean()
    net.partial_fit(Rows(data, weight))
    gradient = np.average(-2 * data[:, 0] * data[:, 1], weights=weight)
    np.testing.assert_allclose(net.module_.a.item(), -0.05 * gradient, rtol=1e-12)


def test_loss_of_the_epoch_is_the_weighted_mean_over_rows(data):
    net = make_net(max_epochs=1, batch_size=7, lr=1e-12)
    weight = np.random.default_rng(1).uniform(0.5, 2, 40)
    weight /= weight.mean()
    net.partial_fit(Rows(data, weight))
    want = np.average(data[:, 1] ** 2, weights=weight)
    np.testing.assert_allclose(net.history[-1, "train_loss"], want, rtol=1e-9)


def test_training_finds_the_least_squares_slope(data):
    net = make_net(max_epochs=400, schedule="cosine")
    net.partial_fit(Rows(data))
    want = (data[:, 0] @ data[:, 1]) / (data[:, 0] @ data[:, 0])
    np.testing.assert_allclose(net.module_.a.item(), want, atol=1e-3)


class Listens(Callback):
    """Counts batches, which sends training through skorch's own loop."""

    count = 0

    def on_batch_end(self, net, **kwargs):
        self.count += 1


def test_loop_with_batch_events_gives_the_same_weights(data):
    objective = Squared()
    objective.noise = 0.3
    plain = make_net(objective=objective).partial_fit(Rows(data))
    listener = Listens()
    heard = make_net(objective=objective, callbacks=[listener]).partial_fit(Rows(data))
    assert listener.count == 30
    assert heard.module_.a.item() == plain.module_.a.item()
    np.testing.assert_allclose(heard.history[:, "train_loss"], plain.history[:, "train_loss"])


def test_gradient_event_reaches_the_callback(data):
    seen = []

    class Sees(Callback):
        def on_grad_computed(self, net, named_parameters, **kwargs):
            seen.append({name: p.grad.item() for name, p in named_parameters})

    make_net(max_epochs=1, callbacks=[Sees()]).partial_fit(Rows(data))
    assert len(seen) == 10
    assert all(abs(grads["a"]) > 0 for grads in seen)


def test_same_seed_same_weights_and_global_stream_untouched(data):
    state = torch.get_rng_state()
    objective = Squared()
    objective.noise = 0.5
    one = make_net(objective=objective).partial_fit(Rows(data)).module_.a.item()
    two = make_net(objective=objective).partial_fit(Rows(data)).module_.a.item()
    other = make_net(objective=objective, seeds=np.random.SeedSequence(1)).partial_fit(Rows(data))
    assert one == two
    assert other.module_.a.item() != one
    assert torch.equal(torch.get_rng_state(), state)


def test_early_stopping_keeps_the_best_weights(data):
    net = make_net(max_epochs=200, patience=5, tol=0.0, lr=0.5)
    net.partial_fit((Rows(data[:30]), Rows(data[30:])))
    losses = np.array(net.history[:, "valid_loss"])
    assert len(losses) < 200
    kept = np.mean((net.module_.a.item() * data[30:, 0] - data[30:, 1]) ** 2)
    np.testing.assert_allclose(kept, losses.min(), rtol=1e-12)


def test_callback_may_end_training(data):
    net = make_net(max_epochs=50, callbacks=[EarlyStopping("train_loss", patience=2, threshold=10)])
    net.set_params(callbacks__EarlyStopping__sink=lambda *args: None)
    net.partial_fit(Rows(data))
    assert len(net.history) == 4 or len(net.history) == 3
    assert not net.interrupted_


class Interrupts(Callback):
    """Sends the process a Ctrl-C in the middle of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_is_noted_and_the_finished_epochs_count(data):
    net = make_net(max_epochs=50, callbacks=[Interrupts(4)])
    net.partial_fit(Rows(data))
    assert net.interrupted_
    assert abs(net.module_.a.item()) > 0.1
    assert not net.module_.training


class Explodes(Squared):
    """Finite for some calls, then NaN."""

    def __init__(self, after):
        super().__init__()
        self.calls, self.after = 0, after

    def per_row(self, module, x, context):
        self.calls += 1
        loss = super().per_row(module, x, context)
        return loss * float("nan") if self.calls > self.after else loss


def test_non_finite_loss_restores_the_best_weights(data):
    short = make_net(max_epochs=2).partial_fit(Rows(data)).module_.a.item()
    net = make_net(objective=Explodes(25), max_epochs=9)
    with pytest.warns(ConvergenceWarning, match="non-finite in epoch 3; the weights of the best"):
        net.partial_fit(Rows(data))
    assert net.module_.a.item() == short


def test_non_finite_from_the_start_raises(data):
    with pytest.raises(
        TrainingDivergedError, match=r"non-finite in epoch 1 with learning_rate=0\.1"
    ):
        make_net(objective=Explodes(0)).partial_fit(Rows(data))


def test_batches_cover_every_row_once_and_join_a_lonely_last_row():
    X = np.arange(9, dtype=np.float32)[:, None]
    batches = Batches(Rows(X), 4, np.random.default_rng(0))
    sizes = [len(x) for x, _ in batches]
    assert sizes == [4, 5]
    assert len(batches) == 2
    assert sorted(torch.cat([x for x, _ in batches]).ravel().tolist()) == list(range(9))
    assert [len(x) for x, _ in Batches(Rows(X[:1]), 4)] == [1]
    assert [len(x) for x, _ in Batches(Rows(X), 1)] == [1] * 9


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9, 10, 17])
def test_number_of_batches_is_right(n):
    batches = Batches(Rows(np.zeros((n, 1))), 4)
    assert len(batches) == len(list(batches))


def test_rows_split_is_a_partition_of_the_same_memory():
    X = np.arange(20.0)[:, None]
    rows = Rows(X, np.arange(20.0))
    train, valid = rows.split(0.25, np.random.default_rng(0))
    assert (len(train), len(valid)) == (15, 5)
    assert train.X is X
    both = torch.cat([train[:][0], valid[:][0]]).ravel()
    assert sorted(both.tolist()) == list(range(20))
    np.testing.assert_array_equal(train[:][1], train[:][0].ravel())
    assert len(train.split(0.2, np.random.default_rng(0))[1]) == 3


def test_rows_take_read_only_and_other_dtypes():
    X = np.arange(6, dtype=np.float16).reshape(3, 2)
    X.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x, weight = Rows(X)[1]
    assert x.dtype == torch.float32
    assert weight is None
    np.testing.assert_array_equal(x, [[2, 3]])


def test_clip_bounds_each_member():
    flat = nn.Parameter(torch.zeros(2, 2))
    flat.grad = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    clip_members([flat], 1.0)
    np.testing.assert_allclose(flat.grad, [[0.6, 0.8], [0.3, 0.4]], rtol=1e-5)
    parts = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    parts[0].grad, parts[1].grad = torch.tensor([3.0]), torch.tensor([4.0])
    clip_members(parts, 1.0)
    np.testing.assert_allclose([p.grad.item() for p in parts], [0.6, 0.8], rtol=1e-5)
    two = [nn.Parameter(torch.zeros(2, 1)), nn.Parameter(torch.zeros(2, 1))]
    two[0].grad, two[1].grad = torch.tensor([[3.0], [0.3]]), torch.tensor([[4.0], [0.4]])
    clip_members(two, 1.0, n_members=2)
    np.testing.assert_allclose(
        torch.cat([p.grad for p in two], 1), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-5
    )


def test_schedules():
    assert SCHEDULES["constant"](0.3) == 1.0
    cosine = SCHEDULES["cosine"]
    np.testing.assert_allclose(
        [cosine(0.025), cosine(0.05), cosine(1.0)], [0.5, 1.0, 0.0], atol=1e-12
    )
    np.testing.assert_allclose(cosine(0.525), 0.5)


def test_pickle_continues_the_same_noise(data):
    objective = Squared()
    objective.noise = 0.5
    net = make_net(objective=objective, max_epochs=1).partial_fit(Rows(data))
    copy = pickle.loads(pickle.dumps(net))
    assert (
        copy.partial_fit(Rows(data)).module_.a.item()
        == net.partial_fit(Rows(data)).module_.a.item()
    )


def test_weighted_mean_sums_members():
    per_row = torch.tensor([[1.0, 3.0], [10.0, 30.0]])
    assert weighted_mean(per_row, None).item() == 22.0
    assert weighted_mean(per_row, torch.tensor([0.5, 1.5])).item() == (5.0 + 50.0) / 2


def test_objective_without_a_loss_says_so():
    with pytest.raises(NotImplementedError, match="An objective gives the loss of each row"):
        Objective().per_row(Line(), torch.zeros(1), Context(torch.Generator()))


def test_progress_bar_shows_on_stderr_only_when_asked(data, capsys):
    make_net().partial_fit(Rows(data))
    assert capsys.readouterr() == ("", "")
    make_net(bar="Line", patience=9).partial_fit((Rows(data[:30]), Rows(data[30:])))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("Line") >= 1
    assert "valid=" in err
