"""OPEClassifier's own contract: one class, thresholds, parameters that go together, its life."""

from __future__ import annotations

import pickle
import signal
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, RobustScaler
from skorch.callbacks import Callback
from torch import nn

from skhep_anomaly import (
    AEOutlierDetector,
    OPEClassifier,
    TrainingDivergedError,
    load,
    outlier_roc_auc_scorer,
)
from skhep_anomaly._validation import InvalidParameterError
from skhep_anomaly.metrics import weighted_roc_auc
from skhep_anomaly.ope.samplers import (
    SAMPLERS,
    HMCSampler,
    MixtureSampler,
    SwapSampler,
    UniformSampler,
)

FAST = {"max_iter": 20, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore:.*has not converged")


def make(**params):
    return OPEClassifier(**{**FAST, **params})


@pytest.fixture(scope="module")
def events():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 3)) * [1, 10, 0.1]
    y = np.repeat([0, 1], [130, 20])
    X[y == 1, 0] += 4
    return X, y


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(90, 1, 6, 6)).astype(np.float32)
    y = np.repeat([0, 1], [75, 15])
    X[y == 1, :, 2:4, 2:4] += 2
    return X, y


# ------------------------------------------------------------------ one class


def test_without_labels(events):
    X, y = events
    est = make(max_iter=100).fit(X[y == 0])
    assert est.classes_.tolist() == [-1, 1]
    assert est.anomaly_class_ == -1
    assert est.reference_ == "gmm"
    scores = est.score_samples(X)
    np.testing.assert_array_equal(est.decision_function(X), scores - est.offset_)
    np.testing.assert_array_equal(est.predict(X), np.where(scores < est.offset_, -1, 1))
    np.testing.assert_array_equal(est.predict_proba(X)[:, 1] < 0.5, scores < est.offset_)
    assert (est.predict(X[y == 0]) == -1).mean() == pytest.approx(0.1, abs=1 / 130)
    for labels in (y, 1 - 2 * y, y.astype(bool)):
        auc = outlier_roc_auc_scorer(est, X, labels)
        assert auc == pytest.approx(weighted_roc_auc(y, -scores))
        assert auc > 0.9


def test_correction_adds_the_log_density(events):
    """score = g + log q: a classifier that knows nothing (one step, lr ≈ 0) ranks as q does."""
    X, y = events
    est = make(learning_rate=1e-12, max_iter=1).fit(X[y == 0])
    z = torch.from_numpy((X - est.center_) / est.scale_)
    g = est.net_.module_(z).detach().numpy()
    np.testing.assert_allclose(est.score_samples(X) - g, est.sampler_.log_prob(z), rtol=1e-9)


@pytest.mark.parametrize(
    "params",
    [
        {"reference": None},
        {"sampler": "hmc"},
        {"sampler": "swap"},
        {},  # a Gaussian that settles on the one row far out is dropped
    ],
)
def test_one_huge_value_is_the_oddest(events, params):
    X = events[0][:130].astype(np.float32)
    X[7, 1] = 3e38
    scores = make(max_iter=100, **params).fit(X).score_samples(X)
    assert np.isfinite(scores).all()
    assert scores.argmin() == 7


@pytest.mark.parametrize(
    "params, y_known, reference",
    [
        ({}, False, "gmm"),
        ({}, True, None),
        ({"sampler": "swap"}, False, None),
        ({"sampler": UniformSampler()}, False, None),
        ({"reference": None}, False, None),
        ({"reference": "gmm"}, True, "gmm"),
        ({"reference": "gmm", "eps": 1.0}, True, None),
    ],
)
def test_when_the_correction_is_used(events, params, y_known, reference):
    X, y = events
    est = make(**params).fit(X, y if y_known else None)
    assert est.reference_ == reference


@pytest.mark.parametrize(
    "params, share",
    [
        ({}, None),
        ({"sampler": "swap"}, None),
        ({"eps": 1.0}, None),
        ({"sampler": "hmc"}, 0.1),
        ({"sampler": "mixture"}, 0.1),
        ({"reference": "gmm"}, 0.1),
        ({"contamination": 0.3}, 0.3),
        ({"sampler": "hmc", "contamination": 0.25}, 0.25),
    ],
)
def test_offset(events, params, share):
    """0 where the logit has a meaning, else a quantile of the normal rows' weight."""
    X, y = events
    weight = np.random.default_rng(1).uniform(0.2, 3, len(y))
    est = make(**params).fit(X, y, sample_weight=weight)
    if share is None:
        assert est.offset_ == 0.0
        return
    below = est.score_samples(X[y == 0]) < est.offset_
    flagged = weight[y == 0][below].sum() / weight[y == 0].sum()
    assert flagged == pytest.approx(share, abs=weight.max() / weight[y == 0].sum())


# ------------------------------------------------------------------ what goes together


class NaNs(FunctionTransformer):
    def transform(self, X):
        return np.full((len(X), 2), np.nan)


@pytest.mark.parametrize(
    "params, labelled, error, message",
    [
        ({"eps": 1.0}, False, ValueError, "eps=1 is two-class classification and needs known"),
        ({"eps": 1.1}, True, InvalidParameterError, "'eps' parameter of OPEClassifier"),
        ({"sampler": "cosmic"}, True, ValueError, "sampler='cosmic' is unknown; use one of"),
        ({"sampler": "cosmic", "eps": 1.0}, True, ValueError, "sampler='cosmic' is unknown"),
        ({"sampler": HMCSampler}, True, ValueError, "'sampler' parameter of OPEClassifier"),
        (
            {"sampler": HMCSampler(), "sampler_params": {"n_steps": 3}},
            True,
            ValueError,
            "go with a sampler given by name",
        ),
        ({"sampler": "hmc", "sampler_params": {"steps": 3}}, True, ValueError, "'steps'"),
        ({"sampler": "hmc", "sampler_params": {"n_steps": 0}}, True, ValueError, "HMCSampler"),
        (
            {"sampler": "swap", "reference": "gmm"},
            True,
            ValueError,
            "reference='gmm' draws its own pseudo-anomalies; leave sampler='uniform'",
        ),
        ({"reference": "kde"}, True, InvalidParameterError, "'reference' parameter"),
        (
            {"sampler": "hmc", "estimator": LogisticRegression()},
            True,
            ValueError,
            "sampler='hmc' follows the gradient of a net, which estimator=LogisticRegression",
        ),
        (
            {"sampler": "mixture", "estimator": LogisticRegression()},
            True,
            ValueError,
            "follows the gradient of a net",
        ),
        (
            {"estimator": KNeighborsClassifier()},
            True,
            ValueError,
            "estimator=KNeighborsClassifier takes no sample_weight in fit",
        ),
        (
            {"estimator": make_pipeline(RobustScaler(), KNeighborsClassifier())},
            True,
            ValueError,
            "estimator=Pipeline takes no sample_weight in fit",
        ),
        ({"estimator": 3}, True, InvalidParameterError, "'estimator' parameter"),
        ({"module": nn.Linear(3, 1), "n_members": 2}, True, ValueError, "module= is one net of"),
        (
            {"module": nn.Linear(3, 1), "estimator": LogisticRegression()},
            True,
            ValueError,
            "module= is one net of your own",
        ),
        ({"module": nn.Linear(3, 2)}, True, ValueError, r"module=Linear gives \(\d+, 2\) for"),
        ({"bounds": (0, 0)}, True, ValueError, r"bounds=\(0, 0\) needs low < high"),
        ({"bounds": (0, np.inf)}, True, ValueError, "needs low < high, both finite"),
        ({"bounds": ([0, 0], [1, 1])}, True, ValueError, r"is no box: give 'data'.*shape \(3,\)"),
        ({"bounds": (0, 1, 2)}, True, ValueError, "is no box: give 'data'"),
        ({"bounds": "rows"}, True, InvalidParameterError, "'bounds' parameter"),
        ({"preprocessing": "log"}, True, InvalidParameterError, "'preprocessing' parameter"),
        ({"preprocessing": NaNs()}, True, ValueError, "NaNs gives NaN or infinity; latent_trans"),
        ({"latent_transform": NaNs()}, True, ValueError, "NaNs gives NaN or infinity"),
        ({"activation": "sine"}, True, InvalidParameterError, "'activation' parameter"),
        ({"energy_loss": "z"}, True, InvalidParameterError, "'energy_loss' parameter"),
        ({"gamma": -1}, True, InvalidParameterError, "'gamma' parameter"),
        ({"sample_every": 0}, True, InvalidParameterError, "'sample_every' parameter"),
        ({"callbacks": [3]}, True, InvalidParameterError, "'callbacks' parameter"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_named(events, params, labelled, error, message):
    X, y = events
    est = make(**params)
    with pytest.raises(error, match=message):
        est.fit(X, y if labelled else None)
    with pytest.raises(NotFittedError):
        est.predict(X)


def test_one_class_needs_two_rows(events):
    X, _ = events
    with pytest.raises(ValueError, match="n_samples=1|1 sample"):
        make().fit(X[:1])
    with pytest.raises(ValueError, match=r"Only n_samples=1 of 150 rows has a sample_weight"):
        make().fit(X, sample_weight=np.eye(150)[0])
    assert np.isfinite(make().fit(X[:2]).score_samples(X)).all()


# ------------------------------------------------------------------ samplers


@pytest.mark.parametrize("sampler", [*sorted(SAMPLERS), "objects"])
@pytest.mark.parametrize("n_members", [1, 2])
def test_every_sampler_fits_and_comes_back(events, sampler, n_members, tmp_path):
    X, y = events
    if sampler == "objects":
        sampler = MixtureSampler([("near", SwapSampler(0.5)), ("walk", HMCSampler(2))])
    short = {"max_epochs": 2} if sampler == "flow" else None
    est = make(sampler=sampler, sampler_params=short, n_members=n_members).fit(X, y)
    scores = est.score_samples(X)
    assert np.isfinite(scores).all()
    assert roc_auc_score(y, -clone(est).set_params(max_iter=150).fit(X, y).score_samples(X)) > 0.7
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(est)).score_samples(X), scores)
    np.testing.assert_array_equal(clone(est).fit(X, y).score_samples(X), scores)
    est.save(tmp_path / "m")
    there = load(tmp_path / "m")
    np.testing.assert_array_equal(there.score_samples(X), scores)
    assert there.bias_residual_ == est.bias_residual_
    low, high = est.box_
    rows = est.sampler_.low_
    np.testing.assert_allclose(rows, low)
    assert (high > low).all()


@pytest.mark.parametrize("reference", ["gmm", "flow"])
def test_one_class_reference_comes_back(events, reference, tmp_path):
    X, y = events
    short = {"max_epochs": 5} if reference == "flow" else {"n_components": 3}
    est = make(reference=reference, sampler_params=short).fit(X[y == 0].astype(np.float32))
    scores = est.score_samples(X.astype(np.float32))
    assert roc_auc_score(y, -scores) > 0.8
    est.save(tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").score_samples(X.astype(np.float32)), scores)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(est)).score_samples(X.astype(np.float32)), scores
    )


def test_sampler_objects_are_cloned_and_nested(events):
    X, y = events
    sampler = HMCSampler(step_size=0.3)
    est = make(sampler=sampler).set_params(sampler__n_steps=2).fit(X, y)
    assert est.sampler_ is not sampler
    assert est.sampler_.n_steps == 2
    assert not hasattr(sampler, "low_")
    named = make(sampler="hmc", sampler_params={"step_size": 0.3, "n_steps": 2}).fit(X, y)
    np.testing.assert_array_equal(named.score_samples(X), est.score_samples(X))


def test_diagnostics(events):
    X, y = events
    est = make(sampler="hmc", max_iter=200).fit(X, y)
    assert {"acceptance", "step_size", "boundary_fraction", "g_chains"} <= set(est.sampler_stats_)
    assert est.sampler_stats_["g_normal"] > est.sampler_stats_["g_known"]
    assert np.isfinite([est.log_z_, est.bias_residual_, est.energy_scale_]).all()
    assert 0 <= est.sampler_stats_["acceptance"] <= 1


def test_members_differ_and_their_mean_is_the_score(events):
    X, y = events
    for params in ({}, {"sampler": "hmc"}, {"estimator": LogisticRegression()}):
        est = make(n_members=3, **params).fit(X, y)
        assert (est.score_std(X) > 0).all()
        assert not make(**params).fit(X, y).score_std(X).any()
    z = (X - est.center_) / est.scale_
    mean = np.mean([m.decision_function(z) for m in est.estimators_], axis=0)
    np.testing.assert_allclose(est.score_samples(X), mean, rtol=1e-6)


# ------------------------------------------------------------------ other classifiers


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        HistGradientBoostingClassifier(max_iter=20),
        RidgeClassifier(),
        make_pipeline(RobustScaler(), LogisticRegression()),
    ],
)
@pytest.mark.parametrize("sampler", ["uniform", "swap"])
def test_any_weighted_classifier(events, estimator, sampler):
    X, y = events
    est = make(estimator=estimator, sampler=sampler, n_pseudo=500).fit(X, y)
    assert est.offset_ == 0.0
    assert roc_auc_score(y, est.decision_function(X)) > 0.8
    assert not hasattr(est, "net_")
    one_class = clone(est).set_params(reference=None).fit(X[y == 0])
    assert one_class.predict(X[y == 0]).mean() == pytest.approx(0.8, abs=0.05)


def test_a_further_fit_leaves_nothing_of_the_last(events):
    X, y = events
    est = make(estimator=LogisticRegression(), warm_start=True).fit(X, y)
    est.set_params(estimator=None).fit(X, y)
    assert not hasattr(est, "estimators_")
    np.testing.assert_array_equal(est.score_samples(X), make().fit(X, y).score_samples(X))
    est.set_params(estimator=LogisticRegression()).fit(X, y)
    assert not hasattr(est, "net_")


def test_a_refused_fit_leaves_the_last_one(events):
    X, y = events
    est = make().fit(X, y)
    scores = est.predict(X)
    with pytest.raises(ValueError, match="reference='flow' draws its own pseudo-anomalies"):
        est.set_params(sampler="swap", reference="flow").fit(X, 1 - 2 * y)
    np.testing.assert_array_equal(est.predict(X), scores)


def test_foreign_classifier_is_refused_by_save_and_pickles(events, tmp_path):
    X, y = events
    est = make(estimator=LogisticRegression()).fit(X, y)
    with pytest.raises(TypeError, match="OPEClassifier cannot be saved: estimator=LogisticRegr"):
        est.save(tmp_path / "m")
    again = pickle.loads(pickle.dumps(est))
    np.testing.assert_array_equal(again.score_samples(X), est.score_samples(X))


def test_shares_of_the_weighted_fit(events):
    """Normal : known : pseudo-anomalies weigh 1 : γ : 1 − ε, whatever their numbers."""
    X, y = events
    seen = {}

    class Spy(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            seen.update(target=y, weight=sample_weight)
            return super().fit(X, y, sample_weight=sample_weight)

    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    make(estimator=Spy(), eps=0.3, n_pseudo=400).fit(X, y, sample_weight=weight)
    total = [seen["weight"][part].sum() for part in (slice(130), slice(130, 150), slice(150, None))]
    np.testing.assert_allclose(total, 130 * np.array([1, 0.3, 0.7]))
    assert seen["target"].sum() == 130


# ------------------------------------------------------------------ coordinates


@pytest.mark.parametrize(
    "preprocessing", ["standard", "quantile", None, MinMaxScaler(), RobustScaler()]
)
def test_preprocessing(events, preprocessing, tmp_path):
    X, y = events
    est = make(preprocessing=preprocessing, max_iter=150).fit(X, y)
    assert roc_auc_score(y, est.decision_function(X)) > 0.8
    assert est.box_.shape == (2, 3)
    if preprocessing is None:
        assert (est.box_[0] < X.min(axis=0)).all()
        assert (est.box_[1] > X.max(axis=0)).all()
        np.testing.assert_allclose(est.box_[1] - est.box_[0], 1.2 * np.ptp(X, axis=0))
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(est)).score_samples(X), est.score_samples(X)
    )


def test_quantiles_undo_monotone_changes(events):
    """The normal rows keep their ranks; between two of them nothing is promised."""
    X = events[0][:130]
    est = make(preprocessing="quantile", reference=None)
    scores = [clone(est).fit(rows).score_samples(rows) for rows in (X, X**3)]
    np.testing.assert_allclose(*scores, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("bounds", [(-5, 5), ([-5, -5, -5], [5, 5, 5]), [-5, np.full(3, 5.0)]])
def test_given_box(events, bounds):
    X, y = events
    est = make(bounds=bounds).fit(X, y)
    np.testing.assert_array_equal(est.box_, [[-5] * 3, [5] * 3])


def test_latent_transform(events):
    X, y = events
    est = make(latent_transform=PCA(2, random_state=0)).fit(X, y)
    assert est.n_coordinates_ == 2
    assert est.n_features_in_ == 3
    assert est.box_.shape == (2, 2)
    assert np.isfinite(est.score_samples(X)).all()


def test_latent_of_an_autoencoder(events, tmp_path):
    X, y = events
    latent = AEOutlierDetector((8,), 2, n_members=1, max_epochs=3, random_state=0)
    est = make(latent_transform=latent, sampler="hmc").fit(X, y)
    assert est.n_coordinates_ == 2
    assert not hasattr(latent, "net_")
    est.save(tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").score_samples(X), est.score_samples(X))


class Conv(nn.Module):
    """A small convolutional net."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.LeakyReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(64, 1)
        )
        for p in self.parameters():
            nn.init.normal_(p, std=0.1, generator=generator)

    def forward(self, x):
        return self.layers(x)


@pytest.mark.parametrize("sampler", ["uniform", "swap", "hmc"])
def test_images_through_a_module(images, sampler, tmp_path):
    X, y = images
    stream = torch.get_rng_state()
    with torch.random.fork_rng():
        module = Conv()
    first = module.layers[0].weight.detach().clone()
    est = make(module=module, sampler=sampler, max_iter=60, learning_rate=3e-3).fit(X, y)
    scores = est.score_samples(X)
    assert roc_auc_score(y, -scores) > 0.8
    assert torch.equal(module.layers[0].weight, first)  # the user's own stays as it is
    assert torch.equal(torch.get_rng_state(), stream)
    np.testing.assert_array_equal(clone(est).fit(X, y).score_samples(X), scores)
    with pytest.raises(ValueError, match=r"X has rows of shape \(1, 5, 6\), but OPEClassifier"):
        est.score_samples(X[:, :, 1:])
    est.save(tmp_path / "m")
    there = load(tmp_path / "m", modules={"Conv": Conv})
    np.testing.assert_array_equal(there.score_samples(X), scores)
    with pytest.raises(TypeError, match="the file needs the module class 'Conv'"):
        load(tmp_path / "m")


# ------------------------------------------------------------------ training


def test_steps_and_history(events):
    X, y = events
    est = make(max_iter=250).fit(X, y)
    assert est.n_iter_ == 250
    assert [row["epoch"] for row in est.history_] == [1, 2]
    assert est.history_[1]["train_loss"] < est.history_[0]["train_loss"]


def test_warm_start_goes_on(events):
    X, y = events
    est = make(warm_start=True, sampler="hmc").fit(X, y)
    before = est.score_samples(X)
    est.fit(X, y)
    assert est.n_iter_ == 40
    assert not np.array_equal(est.score_samples(X), before)
    with pytest.raises(ValueError, match="parameters of OPEClassifier now ask for another one"):
        est.set_params(hidden_layer_sizes=(5,)).fit(X, y)
    assert np.isfinite(est.score_samples(X)).all()


def test_weight_decay_does_something(events):
    X, y = events
    weak, strong = (
        make(weight_decay=decay, max_iter=300).fit(X, y).energy_scale_ for decay in (0.0, 1.0)
    )
    assert strong < 0.5 * weak


@pytest.mark.parametrize("name, change", [
    ("eps", 0.9),
    ("gamma", 3.0),
    ("n_pseudo", 7),
    ("energy_penalty", 1.0),
    ("energy_loss", "logz"),
    ("sample_every", 5),
    ("bounds_pad", 1.0),
    ("activation", "tanh"),
    ("lr_schedule", "constant"),
    ("max_grad_norm", 1e-3),
])  # fmt: skip
def test_every_parameter_does_something(events, name, change):
    X, y = events
    base = make(sampler="hmc").fit(X, y).score_samples(X)
    assert not np.array_equal(
        make(sampler="hmc", **{name: change}).fit(X, y).score_samples(X), base
    )


class Interrupts(Callback):
    """A Ctrl-C in the second round of steps."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 2:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("sampler", ["uniform", "hmc"])
def test_ctrl_c_leaves_a_usable_model_and_is_raised_again(events, sampler):
    X, y = events
    est = make(max_iter=1000, sampler=sampler, callbacks=[Interrupts()])
    with pytest.raises(KeyboardInterrupt, match="was interrupted in epoch 2; the best state"):
        est.fit(X, y)
    assert np.isfinite(est.offset_)
    assert np.isfinite(est.score_samples(X)).all()
    assert np.isfinite(est.bias_residual_)
    assert est.n_iter_ == 100
    assert est.predict(X).shape == (150,)


class CountsBatches(Callback):
    def __init__(self):
        self.n = 0

    def on_batch_end(self, net, **kwargs):
        self.n += 1


def test_callbacks_hear_of_batches(events):
    X, y = events
    counter = CountsBatches()
    est = make(max_iter=120, callbacks=[counter]).fit(X, y)
    assert counter.n == 120
    np.testing.assert_array_equal(
        make(max_iter=120).fit(X, y).score_samples(X), est.score_samples(X)
    )


@pytest.mark.parametrize("sampler", ["uniform", "swap", "hmc", "rmsprop"])
@pytest.mark.parametrize("rate", [3.0, 1e30])
def test_hopeless_learning_rate_never_gives_nan(events, sampler, rate):
    X, y = events
    est = make(sampler=sampler, learning_rate=rate, lr_schedule="constant", max_iter=400)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            est.fit(X, y)
        except TrainingDivergedError as error:
            assert "learning_rate" in str(error)  # noqa: PT017
            return
    assert np.isfinite(est.score_samples(X)).all()
    assert any(issubclass(w.category, ConvergenceWarning) for w in caught) or (
        est.bias_residual_ <= 0.1
    )


class Blows(Callback):
    """Makes the weights huge in the second round of steps."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 2:
            with torch.no_grad():
                net.module_.net.flat.mul_(100.0)


@pytest.mark.parametrize("sampler", ["uniform", "hmc"])
def test_runaway_logit_stops_the_training(events, sampler):
    X, y = events
    est = make(sampler=sampler, max_iter=1000, callbacks=[Blows()])
    with pytest.warns(ConvergenceWarning, match=r"The logit reached \|g\| = .*best finite"):
        est.fit(X, y)
    assert np.abs(est.score_samples(X)).max() < 50
    assert len(est.history_) == 2


def test_no_state_is_kept_of_a_first_round_that_ran_away(events):
    X, y = events
    far = np.r_[X, np.full((1, 3), 50.0)]
    est = make(preprocessing=None, learning_rate=0.5, lr_schedule="constant", bounds=(-100, 100))
    with pytest.raises(TrainingDivergedError, match=r"The logit reached \|g\| = .*in epoch 1"):
        est.set_params(max_iter=1000, weight_decay=0).fit(far, np.r_[y, 1])
    with pytest.raises(NotFittedError):
        est.predict(X)


def test_too_few_steps_are_told(events):
    X, y = events
    est = make(max_iter=1, hidden_layer_sizes=(), gamma=5.0, learning_rate=1e-9)
    with pytest.warns(ConvergenceWarning, match="bias_residual_ = .* after 1 steps, above 0.1"):
        est.fit(-X, y)
