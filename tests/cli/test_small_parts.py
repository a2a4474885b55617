"""Columns, labels, settings and samples by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from skhep_anomaly.cli.columns import chosen_features, similar
from skhep_anomaly.cli.labels import signal_flags
from skhep_anomaly.cli.sample import Sample
from skhep_anomaly.cli.settings import apply_setting
from skhep_anomaly.comparison.detectors import make_detector


@pytest.mark.parametrize(
    "labels, signal, n_signal",
    [
        ([0, 1, 1], None, 2),
        ([0.0, 1.0, 0.0], None, 1),
        ([True, False, True], None, 2),
        (["s", "b", "b"], "s", 1),
        ([-1, 1, 1], "1", 2),
        ([-1, 1, 1], "-1", 1),
        ([1, 2, 3], "3.0", 1),
        ([True, False, False], "true", 1),
        (np.array(["s", "b"], dtype=object), "b", 1),
    ],
)
def test_labels(labels, signal, n_signal):
    assert signal_flags(labels, signal, "file: y").sum() == n_signal


@pytest.mark.parametrize(
    "labels, signal, message",
    [
        ([-1, 1], None, "it is not clear which of the labels -1, 1 is signal"),
        (list("abcdefghij"), None, "'h', … is signal"),
        ([0, 1], "s", "no row has the label 's'; the labels are 0, 1"),
        (np.array(["s", None], dtype=object), "s", "1 of 2 labels are missing"),
        ([1, 1], None, "all 2 rows have the label 1"),
    ],
)
def test_labels_that_are_refused(labels, signal, message):
    with pytest.raises(ValueError, match=message):
        signal_flags(labels, signal, "file: y")
    assert len(labels) >= 2


def test_features_by_pattern_and_order():
    found = ["pt_1", "pt_2", "phi_1", "y"]

    def choose(features=None, exclude=()):
        return chosen_features("f", found, features=features, exclude=exclude, others=["y"])

    assert choose() == ["pt_1", "pt_2", "phi_1"]
    assert choose(exclude=["phi*", "y"]) == ["pt_1", "pt_2"]
    assert choose(["phi_1", "pt_*", "pt_1"]) == ["phi_1", "pt_1", "pt_2"]
    assert len(choose(["pt_?"], ["pt_2"])) == 1


def test_far_names_are_answered_with_a_list():
    assert similar("qqqq", ["a", "b"]) == "there are a, b"
    assert similar("qqqq", [f"x{i}" for i in range(20)]).endswith("x14, … (20 in all)")
    assert similar("x", []) == "there is none"


@pytest.mark.parametrize(
    "text, name, value",
    [
        ("hidden_layer_sizes=(8, 4)", "hidden_layer_sizes", (8, 4)),
        ("latent_dim=none", "latent_dim", None),
        ("early_stopping=True", "early_stopping", True),
        ("score_kind=hybrid", "score_kind", "hybrid"),
        ("learning_rate=1e-2", "learning_rate", 0.01),
    ],
)
def test_values_of_settings(text, name, value):
    pipeline = make_detector("ae")
    apply_setting(pipeline, text)
    assert getattr(pipeline[-1], name) == value


def test_settings_reach_inner_detectors_and_the_sentinel():
    pipeline = make_detector("groupwise", group_column=0)
    apply_setting(pipeline, "latent_dim=3")
    apply_setting(pipeline, "pooling=rank")
    apply_setting(pipeline, "missing__strategy=mean")
    assert pipeline[-1].estimator.latent_dim == 3
    assert pipeline[-1].pooling == "rank"
    assert pipeline[0].strategy == "mean"
    forest = make_detector("iforest")
    apply_setting(forest, "n_estimators=7")
    assert forest.get_params()["detector__detector__n_estimators"] == 7


def test_a_sample_does_not_depend_on_chunks():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"x": np.arange(1000)})

    def drawn(size, most=100):
        sample = Sample(most, 0)
        parts = [table[i : i + size] for i in range(0, 1000, size)]
        rows = pandas.concat(sample.of(iter(parts)))["x"].tolist()
        return rows, sample.factor

    rows, factor = drawn(1000)
    assert drawn(33) == (rows, factor) == (sorted(rows), 10.0)
    assert len(set(rows)) == 100
    assert 400 < np.mean(rows) < 600
    assert drawn(100, None) == (list(range(1000)), 1.0)
    assert drawn(100, 5000) == (list(range(1000)), 1.0)
