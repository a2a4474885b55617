"""Classifiers that learn from known signal: who trains, who tests, which rows the table has."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from skhep_anomaly import ComparisonResult, OPEClassifier, compare_detectors, comparison_detectors
from skhep_anomaly.comparison import write_comparison_report
from skhep_anomaly.comparison.figures import all_pictures
from skhep_anomaly.comparison.known import Entry, table_entries
from skhep_anomaly.comparison.page import summary_notes
from skhep_anomaly.comparison.split import draw_known
from skhep_anomaly.comparison.tables import difference_table, main_table


@pytest.fixture(scope="module")
def taught(gaussian_events, mean_difference, first_column):
    """Two classifiers, one with optional labels, beside a detector."""
    X, y, weight = gaussian_events
    detectors = {
        "right": first_column(),
        "learner": mean_difference(),
        "slider": mean_difference(optional=True),
    }
    return compare_detectors(
        detectors, X, y, sample_weight=weight, groups=X[:, 1], seeds=2, n_bootstrap=20
    )


def test_a_row_for_each_number_of_known_events(taught):
    names = {run.name for run in taught.runs}
    assert names == {
        "right",
        "learner (K=20)",
        "learner (K=200)",
        "slider (K=0)",
        "slider (K=20)",
        "slider (K=200)",
    }
    assert taught.known_signal("learner (K=20)") == 20
    assert set(taught.peers()[0]) == {"right", "slider (K=0)"}
    assert taught.setup["known_signal"] == [0, 20, 200]


def test_known_answer(taught):
    # two Gaussians of distance 2: a linear score that found the direction has AUC Φ(√2)
    value, error = taught.estimate("learner (K=200)", "auc")
    assert abs(value - norm.cdf(np.sqrt(2))) < 3 * error < 0.06
    assert taught.estimate("slider (K=0)", "auc")[0] == 0.5  # no signal, no direction


def test_no_event_is_in_training_and_test(gaussian_events, mean_difference, first_column):
    _, y, _ = gaussian_events
    numbered = np.c_[np.arange(1600.0), y]
    tested = []
    mean_difference.lessons.clear()

    class Looking(first_column):
        def score_samples(self, X):
            tested.append(np.asarray(X)[:, 0].astype(int))
            return super().score_samples(X)

    detectors = {"looking": Looking(), "learner": mean_difference(optional=True)}
    result = compare_detectors(detectors, numbered, y, seeds=1, known_signal=[0, 7, 30])
    runs = {run.name: run for run in result.runs}
    assert {run.n_test for run in runs.values()} == {420 + 400 - 30}
    assert {run.n_train for run in runs.values()} == {780}
    lessons = [(set(X[:, 0].astype(int)), y) for X, y in mean_difference.lessons]
    (alone, _), (seven, labels), (thirty, _) = lessons
    assert mean_difference.lessons[0][1] is None
    assert (len(seven - alone), len(thirty - alone)) == (7, 30)
    assert seven < thirty  # nested
    assert all(y[list(thirty - alone)] == 1)
    assert labels.sum() == 7
    training, test = set(tested[0]), set(tested[1])
    assert training == alone
    assert not test & thirty
    assert test | thirty == set(range(1600))


def test_known_events_change_with_the_seed():
    signal = np.arange(100) % 2 == 0
    first, again, other = (draw_known(signal, seed, 20) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert len(set(first) & set(other)) < 18
    assert np.array_equal(draw_known(signal, 1, 5), first[:5])
    assert signal[first].all()


def test_detectors_alone_are_tested_on_all_signal(result):
    assert "known_signal" not in result.setup
    assert {run.n_test for run in result.runs if not run.failure} == {820}
    assert result.peers() == {0: ["right", "wrong"]}


def test_other_events_in_the_test_do_not_change_a_detector(taught, result):
    ours, alone = (each.runs_of("right")[0] for each in (taught, result))
    assert ours.n_test == alone.n_test - 200
    assert ours.values["auc"] == pytest.approx(alone.values["auc"], abs=0.02)


def test_tables_compare_rows_of_one_k(taught):
    table = main_table(taught)
    assert "780 background events and K known signal events" in table.caption
    assert "420 other background and 200 signal events" in table.caption
    assert "chance gives 0.323" in " ".join(table.notes)
    assert "200 signal events are set aside" in table.notes[0]
    differences = dict(
        zip(taught.names, difference_table(taught).column("weighted AUC − best"), strict=True)
    )
    bests = [names[0] for names in taught.peers().values()]
    assert [name for name, value in differences.items() if value is None] == sorted(
        bests, key=taught.names.index
    )
    assert differences["slider (K=0)"] == pytest.approx(taught.difference("slider (K=0)", "right"))


def test_words_and_figures_tell_who_knows_what(taught, tmp_path):
    notes = summary_notes(taught)
    assert notes[0].startswith("right has the highest weighted AUC without known signal, 0.9")
    assert any("highest weighted AUC with 200 known signal events" in note for note in notes)
    assert "those with K in their name on K known signal events besides" in notes[-1]
    captions = [picture.caption for picture in all_pictures(taught)]
    assert captions[0].startswith("Trained on background alone. Left")
    assert captions[1].startswith("With K known signal events. Left")
    assert any(caption.startswith("Anomaly score of right") for caption in captions)
    assert any("(K=200) (higher" in caption for caption in captions)
    path = write_comparison_report(taught, tmp_path / "r.html")
    assert path.stat().st_size < 1_000_000


def test_known_numbers_survive_json(taught, tmp_path):
    taught.to_json(tmp_path / "r.json")
    again = ComparisonResult.from_json(tmp_path / "r.json")
    assert again.peers() == taught.peers()
    assert main_table(again).caption == main_table(taught).caption


def test_frames_tell_k(taught):
    pytest.importorskip("pandas")
    frame = taught.to_frame().set_index("model")
    assert frame["known_signal"]["learner (K=20)"] == 20
    assert taught.to_frame(per_seed=True)["known_signal"].sum() == 2 * (20 + 200) * 2


def test_too_little_signal_leaves_large_k_out(mean_difference):
    with pytest.warns(UserWarning, match="K = 200 known signal events of 60 leave too few"):
        entries = table_entries({"a": mean_difference()}, None, 60)
    assert [entry.name for entry in entries] == ["a (K=20)"]
    assert table_entries({"a": mean_difference()}, 30, 60)[0].n_known == 30
    with pytest.raises(ValueError, match=r"known_signal=31: .* at most 30 can be known"):
        table_entries({"a": mean_difference()}, 31, 60)
    with pytest.raises(ValueError, match=r"known_signal=\[6\]: .* at most 5 can be known"):
        table_entries({"a": mean_difference()}, [6], 15)  # ten must be left


def test_classifiers_without_any_known_signal(mean_difference, first_column):
    detectors = {"a": mean_difference(), "b": first_column()}
    with pytest.warns(UserWarning, match="a is left out: it learns from known signal"):
        assert table_entries(detectors, 0, 60) == [Entry("b", detectors["b"])]
    with (
        pytest.warns(UserWarning, match="a is left out"),
        pytest.raises(ValueError, match="nothing to compare: every detector is a classifier"),
    ):
        table_entries({"a": detectors["a"]}, 0, 60)


@pytest.mark.parametrize("numbers", [[], [20, 20], [-1], -1])
def test_numbers_are_checked(mean_difference, numbers):
    with pytest.raises(ValueError, match="give a number ≥ 0, or different numbers ≥ 0"):
        table_entries({"a": mean_difference()}, numbers, 600)
    assert table_entries({"a": mean_difference()}, np.array([30, 5]), 600)[0].n_known == 5


def test_names_and_kinds_are_checked(mean_difference, first_column):
    detectors = {"a": mean_difference(), "a (K=20)": first_column()}
    with pytest.raises(ValueError, match=r"two rows of the table would be called 'a \(K=20\)'"):
        table_entries(detectors, None, 600)
    with pytest.raises(ValueError, match="known_signal=20: none of b is a classifier"):
        table_entries({"b": first_column()}, 20, 600)
    assert len(table_entries(detectors, 7, 600)) == 2


def test_ready_classifiers(gaussian_events):
    X, y, _ = (each[::2] for each in gaussian_events)
    detectors = comparison_detectors(["ope", "trees", "logistic"], quick=True)
    assert isinstance(detectors["OPE"][-1], OPEClassifier)
    assert [name for name, _ in detectors["logistic regression"].steps] == [
        "missing",
        "scale",
        "detector",
    ]
    detectors["OPE"].set_params(detector__max_iter=300, detector__hidden_layer_sizes=(16,))
    result = compare_detectors(detectors, X, y, seeds=1, known_signal=[0, 50], n_bootstrap=0)
    assert {run.name: run.failure for run in result.runs} == {
        "OPE (K=0)": None,
        "OPE (K=50)": None,
        "boosted trees (K=50)": None,
        "logistic regression (K=50)": None,
    }
    for name in result.names:
        assert result.estimate(name, "auc")[0] > 0.8 - 0.1 * (name == "OPE (K=0)")
    (ope,) = result.runs_of("OPE (K=50)")
    assert len(ope.sketches["history"]) == 3
    assert result.parameters["OPE (K=50)"]["class"] == "OPEClassifier"
