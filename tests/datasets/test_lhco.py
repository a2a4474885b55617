"""LHC Olympics features: pandas' HDF5 form as h5py sees it, and tables with named columns."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from skhep_anomaly import load_lhco
from skhep_anomaly.datasets import lhco

pd = pytest.importorskip("pandas")
h5py = pytest.importorskip("h5py")

DEV = "lhco/lhco_rd_75k.parquet"
JET = ("px", "py", "pz", "m", "tau1", "tau2", "tau3")
FEATURES = [f"{name}{jet}" for jet in ("j1", "j2") for name in JET]


def events(n=30):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n, 14)).astype(np.float32), columns=FEATURES)
    return frame.assign(label=(np.arange(n) % 10 == 0).astype(np.float32))


def write_fixed(path, frame):
    """The layout of DataFrame.to_hdf(format="fixed"): one block of columns for each dtype."""
    with h5py.File(path, "w") as file:
        group = file.create_group("df")
        group["axis0"] = np.array(list(frame.columns), dtype="S")
        group["axis1"] = np.arange(len(frame))
        for k, dtype in enumerate(dict.fromkeys(frame.dtypes)):
            names = [name for name in frame if frame[name].dtype == dtype]
            group[f"block{k}_items"] = np.array(names, dtype="S")
            group[f"block{k}_values"] = frame[names].to_numpy()
    return path


@pytest.fixture(params=["fixed", "mixed", "csv", "parquet"])
def written(request, tmp_path):
    frame = events()
    if request.param == "csv":
        frame.to_csv(tmp_path / "e.csv", index=False)
    elif request.param == "parquet":
        frame.to_parquet(tmp_path / "e.parquet")
    elif request.param == "mixed":
        write_fixed(tmp_path / "e.h5", frame.astype({"label": int}))
    else:
        write_fixed(tmp_path / "e.h5", frame)
    return next(tmp_path.iterdir())


def test_features_and_labels(written):
    bunch = load_lhco(written)
    assert bunch.feature_names == FEATURES
    assert np.array_equal(bunch.X, events()[FEATURES].to_numpy())
    assert np.flatnonzero(bunch.y).tolist() == [0, 10, 20]
    assert bunch.ids is None


def test_nrows_and_chunks(written, monkeypatch):
    monkeypatch.setattr(lhco, "_CHUNK_ROWS", 7)
    assert np.array_equal(load_lhco(written).X, events()[FEATURES].to_numpy())
    assert load_lhco(written, nrows=11).y.sum() == 2
    assert load_lhco(written, nrows=11, as_frame=True).X.shape == (11, 14)


def test_units(written):
    units = load_lhco(written).units
    assert [units[name] for name in FEATURES[:7]] == ["GeV"] * 4 + ["1"] * 3
    assert len(units) == 14


@pytest.mark.needs_data
def test_development_file(data_file):
    bunch = load_lhco(data_file(DEV), nrows=20_000)
    frame = pd.read_parquet(data_file(DEV)).head(20_000)
    assert bunch.X.shape == (20_000, 41)
    assert np.array_equal(bunch.X, frame[bunch.feature_names].to_numpy(np.float32))
    assert np.array_equal(bunch.ids, np.arange(20_000))
    assert bunch.y.mean() == pytest.approx(1 / 11, abs=0.006)  # 100k of 1.1M events
    units = {name: bunch.units[name] for name in ("mjj", "phi_1", "eta_1", "e_2", "tau1_1")}
    assert units == {"mjj": "GeV", "phi_1": "rad", "eta_1": "1", "e_2": "GeV", "tau1_1": "1"}


def test_file_without_label(tmp_path):
    path = write_fixed(tmp_path / "e.h5", events().drop(columns="label"))
    with pytest.raises(ValueError, match=r"e\.h5: no label column"):
        load_lhco(path)


def test_file_without_rows(tmp_path):
    path = write_fixed(tmp_path / "e.h5", events(0))
    with pytest.raises(ValueError, match=r"e\.h5: the file has columns and no rows"):
        load_lhco(path)


def test_raw_file_of_particles(tmp_path):
    """Its columns are numbered, not named."""
    path = tmp_path / "e.h5"
    with h5py.File(path, "w") as file:
        file["df/axis0"] = np.arange(2101)
        file["df/block0_values"] = np.zeros((3, 2101))
    with pytest.raises(ValueError, match="expected one pandas frame in the fixed form"):
        load_lhco(path)


@pytest.mark.parametrize("names", [[], ["table"], ["a/axis0", "b/axis0"]])
def test_other_hdf5_files(tmp_path, names):
    path = tmp_path / "e.h5"
    with h5py.File(path, "w") as file:
        for name in names:
            file[name] = np.array([b"x"])
    with pytest.raises(ValueError, match=r"with named columns, found the groups \["):
        load_lhco(path)


def test_bytes_that_are_no_hdf5(tmp_path):
    path = tmp_path / "e.h5"
    path.write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match=r"e\.h5: no readable HDF5 file"):
        load_lhco(path)


def test_filter_that_is_not_there(tmp_path, monkeypatch):
    class Packed(np.ndarray):
        name = "/df/block0_values"

        def __getitem__(self, _rows):
            raise OSError("can't open directory of plugins")

    path = write_fixed(tmp_path / "e.h5", events())
    packed = np.zeros((3, 15)).view(Packed)
    places = {name: (packed, k) for k, name in enumerate([*FEATURES, "label"])}
    monkeypatch.setattr("skhep_anomaly.datasets._hdf5._places", lambda frame: places)
    with pytest.raises(ValueError, match="the values cannot be decompressed .* hdf5plugin"):
        load_lhco(path)


def test_h5py_not_installed(tmp_path, monkeypatch):
    path = write_fixed(tmp_path / "e.h5", events())
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"h5py is needed .*skhep_anomaly\[io\]"):
        load_lhco(path)


def test_wrong_parameters(tmp_path):
    with pytest.raises(FileNotFoundError, match="can be downloaded from https://zenodo"):
        load_lhco(tmp_path / "e.h5")
    with pytest.raises(ValueError, match="nrows=True: expected a positive whole number"):
        load_lhco(tmp_path / "e.h5", nrows=True)
