"""One detector per group: equal to separate fits, whatever the scale and threshold."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from joblib import parallel_config
from pyod.models.deep_svdd import DeepSVDD
from pyod.models.knn import KNN
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import skhep_anomaly
from skhep_anomaly._validation import InvalidParameterError
from skhep_anomaly.outliers import AEOutlierDetector, GroupwiseOutlierDetector, PyODAdapter
from skhep_anomaly.outliers._pooling import learn_scale, to_scale

NAMES = ["pt", "n_jets", "mass", "jet_pt", "flag"]
FOREST = IsolationForest(n_estimators=20, random_state=0)
KINDS = ["raw", "rank", "robust_z"]


class Distance(OutlierMixin, BaseEstimator):
    """Minus the squared distance to the weighted mean: a detector that can be computed by hand."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y=None, sample_weight=None):
        self.mean_ = np.average(X, axis=0, weights=sample_weight)
        return self

    def score_samples(self, X):
        return -self.factor * ((X - self.mean_) ** 2).sum(axis=1)


@pytest.fixture
def X():
    """Jets 0, 1, 2 (200, 150, 100 rows); mass partly undefined; jet_pt undefined without jets."""
    rng = np.random.default_rng(0)
    n_jets = np.repeat([0.0, 1.0, 2.0], [200, 150, 100])
    rng.shuffle(n_jets)
    X = np.column_stack([rng.gamma(4, 10, 450), n_jets, rng.normal(90, 9, 450), np.zeros((450, 2))])
    X[:, 0] += 20 * n_jets
    X[rng.random(450) < 0.2, 2] = -999
    X[:, 3] = np.where(n_jets > 0, rng.normal(50, 5, 450), -999)
    X[:, 4] = np.where(n_jets == 2, rng.normal(size=450), 7)
    return X


def by_hand(estimator, X, new, columns=None, missing=-999.0):
    """Separate fits: median of the group's defined values for the undefined ones, a clone each."""
    out, train = np.empty(len(new)), {}
    columns = columns or {0: [0, 2], 1: [0, 2, 3], 2: [0, 2, 3, 4]}
    for group, kept in columns.items():
        rows, test = X[X[:, 1] == group][:, kept], new[new[:, 1] == group][:, kept]
        fill = [np.median(c[c != missing]) for c in rows.T]
        rows, test = (np.where(part == missing, fill, part) for part in (rows, test))
        model = clone(estimator).fit(rows)
        out[new[:, 1] == group] = model.score_samples(test)
        train[group] = model.score_samples(rows)
    return out, train


# ---------------------------------------------------------------- scikit-learn's checks


@pytest.mark.global_state("scikit-learn's checks seed numpy's global stream")
@pytest.mark.parametrize(
    "estimator, expected",
    [
        (
            IsolationForest(n_estimators=5),
            {"check_sample_weight_equivalence_on_dense_data": "the forest draws rows at random"},
        ),
        (Distance(), {}),
        (
            AEOutlierDetector((4,), 2, n_members=1, max_epochs=1),
            {"check_sample_weight_equivalence_on_dense_data": "minibatches are shuffled"},
        ),
    ],
)
def test_sklearn_checks(estimator, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(
            GroupwiseOutlierDetector(estimator),
            expected_failed_checks=expected,
            on_skip=None,
            on_fail=None,
        )
    assert [r for r in results if r["status"] == "failed"] == []
    assert {r["check_name"] for r in results if r["status"] == "xfail"} == set(expected)


# ---------------------------------------------------------------------------- oracles


@pytest.mark.parametrize("estimator", [FOREST, Distance(), make_pipeline(StandardScaler(), FOREST)])
def test_equals_separate_fits_row_by_row(estimator, X):
    new = X[::3] + np.array([1, 0, 0, 0, 0])
    detector = GroupwiseOutlierDetector(estimator, groups=1, contamination=0.2).fit(X)
    expected, train = by_hand(estimator, X, new)
    np.testing.assert_array_equal(detector.score_samples(new), expected)
    offsets = {g: np.quantile(s, 0.2, method="averaged_inverted_cdf") for g, s in train.items()}
    assert detector.offsets_ == pytest.approx(offsets, rel=1e-12)
    below = expected < np.array([offsets[g] for g in new[:, 1]])
    np.testing.assert_array_equal(detector.predict(new) == -1, below)


def test_equals_separate_autoencoders(X):
    model = AEOutlierDetector(max_epochs=2, n_members=1, random_state=0)
    detector = GroupwiseOutlierDetector(model, groups=1).fit(X)
    np.testing.assert_array_equal(detector.score_samples(X), by_hand(model, X, X)[0])
    for group, one in detector.estimators_.items():
        assert detector.offsets_[group] == one.offset_


def test_auto_features(X):
    detector = GroupwiseOutlierDetector(FOREST, groups=1).fit(X)
    told = {group: columns.tolist() for group, columns in detector.features_.items()}
    assert told == {0: [0, 2], 1: [0, 2, 3], 2: [0, 2, 3, 4]}


@pytest.mark.needs_data
def test_auto_features_of_higgsml(data_file):
    table = pd.read_parquet(data_file("higgsml/higgsml_dev.parquet"))
    kept = [c for c in table if c.startswith(("DER_", "PRI_")) and not c.endswith("_phi")]
    X = table.loc[table["Label"] == "b", kept]
    detector = GroupwiseOutlierDetector(Distance(), "PRI_jet_num").fit(X)
    assert [len(detector.features_[jets]) for jets in range(4)] == [15, 18, 24, 24]
    assert X.shape[1] == 25


def test_undefined_values_are_filled_from_the_groups_own_rows(X):
    detector = GroupwiseOutlierDetector(Distance(), groups=1).fit(X)
    mass = X[(X[:, 1] == 1) & (X[:, 2] != -999), 2]
    assert detector.fillers_[1].fill_values_[1] == np.median(mass)
    row = X[X[:, 1] == 1][:1].copy()
    filled = row.copy()
    row[0, 2], filled[0, 2] = -999, np.median(mass)
    assert detector.score_samples(row) == detector.score_samples(filled)


def test_missing_none_leaves_the_sentinel_alone(X):
    detector = GroupwiseOutlierDetector(Distance(), groups=1, missing=None).fit(X)
    assert detector.estimators_[0].mean_[1] < 0
    assert detector.fillers_ == {0: None, 1: None, 2: None}


def test_features_by_name_and_position(X):
    frame = pd.DataFrame(X, columns=NAMES)
    chosen = {0: ["pt"], 1: ["mass", "pt"], 2: [0, -2]}
    detector = GroupwiseOutlierDetector(Distance(), "n_jets", features_per_group=chosen).fit(frame)
    expected, _ = by_hand(Distance(), X, X, {0: [0], 1: [2, 0], 2: [0, 3]})
    np.testing.assert_array_equal(detector.score_samples(frame), expected)


def test_no_group_is_one_group(X):
    detector = GroupwiseOutlierDetector(FOREST, missing=None).fit(X)
    np.testing.assert_array_equal(detector.score_samples(X), clone(FOREST).fit(X).score_samples(X))
    assert detector.offset_ == detector.offsets_[0]


def test_default_estimator(X):
    class Stop(Exception):
        pass

    assert isinstance(GroupwiseOutlierDetector()._model(None), AEOutlierDetector)
    assert GroupwiseOutlierDetector(random_state=4)._model(None).random_state == 4


@pytest.mark.parametrize("random_state", [3, np.random.RandomState(3), np.random.default_rng(3)])
def test_random_state_reaches_every_clone(random_state, X):
    forest = IsolationForest(n_estimators=3)
    detector = GroupwiseOutlierDetector(forest, 1, random_state=random_state).fit(X)
    seeds = {one.random_state for one in detector.estimators_.values()}
    assert len(seeds) == 1
    expected, _ = by_hand(clone(forest).set_params(random_state=seeds.pop()), X, X)
    np.testing.assert_array_equal(detector.score_samples(X), expected)
    assert forest.random_state is None


# ------------------------------------------------------------------------------ groups


def test_groups_by_name_position_or_function(X):
    expected = GroupwiseOutlierDetector(FOREST, 1).fit(X).score_samples(X)
    pandas, polars = pd.DataFrame(X, columns=NAMES), pl.DataFrame(X, schema=NAMES)
    for data, groups in (
        (pandas, "n_jets"),
        (polars, "n_jets"),
        (pandas, lambda frame: frame["n_jets"]),
        (X, -4),
        (X.astype(np.float32).astype(np.float64), lambda rows: rows[:, 1].astype(int)),
    ):
        detector = GroupwiseOutlierDetector(FOREST, groups).fit(data)
        assert list(detector.estimators_) == [0, 1, 2]
        np.testing.assert_allclose(detector.score_samples(data), expected, rtol=1e-6)


def test_labels_may_be_strings_or_fractions(X):
    def channel(rows):
        return np.where(rows[:, 1] > 0, "jets", "none")

    detector = GroupwiseOutlierDetector(Distance(), channel).fit(X)
    assert set(detector.offsets_) == {"jets", "none"}
    objects = GroupwiseOutlierDetector(Distance(), lambda rows: channel(rows).astype(object)).fit(X)
    np.testing.assert_array_equal(objects.predict(X), detector.predict(X))
    half = GroupwiseOutlierDetector(Distance(), lambda rows: rows[:, 1] / 2).fit(X)
    assert list(half.offsets_) == [0.0, 0.5, 1.0]
    with pytest.raises(ValueError, match="needs numbers as labels.*'jets'"):
        detector.set_params(unseen="nearest", groups=lambda rows: ["?"] * len(rows)).predict(X)


@pytest.mark.parametrize("nothing", [np.nan, None])
def test_undefined_labels_are_refused(X, nothing):
    def some(rows):
        labels = rows[:, 1].astype(object if nothing is None else float)
        labels[[3, 8]] = nothing
        return labels

    with pytest.raises(ValueError, match="NaN or None as the label of 2 rows, the first is row 3"):
        GroupwiseOutlierDetector(FOREST, some).fit(X)
    detector = GroupwiseOutlierDetector(FOREST, lambda rows: rows[:, 1]).fit(X)
    with pytest.raises(ValueError, match="NaN or None as the label of 2 rows"):
        detector.set_params(groups=some).score_samples(X)


def test_unseen_group(X):
    new = X[X[:, 1] == 2][:5].copy()
    new[:, 1] = 9
    with pytest.raises(ValueError, match=r"group 9, but .* was fitted on the groups \[0, 1, 2\]"):
        GroupwiseOutlierDetector(FOREST, 1).fit(X).score_samples(new)
    detector = GroupwiseOutlierDetector(FOREST, 1, unseen="nearest").fit(X)
    np.testing.assert_array_equal(
        detector.score_samples(new), detector.score_samples(X[X[:, 1] == 2][:5])
    )


def test_small_groups(X):
    with pytest.raises(ValueError, match=r"min_group_size=120 training rows: 2 \(100 rows\)\. Low"):
        GroupwiseOutlierDetector(FOREST, 1, min_group_size=120).fit(X)
    detector = GroupwiseOutlierDetector(FOREST, 1, min_group_size=120, unseen="nearest").fit(X)
    assert detector.group_of_ == {0: 0, 1: 1, 2: 1}
    merged = np.where(X[:, 1] == 2, 1, X[:, 1])
    same = GroupwiseOutlierDetector(FOREST, lambda _: merged).fit(X)
    np.testing.assert_array_equal(detector.score_samples(X), same.score_samples(X))
    with pytest.raises(ValueError, match="fewer than min_group_size=999"):
        GroupwiseOutlierDetector(FOREST, 1, min_group_size=999, unseen="nearest").fit(X)
    with pytest.raises(ValueError, match="and 1 more"):
        GroupwiseOutlierDetector(
            FOREST, lambda rows: np.arange(len(rows)) % 6, min_group_size=90
        ).fit(X)


def test_a_small_group_lies_halfway_to_the_smaller():
    labels = np.repeat([0, 2, 1], [60, 60, 5])
    X = np.random.default_rng(0).normal(size=(125, 2))
    detector = GroupwiseOutlierDetector(Distance(), lambda _: labels, unseen="nearest").fit(X)
    assert detector.group_of_ == {0: 0, 1: 0, 2: 2}


@pytest.mark.parametrize(
    "params, told",
    [
        ({"groups": 5}, "groups=5 is no column of X, which has 5 columns"),
        ({"groups": "n_jets"}, "names a column, but X has no column names"),
        ({"groups": lambda rows: rows}, r"labels of shape \(450, 5\) for 450 rows"),
        ({"groups": 1, "features_per_group": {0: [0]}}, "no entry for group 1"),
        ({"groups": 1, "features_per_group": {0: ["ptt"]}}, "asks for column 'ptt'.*5 columns"),
        ({"groups": 1, "features_per_group": {0: [7]}}, "asks for column 7"),
    ],
)
def test_wrong_groups_and_features(params, told, X):
    with pytest.raises(ValueError, match=told):
        GroupwiseOutlierDetector(Distance(), **params).fit(X)


def test_wrong_group_name(X):
    frame = pd.DataFrame(X, columns=NAMES)
    with pytest.raises(
        ValueError, match="groups='njets' is no column of X; it has .'pt', 'n_jets'"
    ):
        GroupwiseOutlierDetector(Distance(), "njets").fit(frame)
    detector = GroupwiseOutlierDetector(Distance(), "n_jets").fit(frame)
    with pytest.raises(ValueError, match="feature names"):
        detector.score_samples(frame[NAMES[::-1]])


@pytest.mark.parametrize("params", [{"pooling": "z"}, {"groups": 0.5}, {"min_group_size": 1}])
def test_parameters_out_of_range(params, X):
    with pytest.raises(
        InvalidParameterError, match=f"'{next(iter(params))}' parameter of Groupwise"
    ):
        GroupwiseOutlierDetector(Distance(), **params).fit(X)


def test_estimator_without_scores(X):
    with pytest.raises(TypeError, match="StandardScaler has neither score_samples"):
        GroupwiseOutlierDetector(StandardScaler()).fit(X)


def test_decision_function_serves_where_there_is_no_score(X):
    class Decides(Distance):
        score_samples = property(lambda self: (_ for _ in ()).throw(AttributeError("none")))

        def decision_function(self, X):
            return Distance.score_samples(self, X)

    expected = GroupwiseOutlierDetector(Distance(), 1).fit(X).score_samples(X)
    np.testing.assert_array_equal(
        GroupwiseOutlierDetector(Decides(), 1).fit(X).score_samples(X), expected
    )


# ----------------------------------------------------------------- scales and thresholds


@pytest.mark.parametrize("kind", ["rank", "robust_z"])
def test_pooling_keeps_the_order_within_a_group(kind, X):
    raw = GroupwiseOutlierDetector(FOREST, 1).fit(X)
    pooled = GroupwiseOutlierDetector(FOREST, 1, pooling=kind).fit(X)
    for group in range(3):
        rows = X[X[:, 1] == group]
        order = np.argsort(raw.score_samples(rows), kind="stable")
        assert (np.diff(pooled.score_samples(rows)[order]) >= 0).all()
    np.testing.assert_array_equal(raw.predict(X), pooled.predict(X))  # thresholds move along


def test_rank_by_hand():
    scale = learn_scale("rank", np.array([1.0, 2.0, 2.0, 4.0]), None)
    ranks = to_scale("rank", scale, np.array([1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_allclose(ranks, [0.125, 0.5, 0.6875, 0.875])
    width = 1.5  # quartiles 1.5 and 3
    tails = to_scale("rank", scale, np.array([1.0 - width, 4.0 + 3 * width]))
    np.testing.assert_allclose(tails, [0.125 / 2, 1 - 0.125 / 4])


def test_robust_z_by_hand():
    scale = learn_scale("robust_z", np.array([0.0, 1.0, 2.0, 3.0, 100.0]), None)
    assert scale == {"middle": 2.0, "spread": 1.4826}
    assert to_scale("robust_z", scale, np.array([3.4826])) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_scores_have_a_scale(kind):
    scores = to_scale(kind, learn_scale(kind, np.full(9, 3.0), None), np.array([2.0, 3.0, 4.0]))
    assert (np.diff(scores) > 0).all()
    assert np.isfinite(scores).all()


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.float64, st.integers(1, 30), elements=st.integers(-40, 40)),
    st.lists(st.integers(-10_000, 10_000), min_size=2, max_size=30, unique=True),
    st.sampled_from(KINDS),
)
def test_scales_rise_strictly_out_of_range_too(train, new, kind):
    mapped = to_scale(kind, learn_scale(kind, train, None), np.sort(np.array(new, dtype=float)))
    assert (np.diff(mapped) > 0).all()
    if kind == "rank":
        assert ((mapped > 0) & (mapped < 1)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_weight_is_copies_on_a_scale(kind):
    rng = np.random.default_rng(0)
    scores, weight = rng.integers(0, 9, 60).astype(float), rng.integers(1, 4, 60)
    new = np.linspace(-5, 15, 99)
    one = to_scale(kind, learn_scale(kind, scores, weight.astype(float)), new)
    two = to_scale(kind, learn_scale(kind, np.repeat(scores, weight), None), new)
    np.testing.assert_allclose(one, two, rtol=1e-12)


@pytest.mark.parametrize("scope", ["group", "pooled"])
@pytest.mark.parametrize("pooling", KINDS)
def test_share_that_is_flagged(scope, pooling, X):
    detector = GroupwiseOutlierDetector(
        FOREST, 1, pooling=pooling, threshold_scope=scope, threshold="median"
    ).fit(X)
    flagged = detector.predict(X) == -1
    assert flagged.mean() == pytest.approx(0.5, abs=0.01)
    shares = [flagged[X[:, 1] == group].mean() for group in range(3)]
    if scope == "group":
        np.testing.assert_allclose(shares, 0.5, atol=0.011)
    else:
        np.testing.assert_array_equal(flagged, detector.score_samples(X) < detector.offset_)


def test_several_offsets_are_not_one(X):
    detector = GroupwiseOutlierDetector(FOREST, 1).fit(X)
    assert len(set(detector.offsets_.values())) == 3
    with pytest.raises(AttributeError, match="no single offset_: see offsets_"):
        _ = detector.offset_


def test_set_threshold(X):
    new = X[X[:, 1] < 2]
    detector = GroupwiseOutlierDetector(FOREST, 1).fit(X)
    before, kept = detector.score_samples(X), detector.offsets_[2]
    flagged = detector.set_threshold(new, fpr=0.3).predict(new) == -1
    for group in (0, 1):
        assert flagged[new[:, 1] == group].mean() == pytest.approx(0.3, abs=0.01)
    assert detector.offsets_[2] == kept
    np.testing.assert_array_equal(detector.score_samples(X), before)
    pooled = GroupwiseOutlierDetector(FOREST, 1, threshold_scope="pooled").fit(X)
    assert np.mean(pooled.set_threshold(new, fpr=0.3).predict(new) == -1) == pytest.approx(
        0.3, abs=0.01
    )
    assert set(pooled.offsets_) == {0, 1, 2}
    with pytest.raises(ValueError, match="fpr=0 is out of range"):
        detector.set_threshold(new, fpr=0)


# ----------------------------------------------------------------------- weights, copies


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", ["group", "pooled"])
def test_weights_are_copies(kind, scope, X):
    weight = np.random.default_rng(3).integers(0, 4, len(X))
    detector = GroupwiseOutlierDetector(
        Distance(), 1, pooling=kind, threshold_scope=scope, min_group_size=10
    )
    copied = clone(detector).fit(np.repeat(X, weight, axis=0))
    detector.fit(X, sample_weight=weight)
    np.testing.assert_allclose(detector.score_samples(X), copied.score_samples(X), rtol=1e-9)
    assert detector.offsets_ == pytest.approx(copied.offsets_, rel=1e-9)


def test_pyod_inside(X):
    weight = np.random.default_rng(3).integers(1, 4, len(X))
    detector = GroupwiseOutlierDetector(PyODAdapter(KNN, n_neighbors=4, max_rows=400), 1)
    copied = clone(detector).fit(np.repeat(X, weight, axis=0)).score_samples(X)
    scores = detector.fit(X, sample_weight=weight).score_samples(X)
    np.testing.assert_allclose(scores, copied, rtol=1e-9)
    deep = GroupwiseOutlierDetector(PyODAdapter(DeepSVDD, epochs=1), 1, random_state=0).fit(X)
    assert [one.detector_.n_features for one in deep.estimators_.values()] == [2, 3, 4]


def test_estimator_that_takes_no_weights(X):
    with pytest.raises(
        ValueError, match="EllipticEnvelope takes no sample_weight.*hand the weights"
    ):
        GroupwiseOutlierDetector(EllipticEnvelope(random_state=0)).fit(
            X, sample_weight=np.arange(450)
        )
    assert GroupwiseOutlierDetector(EllipticEnvelope(random_state=0), missing=None).fit(
        X, sample_weight=np.ones(450)
    )


def test_n_jobs_changes_nothing(X):
    one = GroupwiseOutlierDetector(FOREST, 1).fit(X).score_samples(X)
    with parallel_config(backend="threading"):
        two = GroupwiseOutlierDetector(FOREST, 1, n_jobs=2).fit(X).score_samples(X)
    np.testing.assert_array_equal(one, two)


def test_row_order_and_neighbours_change_no_score(X):
    detector = GroupwiseOutlierDetector(FOREST, 1, pooling="rank").fit(X)
    scores, order = detector.score_samples(X), np.random.default_rng(0).permutation(len(X))
    np.testing.assert_array_equal(detector.score_samples(X[order]), scores[order])
    np.testing.assert_array_equal(detector.score_samples(X[7:8]), scores[7:8])


def test_pickle_and_nested_parameters(X):
    detector = GroupwiseOutlierDetector(FOREST, 1).set_params(estimator__n_estimators=7).fit(X)
    assert {one.n_estimators for one in detector.estimators_.values()} == {7}
    copy = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(copy.predict(X), detector.predict(X))


@pytest.mark.parametrize("pooling", KINDS)
def test_save_and_load(pooling, X, tmp_path):
    model = AEOutlierDetector(max_epochs=1, n_members=1, random_state=0)
    detector = GroupwiseOutlierDetector(model, "n_jets", pooling=pooling)
    frame = pd.DataFrame(X, columns=NAMES)
    detector.fit(frame).save(tmp_path / "model")
    again = skhep_anomaly.load(tmp_path / "model")
    np.testing.assert_array_equal(again.score_samples(frame), detector.score_samples(frame))
    np.testing.assert_array_equal(again.predict(frame), detector.predict(frame))
    assert again.offsets_ == detector.offsets_


def test_save_names_the_foreign_part(X, tmp_path):
    with pytest.raises(TypeError, match="estimator=IsolationForest.*skops"):
        GroupwiseOutlierDetector(FOREST, 1).fit(X).save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
