"""Who trains and who tests."""

from __future__ import annotations

import numpy as np
import pytest

from skhep_anomaly.comparison.split import split_background, take_rows

SIGNAL = np.r_[np.zeros(200, bool), np.ones(30, bool)]


def test_parts_are_disjoint_and_signal_only_tests():
    train, test = split_background(SIGNAL, None, 0, 0.35)
    assert len(train) == 130
    assert len(test) == 70 + 30
    assert sorted([*train, *test]) == list(range(230))
    assert not SIGNAL[train].any()


def test_seeds_give_other_splits_and_the_same_seed_the_same():
    first, again, other = (split_background(SIGNAL, None, seed, 0.5)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert 30 < len(np.intersect1d(first, other)) < 70


def test_each_group_is_split_in_the_same_proportion():
    groups = np.r_[np.zeros(160), np.ones(40), np.zeros(15), np.ones(15)]
    train, _ = split_background(SIGNAL, groups, 0, 0.25)
    assert [(groups[train] == label).sum() for label in (0, 1)] == [120, 30]


def test_rows_of_frames_and_arrays():
    pandas = pytest.importorskip("pandas")
    X = np.arange(6.0).reshape(3, 2)
    rows = np.array([2, 0])
    assert take_rows(X, rows).tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert take_rows(pandas.DataFrame(X), rows).to_numpy().tolist() == [[4.0, 5.0], [0.0, 1.0]]
