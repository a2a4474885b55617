"""What every public detector of ours must do; a new one is tested because it exists."""

import pickle
import signal
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone, is_outlier_detector
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.callbacks import Callback

import skhep_anomaly
from skhep_anomaly import TrainingDivergedError, load
from skhep_anomaly._validation import InvalidParameterError
from skhep_anomaly.outliers._base import Detector

FAST = {"max_epochs": 3, "random_state": 0}
PARAMS = {"AEOutlierDetector": {"n_members": 2, "hidden_layer_sizes": (8, 8)}}
STOCHASTIC = "trains on shuffled minibatches with noise: equal in distribution only"
WEIGHT_CHECKS = {
    "check_sample_weight_equivalence_on_dense_data": STOCHASTIC,
    "check_sample_weight_equivalence_on_sparse_data": STOCHASTIC,
}


def trained_detectors():
    """Every public detector of ours that trains a net."""
    public = (getattr(skhep_anomaly, name) for name in skhep_anomaly.__all__)
    return [c for c in public if isinstance(c, type) and issubclass(c, Detector)]


def make(cls, **params):
    """A small, seeded one."""
    return cls(**{**FAST, **PARAMS.get(cls.__name__, {}), **params})


every = pytest.mark.parametrize("cls", trained_detectors(), ids=lambda cls: cls.__name__)


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    return rng.normal(size=(120, 4)) @ rng.normal(size=(4, 4)) + [5, 0, -3, 100]


@pytest.mark.global_state  # some of scikit-learn's own checks draw from numpy's global stream
@parametrize_with_checks(
    [make(cls) for cls in trained_detectors()], expected_failed_checks=lambda est: WEIGHT_CHECKS
)
def test_scikit_learn_checks(estimator, check):
    if check.func.__name__ == "check_array_api_input":
        pytest.skip("needs SCIPY_ARRAY_API in the environment")
    check(estimator)


def test_discovery_finds_the_detectors():
    names = {cls.__name__ for cls in trained_detectors()}
    assert "AEOutlierDetector" in names
    assert all(is_outlier_detector(make(cls)) for cls in trained_detectors())


# ------------------------------------------------------------------- scores and signs


@every
def test_signs_and_thresholds_agree(cls, X):
    est = make(cls, contamination=0.2).fit(X)
    scores = est.score_samples(X)
    assert scores.dtype == np.float64
    assert scores.shape == (120,)
    np.testing.assert_array_equal(est.decision_function(X), scores - est.offset_)
    np.testing.assert_array_equal(est.anomaly_score(X), -scores)
    np.testing.assert_array_equal(est.predict(X) == -1, scores < est.offset_)
    assert abs((est.predict(X) == -1).mean() - 0.2) <= 1 / 120


@every
def test_same_seed_same_scores_bitwise_and_other_seed_differs(cls, X):
    one, two = make(cls).fit(X), make(cls).fit(X)
    np.testing.assert_array_equal(one.score_samples(X), two.score_samples(X))
    assert not np.array_equal(
        make(cls, random_state=1).fit(X).score_samples(X), one.score_samples(X)
    )
    seeds = [make(cls, random_state=np.random.RandomState(7)).fit(X) for _ in range(2)]
    np.testing.assert_array_equal(*[est.score_samples(X) for est in seeds])


@every
def test_scoring_is_not_random_and_ignores_neighbours(cls, X):
    est = make(cls).fit(X)
    scores = est.score_samples(X)
    np.testing.assert_array_equal(est.score_samples(X), scores)
    order = np.random.default_rng(1).permutation(len(X))
    np.testing.assert_allclose(est.score_samples(X[order]), scores[order], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(est.score_samples(X[5:6]), scores[5:6], rtol=1e-10, atol=1e-12)


@every
def test_scaling_of_features_leaves_scores(cls, X):
    scores = make(cls).fit(X).score_samples(X)
    moved = X * [2.0, 0.5, 4.0, 1.0] + [8.0, 0.0, 0.0, -64.0]
    np.testing.assert_allclose(
        make(cls).fit(moved).score_samples(moved), scores, rtol=1e-5, atol=1e-6
    )


@every
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_finite_in_finite_out(cls, data):
    rows = data.draw(st.integers(2, 12))
    element = st.floats(-(2.0**99), 2.0**99, width=32) | st.sampled_from([0.0, 1.0])
    X = np.array(
        data.draw(st.lists(st.lists(element, min_size=3, max_size=3), min_size=rows, max_size=rows))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        est = make(cls, max_epochs=1).fit(X)
    scores = est.score_samples(X)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(est.predict(X) == -1, scores < est.offset_)


@every
def test_duplicates_score_alike_and_chunks_do_not_matter(cls, X, monkeypatch):
    est = make(cls).fit(X)
    scores = est.score_samples(np.repeat(X, 3, axis=0)).reshape(-1, 3)
    np.testing.assert_allclose(scores, scores[:, :1].repeat(3, axis=1), rtol=1e-10, atol=1e-12)
    monkeypatch.setattr("skhep_anomaly.training.scoring._CHUNK_BYTES", 1)
    many = np.tile(X, (5, 1))
    np.testing.assert_allclose(est.score_samples(many)[:120], scores[:, 0], rtol=1e-10, atol=1e-12)


@every
def test_two_threads_score_one_model(cls, X):
    est = make(cls).fit(X)
    scores = est.score_samples(X)
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(lambda _: est.score_samples(X), range(8)):
            np.testing.assert_array_equal(found, scores)


# ------------------------------------------------------------------- kinds of input


@every
def test_forms_of_input_score_alike(cls, X):
    reference = make(cls, dtype="float32").fit(X.astype(np.float32))
    wanted = reference.score_samples(X.astype(np.float32))
    strided = np.repeat(X.astype(np.float32), 2, axis=0)[::2]
    read_only = X.astype(np.float32)
    read_only.setflags(write=False)
    for form in (np.asfortranarray(X.astype(np.float32)), strided, read_only):
        kept = form.copy()
        got = make(cls, dtype="float32").fit(form).score_samples(form)
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(form, kept)


@every
@pytest.mark.parametrize("kind", [np.float16, np.int64, bool])
def test_narrow_and_whole_numbers(cls, X, kind):
    data = (X - X.mean(axis=0)).round() > 0 if kind is bool else X.round().astype(kind)
    got = make(cls, dtype="float32").fit(data).score_samples(data)
    same = data.astype(np.float32)
    want = make(cls, dtype="float32").fit(same).score_samples(same)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@every
def test_memmap(cls, X, tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        make(cls).fit(mapped).score_samples(mapped), make(cls).fit(X).score_samples(X)
    )


@every
@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames(cls, X, kind):
    names = ["pt", "eta", "mass", "met"]
    frame = pd.DataFrame(X, columns=names) if kind == "pandas" else pl.DataFrame(X, schema=names)
    est = make(cls).fit(frame)
    np.testing.assert_array_equal(est.score_samples(frame), make(cls).fit(X).score_samples(X))
    assert list(est.feature_names_in_) == names
    with pytest.raises(ValueError, match="feature names"):
        est.score_samples(frame[names[::-1]])
    if hasattr(est, "transform"):
        out = est.set_output(transform=kind).transform(frame)
        assert list(out.columns) == list(est.get_feature_names_out())


def with_na(X):
    """A frame of nullable numbers in which some are NA."""
    return pd.DataFrame(X, columns=list("abcd")).astype("Float64").mask(X > 101)


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
        (with_na, ValueError, "column 'd'"),
    ],
    ids=["nan", "inf", "rows", "columns", "one", "1d", "3d", "text", "complex", "sparse", "NA"],
)  # fmt: skip
def test_bad_input_is_named(cls, X, bad, error, message):
    with pytest.raises(error, match=message):
        make(cls).fit(bad(X))


@every
def test_bad_input_when_scoring(cls, X):
    est = make(cls).fit(X)
    with pytest.raises(ValueError, match="X has 3 features, but .* is expecting 4"):
        est.score_samples(X[:, :3])
    with pytest.raises(ValueError, match="contains NaN"):
        est.score_samples(np.full((2, 4), np.nan))
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        make(cls).score_samples(X)


@every
def test_beyond_float32_is_refused_there_and_fits_in_float64(cls, X):
    wide = X.copy()
    wide[0, 0] = 1e300
    with pytest.raises(ValueError, match=r"too large for dtype\('float32'\).*column 0 \(1 rows\)"):
        make(cls, dtype="float32").fit(wide)
    assert np.isfinite(make(cls).fit(wide).score_samples(wide)).all()


@every
def test_one_huge_value(cls, X):
    wide = X.astype(np.float32)
    wide[7, 1] = 3e38
    est = make(cls).fit(wide)
    assert np.isfinite(est.score_samples(wide)).all()


@every
def test_degenerate_columns(cls, X):
    flat = np.column_stack([X, X[:, 0], np.full(len(X), 7.0)])
    assert np.isfinite(make(cls).fit(flat).score_samples(flat)).all()


@every
def test_equal_rows_warn(cls):
    with pytest.warns(UserWarning, match="All rows of X are equal"):
        est = make(cls).fit(np.full((30, 3), 2.5))
    assert np.isfinite(est.score_samples(np.zeros((2, 3)))).all()


@every
@pytest.mark.parametrize("n_rows, batch_size", [(2, 256), (3, 2), (9, 4), (5, 1)])
def test_few_rows_and_odd_batches(cls, X, n_rows, batch_size):
    est = make(cls, batch_size=batch_size).fit(X[:n_rows])
    assert np.isfinite(est.score_samples(X)).all()


# ------------------------------------------------------------------- parameters


@every
@pytest.mark.parametrize(
    "name, value",
    [
        ("learning_rate", 0),
        ("max_epochs", 0),
        ("batch_size", 1.5),
        ("contamination", 0.7),
        ("dtype", "float16"),
        ("validation_fraction", 1.0),
        ("threshold", "mode"),
        ("n_members", 0),
        ("random_state", "seed"),
        ("callbacks", [3]),
    ],
)
def test_parameters_are_checked_before_training(cls, X, name, value):
    with pytest.raises(InvalidParameterError, match=f"'{name}' parameter of {cls.__name__}"):
        make(cls, **{name: value}).fit(X)


@every
def test_device(cls, X):
    import torch

    with pytest.raises(ValueError, match="device='abacus' is not a device"):
        make(cls, device="abacus").fit(X)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="torch sees no CUDA GPU here; use device='cpu'"):
            make(cls, device="cuda").fit(X)
        assert make(cls, device="auto").fit(X).device_ == "cpu"


# ------------------------------------------------------------------- weights


@every
def test_weights_are_used_and_checked(cls, X):
    cluster = np.vstack([X, X[:120] + 8 * X.std(axis=0)])
    heavy = np.r_[np.ones(120), np.full(120, 1e-6)]
    est = make(cls, max_epochs=60).fit(cluster, sample_weight=heavy)
    assert np.median(est.score_samples(X)) > np.median(est.score_samples(cluster[120:]))
    for weight, message in [
        (np.r_[np.nan, np.ones(119)], "NaN"),
        (np.ones(7), r"sample_weight.shape == \(7,\)"),
        (np.zeros(120), "All sample weights are zero"),
        (np.r_[-1.0, -2.0, np.ones(118)], "2 negative weights of 120"),
    ]:
        with pytest.raises(ValueError, match=message):
            make(cls).fit(X, sample_weight=weight)


@every
def test_weight_zero_is_absence_and_units_do_not_matter(cls, X):
    weight = np.ones(120)
    weight[::5] = 0.0
    without = make(cls).fit(X[weight > 0]).score_samples(X)
    np.testing.assert_array_equal(make(cls).fit(X, sample_weight=weight).score_samples(X), without)
    varied = np.random.default_rng(0).uniform(0.5, 2, 120)
    one, two = (make(cls).fit(X, sample_weight=f * varied).score_samples(X) for f in (1.0, 400.0))
    np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-8)


# ------------------------------------------------------------------- life of an estimator


@every
def test_pickle_clone_and_file_give_the_same_scores(cls, X, tmp_path):
    est = make(cls).fit(X)
    scores = est.score_samples(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(est)).score_samples(X), scores)
    np.testing.assert_array_equal(clone(est).fit(X).score_samples(X), scores)
    est.save(tmp_path / "model.skhep")
    np.testing.assert_array_equal(load(tmp_path / "model.skhep").score_samples(X), scores)


@every
def test_history_early_stopping_and_validation(cls, X):
    est = make(cls, early_stopping=True, max_epochs=6, n_iter_no_change=2, tol=1e9).fit(X)
    assert est.n_iter_ == len(est.history_) <= 6
    assert {"epoch", "train_loss", "valid_loss", "dur"} <= set(est.history_[0])
    assert [row["epoch"] for row in est.history_] == list(range(1, est.n_iter_ + 1))


@every
def test_warm_start_and_partial_fit_go_on(cls, X):
    est = make(cls, warm_start=True).fit(X)
    before = est.score_samples(X)
    est.fit(X)
    assert est.n_iter_ == 6
    assert not np.array_equal(est.score_samples(X), before)
    step = make(cls).partial_fit(X).partial_fit(X + 1)
    assert step.n_iter_ == 2
    assert np.isfinite(step.score_samples(X)).all()


@every
def test_warm_start_refuses_another_net(cls, X):
    sizes = next(name for name in cls().get_params() if name.endswith("layer_sizes"))
    est = make(cls, warm_start=True).fit(X)
    with pytest.raises(ValueError, match=f"parameters of {cls.__name__} now ask for another one"):
        est.set_params(**{sizes: (5,)}).fit(X)
    assert np.isfinite(est.score_samples(X)).all()


class Interrupts(Callback):
    """A Ctrl-C in the second epoch."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 2:
            signal.raise_signal(signal.SIGINT)


@every
def test_ctrl_c_leaves_a_usable_model_and_is_raised_again(cls, X):
    est = make(cls, max_epochs=50, callbacks=[Interrupts()])
    with pytest.raises(KeyboardInterrupt, match="was interrupted in epoch 2; the best state"):
        est.fit(X)
    assert np.isfinite(est.offset_)
    assert np.isfinite(est.score_samples(X)).all()
    assert len(est.history_) <= 2


@every
def test_hopeless_learning_rate_never_gives_nan(cls, X):
    est = make(cls, learning_rate=1e30, max_grad_norm=None, lr_schedule="constant", max_epochs=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            est.fit(X)
        except TrainingDivergedError as error:
            assert "learning_rate" in str(error)  # noqa: PT017
        else:
            assert np.isfinite(est.score_samples(X)).all()


@every
def test_nothing_is_printed_unless_asked(cls, X, capsys):
    make(cls).fit(X).predict(X)
    assert capsys.readouterr() == ("", "")
    make(cls, verbose=1).fit(X)
    assert cls.__name__ in capsys.readouterr().err


# ------------------------------------------------------------------- on a GPU


@every
@pytest.mark.gpu
def test_gpu_model_scores_the_same_on_the_cpu(cls, X, tmp_path):
    X = X.astype(np.float32)
    weight = np.random.default_rng(1).uniform(0.5, 2, 120)
    est = make(cls, device="cuda", max_epochs=10).fit(X, sample_weight=weight)
    assert next(est.net_.module_.parameters()).is_cuda
    scores = est.score_samples(X)
    est.save(tmp_path / "model.skhep")
    there = load(tmp_path / "model.skhep")
    assert not next(there.net_.module_.parameters()).is_cuda
    np.testing.assert_allclose(there.score_samples(X), scores, rtol=1e-3, atol=1e-3)
    again = make(cls, device="cuda", max_epochs=10).fit(X, sample_weight=weight)
    np.testing.assert_allclose(again.score_samples(X), scores, rtol=1e-3, atol=1e-3)


@every
@pytest.mark.gpu
def test_auto_takes_the_gpu_and_float32(cls, X):
    est = make(cls, device="auto").fit(X)
    assert est.device_ == "cuda"
    assert est.dtype_ == "float32"
    assert np.isfinite(est.partial_fit(X).score_samples(X)).all()
