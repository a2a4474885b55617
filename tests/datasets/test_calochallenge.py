"""CaloChallenge files: order of the voxels, units, faults of the HDF5 and of the binning."""

from __future__ import annotations

import numpy as np
import pytest

from skhep_anomaly import ShowerBunch, load_calochallenge_hdf5

h5py = pytest.importorskip("h5py")

LAYER = '<Layer id="{}" r_edges="0,1,4,9" n_bin_alpha="4"/>'
REGULAR = f'<Bins><Bin pid="11" name="electron">{LAYER.format(0)}{LAYER.format(1)}</Bin></Bins>'
RAGGED = """<Bins>
  <Bin pid="22" name="photon">
    <Layer id="0" r_edges="0,5,10" n_bin_alpha="1" />
    <Layer id="1" r_edges="0" n_bin_alpha="1" />
    <Layer id="12" r_edges="0,2,4,6" n_bin_alpha="2" />
  </Bin>
  <Bin pid="211" name="pion"><Layer id="3" r_edges="0,1" n_bin_alpha="1" /></Bin>
</Bins>"""


@pytest.fixture
def write(tmp_path):
    def to(energies, showers, binning=None):
        with h5py.File(tmp_path / "showers.hdf5", "w") as file:
            for name, values in (("incident_energies", energies), ("showers", showers)):
                if values is not None:
                    file[name] = values
        (tmp_path / "binning.xml").write_text(binning or REGULAR, "utf-8")
        return tmp_path / "showers.hdf5", tmp_path / "binning.xml"

    return to


def test_units_and_form(write):
    showers = np.arange(72.0).reshape(3, 24)
    path, binning = write([[1000.0], [2500.0], [1e6]], showers)
    bunch = load_calochallenge_hdf5(path, binning=binning)
    assert isinstance(bunch, ShowerBunch)
    assert bunch.X.ravel().tolist() == [1.0, 2.5, 1000.0]
    assert bunch.units == {"energy": "GeV", "images": "MeV"}
    assert bunch.images.dtype == np.float32
    np.testing.assert_array_equal(bunch.images, showers)
    assert "[GeV] energy" in bunch.describe()


def test_order_is_radius_then_angle_then_layer(write):
    """The challenge's rule: entries 0, 1, 2 are the radial bins of the first angular slice."""
    bunch = load_calochallenge_hdf5(*write([[1.0]], np.zeros((1, 24)))[:1])
    assert "layer" not in bunch
    path, binning = write([[1.0]], np.arange(24.0)[None])
    bunch = load_calochallenge_hdf5(path, binning=binning)
    assert bunch.grid_shape == (2, 4, 3)
    cube = bunch.images.reshape(-1, *bunch.grid_shape)[0]
    assert cube[0, 0].tolist() == [0, 1, 2]
    assert cube[0, 1].tolist() == [3, 4, 5]
    assert cube[1, 0].tolist() == [12, 13, 14]
    assert bunch.r_low[:4].tolist() == [0, 1, 4, 0]
    assert bunch.r_high[:4].tolist() == [1, 4, 9, 1]
    np.testing.assert_allclose(
        bunch.alpha[[0, 3, 6, 9]], np.pi * np.array([-0.75, -0.25, 0.25, 0.75])
    )
    assert bunch.layer[[0, 11, 12, 23]].tolist() == [0, 0, 1, 1]


def test_empty_layers_and_particles(write):
    path, binning = write([1.0, 2.0], np.ones((2, 8)), RAGGED)
    bunch = load_calochallenge_hdf5(path, binning=binning, particle="photon", nrows=1)
    assert bunch.layer.tolist() == [0, 0, *[12] * 6]
    assert bunch.grid_shape is None
    assert bunch.images.shape == (1, 8)
    assert bunch.alpha[2:].tolist() == [-np.pi / 2] * 3 + [np.pi / 2] * 3


@pytest.mark.parametrize(
    "energies, showers, text",
    [
        (None, np.ones((2, 24)), "no array incident_energies; the file holds showers"),
        ([1.0, 1.0], None, "no array showers"),
        ([1.0], np.ones((2, 24)), r"incident_energies has shape \(1,\); expected \(2, 1\)"),
        ([1.0], np.ones(24), r"showers has shape \(24,\); expected \(n, n_voxels\)"),
        ([1.0, -1.0], np.ones((2, 24)), "holds 1 values that are not above 0 MeV"),
        ([1.0, 1.0], np.full((2, 24), np.nan), "negative energies in 2 of the rows 0 to 1"),
        ([1.0, 1.0], np.ones((2, 7)), "has 24 voxels, but a shower of .* has 7"),
        ([b"a", b"b"], np.ones((2, 24)), "incident_energies has dtype .*; expected numbers"),
    ],
)
def test_wrong_arrays(write, energies, showers, text):
    path, binning = write(energies, showers)
    with pytest.raises(ValueError, match=text):
        load_calochallenge_hdf5(path, binning=binning)


@pytest.mark.parametrize(
    "binning, particle, text",
    [
        ("<Bins>", None, "no XML file"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><Bins/>', None, "has a document type"),
        (RAGGED, None, "particle=None: .* has 'photon', 'pion'"),
        (RAGGED, "muon", "particle='muon': .* has 'photon', 'pion'"),
        ("<Bins/>", None, "has no particle"),
        ('<Bins><Bin name="e"><Layer id="0"/></Bin></Bins>', None, "a Layer lacks id, r_edges or"),
        ('<Bins><Bin name="e"/></Bins>', None, "no layer with voxels"),
        (REGULAR.replace("0,1,4,9", "0,4,1,9"), None, "edges in r that do not increase"),
    ],
)
def test_wrong_binning(write, binning, particle, text):
    path, place = write([1.0], np.ones((1, 24)), binning)
    with pytest.raises(ValueError, match=text):
        load_calochallenge_hdf5(path, binning=place, particle=particle)


def test_cut_file_and_damaged_chunk(write, tmp_path):
    path, _ = write([1.0], np.ones((1, 24)))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="no readable HDF5 file"):
        load_calochallenge_hdf5(path)
    with h5py.File(path, "w") as file:
        file["incident_energies"] = [1.0]
        rng = np.random.default_rng(0)
        file.create_dataset("showers", data=rng.random((1, 50_000)), compression="gzip")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = bytes(20_000)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="showers cannot be read"):
        load_calochallenge_hdf5(path)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file. The challenge's are at https"):
        load_calochallenge_hdf5(tmp_path / "none.hdf5")


def test_several_chunks(write, monkeypatch):
    monkeypatch.setattr("skhep_anomaly.datasets.calochallenge._CHUNK_CELLS", 50)
    showers = np.random.default_rng(0).random((9, 24)).astype(np.float32)
    path, _ = write(np.ones(9), showers)
    np.testing.assert_array_equal(load_calochallenge_hdf5(path).images, showers)
