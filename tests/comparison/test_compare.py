"""The comparison as a function: known answers, faults, independence of worker count."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.ensemble import IsolationForest

from skhep_anomaly import (
    AEOutlierDetector,
    GroupwiseOutlierDetector,
    compare_detectors,
    comparison_detectors,
    make_gaussian_anomalies,
)
from skhep_anomaly.comparison.detectors import MODELS, make_detector
from skhep_anomaly.comparison.run import on_cpu, with_seed


def test_known_answer(result):
    value, error = result.estimate("right", "auc")
    assert abs(value - norm.cdf(np.sqrt(2))) < 3 * error < 0.05
    assert result.estimate("wrong", "auc")[0] == pytest.approx(1 - value)
    assert result.names == ["right", "wrong"]


def test_a_detector_that_fails_is_told_and_the_others_go_on(result):
    assert list(result.failures) == ["bad, seed 0", "bad, seed 1"]
    assert result.failures["bad, seed 0"] == (
        "ValueError: the detector gives NaN or infinity for 820 of 820 rows."
    )


def test_training_is_on_background_only(gaussian_events, first_column):
    X, y, _ = gaussian_events
    marked = np.c_[y, X].astype(np.float64)
    result = compare_detectors({"label": first_column()}, marked, y, seeds=1, n_bootstrap=0)
    run = result.runs_of("label")[0]
    assert (run.n_train, run.n_test) == (780, 420 + 400)
    # with the label as score every training row lies at 0, every signal row above
    assert run.values["mcc_p40"] == pytest.approx(1.0)


def test_the_mcc_cuts_at_the_percentile_of_training_scores(gaussian_events, first_column):
    X, y, _ = gaussian_events
    low, high = (
        compare_detectors(
            {"a": first_column()}, X, y, seeds=1, percentile=p, n_bootstrap=0
        ).estimate("a", "mcc_p40")[0]
        for p in (5, 85)
    )
    assert low < high - 0.2


def test_a_bunch_brings_labels_weights_and_words():
    events = make_gaussian_anomalies(300, 60, random_state=0)
    result = compare_detectors({"forest": IsolationForest()}, events, seeds=[3], n_bootstrap=0)
    assert result.data["events"] == events.name
    assert result.setup["seeds"] == [3]
    assert result.estimate("forest", "weighted_auc")[0] > 0.8


def test_frames_keep_their_names():
    pandas = pytest.importorskip("pandas")
    events = make_gaussian_anomalies(300, 60, random_state=0)
    frame = pandas.DataFrame(events.X, columns=["a", "b"])
    by_frame, by_array = (
        compare_detectors(
            {"forest": IsolationForest(n_estimators=20)}, X, events.y, seeds=1, n_bootstrap=0
        ).estimate("forest", "auc")[0]
        for X in (frame, events.X)
    )
    assert by_frame == by_array


def test_every_random_state_is_the_seed():
    pipeline = make_detector("groupwise", group_column=0)
    seeded = with_seed(pipeline, 7)
    assert seeded[-1].estimator.random_state == 7
    assert pipeline[-1].estimator.random_state is None


def test_the_same_again_and_another_seed(gaussian_events):
    X, y, _ = (each[::3] for each in gaussian_events)
    detectors = {"AE": AEOutlierDetector(max_epochs=1, n_members=1)}
    one, again, other = (
        compare_detectors(detectors, X, y, seeds=[seed], n_bootstrap=0).estimate("AE", "auc")[0]
        for seed in (0, 0, 1)
    )
    assert one == again
    assert one != other


def test_numbers_do_not_depend_on_the_number_of_workers(gaussian_events):
    X, y, weight = (each[::3] for each in gaussian_events)
    detectors = {"AE": AEOutlierDetector(max_epochs=1), "forest": IsolationForest(n_estimators=10)}
    one, two = (
        compare_detectors(
            detectors, X, y, sample_weight=weight, seeds=2, n_bootstrap=5, n_jobs=n_jobs
        )
        for n_jobs in (1, 2)
    )
    assert [run.values for run in one.runs] == [run.values for run in two.runs]
    assert [run.resampled for run in one.runs] == [run.resampled for run in two.runs]


def test_progress_is_shown_when_asked_for(gaussian_events, first_column, capsys):
    X, y, _ = gaussian_events
    for verbose, shown in ((0, False), (1, True)):
        compare_detectors({"first": first_column()}, X, y, seeds=1, n_bootstrap=0, verbose=verbose)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert ("1/1" in captured.err) is shown


def test_an_interrupt_is_passed_on(gaussian_events, first_column):
    X, y, _ = gaussian_events
    with pytest.raises(KeyboardInterrupt):
        compare_detectors({"a": first_column(fault="interrupt")}, X, y, seeds=1)
    assert first_column(fault="interrupt").fault == "interrupt"


def test_warnings_of_detectors_are_kept(gaussian_events, first_column):
    X, y, _ = gaussian_events
    result = compare_detectors({"a": first_column(fault="warn")}, X, y, seeds=2, n_bootstrap=0)
    assert result.warnings == ["a: UserWarning: not converged"]


ARGUMENTS = [
    ({"y": [0, 1]}, "but y has 2"),
    ({"groups": [1, 2]}, r"groups.shape == \(2,\), expected \(1600,\)"),
    ({"seeds": 0}, "seeds=0: give a number"),
    ({"seeds": [1, 1]}, "different seeds"),
    ({"test_size": 1.0}, "test_size=1.0 must lie between 0 and 1"),
    ({"n_jobs": 0}, "n_jobs=0 must be a number of processes"),
    ({"detectors": {}}, "detectors is empty"),
    ({"test_size": 0.001}, "signal events are too few"),
    ({"detectors": {"AE": AEOutlierDetector(max_epochs=0)}}, "'max_epochs' parameter of AEOutl"),
    (
        {"detectors": {"G": GroupwiseOutlierDetector(AEOutlierDetector(n_members=0))}},
        "'n_members' parameter of AEOutl",
    ),
]


@pytest.mark.parametrize("changes, message", ARGUMENTS)
def test_arguments_are_checked_before_any_fit(gaussian_events, first_column, changes, message):
    X, y, _ = gaussian_events
    settings = {"detectors": {"a": first_column(fault="interrupt")}, "X": X, "y": y}
    with pytest.raises(ValueError, match=message):
        compare_detectors(**(settings | changes))
    assert len(X) == 1600


def test_weights_of_a_class_must_not_cancel(gaussian_events, first_column):
    X, y, weight = gaussian_events
    with pytest.raises(ValueError, match="both sums must be positive"):
        compare_detectors({"a": first_column()}, X, y, sample_weight=np.where(y == 1, -1.0, weight))
    result = compare_detectors(
        {"a": first_column()}, X, y, seeds=1, sample_weight=np.where(X[:, 0] > 3, -weight, weight)
    )
    assert result.data["negative weights"] == int((X[:, 0] > 3).sum())


def test_detectors_have_names(gaussian_events, first_column):
    X, y, _ = gaussian_events
    assert compare_detectors({"a": first_column()}, X, y, seeds=1, n_bootstrap=0).names == ["a"]
    with pytest.raises(TypeError, match="detectors is a list; give a mapping of names"):
        compare_detectors([first_column()], X, y)


def test_when_all_fail_the_first_reason_is_raised(gaussian_events, first_column):
    X, y, _ = gaussian_events
    detectors = {"a": first_column(fault="raise"), "b": first_column(fault="nan")}
    with pytest.raises(ValueError, match="every run failed; a, seed 0: RuntimeError: the detector"):
        compare_detectors(detectors, X, y, seeds=1)
    with pytest.raises(ValueError, match="gives NaN or infinity for 820 of 820 rows"):
        compare_detectors({"b": detectors["b"]}, X, y, seeds=1)
    assert len(y) == 1600


def test_ready_detectors_stand_behind_the_same_sentinel():
    detectors = comparison_detectors(group_column=0, missing=-1.0)
    assert list(detectors) == [model.label for model in MODELS.values()]
    assert {pipeline["missing"].missing for pipeline in detectors.values()} == {-1.0}
    assert "Group-wise VAE" not in comparison_detectors()
    assert all(on_cpu(pipeline) for pipeline in detectors.values())
    assert not on_cpu(comparison_detectors(["ae"], device="cuda")["AE"])


def test_unknown_and_impossible_models():
    with pytest.raises(ValueError, match="there is no model 'bert'; the models are ae, vae"):
        make_detector("bert")
    with pytest.raises(ValueError, match="needs a column that tells the groups"):
        comparison_detectors(["groupwise"])
    assert len(MODELS) == 11
