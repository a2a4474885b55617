"""One search holds ours, PyOD's and scikit-learn's detectors, with weights routed through."""

import numpy as np
import pytest
import sklearn
from pyod.models.iforest import IForest
from pyod.models.ocsvm import OCSVM
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from skhep_anomaly import (
    AEOutlierDetector,
    MissingSentinel,
    NormalOnlySplit,
    OPEClassifier,
    PyODAdapter,
    VAEOutlierDetector,
    outlier_roc_auc_scorer,
)
from skhep_anomaly.ope.samplers import HMCSampler, SwapSampler, UniformSampler

pytestmark = pytest.mark.global_state(reason="PyOD's and scikit-learn's forests may draw globally")


@pytest.fixture(scope="module")
def events():
    """Normal rows in a plane, anomalies off it; a few undefined values."""
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(300, 5))
    odd = rng.normal(size=(60, 5)) * normal.std(axis=0)
    X = np.vstack([normal, odd]) * [1, 10, 100, 1, 1]
    X[rng.integers(0, 360, 20), 4] = -999.0
    return X, np.r_[np.zeros(300, int), np.ones(60, int)]


def detectors():
    fast = {"max_epochs": 40, "random_state": 0}
    return [
        AEOutlierDetector((16, 16), n_members=1, **fast),
        VAEOutlierDetector((16,), 2, **fast),
        PyODAdapter(IForest(n_estimators=30, random_state=0)),
        PyODAdapter(OCSVM()),
        IsolationForest(n_estimators=30, random_state=0),
    ]


def pipeline(detector):
    return Pipeline(
        [("missing", MissingSentinel()), ("scale", StandardScaler()), ("detect", detector)]
    )


@pytest.mark.parametrize("coding", ["01", "pm1", "bool"])
def test_one_search_over_all_detectors_and_scalers(events, coding):
    X, y = events
    labels = {"01": y, "pm1": 1 - 2 * y, "bool": y.astype(bool)}[coding]
    scalers = (
        [StandardScaler(), RobustScaler(), MinMaxScaler()] if coding == "01" else ["passthrough"]
    )
    search = GridSearchCV(
        pipeline(IsolationForest()),
        {"detect": detectors(), "scale": scalers},
        scoring=outlier_roc_auc_scorer,
        cv=NormalOnlySplit(3),
        refit=False,
        error_score="raise",
    ).fit(X, labels)
    auc = search.cv_results_["mean_test_score"]
    assert len(auc) == 5 * len(scalers)
    assert np.isfinite(auc).all()
    assert auc.min() > 0.6
    assert auc.max() > 0.9


def test_nested_parameters_are_searched_and_cloned(events):
    X, y = events
    search = GridSearchCV(
        pipeline(AEOutlierDetector(n_members=1, max_epochs=5, random_state=0)),
        {"detect__latent_dim": [1, 3], "detect__score_kind": ["mse", "mahalanobis"]},
        scoring=outlier_roc_auc_scorer,
        cv=NormalOnlySplit(2),
        refit=False,
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert clone(search).get_params()["estimator__detect__max_epochs"] == 5


def test_weights_are_routed_through_a_search(events):
    X, y = events
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        detector = AEOutlierDetector((8,), 1, n_members=1, max_epochs=5, random_state=0)
        pipe = Pipeline(
            [
                ("missing", MissingSentinel().set_fit_request(sample_weight=True)),
                ("detect", detector.set_fit_request(sample_weight=True)),
            ]
        )
        scorer = clone(outlier_roc_auc_scorer).set_score_request(sample_weight=True)
        settings = {"scoring": scorer, "cv": NormalOnlySplit(2), "refit": False}
        search = GridSearchCV(pipe, {"detect__latent_dim": [1]}, **settings)
        weighted = search.fit(X, y, sample_weight=weight).cv_results_["mean_test_score"]
        plain = clone(search).fit(X, y, sample_weight=np.ones(len(y)))
    assert np.isfinite(weighted).all()
    assert weighted[0] != plain.cv_results_["mean_test_score"][0]


def test_parallel_search_gives_the_same(events):
    X, y = events
    grid = {"detect": detectors()[:1], "scale": [StandardScaler(), RobustScaler()]}
    found = [
        GridSearchCV(
            pipeline(IsolationForest()),
            grid,
            scoring=outlier_roc_auc_scorer,
            cv=NormalOnlySplit(2),
            refit=False,
            n_jobs=n_jobs,
        )
        .fit(X, y)
        .cv_results_["mean_test_score"]
        for n_jobs in (1, 2)
    ]
    np.testing.assert_allclose(*found, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*has not converged")
@pytest.mark.parametrize("coding", ["01", "pm1"])
def test_one_search_over_classifiers_detectors_and_samplers(events, coding):
    """(1+ε)-class classification beside boosted trees and forests, whatever the labels are."""
    X, y = events
    labels = y if coding == "01" else 1 - 2 * y
    ope = OPEClassifier(hidden_layer_sizes=(16,), max_iter=150, random_state=0)
    trees = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    grid = [
        {"detect": [ope], "detect__eps": [0.3, 1.0], "detect__weight_decay": [0.0, 0.03]},
        {
            "detect": [clone(ope).set_params(sampler=HMCSampler())],
            "detect__sampler__step_size": [0.05, 0.2],
        },
        {"detect": [ope], "detect__sampler": [UniformSampler(), SwapSampler(0.5)]},
        {"detect": [OPEClassifier(estimator=trees, n_pseudo=300, random_state=0), trees]},
        {"detect": [PyODAdapter(IForest(n_estimators=30, random_state=0))]},
        {"detect": [IsolationForest(n_estimators=30, random_state=0)]},
    ]
    search = GridSearchCV(
        pipeline(IsolationForest()),
        grid,
        scoring=outlier_roc_auc_scorer,
        cv=StratifiedKFold(2, shuffle=True, random_state=0),
        error_score="raise",
    ).fit(X, labels)
    auc = search.cv_results_["mean_test_score"]
    assert len(auc) == 12
    assert auc.min() > 0.6
    assert auc.max() > 0.9
    by_class = [type(row["detect"]).__name__ for row in search.cv_results_["params"]]
    assert by_class.count("OPEClassifier") == 9
    steps = [row.get("detect__sampler__step_size") for row in search.cv_results_["params"]]
    first, second = (auc[steps.index(step)] for step in (0.05, 0.2))
    assert first != second
    assert outlier_roc_auc_scorer(search, X, labels) > 0.9


@pytest.mark.filterwarnings("ignore:.*has not converged")
def test_one_class_search_trains_on_normal_rows(events):
    X, y = events
    search = GridSearchCV(
        pipeline(OPEClassifier(estimator=None, max_iter=60, random_state=0)),
        {"detect__reference": ["gmm", None]},
        scoring=outlier_roc_auc_scorer,
        cv=NormalOnlySplit(2),
        refit=False,
        error_score="raise",
    )
    with pytest.raises(ValueError, match="y holds one class only .*use y=None"):
        search.fit(X, y)
