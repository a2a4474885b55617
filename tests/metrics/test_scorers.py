"""One scorer for detectors of every origin and for classifiers, in every coding of y."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import OneClassSVM

from skhep_anomaly.metrics import (
    NormalOnlySplit,
    OutlierScorer,
    ams_score,
    make_ams_scorer,
    make_outlier_scorer,
    max_ams,
    outlier_average_precision_scorer,
    outlier_mcc_scorer,
    outlier_roc_auc_scorer,
    weighted_roc_auc,
)

RNG = np.random.default_rng(0)
ANOMALY = np.arange(200) % 5 == 0
SVM_DRAWS = pytest.mark.global_state(reason="scikit-learn's OneClassSVM draws from numpy's stream")
X = RNG.normal(size=(200, 3)) + 2.5 * ANOMALY[:, None]
WEIGHT = RNG.exponential(size=200)
CODINGS = {
    "01": ANOMALY.astype(int),
    "pm1": np.where(ANOMALY, -1, 1),
    "bool": ANOMALY,
    "named": np.where(ANOMALY, "attack", "normal"),  # the anomaly is classes_[0]
}


def _scorer(scorer, coding):
    return clone(scorer).set_params(anomaly_label="attack" if coding == "named" else None)


class Distance(OutlierMixin, BaseEstimator):
    """A detector that has only the methods scikit-learn demands, without score_samples."""

    def fit(self, X, y=None):
        self.centre_ = np.mean(X, axis=0)
        return self

    def decision_function(self, X):
        return 3.0 - np.linalg.norm(X - self.centre_, axis=1)

    def predict(self, X):
        return np.where(self.decision_function(X) >= 0, 1, -1)


class ScoreOnly(BaseEstimator):
    def fit(self, X, y=None):
        return self

    def decision_function(self, X):
        return X[:, 0]


@SVM_DRAWS
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize(
    "detector",
    [
        IsolationForest(n_estimators=20, random_state=0),
        LocalOutlierFactor(novelty=True),
        OneClassSVM(nu=0.1),
        EllipticEnvelope(random_state=0),
        Distance(),
        GaussianMixture(random_state=0),
        make_pipeline(StandardScaler(), OneClassSVM(nu=0.1)),
    ],
    ids=lambda d: type(d).__name__,
)
def test_detectors_are_read_the_right_way(detector, coding):
    detector = clone(detector).fit(X[~ANOMALY])
    score = getattr(detector, "score_samples", None) or detector.decision_function
    expected = roc_auc_score(ANOMALY, -score(X))
    assert expected > 0.9
    got = _scorer(outlier_roc_auc_scorer, coding)(detector, X, CODINGS[coding])
    assert got == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("y_train", CODINGS)
@pytest.mark.parametrize(
    "classifier",
    [LogisticRegression(), RandomForestClassifier(20, max_depth=3, random_state=0)],
    ids=lambda d: type(d).__name__,
)
def test_classifiers_follow_their_classes(classifier, y_train):
    fitted = make_pipeline(StandardScaler(), clone(classifier)).fit(X, CODINGS[y_train])
    index = list(fitted.classes_).index(CODINGS[y_train][0])  # row 0 is an anomaly
    expected = roc_auc_score(ANOMALY, fitted.predict_proba(X)[:, index])
    assert expected > 0.9
    scorer = _scorer(outlier_roc_auc_scorer, y_train)
    assert scorer(fitted, X, CODINGS[y_train]) == pytest.approx(expected, abs=1e-12)
    mcc = _scorer(outlier_mcc_scorer, y_train)
    called = fitted.predict(X) == CODINGS[y_train][0]
    assert mcc(fitted, X, CODINGS[y_train]) == pytest.approx(np.corrcoef(called, ANOMALY)[0, 1])


def test_classifier_and_truth_may_differ_in_coding():
    classifier = LogisticRegression().fit(X, CODINGS["01"])
    got = outlier_roc_auc_scorer(classifier, X, CODINGS["pm1"])
    assert got == outlier_roc_auc_scorer(classifier, X, CODINGS["01"]) > 0.9


def test_predictions_and_weights():
    detector = Distance().fit(X[~ANOMALY])
    called = detector.predict(X) == -1
    expected = np.corrcoef(called, ANOMALY)[0, 1]
    assert outlier_mcc_scorer(detector, X, ANOMALY) == pytest.approx(expected)
    weighted = outlier_roc_auc_scorer(detector, X, ANOMALY, sample_weight=WEIGHT)
    score = -detector.decision_function(X)
    assert weighted == pytest.approx(roc_auc_score(ANOMALY, score, sample_weight=WEIGHT))
    assert weighted != outlier_roc_auc_scorer(detector, X, ANOMALY)
    assert outlier_average_precision_scorer(detector, X, ANOMALY) > 0.8


def test_ams_scorers():
    detector = Distance().fit(X[~ANOMALY])
    totals = {"s_total": 692.0, "b_total": 4.1e5}
    called = detector.predict(X) == -1
    expected = ams_score(ANOMALY, called, WEIGHT, **totals)
    assert make_ams_scorer(**totals)(detector, X, ANOMALY, WEIGHT) == pytest.approx(expected)
    best = make_ams_scorer(**totals, best_threshold=True)(detector, X, ANOMALY, WEIGHT)
    score = -detector.decision_function(X)
    assert best == pytest.approx(max_ams(ANOMALY, score, WEIGHT, **totals).value)
    assert best >= expected


def test_own_metrics():
    def spread(y_true, y_score, factor=1.0):
        return factor * (y_score[y_true].mean() - y_score[~y_true].mean())

    detector = Distance().fit(X[~ANOMALY])
    plain = make_outlier_scorer(spread)(detector, X, ANOMALY)
    assert plain > 1
    assert make_outlier_scorer(spread, factor=2.0)(detector, X, ANOMALY) == 2 * plain
    assert make_outlier_scorer(spread, greater_is_better=False)(detector, X, ANOMALY) == -plain
    classifier = LogisticRegression().fit(X, ANOMALY)
    loss = make_outlier_scorer(brier_score_loss, response="predict", greater_is_better=False)
    assert loss(classifier, X, ANOMALY) == -np.mean(classifier.predict(X) != ANOMALY)


def test_raw_pyod_is_refused():
    forest = pytest.importorskip("pyod.models.iforest").IForest(n_estimators=5, random_state=0)
    forest.fit(X[~ANOMALY])
    for fitted in (forest, Pipeline([("scale", StandardScaler().fit(X)), ("forest", forest)])):
        for scorer in (outlier_roc_auc_scorer, outlier_mcc_scorer):
            with pytest.raises(TypeError, match="Wrap a PyOD detector in PyODAdapter"):
                scorer(fitted, X, ANOMALY)
    assert forest.predict(X).max() == 1


@pytest.mark.parametrize("estimator", [LinearRegression(), ScoreOnly(), StandardScaler()])
def test_estimators_without_a_direction_are_refused(estimator):
    fitted = estimator.fit(X, ANOMALY)
    for scorer in (outlier_roc_auc_scorer, outlier_mcc_scorer):
        with pytest.raises(TypeError, match=f"{type(estimator).__name__} is neither"):
            scorer(fitted, X, ANOMALY)
    assert outlier_roc_auc_scorer.response == "score"


class PredictOnly(OutlierMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return np.ones(len(X), dtype=int)


def test_refused():
    detector = Distance().fit(X)
    with pytest.raises(ValueError, match="ambiguous"):
        outlier_roc_auc_scorer(detector, X, CODINGS["named"])
    with pytest.raises(ValueError, match="one class only"):
        outlier_roc_auc_scorer(detector, X, np.zeros(200))
    with pytest.raises(ValueError, match="y is None"):
        outlier_roc_auc_scorer(detector, X, None)
    with pytest.raises(ValueError, match="response='proba' must be"):
        make_outlier_scorer(weighted_roc_auc, response="proba")(detector, X, ANOMALY)
    three = LogisticRegression().fit(X, np.arange(200) % 3)
    with pytest.raises(ValueError, match="knows 3 classes"):
        outlier_roc_auc_scorer(three, X, ANOMALY)
    with pytest.raises(TypeError, match="PredictOnly is neither"):
        outlier_roc_auc_scorer(PredictOnly().fit(X), X, ANOMALY)
    assert outlier_mcc_scorer(PredictOnly().fit(X), X, ANOMALY) == 0.0


@SVM_DRAWS
def test_one_search_holds_them_all():
    pipe = Pipeline([("scale", StandardScaler()), ("model", Distance())])
    models = [
        Distance(),
        IsolationForest(n_estimators=10, random_state=0),
        OneClassSVM(nu=0.3, gamma=0.1),
        LogisticRegression(),
    ]
    grid = {"model": models, "scale": [StandardScaler(), MinMaxScaler()]}
    search = GridSearchCV(
        pipe,
        grid,
        scoring={"auc": outlier_roc_auc_scorer, "mcc": outlier_mcc_scorer},
        cv=3,
        refit="auc",
        error_score="raise",
        n_jobs=1,
    )
    search.fit(X, CODINGS["01"])
    # Detectors are fitted with the anomalies among their rows here, so the bar is low.
    assert search.cv_results_["mean_test_auc"].min() > 0.6
    assert np.isfinite(search.cv_results_["mean_test_mcc"]).all()
    assert search.score(X, CODINGS["pm1"]) > 0.9


def test_strings_are_read_upside_down():
    """The reason for this file: scikit-learn's own scorer with y in {0, 1}."""
    forest = IsolationForest(n_estimators=20, random_state=0).fit(X[~ANOMALY])
    upside_down = sklearn.metrics.get_scorer("roc_auc")(forest, X, CODINGS["01"])
    ours = outlier_roc_auc_scorer(forest, X, CODINGS["01"])
    assert upside_down == pytest.approx(1 - ours)


def test_clone_repr_pickle():
    scorer = make_outlier_scorer(weighted_roc_auc, anomaly_label="s")
    assert "anomaly_label='s'" in repr(scorer)
    again = pickle.loads(pickle.dumps(clone(scorer)))
    assert again.get_params() == scorer.get_params()
    assert isinstance(again, OutlierScorer)
    detector = Distance().fit(X)
    y = np.where(ANOMALY, "s", "b")
    assert again(detector, X, y) == scorer(detector, X, y) > 0.9


def test_weights_reach_the_scorer_without_routing():
    """A search passes the weights of fit to scorers that take them."""
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, scoring=outlier_roc_auc_scorer, cv=2)
    both = {"auc": outlier_roc_auc_scorer, "ap": outlier_average_precision_scorer}
    multi = clone(search).set_params(scoring=both, refit=False)
    search.fit(X, ANOMALY, sample_weight=WEIGHT)
    multi.fit(X, ANOMALY, sample_weight=WEIGHT)
    expected = _weighted_auc_by_hand()
    assert search.cv_results_["mean_test_score"][0] == pytest.approx(expected)
    assert multi.cv_results_["mean_test_auc"][0] == pytest.approx(expected)


def _weighted_auc_by_hand(fit_weight=WEIGHT):
    values = []
    for train, test in sklearn.model_selection.StratifiedKFold(2).split(X, ANOMALY):
        weight = None if fit_weight is None else fit_weight[train]
        fitted = LogisticRegression().fit(X[train], ANOMALY[train], sample_weight=weight)
        score = fitted.decision_function(X[test])
        values.append(roc_auc_score(ANOMALY[test], score, sample_weight=WEIGHT[test]))
    return np.mean(values)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_weights_reach_the_scorer_by_routing():
    scorer = clone(outlier_roc_auc_scorer).set_score_request(sample_weight=True)
    model = LogisticRegression().set_fit_request(sample_weight=False)
    got = cross_val_score(model, X, ANOMALY, scoring=scorer, cv=2, params={"sample_weight": WEIGHT})
    assert got.mean() == pytest.approx(_weighted_auc_by_hand(None))
    search = GridSearchCV(
        LogisticRegression().set_fit_request(sample_weight=True),
        {"C": [1.0]},
        scoring={"auc": scorer, "named": clone(scorer).set_score_request(sample_weight="w")},
        cv=2,
        refit="auc",
    )
    search.fit(X, ANOMALY, sample_weight=WEIGHT, w=WEIGHT)
    expected = pytest.approx(_weighted_auc_by_hand())
    assert search.cv_results_["mean_test_auc"][0] == expected
    assert search.cv_results_["mean_test_named"][0] == expected


@pytest.mark.usefixtures("routing")
def test_unrequested_weights_are_named():
    model = LogisticRegression().set_fit_request(sample_weight=True)
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight.* not explicitly set"):
        cross_validate(
            model,
            X,
            ANOMALY,
            scoring=clone(outlier_roc_auc_scorer),
            cv=2,
            params={"sample_weight": WEIGHT},
        )
    silent = clone(outlier_roc_auc_scorer).set_score_request(sample_weight=False)
    got = cross_validate(model, X, ANOMALY, scoring=silent, cv=2, params={"sample_weight": WEIGHT})
    assert np.isfinite(got["test_score"]).all()


@SVM_DRAWS
def test_search_on_background_trained_detectors():
    search = GridSearchCV(
        OneClassSVM(nu=0.1),
        {"gamma": [0.1, 10.0]},
        scoring=outlier_roc_auc_scorer,
        cv=NormalOnlySplit(4),
        refit=False,
        error_score="raise",
    )
    search.fit(X, CODINGS["01"])
    assert search.cv_results_["mean_test_score"][0] > 0.95
