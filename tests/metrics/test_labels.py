"""One coding of y at a time: what is understood, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from skhep_anomaly.metrics import anomaly_flags, prediction_flags

TRUTH = np.array([False, True, True, False])


def _pandas(values, **kwargs):
    return pytest.importorskip("pandas").Series(values, **kwargs)


def _polars(values):
    return pytest.importorskip("polars").Series(values)


@pytest.mark.parametrize(
    "y",
    [
        TRUTH,
        TRUTH.astype(int),
        TRUTH.astype(float),
        TRUTH.astype(object),
        TRUTH.astype(int)[:, None],
        np.where(TRUTH, -1, 1),
        np.where(TRUTH, -1.0, 1.0).astype(np.float32),
        TRUTH.tolist(),
        TRUTH.astype(np.uint8),
    ],
    ids=str,
)
def test_codings_agree(y):
    assert anomaly_flags(y).tolist() == TRUTH.tolist()


@pytest.mark.parametrize("make", [_pandas, _polars])
@pytest.mark.parametrize(
    "y, label",
    [(TRUTH, None), (TRUTH.astype(int), None), (np.where(TRUTH, "s", "b").tolist(), "s")],
)
def test_frames(make, y, label):
    assert anomaly_flags(make(y), label).tolist() == TRUTH.tolist()


def test_pandas_extension_types():
    assert anomaly_flags(_pandas(TRUTH, dtype="boolean")).tolist() == TRUTH.tolist()
    words = np.where(TRUTH, "s", "b")
    assert anomaly_flags(_pandas(words, dtype="category"), "s").tolist() == TRUTH.tolist()


@pytest.mark.parametrize(
    "y, label",
    [
        (np.where(TRUTH, "s", "b"), "s"),
        (np.where(TRUTH, "s", "b").astype(object), "s"),
        (np.where(TRUTH, 7, 3), 7),
        (np.where(TRUTH, 0, 1), 0),  # a label beats the coding {0, 1}
        ([1, 5, 5, 2], 5),  # one label against the rest
    ],
)
def test_named_label(y, label):
    assert anomaly_flags(y, anomaly_label=label).tolist() == TRUTH.tolist()


@pytest.mark.parametrize(
    "y, label, message",
    [
        ([1, 1, 1], None, "ambiguous"),
        ([0, 1, 2], None, "0, 1, 2: it is ambiguous"),
        ([1, 2], None, "ambiguous"),
        ([-1, 0, 1], None, "ambiguous"),
        ([-1, 0], None, "ambiguous"),
        (["s", "b"], None, r"anomaly_label="),
        (["0", "1"], None, "ambiguous"),
        (range(9), None, r"9 classes"),
        ([0, 0], None, "one class only"),
        ([-1, -1], None, "one class only"),
        ([True, True], None, "one class only"),
        (["s", "s"], "s", "one class only"),
        (["s", "b"], "signal", "no row with anomaly_label='signal'"),
        (["s", "b"], 1, "no row with anomaly_label=1"),
        ([0.0, 1.0, np.nan], None, "contains NaN"),
        ([0, None, 1], None, "contains NaN, None"),
        ([], None, r"0 sample\(s\)"),
        (None, None, "y is None"),
        (np.zeros((3, 2)), None, "1d array"),
    ],
)
def test_refused(y, label, message):
    with pytest.raises(ValueError, match=message):
        anomaly_flags(y, anomaly_label=label)


@pytest.mark.parametrize(
    "y, label, expected",
    [
        ([0, 0], None, [False, False]),
        ([-1, -1], None, [True, True]),
        ([True, True], None, [True, True]),
        (["b", "b"], "s", [False, False]),
    ],
)
def test_one_class_where_it_is_enough(y, label, expected):
    assert anomaly_flags(y, label, both_classes=False).tolist() == expected


@pytest.mark.parametrize(
    "predicted, true, label, expected",
    [
        ([1, 1], [0, 1], None, [True, True]),
        ([1, 1], [-1, 1], None, [False, False]),
        ([-1, 1], [-1, 1], None, [True, False]),
        ([True, False], [-1, 1], None, [True, False]),
        (["b", "b"], ["s", "b"], "s", [False, False]),
    ],
)
def test_predictions_use_the_coding_of_the_truth(predicted, true, label, expected):
    assert prediction_flags(predicted, true, label).tolist() == expected


def test_predictions_in_another_coding_are_refused():
    with pytest.raises(ValueError, match=r"y_true is coded in \[0, 1\].*predict\(X\) == -1"):
        prediction_flags([-1, 1], [0, 1])
    with pytest.raises(ValueError, match="y_pred has 1 rows, but y_true has 2"):
        prediction_flags([1], [0, 1])
