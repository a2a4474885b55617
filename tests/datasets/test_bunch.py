"""One form for every data set, and an import that costs nothing."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

from skhep_anomaly import EventBunch, load_higgsml, make_gaussian_anomalies, make_moons_anomalies

FIELDS = {"X", "y", "sample_weight", "ids", "feature_names", "target_names", "units", "source"}


@pytest.mark.parametrize("load", [load_higgsml, make_gaussian_anomalies, make_moons_anomalies])
def test_every_bunch_has_the_fields(load):
    bunch = load()
    assert isinstance(bunch, EventBunch)
    assert FIELDS | {"name"} <= set(bunch)
    assert bunch.X.dtype == np.float32
    assert bunch.X.shape == (len(bunch.y), len(bunch.feature_names))
    assert list(bunch.units) == bunch.feature_names
    assert set(bunch.units.values()) <= {"GeV", "rad", "1"}
    assert set(bunch.source) == {"citation", "doi", "licence", "url"}
    assert set(np.unique(bunch.y)) == {0, 1}


@pytest.fixture
def toy():
    return make_gaussian_anomalies(8, 2, weighted=True, random_state=0)


def test_attributes_are_items(toy):
    assert toy.X is toy["X"]
    toy.note = 5
    assert toy["note"] == 5
    assert {"X", "note", "describe"} <= set(dir(toy))
    with pytest.raises(AttributeError, match="EventBunch has no field 'Z'; its fields are name, X"):
        _ = toy.Z


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))]
)
def test_copies(toy, again):
    other = again(toy)
    assert type(other) is EventBunch
    assert np.array_equal(other.X, toy.X)
    assert other.auc_optimal == toy.auc_optimal


def test_describe(toy):
    lines = toy.describe().splitlines()
    assert lines[0] == "Gaussian anomalies: 10 events, 2 features"
    total = toy.sample_weight[toy.y == 1].sum()
    assert lines[2] == f"  y = 1 (anomaly): 2 events, sum of weights {total:.9g}"
    assert "  [1] x0, x1" in lines
    assert repr(toy) == f"<{lines[0]}>"


def test_describe_without_weights():
    lines = make_moons_anomalies(8, 2).describe().splitlines()
    assert lines[1] == "  y = 0 (normal): 8 events"
    assert len(lines) == 8


def test_describe_names_units_and_licence():
    text = load_higgsml(nrows=10).describe()
    assert "  [rad] PRI_tau_phi, PRI_lep_phi" in text
    assert "  licence: CC0 1.0" in text
    assert text.count("\n") == 9


def test_import_and_embedded_data_need_no_other_package():
    """On a bare machine the embedded sample loads with numpy alone."""
    heavy = ["pandas", "pyarrow", "uproot", "h5py", "torch", "sklearn", "scipy"]
    code = (
        "import sys\n"
        f"for name in {heavy}: sys.modules[name] = None\n"
        "import skhep_anomaly.datasets as d\n"
        "print(len(d.load_higgsml().y), d.make_moons_anomalies(random_state=0).X.shape[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["18311", "1100"]


def test_frame_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pandas is needed for as_frame=True .*\[io\]"):
        load_higgsml(as_frame=True)
    assert load_higgsml().X.shape[1] == 30
