"""Showers: the embedded set against its source and known physics; hostile npz files."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from skhep_anomaly import ShowerBunch, load_calogan_npz, load_geant4_showers
from skhep_anomaly.datasets._shower_code import EMBEDDED_FILE, STEP, decode, encode

SHARED_FILE = "calo/e_401.npz"


@pytest.fixture(scope="module")
def showers():
    return load_geant4_showers()


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "EnergyDeposit": rng.exponential(size=(6, 30, 30, 1)),
        "ParticleMomentum": np.tile([1.0, -2.0, 20.0], (6, 1)),
        "ParticlePoint": rng.normal(size=(6, 3)),
        "ParticlePDG": np.full((6, 1), 11.0),
    }


@pytest.fixture
def write(tmp_path):
    def to(arrays, name="showers.npz"):
        np.savez(tmp_path / name, **arrays)
        return tmp_path / name

    return to


class Bomb:
    """Unpickling it fails the test."""

    def __reduce__(self):
        return pytest.fail, ("an object was unpickled",)


def test_fields(showers):
    assert isinstance(showers, ShowerBunch)
    assert showers.X.shape == (2000, 5)
    assert showers.X.dtype == np.float64
    assert showers.data is showers.X
    assert showers.images.shape == (2000, 30, 30)
    assert showers.images.dtype == np.float32
    assert showers.feature_names == ["px", "py", "pz", "x", "y"]
    assert showers.units == dict.fromkeys(("px", "py", "pz"), "GeV") | {
        "x": "cm",
        "y": "cm",
        "images": "MeV",
    }
    assert set(showers.source) == {"citation", "doi", "licence", "url"}
    assert "2000 showers of 30×30 cells" in showers.DESCR


def test_embedded_file_is_small():
    assert EMBEDDED_FILE.stat().st_size < 2_000_000


def test_embedded_showers_are_those_of_calorimeter_and_gun(showers):
    """Visible fraction 0.1735, 80–88 % empty cells, 1/E between 1 and 100 GeV, slopes, spot."""
    energy = np.linalg.norm(showers.X[:, :3], axis=1)
    seen = showers.images.sum(axis=(1, 2)) / (1000 * energy)
    inside = energy > 30
    assert seen[inside].mean() == pytest.approx(0.1735, rel=0.02)
    assert 0.80 < (showers.images == 0).mean() < 0.88
    assert energy.min() > 1
    assert energy.max() < 100
    assert np.log(energy).mean() == pytest.approx(np.log(100) / 2, abs=4 * 1.33 / 2000**0.5)
    slopes = showers.X[:, :2] / showers.X[:, 2:3]
    assert slopes.std(axis=0) == pytest.approx([0.35, 0.175], rel=0.07)
    assert np.abs(showers.X[:, 3:]).max() <= 0.5


def test_centroid_lies_on_the_axis_at_twelve_centimetres(showers):
    """First axis of an image is x: the mean cell follows x + 12 px/pz, y + 12 py/pz."""
    cells = (np.arange(30) - 14.5) * 2.02
    total = showers.images.sum(axis=(1, 2))
    mean_x = showers.images.sum(axis=2) @ cells / total
    mean_y = showers.images.sum(axis=1) @ cells / total
    px, py, pz, x, y = showers.X.T
    assert np.median(np.abs(mean_x - x - 12 * px / pz)) < 0.5
    assert np.median(np.abs(mean_y - y - 12 * py / pz)) < 0.5
    assert np.corrcoef(mean_x, px / pz)[0, 1] > 0.95


@pytest.mark.needs_data
def test_embedded_showers_equal_their_source(showers, data_file):
    with np.load(data_file(SHARED_FILE), allow_pickle=False) as file:
        truth = file["EnergyDeposit"][:250].astype(np.float64)
        np.testing.assert_array_equal(showers.X[:250, :3], file["ParticleMomentum"][:250])
        np.testing.assert_array_equal(showers.X[:250, 3:], file["ParticlePoint"][:250])
    ours = showers.images[:250]
    np.testing.assert_array_equal(ours > 0, truth > 0)
    np.testing.assert_allclose(ours, truth, rtol=STEP / 2 * 1.01)
    np.testing.assert_allclose(ours.sum(axis=(1, 2)), truth.sum(axis=(1, 2)), rtol=STEP / 2)


@pytest.mark.needs_data
def test_a_shared_file_is_read(data_file):
    path = data_file(SHARED_FILE)
    showers = load_calogan_npz(path, nrows=10)
    with np.load(path, allow_pickle=False) as file:
        np.testing.assert_array_equal(showers.images, file["EnergyDeposit"][:10])
    assert showers.pdg is None
    assert showers.z is None
    assert showers.name == "e_401.npz"


def test_coding_of_extreme_energies():
    images = np.zeros((2, 3, 3), dtype=np.float32)
    images[0, 0, 0], images[1, 2, 1], images[1, 0, 0] = 3e-10, 1e4, 1.0
    back, momentum, point = decode(encode(images, np.ones((2, 3)), np.zeros((2, 2))))
    np.testing.assert_allclose(back, images, rtol=STEP / 2 * 1.01)
    assert momentum.shape == (2, 3)
    assert point.shape == (2, 2)


def test_first_rows(showers):
    few = load_geant4_showers(nrows=7)
    np.testing.assert_array_equal(few.images, showers.images[:7])
    np.testing.assert_array_equal(few.X, showers.X[:7])
    with pytest.raises(ValueError, match="nrows=0: expected a positive whole number"):
        load_geant4_showers(nrows=0)


def test_round_trip_through_the_format(arrays, write):
    showers = load_calogan_npz(write(arrays))
    np.testing.assert_allclose(showers.images, arrays["EnergyDeposit"][..., 0], rtol=1e-7)
    np.testing.assert_array_equal(showers.X[:, :3], arrays["ParticleMomentum"])
    np.testing.assert_array_equal(showers.X[:, 3:], arrays["ParticlePoint"][:, :2])
    np.testing.assert_array_equal(showers.z, arrays["ParticlePoint"][:, 2])
    assert showers.pdg.tolist() == [11] * 6
    in_gev = load_calogan_npz(write(arrays), unit="GeV", nrows=2)
    np.testing.assert_allclose(in_gev.images, 1000 * showers.images[:2], rtol=1e-6)


@pytest.mark.parametrize(
    "name, values, text",
    [
        ("EnergyDeposit", None, "no array EnergyDeposit; the file holds ParticleMomentum"),
        ("ParticlePoint", None, "no array ParticlePoint"),
        ("EnergyDeposit", np.ones((6, 900)), r"shape \(6, 900\); expected \(n, nx, ny\) or"),
        ("EnergyDeposit", np.ones((0, 30, 30)), r"shape \(0, 30, 30\); expected .* n ≥ 1"),
        ("EnergyDeposit", np.ones(()), r"EnergyDeposit has shape \(\); expected"),
        ("EnergyDeposit", -np.ones((6, 30, 30)), "negative energies in 6 of 6 showers"),
        ("EnergyDeposit", np.full((6, 30, 30), 1e300), "infinite or negative energies in 6"),
        ("ParticleMomentum", np.ones((5, 3)), r"shape \(5, 3\); expected \(6, 3\)"),
        ("ParticleMomentum", np.full((6, 3), np.nan), "ParticleMomentum holds NaN or infinity in"),
        ("ParticlePoint", np.ones((6, 4)), r"shape \(6, 4\); expected \(6, 2\) or \(6, 3\)"),
        ("ParticlePDG", np.ones((6, 2)), r"shape \(6, 2\); expected \(6,\) or \(6, 1\)"),
        ("ParticlePDG", np.full(6, 0.5), "not whole, such as 0.5"),
        ("ParticlePoint", np.full((6, 2), "a"), "has dtype <U1; expected numbers"),
        ("ParticlePoint", np.full((6, 2), 1j), "has dtype complex128; expected numbers"),
    ],
)
def test_wrong_arrays(arrays, write, name, values, text):
    if values is None:
        del arrays[name]
    else:
        arrays[name] = values
    with pytest.raises(ValueError, match=text):
        load_calogan_npz(write(arrays))


def test_objects_are_never_unpickled(arrays, write):
    arrays["ParticlePoint"] = np.array([[Bomb(), Bomb()]] * 6, dtype=object)
    path = write(arrays)
    with pytest.raises(ValueError, match="ParticlePoint cannot be read as plain numbers"):
        load_calogan_npz(path)


def test_pickled_file_is_never_unpickled(tmp_path):
    path = tmp_path / "showers.npz"
    np.save(path.with_suffix(".npy"), np.array([Bomb()], dtype=object), allow_pickle=True)
    path.with_suffix(".npy").rename(path)
    with pytest.raises(ValueError, match="damaged, or no npz file"):
        load_calogan_npz(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_cut_file(arrays, write, share):
    path = write(arrays)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match="damaged, or no npz file"):
        load_calogan_npz(path)


def test_flipped_bit(arrays, write):
    path = write(arrays)
    data = bytearray(path.read_bytes())
    data[5000] ^= 4
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"damaged, or no npz file \(Bad CRC"):
        load_calogan_npz(path)


def test_header_that_claims_too_much(arrays, write):
    """A header of 10¹⁵ numbers before no data at all."""
    path = write(arrays)
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 30000, 30000), }"
    header = b"\x93NUMPY\x01\x00" + len(text.ljust(117) + b"\n").to_bytes(2, "little")
    with zipfile.ZipFile(path, "w") as file:
        for name in arrays:
            file.writestr(f"{name}.npy", header + text.ljust(117) + b"\n")
    with pytest.raises(ValueError, match="showers.npz: .*(damaged|cannot be read as plain)"):
        load_calogan_npz(path)


def test_no_such_file_and_unit(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file. load_geant4_showers"):
        load_calogan_npz(tmp_path / "none.npz")
    with pytest.raises(ValueError, match="unit='keV': expected one of 'MeV', 'GeV'"):
        load_calogan_npz(tmp_path / "none.npz", unit="keV")
