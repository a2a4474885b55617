"""Means, errors and differences by hand; JSON and frames."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from skhep_anomaly import ComparisonResult
from skhep_anomaly.comparison.run import Run


def run(name, seed, value, error=0.01, resampled=()):
    return Run(name, seed, {"weighted_auc": value}, {"weighted_auc": error}, list(resampled))


@pytest.fixture
def by_hand():
    runs = [
        run("a", 0, 0.60, 0.03, [0.58, 0.60, 0.62]),
        run("a", 1, 0.64, 0.01, [0.63, 0.64, 0.65]),
        run("b", 0, 0.55, 0.02, [0.53, 0.55, 0.57]),
        run("b", 1, 0.57, 0.02, [0.56, 0.57, 0.58]),
        Run("c", 0, failure="it broke"),
    ]
    return ComparisonResult(runs, {"seeds": [0, 1]}, {}, {})


def test_error_joins_test_events_and_seeds(by_hand):
    value, error = by_hand.estimate("a", "weighted_auc")
    assert value == pytest.approx(0.62)
    spread = (0.02**2 + 0.02**2) / 1  # variance of .60 and .64
    assert error == pytest.approx(math.sqrt((0.03**2 + 0.01**2) / 2 + spread / 2))


def test_difference_is_paired(by_hand):
    value, error = by_hand.difference("a", "b")
    assert value == pytest.approx(0.06)
    # resamplings move both alike, so only the spread over seeds, of .05 and .07, is left
    assert error == pytest.approx(math.sqrt(0.0002 / 2))
    assert error < by_hand.estimate("a", "weighted_auc")[1]


def test_one_seed_has_no_spread():
    result = ComparisonResult([run("a", 0, 0.6, 0.02)], {"seeds": [0]}, {}, {})
    assert result.estimate("a", "weighted_auc") == pytest.approx((0.6, 0.02))


def test_order_and_failures(by_hand):
    assert by_hand.names == ["a", "b"]
    assert by_hand.failures == {"c, seed 0": "it broke"}
    with pytest.raises(ValueError, match="has no numbers of 'c'; it compared a, b, c"):
        by_hand.runs_of("c")


def test_frames(result):
    pytest.importorskip("pandas")
    frame, runs = result.to_frame(), result.to_frame(per_seed=True)
    assert frame["model"].tolist() == ["right", "wrong"]
    assert len(runs) == 4
    mean = runs.loc[runs["model"] == "right", "weighted_auc"].mean()
    assert frame["weighted_auc"][0] == pytest.approx(mean)
    assert (frame["n_seeds"] == 2).all()


def test_json_gives_the_same_back(result, tmp_path):
    path = tmp_path / "result.json"
    result.to_json(path)
    again = ComparisonResult.from_json(path)
    assert again.names == result.names
    assert again.failures == result.failures
    for name in result.names:
        assert again.estimate(name, "max_ams") == result.estimate(name, "max_ams")
        assert again.difference(name, "right") == result.difference(name, "right")
    assert math.isnan(again.runs[2].fit_seconds)  # of the run that failed
    assert path.stat().st_size < 300_000


def test_json_has_no_nan(result, tmp_path):
    path = tmp_path / "result.json"
    result.to_json(path)
    content = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert content["format"] == 1


def test_numpy_values_in_the_description(by_hand, tmp_path):
    by_hand.data.update(count=np.int64(3), share=np.float32(0.5), names=np.array(["x"]), kind=str)
    by_hand.to_json(tmp_path / "r.json")
    data = json.loads((tmp_path / "r.json").read_text())["data"]
    assert data["count"] == 3
    assert data["names"] == ["x"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "not a comparison in JSON"),
        ("[]", "it is not marked as one"),
        ('{"kind": "other"}', "it is not marked as one"),
        ('{"kind": "skhep_anomaly comparison", "format": 2}', "written by a newer skhep_anomaly"),
        ('{"kind": "skhep_anomaly comparison", "format": 1}', "'runs'"),
        ('{"kind": "skhep_anomaly comparison", "format": 1, "runs": [{}]}', "'fit_seconds'"),
        ("\x80", "not a comparison in JSON"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / "other.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=message):
        ComparisonResult.from_json(path)
    assert path.stat().st_size == len(text)
