"""What a fit leaves behind that goes wrong, in every trained detector."""

import pickle
import signal
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from skorch.callbacks import Callback
from torch import nn

from skhep_anomaly import (
    AEOutlierDetector,
    FlowOutlierDetector,
    GANOutlierDetector,
    VAEOutlierDetector,
)
from skhep_anomaly._validation import InvalidParameterError
from skhep_anomaly.exceptions import TrainingDivergedError

every = pytest.mark.parametrize(
    "cls", [AEOutlierDetector, FlowOutlierDetector, GANOutlierDetector, VAEOutlierDetector]
)


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(120, 3))


def make(cls, **params):
    return cls(**{"max_epochs": 3, "random_state": 0, "early_stopping": False, **params})


def presses_ctrl_c(detector, monkeypatch, times):
    """Let Ctrl-C come in the calibration after the epochs, so many times."""
    finish, left = detector._finish, [times]

    def interrupted(X, weight):
        if left[0]:
            left[0] -= 1
            signal.raise_signal(signal.SIGINT)
        finish(X, weight)

    monkeypatch.setattr(detector, "_finish", interrupted)


@every
def test_ctrl_c_after_the_epochs_still_sets_everything(cls, X, monkeypatch):
    detector = make(cls)
    presses_ctrl_c(detector, monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt, match="in epoch 3; the best state so far is set"):
        detector.fit(X)
    whole = make(cls).fit(X)
    np.testing.assert_array_equal(detector.score_samples(X), whole.score_samples(X))
    assert detector.offset_ == whole.offset_


@every
def test_second_ctrl_c_leaves_no_half_fitted_estimator(cls, X, monkeypatch):
    detector = make(cls).fit(X)
    presses_ctrl_c(detector, monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        detector.fit(X)
    with pytest.raises(NotFittedError):
        detector.score_samples(X)


class StopsAtOnce(Callback):
    """A Ctrl-C in the first epoch."""

    def on_epoch_begin(self, net, **kwargs):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("robust", ["l1", "l21_rows", "l21_columns"])
def test_robust_autoencoder_interrupted_at_once(robust, X):
    detector = make(AEOutlierDetector, robust=robust, callbacks=[StopsAtOnce()])
    with pytest.raises(KeyboardInterrupt, match="in epoch 1"):
        detector.fit(X)
    assert detector.history_ == []
    assert detector.n_iter_ == 0
    np.testing.assert_allclose(detector.low_rank_ + detector.sparse_, X)
    assert np.isfinite(detector.score_samples(X)).all()


HOPELESS = {"learning_rate": 1e300, "lr_schedule": "constant", "max_grad_norm": None}


@every
def test_divergence_leaves_an_unfitted_estimator(cls, X):
    detector = make(cls).fit(X).set_params(**HOPELESS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            detector.fit(X)
        except TrainingDivergedError:
            with pytest.raises(NotFittedError):
                detector.score_samples(X)
        else:
            assert np.isfinite(detector.score_samples(X)).all()


def test_net_that_scores_no_numbers_has_diverged(X):
    detector = make(FlowOutlierDetector, **HOPELESS)
    with (
        pytest.raises(TrainingDivergedError, match=r"scores 120 of 120 training rows as NaN"),
        np.errstate(all="ignore"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        detector.fit(X)


@every
@pytest.mark.filterwarnings("ignore:The generator:UserWarning")
def test_further_fit_that_diverges_gives_back_the_weights_before(cls, X):
    detector = make(cls).fit(X)
    before = detector.score_samples(X)
    parameters = list(detector.net_.module_.parameters())

    class Breaks(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 4:
                parameters[0].data.fill_(np.nan)

    detector.net_.callbacks_.append(("breaks", Breaks()))
    with pytest.warns(ConvergenceWarning, match="in epoch 4"):
        detector.partial_fit(X)
    np.testing.assert_allclose(detector.score_samples(X), before, rtol=1e-9)
    detector.partial_fit(X)  # the optimiser is sound as well
    assert detector.n_iter_ == 5
    assert np.abs(detector.score_samples(X) - before).max() > 0


@every
def test_weights_that_leave_one_row(cls, X):
    with pytest.raises(
        ValueError, match=r"n_samples=1 of 120 rows .* minimum of 2 .*" + cls.__name__
    ):
        make(cls).fit(X, sample_weight=np.arange(120) == 7)


@every
def test_seed_sequence_is_not_used_up(cls, X):
    detector = make(cls, random_state=np.random.SeedSequence(5))
    scores = detector.fit(X).score_samples(X)
    np.testing.assert_array_equal(detector.fit(X).score_samples(X), scores)


@every
def test_pickle_from_a_gpu_wakes_up_where_the_net_is(cls, X):
    detector = make(cls).fit(X)
    detector.device_ = "cuda"  # the net itself is moved by skorch
    assert pickle.loads(pickle.dumps(detector)).device_ == "cpu"


def test_hybrid_score_of_a_row_does_not_depend_on_its_neighbours(X):
    detector = make(AEOutlierDetector, score_kind="hybrid").fit(X)
    alone = [float(detector.score_samples(row[None])[0]) for row in X[:20]]
    np.testing.assert_allclose(detector.score_samples(X)[:20], alone, rtol=1e-12)


@every
def test_further_fit_takes_the_learning_rate_of_now(cls, X):
    detector = make(cls, warm_start=True, lr_schedule="constant").fit(X)
    module = detector.net_.module_
    weights = [p.detach().clone() for p in module.parameters()]
    detector.set_params(learning_rate=1e-12, batch_size=17).fit(X)
    for now, before in zip(module.parameters(), weights, strict=True):
        np.testing.assert_allclose(now.detach(), before, atol=1e-9)
    assert detector.net_.batch_size == 17


def test_own_modules_fitted_in_threads_equal_one_after_the_other(X):
    def parts():
        encoder = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.3), nn.Linear(4, 2))
        return {"encoder": encoder, "decoder": nn.Linear(2, 3), "noise": None, "n_members": 1}

    with torch.random.fork_rng():
        detector = make(AEOutlierDetector, **parts(), batch_size=16, max_epochs=10)
    before = torch.get_rng_state()
    expected = clone(detector).fit(X).score_samples(X)
    with ThreadPoolExecutor(4) as pool:
        fits = list(pool.map(lambda _: clone(detector).fit(X), range(8)))
    for one in fits:
        np.testing.assert_array_equal(one.score_samples(X), expected)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("device", ["mps", "meta", "xpu"])
def test_other_devices_are_refused(device, X):
    with pytest.raises(ValueError, match=f"device='{device}' is not supported; use 'cpu', 'cuda'"):
        make(AEOutlierDetector, device=device).fit(X)


@every
@pytest.mark.parametrize("sizes", [(0,), (8, -3), (6.5,), ("a",), [[3, 4]], (True,)])
def test_layer_sizes_are_checked(cls, sizes, X):
    for name in cls().get_params():
        if name.endswith("layer_sizes"):
            with pytest.raises(
                InvalidParameterError, match=rf"'{name}' parameter of {cls.__name__}"
            ):
                make(cls, **{name: sizes}).fit(X)


@every
def test_partial_fit_checks_parameters_each_time(cls, X):
    detector = make(cls).partial_fit(X).set_params(learning_rate=-1.0)
    with pytest.raises(InvalidParameterError, match="'learning_rate' parameter"):
        detector.partial_fit(X)


def test_threshold_that_gives_no_number(X):
    with pytest.raises(ValueError, match=r"threshold=.* gave nan; it must give a finite number"):
        make(AEOutlierDetector, threshold=lambda scores: np.nan).fit(X)


@every
def test_partial_fit_in_small_parts_trains_at_the_full_rate(cls, X):
    detector = make(cls, batch_size=256).partial_fit(X)
    weights = next(detector.net_.module_.parameters())
    for _ in range(20):  # calls of one step each
        before = weights.detach().clone()
        detector.partial_fit(X)
        moved = float((weights.detach() - before).abs().max())
        assert 0.1 * detector.learning_rate < moved


def test_partial_fit_in_small_parts_minds_the_kl_term(X):
    settings = {"loss": "mse_kl", "beta": 0.5, "learning_rate": 1e-2, "batch_size": 256}
    detector = make(VAEOutlierDetector, **settings)
    for _ in range(150):  # with so large a beta nothing is worth being coded
        detector.partial_fit(X)
    assert detector.kl_per_dim_.max() < 0.1
