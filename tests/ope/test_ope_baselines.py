"""An autoencoder, then cross-entropy in its code: equal to the two done by hand."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm
from sklearn.base import clone, is_classifier
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from skhep_anomaly import AEOutlierDetector, OPEClassifier, SemiSupervisedAEClassifier, load
from skhep_anomaly._validation import InvalidParameterError

pytestmark = pytest.mark.filterwarnings(
    # few steps are enough for what is asked here, not for convergence
    "ignore:OPEClassifier has not converged",
)
QUICK_AE = AEOutlierDetector((8,), 2, noise=None, n_members=1, max_epochs=30)
WEIGHT_CHECKS = {
    "check_sample_weight_equivalence_on_dense_data": (
        "trains on shuffled minibatches: equal in distribution only"
    )
}


def make(**params):
    """A small, seeded one."""
    settings = {"autoencoder": QUICK_AE, "max_iter": 100, "random_state": 0}
    return SemiSupervisedAEClassifier(**{**settings, **params})


@pytest.fixture(scope="module")
def rows():
    """200 normal rows around 0, 20 anomalies 3 away in the first of four features."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(220, 4))
    X[200:, 0] += 3
    return X, np.repeat([0, 1], [200, 20])


@pytest.mark.global_state("some of scikit-learn's checks draw from numpy's global stream")
@pytest.mark.filterwarnings("ignore:.*the rarer label")
@parametrize_with_checks(
    [make(max_iter=150)], expected_failed_checks=lambda estimator: WEIGHT_CHECKS
)
def test_scikit_learn_checks(estimator, check):
    if check.func.__name__ == "check_array_api_input":
        pytest.skip("needs SCIPY_ARRAY_API in the environment")
    check(estimator)


# ------------------------------------------------------------------------------ oracles


def test_known_optimum_in_a_plane_of_many_features():
    """Signal in one direction of a plane in 20 features: the best AUC is Φ(distance / √2)."""
    rng = np.random.default_rng(1)
    plane = np.linalg.qr(rng.normal(size=(20, 2)))[0].T
    anomalous = np.repeat([0, 1, 0, 1], [500, 100, 2000, 2000])
    inside = rng.normal(size=(4600, 2)) * [1.0, 2.0] + np.outer(anomalous, [2.0, 0.0])
    X = inside @ plane + rng.normal(scale=0.05, size=(4600, 20))
    linear = AEOutlierDetector((), 2, noise=None, n_members=1, max_epochs=150)
    est = make(autoencoder=linear, max_iter=200).fit(X[:600], anomalous[:600])
    auc = roc_auc_score(anomalous[600:], est.decision_function(X[600:]))
    assert abs(auc - norm.cdf(2 / np.sqrt(2))) < 0.02
    assert est.autoencoder_.transform(X[:5]).shape == (5, 2)


def test_without_reduction_it_is_plain_cross_entropy(rows):
    X, y = rows
    est = make(autoencoder=FunctionTransformer(), hidden_layer_sizes=(16,), weight_decay=0.1)
    est.fit(X, y)
    same = clone(est.classifier_).fit(X, y)
    np.testing.assert_array_equal(est.score_samples(X), same.score_samples(X))
    want = OPEClassifier(
        1,
        hidden_layer_sizes=(16,),
        weight_decay=0.1,
        max_iter=100,
        random_state=est.classifier_.random_state,
    )
    assert same.get_params() == want.get_params()


def test_it_is_autoencoder_and_classifier_one_after_the_other(rows):
    X, y = rows
    est = make().fit(X, y)
    autoencoder = clone(QUICK_AE).set_params(random_state=est.autoencoder_.random_state).fit(X)
    code = autoencoder.transform(X)
    np.testing.assert_array_equal(code, est.autoencoder_.transform(X))
    classifier = clone(est.classifier_).fit(code, y)
    np.testing.assert_array_equal(est.score_samples(X), classifier.score_samples(code))


def test_the_autoencoder_sees_all_rows_and_no_labels(rows):
    X, y = rows
    one = make(autoencoder=PCA(2)).fit(X, y)
    two = make(autoencoder=PCA(2)).fit(X, 1 - y)
    np.testing.assert_allclose(one.autoencoder_.mean_, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(one.autoencoder_.components_, two.autoencoder_.components_)


@pytest.mark.parametrize("n_features, wanted", [(1, 1), (3, 2), (10, 5), (80, 32)])
def test_width_of_the_code(n_features, wanted):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, n_features)), np.repeat([0, 1], 10)
    est = make(autoencoder=None, hidden_layer_sizes=(4,), max_iter=1).fit(X, y)
    assert est.autoencoder_.transform(X).shape[1] == wanted
    assert list(est.autoencoder_.hidden_layer_sizes) == [4]


def test_no_hidden_layers_is_a_linear_classifier_of_the_code(rows):
    X, y = rows
    est = make(hidden_layer_sizes=(), weight_decay=0.0).fit(X, y)
    code, score = est.autoencoder_.transform(X), est.score_samples(X)
    ones = np.column_stack([code, np.ones(len(code))])
    residual = np.linalg.lstsq(ones, score, rcond=None)[1]
    assert residual[0] < 1e-16 * len(X)


# -------------------------------------------------------------------------- conventions


@pytest.mark.parametrize(
    "labels, classes, up",
    [((0, 1), [0, 1], "anomaly"), ((1, -1), [-1, 1], "normal"), ((False, True), [0, 1], "anomaly")],
)
def test_signs(rows, labels, classes, up):
    X, y = rows
    est = make().fit(X, np.where(y == 1, labels[1], labels[0]))
    assert list(est.classes_) == classes
    score = est.score_samples(X)
    assert score[y == 0].mean() > score[y == 1].mean() + 1
    decision = est.decision_function(X)
    np.testing.assert_allclose(decision, (score - est.offset_) * (1 if up == "normal" else -1))
    np.testing.assert_array_equal(est.predict(X) == classes[1], decision > 0)
    np.testing.assert_array_equal(est.anomaly_score(X), -score)
    assert est.score(X, np.where(y == 1, labels[1], labels[0])) > 0.8


def test_named_and_rarer_labels(rows):
    X, y = rows
    est = make(anomaly_label=7).fit(X, np.where(y == 1, 7, 4))
    assert est.anomaly_class_ == 7
    with pytest.warns(UserWarning, match="SemiSupervisedAEClassifier takes 7, the rarer label"):
        rarer = make().fit(X, np.where(y == 1, 7, 4))
    np.testing.assert_array_equal(rarer.score_samples(X), est.score_samples(X))


def test_contamination_and_threshold(rows):
    X, y = rows
    est = make(contamination=0.2).fit(X, y)
    assert (est.score_samples(X[y == 0]) < est.offset_).mean() == pytest.approx(0.2, abs=0.01)
    assert make().fit(X, y).offset_ == 0
    moved = est.set_threshold(X[y == 0], fpr=0.05)
    assert (moved.predict(X[y == 0]) == 1).mean() == pytest.approx(0.05, abs=0.01)


def test_members_have_a_spread(rows):
    X, y = rows
    one, many = make().fit(X, y), make(n_members=3).fit(X, y)
    assert (one.score_std(X) == 0).all()
    assert (many.score_std(X) > 0).all()


def test_seeds(rows):
    X, y = rows
    score = make().fit(X, y).score_samples(X)
    np.testing.assert_array_equal(make().fit(X, y).score_samples(X), score)
    assert np.abs(make(random_state=1).fit(X, y).score_samples(X) - score).max() > 1e-3
    kept = make(autoencoder=clone(QUICK_AE).set_params(random_state=5)).fit(X, y)
    assert kept.autoencoder_.random_state == 5
    assert QUICK_AE.random_state is None
    assert not hasattr(QUICK_AE, "net_")


def test_frames_and_narrow_numbers(rows):
    X, y = rows
    frame = pd.DataFrame(X, columns=list("abcd"))
    est = make().fit(frame, y)
    np.testing.assert_array_equal(est.score_samples(frame), make().fit(X, y).score_samples(X))
    assert list(est.feature_names_in_) == list("abcd")
    single = make().fit(X.astype(np.float32), y)
    assert single.classifier_.dtype_ == single.autoencoder_.dtype_ == "float32"
    assert single.score_samples(X.astype(np.float32)).dtype == np.float64


def test_grid_search(rows):
    X, y = rows
    grid = {"weight_decay": [1e-3, 100.0], "autoencoder__latent_dim": [1, 4]}
    search = GridSearchCV(make(), grid, cv=2, scoring="roc_auc").fit(X, y)
    assert search.best_params_["autoencoder__latent_dim"] == 4
    assert search.best_score_ > 0.9
    assert is_classifier(search.best_estimator_)


# ------------------------------------------------------------------------------ weights


def test_weight_zero_is_absence_and_units_do_not_matter(rows):
    X, y = rows
    weight = np.ones(220)
    weight[::5] = 0
    without = make().fit(X[weight > 0], y[weight > 0]).score_samples(X)
    got = make().fit(X, y, sample_weight=weight).score_samples(X)
    np.testing.assert_array_equal(got, without)
    varied = np.random.default_rng(0).uniform(0.5, 2, 220)
    one, two = (make().fit(X, y, f * varied).score_samples(X) for f in (1.0, 400.0))
    np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-8)
    assert np.abs(one - make().fit(X, y).score_samples(X)).max() > 1e-3


def test_weights_reach_autoencoder_and_classifier(rows):
    """Half of the anomalies count almost nothing: the boundary follows the other half."""
    X, y = rows
    X, y = np.vstack([X, X[200:] - [6, 0, 0, 0]]), np.r_[y, np.ones(20, dtype=int)]
    weight = np.r_[np.ones(220), np.full(20, 1e-9)]
    est = make().fit(X, y, sample_weight=weight)
    assert (est.predict(X[200:220]) == 1).mean() > 0.7
    assert (est.predict(X[220:]) == 1).mean() < 0.2
    mean = est.autoencoder_.net_.module_.standardizer.mean
    np.testing.assert_allclose(mean, np.average(X, axis=0, weights=weight), rtol=1e-6)


# -------------------------------------------------------------------------------- files


@pytest.mark.parametrize("own", [QUICK_AE, None], ids=["given", "built in"])
def test_pickle_and_file_give_the_same_scores(rows, tmp_path, own):
    X, y = rows
    est = make(autoencoder=own, n_members=2, max_iter=20).fit(X[::4], y[::4])
    scores = est.score_samples(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(est)).score_samples(X), scores)
    est.save(tmp_path / "model.skhep")
    loaded = load(tmp_path / "model.skhep")
    np.testing.assert_array_equal(loaded.score_samples(X), scores)
    np.testing.assert_array_equal(loaded.predict(X), est.predict(X))
    assert repr(loaded) == repr(est)


def test_a_foreign_autoencoder_cannot_be_saved(rows, tmp_path):
    est = make(autoencoder=PCA(2)).fit(*rows)
    with pytest.raises(TypeError, match=r"cannot be saved: autoencoder=PCA\(n_components=2"):
        est.save(tmp_path / "model.skhep")
    assert not (tmp_path / "model.skhep").exists()


# ------------------------------------------------------------------------------- images


def test_images():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 1, 8, 8)).astype(np.float32)
    y = np.arange(160) % 4 // 3
    X[y == 1, :, 2:6, 2:6] += 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.Flatten(), nn.Linear(64, 2))
        decoder = nn.Sequential(nn.Linear(2, 64), nn.Unflatten(1, (1, 8, 8)))
    autoencoder = AEOutlierDetector(
        encoder=encoder, decoder=decoder, noise=None, n_members=1, max_epochs=60, batch_size=40
    )
    est = make(autoencoder=autoencoder).fit(X[:100], y[:100])
    assert roc_auc_score(y[100:], est.decision_function(X[100:])) > 0.9
    with pytest.raises(ValueError, match=r"rows of shape \(1, 8, 9\)"):
        est.predict(np.zeros((2, 1, 8, 9), dtype=np.float32))
    with pytest.raises(ValueError, match="dim 4|expected <= 2"):
        make().fit(X, y)


# ------------------------------------------------------------------------------- faults


def test_known_anomalies_are_needed(rows):
    X, y = rows
    with pytest.raises(ValueError, match="the target y is None: it needs known anomalies"):
        make().fit(X, None)
    with pytest.raises(ValueError, match=r"y holds one class only .* use y=None"):
        make().fit(X, np.zeros(220, dtype=int))
    with pytest.raises(ValueError, match="Only binary classification is supported"):
        make().fit(X, np.arange(220) % 3)
    with pytest.raises(ValueError, match="anomaly_label=3 is none of the labels"):
        make(anomaly_label=3).fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make().fit(X, y[:-1])


def test_the_code_of_ones_own_autoencoder_is_set_there(rows):
    with pytest.raises(ValueError, match="latent_dim=3 is the code of the built-in autoencoder"):
        make(latent_dim=3).fit(*rows)


@pytest.mark.parametrize(
    "name, value",
    [
        ("latent_dim", 0),
        ("max_iter", 0),
        ("weight_decay", -1),
        ("weight_decay", "auto"),
        ("contamination", 0.7),
        ("autoencoder", "ae"),
        ("n_members", 0),
        ("dtype", "float16"),
        ("random_state", "seed"),
    ],
)
def test_parameters_are_checked_before_training(rows, name, value):
    message = f"'{name}' parameter of SemiSupervisedAEClassifier"
    with pytest.raises(InvalidParameterError, match=message):
        make(**{name: value}).fit(*rows)


def test_bad_rows_are_named(rows):
    X, y = rows
    bad = X.copy()
    bad[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"NaN.*\n.*SemiSupervisedAEClassifier.*column 1"):
        make().fit(bad, y)
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        make().score_samples(X)
    with pytest.raises(ValueError, match="X has 3 features, but SemiSupervised"):
        make().fit(X, y).score_samples(X[:, :3])
    with pytest.raises(ValueError, match="2 negative weights of 220"):
        make().fit(X, y, sample_weight=np.r_[-1.0, -2.0, np.ones(218)])
