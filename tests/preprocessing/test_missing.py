"""MissingSentinel: what undefined values become, and that only the rows of fit decide it."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skhep_anomaly.preprocessing import MissingSentinel

X = np.array(
    [[1.0, 5.0, 9.0], [3.0, -999.0, 8.0], [2.0, 7.0, 7.0], [-999.0, 12.0, 6.0], [10.0, np.nan, 5.0]]
)
GONE = (X == -999) | np.isnan(X)


@pytest.mark.global_state(reason="scikit-learn's check shuffles rows with numpy's global stream")
@parametrize_with_checks([MissingSentinel(strategy=s) for s in ("median", "mean", "indicator")])
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "strategy, fills", [("median", [2.5, 7.0, 7.0]), ("mean", [4.0, 8.0, 7.0])]
)
def test_fill_values(strategy, fills):
    fitted = MissingSentinel(strategy=strategy).fit(X)
    np.testing.assert_allclose(fitted.fill_values_, fills)
    np.testing.assert_allclose(fitted.missing_fraction_, [0.2, 0.4, 0.0])
    np.testing.assert_array_equal(fitted.transform(X), np.where(GONE, fills, X))


def test_only_the_rows_of_fit_count():
    fitted = MissingSentinel().fit(X[:3])
    assert fitted.transform([[-999.0, np.nan, -999.0]]).tolist() == [[2.0, 6.0, 8.0]]


def test_weights():
    weight = np.array([1.0, 1.0, 2.0, 1.0, 0.0])
    np.testing.assert_allclose(
        MissingSentinel().fit(X, sample_weight=weight).fill_values_, [2.0, 7.0, 7.0]
    )
    mean = MissingSentinel(strategy="mean").fit(X, sample_weight=weight)
    np.testing.assert_allclose(mean.fill_values_, [2.0, 7.75, 7.4])
    np.testing.assert_allclose(mean.missing_fraction_, [0.2, 0.2, 0.0])


def test_indicator():
    fitted = MissingSentinel(strategy="indicator").fit(X)
    assert fitted.indicator_features_.tolist() == [0, 1]
    out = fitted.transform(X)
    np.testing.assert_array_equal(out[:, 3:], GONE[:, :2])
    np.testing.assert_array_equal(out[:, :3], MissingSentinel().fit_transform(X))
    names = fitted.get_feature_names_out(["a", "b", "c"])
    assert names.tolist() == ["a", "b", "c", "a_missing", "b_missing"]
    # a row of weight 0 is no row: its gaps make no indicator
    light = MissingSentinel(strategy="indicator").fit(X, sample_weight=[1, 1, 1, 0, 1])
    assert light.indicator_features_.tolist() == [1]


def test_other_sentinels():
    assert MissingSentinel(missing=-25).fit([[1.0], [-25.0]]).fill_values_.tolist() == [1.0]
    only_nan = MissingSentinel(missing=np.nan).fit([[-999.0], [np.nan]])
    assert only_nan.fill_values_.tolist() == [-999.0]
    narrow = np.array([[1.5], [-999.9]], dtype=np.float32)  # not a float32, its rounding counts
    assert MissingSentinel(missing=-999.9).fit(narrow).fill_values_.tolist() == [1.5]
    assert MissingSentinel(missing=1e300).fit(narrow).missing_fraction_.tolist() == [0.0]


def test_feature_that_is_never_defined():
    empty = np.column_stack([X, np.full(5, -999.0)])
    sentinel = MissingSentinel(strategy="indicator")
    with pytest.warns(UserWarning, match="no defined value in feature 3; .* become 0"):
        sentinel.fit(empty)
    assert sentinel.fill_values_[3] == 0.0
    assert sentinel.transform(empty)[:, [3, 6]].tolist() == [[0.0, 1.0]] * 5
    later = np.column_stack([X, np.full(5, 4.0)])
    assert sentinel.transform(later)[:, [3, 6]].tolist() == [[4.0, 0.0]] * 5
    frame = pytest.importorskip("pandas").DataFrame(empty[:, [3] * 7], columns=list("abcdefg"))
    with pytest.warns(UserWarning, match="feature 'a', 'b', 'c', 'd', 'e' and 2 more"):
        MissingSentinel().fit(frame)


@pytest.mark.parametrize("strategy", ["median", "indicator"])
@pytest.mark.parametrize(
    "given, expected",
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.float16, np.float64),
        (np.int16, np.float64),
    ],
)
def test_dtype(given, expected, strategy):
    rows = np.where(np.isnan(X), -999, X).astype(given)
    out = MissingSentinel(strategy=strategy).fit_transform(rows)
    assert out.dtype == expected
    assert out[1, 1] == 7.0


def test_the_callers_array_is_untouched():
    rows = X.copy()
    rows.flags.writeable = False
    out = MissingSentinel().fit_transform(rows)
    np.testing.assert_array_equal(rows, X)
    assert not np.shares_memory(out, rows)
    np.testing.assert_array_equal(MissingSentinel().fit_transform(np.asfortranarray(X)), out)


def test_pandas_frames():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"pt": X[:, 0], "mass": pd.array([5, None, 7, 12, pd.NA], dtype="Int64")})
    sentinel = MissingSentinel(strategy="indicator").set_output(transform="pandas").fit(frame)
    out = sentinel.transform(frame)
    assert list(out.columns) == ["pt", "mass", "pt_missing", "mass_missing"]
    assert out["mass"].tolist() == [5.0, 7.0, 7.0, 12.0, 7.0]
    with pytest.raises(ValueError, match="feature names should match"):
        sentinel.transform(frame[["mass", "pt"]])


def test_polars_frames():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"pt": X[:, 0], "mass": [5, None, 7, 12, -999]})
    out = MissingSentinel().set_output(transform="polars").fit_transform(frame)
    assert out.columns == ["pt", "mass"]
    assert out["mass"].to_list() == [5.0, 7.0, 7.0, 12.0, 7.0]


def test_in_a_pipeline_with_routed_weights():
    weight = np.array([1.0, 1.0, 2.0, 1.0, 0.0])
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = make_pipeline(
            MissingSentinel(strategy="mean").set_fit_request(sample_weight=True),
            StandardScaler().set_fit_request(sample_weight=True),
        )
        pipe.fit(X, sample_weight=weight)
    np.testing.assert_allclose(pipe[0].fill_values_, [2.0, 7.75, 7.4])
    assert list(pipe.get_feature_names_out()) == ["x0", "x1", "x2"]


@st.composite
def weighted_rows(draw):
    value = st.one_of(st.just(-999.0), st.integers(-2, 2).map(float), st.floats(-1e3, 1e3))
    rows = draw(hnp.arrays(float, st.tuples(st.integers(1, 12), st.just(2)), elements=value))
    counts = draw(hnp.arrays(int, len(rows), elements=st.integers(0, 4)))
    return np.vstack([rows, [[1.0, -2.0]]]), np.append(counts, 1)


@pytest.mark.parametrize("strategy", ["median", "mean", "indicator"])
@settings(max_examples=60, deadline=None)
@given(weighted_rows())
def test_weight_is_copies(strategy, sample):
    rows, counts = sample
    one = MissingSentinel(strategy=strategy).fit(rows, sample_weight=counts)
    other = clone(one).fit(np.repeat(rows, counts, axis=0))
    np.testing.assert_allclose(one.fill_values_, other.fill_values_, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(one.missing_fraction_, other.missing_fraction_, atol=1e-10)
    np.testing.assert_array_equal(one.indicator_features_, other.indicator_features_)
    out = one.transform(rows)
    assert np.isfinite(out).all()
    kept = rows != -999
    np.testing.assert_array_equal(out[:, :2][kept], rows[kept])


@pytest.mark.parametrize(
    "params, rows, weight, message",
    [
        ({"strategy": "mode"}, X, None, "The 'strategy' parameter of MissingSentinel must be"),
        ({"missing": "n/a"}, X, None, "The 'missing' parameter of MissingSentinel must be"),
        ({}, np.where(X == 9, np.inf, X), None, "contains infinity"),
        ({}, X, [1, 1, 1, 1, -1], "1 negative weights of 5"),
        ({}, X, [0, 0, 0, 0, 0], "weights are zero|must contain at least one non-zero"),
        ({}, X[:0], None, r"0 sample\(s\)"),
    ],
)
def test_refused(params, rows, weight, message):
    with pytest.raises(ValueError, match=message):
        MissingSentinel(**params).fit(rows, sample_weight=weight)
    assert not hasattr(MissingSentinel(**params), "fill_values_")
