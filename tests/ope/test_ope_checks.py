"""What every public classifier of ours must do; a new one is tested because it exists."""

from __future__ import annotations

import functools
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.utils.estimator_checks import parametrize_with_checks

import skhep_anomaly
from skhep_anomaly import AEOutlierDetector, OPEClassifier, load, outlier_roc_auc_scorer
from skhep_anomaly._validation import InvalidParameterError
from skhep_anomaly.ope.samplers import UniformSampler

FAST = {"max_iter": 20, "random_state": 0}
STEPS = "ignore:.*has not converged"
pytestmark = [
    pytest.mark.filterwarnings(STEPS),
    pytest.mark.filterwarnings("ignore:.*, the rarer label, for the anomalies"),
]


def classifiers():
    """Every public classifier of ours that can be saved."""
    public = (getattr(skhep_anomaly, name) for name in skhep_anomaly.__all__)
    return [
        cls
        for cls in public
        if isinstance(cls, type) and issubclass(cls, (ClassifierMixin,)) and hasattr(cls, "save")
    ]


def make(cls, **params):
    """A small, seeded one."""
    return cls(**{**FAST, **params})


every = pytest.mark.parametrize("cls", classifiers(), ids=lambda cls: cls.__name__)


@pytest.fixture(autouse=True)
def _short_autoencoders(monkeypatch):
    """An autoencoder of hundreds of steps is more than these checks need."""
    short = functools.partial(AEOutlierDetector, max_epochs=2)
    monkeypatch.setattr("skhep_anomaly.ope.baselines.AEOutlierDetector", short)


@pytest.fixture(scope="module")
def events():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4)) @ rng.normal(size=(4, 4)) + [5, 0, -3, 100]
    y = np.repeat([0, 1], [100, 20])
    X[y == 1, 0] += 4
    return X, y


# ------------------------------------------------------------------ scikit-learn's checks

STOCHASTIC = "trains on shuffled minibatches and random chains: equal in distribution only"
REGULARISED = "the classifier's own regularisation sees the number of rows, not of copies"
WEIGHTS = "check_sample_weight_equivalence_on_dense_data"
CHECKED = [
    (OPEClassifier(max_iter=60, random_state=0), STOCHASTIC),
    (OPEClassifier(sampler="hmc", n_members=2, **FAST), STOCHASTIC),
    (
        OPEClassifier(
            estimator=HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=2),
            n_pseudo=100,
            random_state=0,
        ),
        REGULARISED,
    ),
    (
        OPEClassifier(estimator=LogisticRegression(), n_members=2, n_pseudo=300, random_state=0),
        REGULARISED,
    ),
    # a full batch of a smooth net is deterministic: nothing may fail
    (
        OPEClassifier(
            sampler=UniformSampler(discrete=False),
            activation="tanh",
            max_iter=60,
            batch_size=1000,
            random_state=0,
        ),
        None,
    ),
]


def expected_failures(estimator):
    reasons = {repr(est): why for est, why in CHECKED}
    why = reasons.get(repr(estimator))
    return {} if why is None else {WEIGHTS: why}


@pytest.mark.global_state(reason="some of scikit-learn's own checks draw from numpy's stream")
@parametrize_with_checks([est for est, _ in CHECKED], expected_failed_checks=expected_failures)
def test_scikit_learn_checks(estimator, check):
    if check.func.__name__ == "check_array_api_input":
        pytest.skip("needs SCIPY_ARRAY_API in the environment")
    check(estimator)


def test_discovery_finds_the_classifiers():
    assert OPEClassifier in classifiers()
    assert all(is_classifier(make(cls)) for cls in classifiers())
    assert all(issubclass(cls, BaseEstimator) for cls in classifiers())


# ------------------------------------------------------------------ labels and signs

CODINGS = {
    "01": np.array([0, 1]),
    "pm1": np.array([1, -1]),
    "bool": np.array([False, True]),
    "text": np.array(["background", "a signal"]),
    "float": np.array([0.0, 1.0]),
    "objects": np.array(["normal", "odd"], dtype=object),
}


@every
@pytest.mark.parametrize("coding", CODINGS)
def test_labels_and_signs(cls, events, coding):
    X, flags = events
    names = CODINGS[coding]
    y = names[flags]
    odd = names[1]
    named = {"anomaly_label": odd} if coding in ("text", "objects") else {}
    est = make(cls, **named).fit(X, y)
    np.testing.assert_array_equal(est.classes_, np.unique(y))
    assert est.anomaly_class_ == odd
    scores, decision = est.score_samples(X), est.decision_function(X)
    assert scores.dtype == np.float64
    np.testing.assert_array_equal(est.anomaly_score(X), -scores)
    sign = -1 if est.classes_[1] == odd else 1
    np.testing.assert_array_equal(decision, sign * (scores - est.offset_))
    assert decision[flags == 1].mean() * sign < decision[flags == 0].mean() * sign
    predicted = est.predict(X)
    assert predicted.dtype == est.classes_.dtype
    np.testing.assert_array_equal(predicted == odd, scores < est.offset_)
    proba = est.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_allclose(proba[:, 1], expit(decision))
    want = make(cls).fit(X, flags).score_samples(X)
    np.testing.assert_array_equal(scores, want)  # the coding changes nothing


@every
@pytest.mark.parametrize("coding", ["01", "pm1", "bool"])
def test_scorers_agree_on_the_direction(cls, events, coding):
    X, flags = events
    y = CODINGS[coding][flags]
    est = make(cls, max_iter=100).fit(X, y)
    auc = outlier_roc_auc_scorer(est, X, y)
    assert auc > 0.7
    assert get_scorer("roc_auc")(est, X, y) == pytest.approx(auc)


@every
def test_rarer_label_is_taken_with_a_warning(cls, events):
    X, flags = events
    for y, odd in ((np.where(flags, "b", "a"), "b"), (np.where(flags, "a", "b"), "a")):
        with pytest.warns(UserWarning, match=f"takes '{odd}', the rarer label, for the anomalies"):
            assert make(cls).fit(X, y).anomaly_class_ == odd
    with pytest.warns(UserWarning, match="takes 7, the rarer label"):
        assert make(cls).fit(X, np.where(flags, 7, 3)).anomaly_class_ == 7


@every
@pytest.mark.parametrize(
    "change, message",
    [
        (lambda y: np.zeros(120, int), "y holds one class only .*use y=None"),
        (lambda y: np.arange(120) % 3, "Only binary classification is supported.*multiclass"),
        (lambda y: np.where(y, np.nan, 0.0), "Input y contains NaN"),
        (lambda y: np.where(y, np.inf, 0.0), "Input y contains infinity"),
        (lambda y: y[:-1], "inconsistent numbers of samples"),
        (lambda y: np.linspace(0, 1, 120), "Unknown label type"),
        (lambda y: np.stack([y, y], axis=1), r"y should be a 1d array"),
    ],
    ids=["one", "three", "nan", "inf", "length", "continuous", "2d"],
)  # fmt: skip
def test_bad_labels_are_named(cls, events, change, message):
    X, y = events
    with pytest.raises(ValueError, match=message):
        make(cls).fit(X, change(y))


@every
def test_unknown_anomaly_label(cls, events):
    X, y = events
    with pytest.raises(ValueError, match=r"anomaly_label=5 is none of the labels \[0, 1\] in y"):
        make(cls, anomaly_label=5).fit(X, y)
    flipped = make(cls, anomaly_label=0).fit(X, y)
    assert flipped.anomaly_class_ == 0
    assert flipped.score_samples(X)[y == 1].mean() > flipped.score_samples(X)[y == 0].mean()


# ------------------------------------------------------------------ scores


@every
def test_same_seed_same_scores_bitwise_and_other_seed_differs(cls, events):
    X, y = events
    stream = torch.get_rng_state()
    one, two = (make(cls).fit(X, y).score_samples(X) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(make(cls, random_state=1).fit(X, y).score_samples(X), one)
    assert torch.equal(torch.get_rng_state(), stream)


@every
def test_rows_are_scored_alone(cls, events, monkeypatch):
    X, y = events
    est = make(cls).fit(X, y)
    scores = est.score_samples(X)
    np.testing.assert_array_equal(est.score_samples(X), scores)
    order = np.random.default_rng(1).permutation(len(X))
    np.testing.assert_allclose(est.score_samples(X[order]), scores[order], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(est.score_samples(X[5:6]), scores[5:6], rtol=1e-10, atol=1e-12)
    monkeypatch.setattr("skhep_anomaly.training.scoring._CHUNK_BYTES", 1)
    monkeypatch.setattr("skhep_anomaly.ope._fitting._CHUNK_ROWS", 7)
    many = np.tile(X, (5, 1))
    np.testing.assert_allclose(est.score_samples(many)[:120], scores, rtol=1e-10, atol=1e-12)


@every
def test_two_threads_score_one_model(cls, events):
    X, y = events
    est = make(cls).fit(X, y)
    scores = est.score_samples(X)
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(lambda _: est.score_samples(X), range(8)):
            np.testing.assert_array_equal(found, scores)


@every
def test_threshold_of_a_wanted_rate(cls, events):
    X, y = events
    est = make(cls).fit(X, y).set_threshold(X[y == 0], fpr=0.2)
    assert (est.predict(X[y == 0]) == 1).mean() == pytest.approx(0.2, abs=0.011)
    with pytest.raises(ValueError, match="fpr=0 is out of range: give a rate strictly between"):
        est.set_threshold(X, fpr=0)


# ------------------------------------------------------------------ kinds of input


@every
def test_forms_of_input_score_alike(cls, events, tmp_path):
    X, y = events
    X = X.astype(np.float32)
    wanted = make(cls).fit(X, y).score_samples(X)
    read_only = X.copy()
    read_only.setflags(write=False)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    strided = np.repeat(X, 2, axis=0)[::2]
    for form in (np.asfortranarray(X), strided, read_only, mapped, X.tolist()):
        kept = np.array(form)
        got = make(cls, dtype="float32").fit(form, y.tolist()).score_samples(form)
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(form, kept)


@every
@pytest.mark.parametrize("kind", [np.float16, np.int64, bool])
def test_narrow_and_whole_numbers(cls, events, kind):
    X, y = events
    data = (X - X.mean(axis=0)).round() > 0 if kind is bool else X.round().astype(kind)
    got = make(cls, dtype="float32").fit(data, y).score_samples(data)
    same = data.astype(np.float32)
    want = make(cls, dtype="float32").fit(same, y).score_samples(same)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)


@every
@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames(cls, events, kind):
    X, y = events
    names = ["pt", "eta", "mass", "met"]
    frame = pd.DataFrame(X, columns=names) if kind == "pandas" else pl.DataFrame(X, schema=names)
    labels = pd.Series(y, index=range(7, 127)) if kind == "pandas" else pl.Series(y)
    est = make(cls).fit(frame, labels)
    np.testing.assert_array_equal(est.score_samples(frame), make(cls).fit(X, y).score_samples(X))
    assert list(est.feature_names_in_) == names
    with pytest.raises(ValueError, match="feature names"):
        est.score_samples(frame[names[::-1]])


@every
@pytest.mark.parametrize(
    "bad, error, message",
    [
        (lambda X: np.where(np.arange(4) == 2, np.nan, X), ValueError, r"NaN.*\n.*2 \(120 rows\)"),
        (lambda X: np.where(X[3, 1] == X, np.inf, X), ValueError, r"infinity.*column 1 \(1 rows\)"),
        (lambda X: X[:0], ValueError, r"0 sample\(s\)"),
        (lambda X: X[:, :0], ValueError, r"0 feature\(s\)"),
        (lambda X: X[:1], ValueError, "1 sample"),
        (lambda X: X[0], ValueError, "Expected 2D array"),
        (lambda X: X[None], ValueError, "dim 3|Found array with dim"),
        (lambda X: X.astype(str).astype(object) + "a", ValueError, "could not convert string"),
        (lambda X: X + 1j, ValueError, "Complex data not supported"),
        (lambda X: sparse.csr_array(X), TypeError, "Sparse data was passed to .*toarray"),
    ],
    ids=["nan", "inf", "rows", "columns", "one", "1d", "3d", "text", "complex", "sparse"],
)  # fmt: skip
def test_bad_input_is_named(cls, events, bad, error, message):
    X = bad(events[0])
    y = events[1][: X.shape[0]] if X.ndim == 2 else events[1]
    with pytest.raises(error, match=message):
        make(cls).fit(X, y)


@every
def test_bad_input_when_scoring(cls, events):
    X, y = events
    est = make(cls).fit(X, y)
    for method in ("score_samples", "decision_function", "predict", "predict_proba"):
        with pytest.raises(ValueError, match="X has 3 features, but .* is expecting 4"):
            getattr(est, method)(X[:, :3])
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            getattr(make(cls), method)(X)
    with pytest.raises(ValueError, match="contains NaN"):
        est.score_samples(np.full((2, 4), np.nan))


@every
def test_extreme_values(cls, events):
    X, y = events
    wide = X.astype(np.float32)
    wide[7, 1] = 3e38
    est = make(cls).fit(wide, y)
    assert np.isfinite(est.score_samples(wide)).all()
    far = X.copy()
    far[0, 0] = 1e300
    with pytest.raises(ValueError, match=r"too large for dtype\('float32'\).*column 0 \(1 rows\)"):
        make(cls, dtype="float32").fit(far, y)
    est = make(cls).fit(far, y)
    assert np.isfinite(est.score_samples(far)).all()


@every
def test_degenerate_columns_and_rows(cls, events):
    X, y = events
    flat = np.column_stack([X, X[:, 0], np.full(len(X), 7.0)])
    assert np.isfinite(make(cls).fit(flat, y).score_samples(flat)).all()
    with pytest.warns(UserWarning, match="All rows of X are equal"):
        same = make(cls).fit(np.full((30, 3), 2.5), np.arange(30) % 2)
    assert np.isfinite(same.score_samples(np.zeros((2, 3)))).all()


@every
@pytest.mark.parametrize("n_rows, batch_size", [(2, 256), (3, 2), (9, 4), (5, 1)])
def test_few_rows_and_odd_batches(cls, events, n_rows, batch_size):
    X, _ = events
    est = make(cls, batch_size=batch_size).fit(X[:n_rows], np.arange(n_rows) == 0)
    assert np.isfinite(est.score_samples(X)).all()


# ------------------------------------------------------------------ weights


@every
def test_weights_are_used_and_checked(cls, events):
    X, y = events
    far = np.vstack([X, X + 8 * X.std(axis=0)])
    heavy = np.r_[np.ones(120), np.full(120, 1e-6)]
    labels = np.r_[y, np.zeros(120, int)]
    est = make(cls, max_iter=300).fit(far, labels, sample_weight=heavy)
    assert np.median(est.score_samples(X[y == 0])) > np.median(est.score_samples(far[120:]))
    for weight, message in [
        (np.r_[np.nan, np.ones(119)], "NaN"),
        (np.ones(7), r"sample_weight.shape == \(7,\)"),
        (np.zeros(120), "All sample weights are zero"),
        (np.r_[-1.0, -2.0, np.ones(118)], "2 negative weights of 120"),
    ]:
        with pytest.raises(ValueError, match=message):
            make(cls).fit(X, y, sample_weight=weight)


@every
def test_weight_zero_is_absence_and_units_do_not_matter(cls, events):
    X, y = events
    weight = np.ones(120)
    weight[::5] = 0.0
    keep = weight > 0
    without = make(cls).fit(X[keep], y[keep]).score_samples(X)
    with_zeros = make(cls).fit(X, y, sample_weight=weight).score_samples(X)
    np.testing.assert_array_equal(with_zeros, without)
    varied = np.random.default_rng(0).uniform(0.5, 2, 120)
    one, two = (
        make(cls).fit(X, y, sample_weight=f * varied).score_samples(X) for f in (1.0, 400.0)
    )
    np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-8)
    with pytest.raises(ValueError, match="y holds one class only"):
        make(cls).fit(X, y, sample_weight=1.0 - y)


# ------------------------------------------------------------------ life of an estimator


@every
def test_pickle_clone_and_file_give_the_same_scores(cls, events, tmp_path):
    X, y = events
    est = make(cls).fit(X, y)
    scores = est.score_samples(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(est)).score_samples(X), scores)
    np.testing.assert_array_equal(clone(est).fit(X, y).score_samples(X), scores)
    est.save(tmp_path / "model.skhep")
    there = load(tmp_path / "model.skhep")
    np.testing.assert_array_equal(there.score_samples(X), scores)
    np.testing.assert_array_equal(there.predict(X), est.predict(X))
    np.testing.assert_array_equal(there.predict_proba(X), est.predict_proba(X))


@every
@pytest.mark.parametrize(
    "name, value",
    [
        ("learning_rate", 0),
        ("max_iter", 0),
        ("batch_size", 1.5),
        ("contamination", 0.7),
        ("dtype", "float16"),
        ("weight_decay", -1.0),
        ("n_members", 0),
        ("random_state", "seed"),
        ("hidden_layer_sizes", (8, -1)),
    ],
)
def test_parameters_are_checked_before_training(cls, events, name, value):
    X, y = events
    with pytest.raises(InvalidParameterError, match=rf"'{name}' parameter of \w+Classifier"):
        make(cls, **{name: value}).fit(X, y)


@every
def test_device(cls, events):
    X, y = events
    with pytest.raises(ValueError, match="device='abacus' is not a device"):
        make(cls, device="abacus").fit(X, y)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="torch sees no CUDA GPU here; use device='cpu'"):
            make(cls, device="cuda").fit(X, y)
        assert np.isfinite(make(cls, device="auto").fit(X, y).score_samples(X)).all()


@every
def test_nothing_is_printed_unless_asked(cls, events, capsys):
    X, y = events
    make(cls).fit(X, y).predict(X)
    assert capsys.readouterr() == ("", "")
    make(cls, verbose=1).fit(X, y)
    assert "Classifier" in capsys.readouterr().err


@every
@pytest.mark.gpu
def test_gpu_model_scores_the_same_on_the_cpu(cls, events, tmp_path):
    X, y = events
    X = X.astype(np.float32)
    est = make(cls, device="cuda").fit(X, y)
    scores = est.score_samples(X)
    est.save(tmp_path / "model.skhep")
    there = load(tmp_path / "model.skhep")
    np.testing.assert_allclose(there.score_samples(X), scores, rtol=1e-3, atol=1e-3)
    again = make(cls, device="cuda").fit(X, y)
    np.testing.assert_allclose(again.score_samples(X), scores, rtol=1e-3, atol=1e-3)
