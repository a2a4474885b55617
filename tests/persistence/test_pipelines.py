"""Pipelines of our own steps in model files, and what must not hide in one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skhep_anomaly import AEOutlierDetector, GroupwiseOutlierDetector, MissingSentinel, load
from skhep_anomaly.exceptions import ModelFileError
from skhep_anomaly.persistence import save
from skhep_anomaly.persistence.container import pack, unpack


@pytest.fixture(scope="module")
def rows():
    X = np.random.default_rng(0).normal(size=(120, 3))
    X[::9, 1] = -999.0
    return X


@pytest.fixture
def pipeline(rows):
    detector = AEOutlierDetector(max_epochs=1, n_members=1, random_state=0)
    return make_pipeline(MissingSentinel(), detector).fit(rows)


def test_scores_come_back_to_the_last_bit(pipeline, rows, tmp_path):
    save(pipeline, tmp_path / "p.skhep")
    again = load(tmp_path / "p.skhep")
    assert type(again) is Pipeline
    assert [name for name, _ in again.steps] == ["missingsentinel", "aeoutlierdetector"]
    assert np.array_equal(again.score_samples(rows), pipeline.score_samples(rows))


def test_a_pipeline_inside_a_detector(rows, tmp_path):
    inner = make_pipeline(MissingSentinel(), AEOutlierDetector(max_epochs=1, random_state=0))
    detector = GroupwiseOutlierDetector(inner, missing=None).fit(rows)
    detector.save(tmp_path / "g.skhep")
    again = load(tmp_path / "g.skhep")
    assert np.array_equal(again.score_samples(rows), detector.score_samples(rows))


def test_passthrough_steps(rows, tmp_path):
    filled = np.abs(rows)
    kept = Pipeline([("none", "passthrough"), ("fill", MissingSentinel())]).fit(filled)
    save(kept, tmp_path / "p.skhep")
    assert np.array_equal(load(tmp_path / "p.skhep").transform(filled), filled)


def test_a_cache_folder_is_not_stored(pipeline, tmp_path):
    pipeline.set_params(memory=str(tmp_path / "cache"))
    save(pipeline, tmp_path / "p.skhep")
    assert load(tmp_path / "p.skhep").memory is None
    assert b"cache" not in (tmp_path / "p.skhep").read_bytes()


def test_foreign_steps_are_named(rows, tmp_path):
    detector = AEOutlierDetector(max_epochs=1, n_members=1)
    foreign = make_pipeline(StandardScaler(), detector).fit(rows)
    with pytest.raises(TypeError, match=r"steps\[0\]\[1\]=StandardScaler\(\) is a StandardScaler"):
        save(foreign, tmp_path / "p.skhep")
    assert list(tmp_path.iterdir()) == []


def rewritten(path, parameters):
    """The same file with other parameters of the pipeline, its hashes right again."""
    manifest, parts = unpack(path.read_bytes())
    head = {k: manifest[k] for k in ("format", "written_by", "class", "versions")}
    others = {name: part for name, part in parts.items() if name != "manifest.json"}
    path.write_bytes(pack({**head, "parameters": parameters(manifest["parameters"])}, others))


@pytest.mark.parametrize(
    "parameters",
    [
        lambda known: {**known, "memory": "cache"},
        lambda known: {},
        lambda known: {"steps": []},
        lambda known: {"steps": "passthrough"},
        lambda known: {"steps": [{"$": "tuple", "items": ["a", "b"]}]},
        lambda known: {"steps": [{"$": "tuple", "items": ["a"]}]},
        lambda known: {"steps": [{"$": "tuple", "items": [1, "passthrough"]}]},
        lambda known: {"steps": [["a", "passthrough"]]},
    ],
)
def test_other_pipelines_are_refused(pipeline, tmp_path, parameters):
    path = tmp_path / "p.skhep"
    save(pipeline, path)
    rewritten(path, lambda known: known)
    assert json.dumps(list(load(path).named_steps)) == '["missingsentinel", "aeoutlierdetector"]'
    rewritten(path, parameters)
    with pytest.raises(ModelFileError, match="its pipeline is no list of named estimators"):
        load(path)
    assert not (tmp_path / "cache").exists()
