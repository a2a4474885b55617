"""PyOD at the border: signs, names, seeds, weights, and the way back."""

from __future__ import annotations

import os
import pickle
import random
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from pyod.models.auto_encoder import AutoEncoder
from pyod.models.base import BaseDetector
from pyod.models.deep_svdd import DeepSVDD
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.models.ocsvm import OCSVM
from pyod.models.vae import VAE
from sklearn.base import clone
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from skhep_anomaly._validation import InvalidParameterError
from skhep_anomaly.exceptions import TrainingDivergedError
from skhep_anomaly.outliers import PyODAdapter, as_pyod, baselines

DEEP = [
    (DeepSVDD, {"epochs": 2}),
    (AutoEncoder, {"epoch_num": 2}),
    (VAE, {"epoch_num": 2, "encoder_neuron_list": [8, 4], "decoder_neuron_list": [4, 8]}),
]


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(120, 3))


@pytest.fixture
def new():
    return np.random.default_rng(1).normal(size=(40, 3)) * [1, 2, 3]


# ------------------------------------------------------------ scikit-learn's checks

OWN_TRAINING_SCORES = {
    "check_outliers_train": "PyOD's training scores leave a row out of its own neighbourhood "
    "(KNN) or do not count it twice (ECOD); thresholds are set on them",
    "check_outliers_fit_predict": "the same",
}
CHECKED = {
    "IForest": (IForest(n_estimators=10), {}),
    "OCSVM": (
        OCSVM(),
        {
            "check_sample_weight_equivalence_on_dense_data": "equal within the solver's tolerance: "
            "see test_weights_of_ocsvm_are_copies"
        },
    ),
    "ECOD": (
        ECOD(),
        {
            **OWN_TRAINING_SCORES,
            "check_methods_subset_invariance": "ECOD ranks rows among all that are scored along",
        },
    ),
    "KNN": (KNN(), OWN_TRAINING_SCORES),
}


@pytest.mark.global_state("scikit-learn's checks seed numpy's global stream")
@pytest.mark.parametrize("name", CHECKED)
def test_sklearn_checks(name):
    detector, expected = CHECKED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(
            PyODAdapter(detector), expected_failed_checks=expected, on_skip=None, on_fail=None
        )
    told = {r["check_name"] for r in results if r["status"] == "xfail"}
    assert [r for r in results if r["status"] == "failed"] == []
    assert told == set(expected)
    assert len([r for r in results if r["status"] == "passed"]) >= 48


# ---------------------------------------------------------------- signs and thresholds


@pytest.mark.parametrize("detector", [IForest(random_state=0), KNN(), ECOD()])
def test_is_the_negative_of_pyod(detector, X, new):
    adapter, plain = PyODAdapter(detector).fit(X), clone(detector).fit(X)
    anomaly = plain.decision_function(new)
    np.testing.assert_allclose(adapter.score_samples(new), -anomaly, rtol=1e-12)
    np.testing.assert_allclose(adapter.anomaly_score(new), anomaly, rtol=1e-12)
    assert adapter.score_samples(new).dtype == np.float64
    np.testing.assert_array_equal(adapter.predict(new) == -1, adapter.decision_function(new) < 0)


def test_contamination_is_the_detectors_unless_given(X):
    flagged = {
        given: (PyODAdapter(IForest(contamination=0.2), contamination=given).fit(X).predict(X) < 0)
        for given in (None, 0.05, "min")
    }
    assert {given: int(rows.sum()) for given, rows in flagged.items()} == {
        None: 24,
        0.05: 6,
        "min": 0,
    }


@pytest.mark.parametrize("threshold, share", [("percentile", 0.6), ("median", 0.5)])
def test_thresholds_of_the_thesis(threshold, share, X):
    adapter = PyODAdapter(IForest(random_state=0), threshold=threshold).fit(X)
    assert np.mean(adapter.predict(X) == -1) == pytest.approx(share, abs=1 / len(X))


def test_neighbours_flag_that_share_of_new_rows():
    rng = np.random.default_rng(0)
    adapter = PyODAdapter(KNN(n_neighbors=3)).fit(rng.normal(size=(2000, 4)))
    flagged = np.mean(adapter.predict(rng.normal(size=(4000, 4))) == -1)
    assert flagged == pytest.approx(0.1, abs=0.02)


def test_tie_is_an_inlier(X):
    adapter = PyODAdapter(KNN()).fit(X)
    adapter.offset_ = adapter.score_samples(X)[7]
    assert adapter.predict(X)[7] == 1
    assert adapter.decision_function(X)[7] == 0


def test_set_threshold_moves_the_offset_only(X, new):
    adapter = PyODAdapter(IForest(random_state=0)).fit(X)
    before = adapter.score_samples(new)
    assert np.mean(adapter.set_threshold(new, fpr=0.25).predict(new) == -1) == 0.25
    np.testing.assert_array_equal(adapter.score_samples(new), before)
    with pytest.raises(ValueError, match="fpr=1.5 is out of range"):
        adapter.set_threshold(new, fpr=1.5)


# ---------------------------------------------------------------------- columns and input


def test_permuted_columns_are_refused(X):
    frame = pd.DataFrame(X, columns=["pt", "eta", "mass"])
    adapter = PyODAdapter(KNN()).fit(frame)
    assert adapter.feature_names_in_.tolist() == ["pt", "eta", "mass"]
    with pytest.raises(ValueError, match="feature names"):
        adapter.score_samples(frame[["eta", "pt", "mass"]])
    with pytest.raises(ValueError, match="2 features"):
        PyODAdapter(KNN()).fit(X).score_samples(X[:, :2])


def test_frames_score_like_arrays(X):
    expected = PyODAdapter(KNN()).fit(X).score_samples(X)
    for frame in (pd.DataFrame(X, columns=list("abc")), pl.DataFrame(X, schema=list("abc"))):
        np.testing.assert_array_equal(PyODAdapter(KNN()).fit(frame).score_samples(frame), expected)


def test_nan_is_refused(X):
    X[3, 1] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        PyODAdapter(KNN()).fit(X)


@pytest.mark.parametrize("detector", [IsolationForest(), IsolationForest, "knn", None, 3])
def test_what_is_not_pyods(detector, X):
    with pytest.raises(InvalidParameterError, match="must be a detector of PyOD"):
        PyODAdapter(detector).fit(X)


def test_standardize_makes_units_irrelevant(X, new):
    adapter = PyODAdapter(KNN(), standardize=True)
    units = np.array([1e-3, 1, 1e5])
    np.testing.assert_allclose(
        clone(adapter).fit(X * units).score_samples(new * units),
        adapter.fit(X).score_samples(new),
        rtol=1e-9,
    )
    assert PyODAdapter(KNN()).fit(X).scaler_ is None


def test_max_rows(X):
    adapter = PyODAdapter(KNN(), max_rows=50, random_state=0).fit(X)
    assert adapter.n_rows_ == len(adapter.detector_.decision_scores_) == 50
    again = PyODAdapter(KNN(), max_rows=50, random_state=0).fit(X)
    np.testing.assert_array_equal(adapter.score_samples(X), again.score_samples(X))
    other = PyODAdapter(KNN(), max_rows=50, random_state=1).fit(X)
    assert np.abs(adapter.score_samples(X) - other.score_samples(X)).max() > 0.01
    assert PyODAdapter(KNN(), max_rows=500).fit(X).n_rows_ == 120


# -------------------------------------------------------------------------- parameters


def test_class_is_built_in_fit(X):
    adapter = PyODAdapter(DeepSVDD, n_features="auto", epochs=1, hidden_neurons=[4, 2]).fit(X)
    assert adapter.detector_.n_features == 3
    assert adapter.detector_.hidden_neurons == [4, 2]
    assert PyODAdapter(DeepSVDD, epochs=1).fit(X[:, :2]).detector_.n_features == 2
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'"):
        PyODAdapter(DeepSVDD, epoch=1).fit(X)


def test_keywords_beside_an_instance(X):
    with pytest.raises(InvalidParameterError, match="'contaminaton'.*beside an instance of KNN"):
        PyODAdapter(KNN(), contaminaton=0.2).fit(X)


@pytest.mark.parametrize("adapter", [PyODAdapter(KNN()), PyODAdapter(KNN, n_neighbors=4)])
def test_nested_parameters(adapter, X):
    nested = {k for k in adapter.get_params() if k.startswith("detector__")}
    assert {"detector__n_neighbors", "detector__contamination"} <= nested
    adapter = clone(adapter).set_params(detector__n_neighbors=9, contamination=0.2)
    assert clone(adapter).get_params()["detector__n_neighbors"] == 9
    assert adapter.fit(X).detector_.n_neighbors == 9
    with pytest.raises(ValueError, match="Invalid parameter '?neighbours'? for"):
        adapter.set_params(detector__neighbours=3)


def test_set_params_takes_a_new_detector(X):
    adapter = PyODAdapter(KNN()).set_params(detector=IForest, detector__n_estimators=3, max_rows=60)
    assert adapter.fit(X).detector_.n_estimators == 3
    assert adapter.set_params(n_estimators=4).fit(X).detector_.n_estimators == 4
    assert adapter.n_rows_ == 60


def test_grid_search(X):
    y = (np.arange(len(X)) % 10 == 0).astype(int)
    X = X + 4 * y[:, None]

    def auc(estimator, X, y):
        return roc_auc_score(y, -estimator.score_samples(X))

    grid = {"detector": [KNN(), IForest(random_state=0)], "contamination": [0.1, 0.2]}
    search = GridSearchCV(PyODAdapter(KNN()), grid, scoring=auc, cv=3).fit(X, y)
    assert search.cv_results_["mean_test_score"].min() > 0.95
    nested = {"detector__n_neighbors": [1, 15]}
    search = GridSearchCV(PyODAdapter(KNN), nested, scoring=auc, cv=3).fit(X, y)
    assert search.best_params_ == {"detector__n_neighbors": 15}


def test_fit_leaves_the_users_detector(X):
    detector = IForest(n_estimators=5)
    adapter = PyODAdapter(detector, random_state=3).fit(X)
    assert not hasattr(detector, "decision_scores_")
    assert (detector.random_state, adapter.detector_.random_state) == (None, 3)


def test_contamination_that_is_no_number(X):
    class Thresholder:
        def fit(self, scores):
            self.labels_, self.thresh_ = (scores > scores.mean()).astype(int), 0.5

    detector = KNN(contamination=Thresholder())
    with pytest.raises(InvalidParameterError, match="is a Thresholder and not a number"):
        PyODAdapter(detector).fit(X)
    assert np.mean(PyODAdapter(detector, contamination=0.1).fit(X).predict(X) < 0) < 0.11


# -------------------------------------------------------------------- random streams


def streams():
    return (
        random.getstate(),
        np.random.get_state()[1].tobytes(),  # noqa: NPY002
        torch.get_rng_state().numpy().tobytes(),
        os.environ.get("PYTHONHASHSEED"),
    )


@pytest.mark.parametrize("cls, params", DEEP)
@pytest.mark.parametrize("random_state", [None, 7])
def test_global_streams_are_untouched(cls, params, random_state, X, capsys, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "11")
    before = streams()
    adapter = clone(PyODAdapter(cls, random_state=random_state, **params)).fit(X)
    adapter.score_samples(X)
    clone(PyODAdapter(adapter.detector_)).set_params(contamination=0.2)
    monkeypatch.delenv("PYTHONHASHSEED")
    adapter.predict(X)
    assert streams()[:3] == before[:3]
    assert "PYTHONHASHSEED" not in os.environ
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("cls, params", DEEP)
def test_seed_repeats_fit_and_scores(cls, params, X):
    def scores(random_state):
        adapter = PyODAdapter(cls, random_state=random_state, **params).fit(X)
        first = adapter.score_samples(X)
        np.testing.assert_array_equal(adapter.score_samples(X), first)
        return first

    np.testing.assert_array_equal(scores(5), scores(5))
    assert np.abs(scores(5) - scores(6)).max() > 1e-4
    first, second = np.random.RandomState(5), np.random.RandomState(5)
    np.testing.assert_array_equal(scores(first), scores(second))
    assert np.abs(scores(first) - scores(5)).max() > 1e-4  # the stream has moved


def test_threads(X):
    adapter = PyODAdapter(VAE, random_state=0, **DEEP[2][1])
    expected, before = clone(adapter).fit(X).score_samples(X), streams()
    with ThreadPoolExecutor(4) as pool:
        fitted = list(pool.map(lambda _: clone(adapter).fit(X), range(4)))
        scores = list(pool.map(lambda _: fitted[0].score_samples(X), range(12)))
    np.testing.assert_array_equal([one.score_samples(X) for one in fitted], [expected] * 4)
    np.testing.assert_array_equal(scores, [expected] * 12)
    assert streams() == before


def test_seed_reaches_the_detector(X):
    plain = IForest(random_state=4).fit(X)
    expected = -plain.decision_function(X)
    for adapter in (
        PyODAdapter(IForest(random_state=4)),
        PyODAdapter(IForest(random_state=9), random_state=4),
        PyODAdapter(IForest, random_state=4),
    ):
        np.testing.assert_allclose(adapter.fit(X).score_samples(X), expected, rtol=1e-12)


def test_verbose_lets_the_detector_speak(X, capsys):
    PyODAdapter(DeepSVDD, epochs=2, verbose=1).fit(X)
    assert capsys.readouterr().out.count("Epoch") == 2


def test_scoring_is_in_evaluation_mode(X):
    adapter = PyODAdapter(AutoEncoder, epoch_num=1, random_state=0).fit(X)
    expected = adapter.score_samples(X)
    adapter.detector_.model.train()
    adapter.detector_.evaluating_prepare = lambda: None  # a detector that forgets it
    np.testing.assert_array_equal(adapter.score_samples(X), expected)


def test_modules_in_a_list_are_put_into_evaluation_mode(X):
    adapter = PyODAdapter(KNN()).fit(X)
    dropout = torch.nn.Dropout()
    adapter.detector_.parts = [dropout]
    adapter.score_samples(X)
    assert dropout.training is False


@pytest.mark.parametrize("cls, params", DEEP[1:])
def test_fewer_rows_than_the_batch(cls, params, X):
    adapter = PyODAdapter(cls, batch_size=512, **params).fit(X)
    assert adapter.detector_.batch_size == 120
    assert np.isfinite(adapter.score_samples(X)).all()


class Broken(BaseDetector):
    """Gives the scores that it is told to."""

    def __init__(self, score=0.0, contamination=0.1):
        super().__init__(contamination=contamination)
        self.score = score

    def fit(self, X, y=None):
        self.decision_scores_ = self.decision_function(X)
        return self

    def decision_function(self, X):
        return np.where(np.arange(len(X)) == 0, self.score, 0.0)


def test_nan_scores_are_an_error(X):
    with pytest.raises(TrainingDivergedError, match="Broken of PyOD gave NaN for 1 of 120 rows"):
        PyODAdapter(Broken(np.nan)).fit(X)


def test_infinite_scores_are_the_oddest_finite_ones(X):
    adapter = PyODAdapter(Broken(np.inf)).fit(X)
    assert adapter.score_samples(X)[0] == -1e300
    assert adapter.predict(X)[:2].tolist() == [-1, 1]


# ------------------------------------------------------------------------------ weights


def test_whole_weights_are_copies(X, new):
    weight = np.random.default_rng(2).integers(0, 4, len(X))
    for detector in (KNN(), ECOD()):
        weighted = PyODAdapter(detector).fit(X, sample_weight=weight)
        copied = PyODAdapter(detector).fit(np.repeat(X, weight, axis=0))
        np.testing.assert_allclose(weighted.score_samples(new), copied.score_samples(new), 1e-12)
        assert weighted.offset_ == pytest.approx(copied.offset_, rel=1e-12)


def test_weights_of_ocsvm_are_copies(X, new):
    weight = np.random.default_rng(2).integers(0, 4, len(X))
    adapter = PyODAdapter(OCSVM(tol=1e-10, nu=0.2), standardize=True)
    copied = clone(adapter).fit(np.repeat(X, weight, axis=0))
    adapter.fit(X, sample_weight=weight)
    assert adapter.n_rows_ == np.count_nonzero(weight)
    np.testing.assert_allclose(
        adapter.decision_function(new), copied.decision_function(new), atol=1e-6
    )


def test_equal_weights_are_none(X):
    adapter = PyODAdapter(KNN()).fit(X, sample_weight=np.full(len(X), 0.3))
    assert adapter.offset_ == PyODAdapter(KNN()).fit(X).offset_


def test_weights_that_cannot_be_honoured(X):
    weight = np.linspace(0.5, 2, len(X))
    with pytest.raises(ValueError, match="KNN takes no sample_weight.*resample=True"):
        PyODAdapter(KNN()).fit(X, sample_weight=weight)
    with pytest.raises(ValueError, match="120 negative weights"):
        PyODAdapter(KNN()).fit(X, sample_weight=-weight)


def test_resample_draws_in_proportion_to_weight():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 0.1, (500, 1)), rng.normal(9, 0.1, (500, 1))])
    weight = np.repeat([0.1, 0.9], 500) + 1e-3 * rng.random(1000)
    adapter = PyODAdapter(KNN(), resample=True, random_state=0).fit(X, sample_weight=weight)
    share = np.mean(adapter.detector_.neigh_._fit_X > 5)
    assert share == pytest.approx(0.9, abs=0.03)


# ------------------------------------------------------------------------- files, copies


def test_pickle(X):
    adapter = PyODAdapter(KNN, n_neighbors=4).fit(X)
    copy = pickle.loads(pickle.dumps(adapter))
    np.testing.assert_array_equal(copy.predict(X), adapter.predict(X))


def test_save_names_the_foreign_part(X, tmp_path):
    adapter = PyODAdapter(KNN()).fit(X)
    with pytest.raises(TypeError, match="detector=.*is a KNN.*skops"):
        adapter.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------- as_pyod


@pytest.mark.parametrize(
    "estimator", [IsolationForest(random_state=0), EllipticEnvelope(random_state=0)]
)
def test_as_pyod(estimator, X, new):
    detector = as_pyod(estimator, contamination=0.2).fit(X)
    plain = clone(estimator).fit(X)
    assert isinstance(detector, BaseDetector)
    np.testing.assert_array_equal(detector.decision_function(new), -plain.score_samples(new))
    np.testing.assert_array_equal(detector.decision_scores_, -plain.score_samples(X))
    assert detector.threshold_ == np.percentile(detector.decision_scores_, 80)
    assert detector.labels_.sum() == 24
    assert set(detector.predict(new)) == {0, 1}
    proba = detector.predict_proba(new)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert np.argmax(proba[:, 1]) in np.flatnonzero(proba[:, 1] == proba[:, 1].max())
    assert not hasattr(estimator, "offset_")


def test_there_and_back(X, new):
    inner = IsolationForest(random_state=0)
    adapter = PyODAdapter(as_pyod(inner)).fit(X)
    np.testing.assert_array_equal(
        adapter.score_samples(new), clone(inner).fit(X).score_samples(new)
    )


def test_as_pyod_takes_the_estimators_contamination():
    assert as_pyod(EllipticEnvelope(contamination=0.3)).contamination == 0.3
    assert as_pyod(IsolationForest()).contamination == 0.1  # its own is "auto"


def test_as_pyod_needs_a_score():
    with pytest.raises(TypeError, match="StandardScaler has neither score_samples"):
        as_pyod(StandardScaler())


# ----------------------------------------------------------------------------- baselines


def test_baselines():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4)) * [1, 10, 100, 1000]
    test = np.concatenate([rng.normal(size=(200, 4)), rng.normal(4, 1, size=(50, 4))])
    test *= [1, 10, 100, 1000]
    y = np.repeat([0, 1], [200, 50])
    ready = baselines(0, contamination=0.05, max_rows_ocsvm=300, epochs_deepsvdd=5)
    assert list(ready) == ["IsolationForest", "OC-SVM", "DeepSVDD"]
    for name, detector in ready.items():
        detector.fit(X)
        assert roc_auc_score(y, detector.anomaly_score(test)) > 0.95, name
        assert np.mean(detector.predict(X) == -1) == pytest.approx(0.05, abs=0.05)
    assert ready["OC-SVM"].n_rows_ == 300
