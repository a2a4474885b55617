"""NormalOnlySplit: no anomaly is trained on, every row is tested."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.neighbors import LocalOutlierFactor

from skhep_anomaly.metrics import NormalOnlySplit, outlier_roc_auc_scorer

RNG = np.random.default_rng(0)
ANOMALY = np.arange(120) % 4 == 1
X = RNG.normal(size=(120, 2)) + 3 * ANOMALY[:, None]
GROUPS = np.arange(120) // 10


@pytest.mark.parametrize(
    "y, label",
    [
        (ANOMALY, None),
        (ANOMALY.astype(int), None),
        (np.where(ANOMALY, -1, 1).tolist(), None),
        (np.where(ANOMALY, "s", "b"), "s"),
    ],
)
@pytest.mark.parametrize(
    "cv",
    [4, KFold(4), StratifiedKFold(4, shuffle=True, random_state=0), PredefinedSplit(GROUPS % 4)],
    ids=str,
)
def test_folds_are_those_of_the_wrapped_splitter(cv, y, label):
    split = NormalOnlySplit(cv, anomaly_label=label)
    wrapped = StratifiedKFold(4) if cv == 4 else cv
    folds = list(split.split(X, y))
    assert len(folds) == split.get_n_splits(X, y) == 4
    for (train, test), (all_train, all_test) in zip(folds, wrapped.split(X, ANOMALY), strict=True):
        np.testing.assert_array_equal(test, all_test)
        np.testing.assert_array_equal(train, all_train[~ANOMALY[all_train]])
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(120))


def test_int_keeps_the_share_of_anomalies():
    y = np.repeat([1, 0], [30, 90])  # sorted: plain folds would hold one class
    shares = [y[test].mean() for _, test in NormalOnlySplit(5).split(X, y)]
    assert shares == [0.25] * 5


def test_lists_of_folds_and_masks():
    mask = np.arange(120) < 60
    split = NormalOnlySplit([(np.flatnonzero(mask), np.flatnonzero(~mask)), (~mask, mask)])
    (train, test), (other_train, other_test) = split.split(X, ANOMALY)
    assert (len(train), len(test)) == (len(other_train), len(other_test)) == (45, 60)
    assert other_train.min() == 60
    assert split.get_n_splits() == 2


def test_groups_stay_together():
    for train, test in NormalOnlySplit(GroupKFold(3)).split(X, ANOMALY, groups=GROUPS):
        assert not set(GROUPS[train]) & set(GROUPS[test])
        assert ANOMALY[test].sum() > 0


def test_clone_and_repr():
    split = NormalOnlySplit(KFold(3), anomaly_label="s")
    again = clone(split).set_params(anomaly_label="t")
    assert (split.anomaly_label, again.anomaly_label, again.cv.n_splits) == ("s", "t", 3)
    assert repr(NormalOnlySplit(3)) == "NormalOnlySplit(cv=3)"


def test_training_rows_decide_the_result():
    """Near-duplicates among the anomalies hide them when they are trained on."""
    near = X.copy()
    near[ANOMALY] = 4 + 0.01 * RNG.normal(size=(30, 2))
    grid = {"n_neighbors": [10]}
    options = {"scoring": outlier_roc_auc_scorer, "refit": False, "error_score": "raise"}
    clean = GridSearchCV(LocalOutlierFactor(novelty=True), grid, cv=NormalOnlySplit(4), **options)
    mixed = GridSearchCV(LocalOutlierFactor(novelty=True), grid, cv=StratifiedKFold(4), **options)
    clean.fit(near, ANOMALY.astype(int))
    mixed.fit(near, ANOMALY.astype(int))
    assert clean.cv_results_["mean_test_score"][0] == 1.0
    assert mixed.cv_results_["mean_test_score"][0] < 0.9


def test_groups_without_routing():
    search = GridSearchCV(
        LocalOutlierFactor(novelty=True),
        {"n_neighbors": [10]},
        scoring=outlier_roc_auc_scorer,
        cv=NormalOnlySplit(GroupKFold(3)),
    )
    search.fit(X, ANOMALY.astype(int), groups=GROUPS)
    assert search.best_score_ > 0.9


def test_groups_with_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        split = NormalOnlySplit(GroupKFold(3))
        assert not hasattr(split, "set_split_request")
        scorer = clone(outlier_roc_auc_scorer).set_score_request(sample_weight=True)
        search = GridSearchCV(
            LocalOutlierFactor(novelty=True),
            {"n_neighbors": [10]},
            scoring=scorer,
            cv=split,
        )
        weight = RNG.exponential(size=120)
        search.fit(X, ANOMALY.astype(int), groups=GROUPS, sample_weight=weight)
        assert search.best_score_ > 0.9
        with pytest.raises(TypeError, match="unexpected argument.*groups"):
            search.set_params(cv=NormalOnlySplit(3)).fit(X, ANOMALY, groups=GROUPS)
        plain = cross_val_score(
            LocalOutlierFactor(novelty=True),
            X,
            ANOMALY,
            scoring=outlier_roc_auc_scorer,
            cv=NormalOnlySplit(3),
        )
        assert plain.min() > 0.9


def test_random_splitters():
    split = NormalOnlySplit(ShuffleSplit(2, test_size=0.5, random_state=0))
    sizes = [len(train) + ANOMALY[test].sum() for train, test in split.split(X, ANOMALY)]
    assert sizes == [
        60 - (30 - ANOMALY[t].sum()) + ANOMALY[t].sum() for _, t in split.split(X, ANOMALY)
    ]


def test_refused():
    with pytest.raises(ValueError, match="y is None"):
        next(NormalOnlySplit(3).split(X))
    with pytest.raises(ValueError, match="ambiguous"):
        next(NormalOnlySplit(3).split(X, np.arange(120) % 3))
    with pytest.raises(ValueError, match="one class only"):
        next(NormalOnlySplit(3).split(X, np.zeros(120)))
    with pytest.raises(ValueError, match="one-shot iterator"):
        NormalOnlySplit(iter([])).get_n_splits()
    y = np.repeat([1, 0], [60, 60])
    with pytest.raises(ValueError, match=r"Fold 1 of KFold.* holds no normal row among its 60"):
        list(NormalOnlySplit(KFold(2)).split(X, y))
    assert NormalOnlySplit().get_n_splits() == 5
