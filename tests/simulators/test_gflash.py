"""GFLASH: answers known by hand, and Geant4's showers of the same conditions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skhep_anomaly import draw_conditions, load_geant4_showers, make_toy_showers
from skhep_anomaly.simulators.gflash import _longitudinal, _radius

CELL = 2.02
CENTRES = (np.arange(30) - 14.5) * CELL


def beam(n, energy=20.0, tx=0.0, ty=0.0, x=0.0, y=0.0):
    pz = energy / math.sqrt(1 + tx**2 + ty**2)
    return np.tile([tx * pz, ty * pz, pz, x, y], (n, 1))


def centroid(images):
    """Energy-weighted mean place of all showers together [cm]."""
    total = images.sum(axis=0, dtype=np.float64)
    return np.array([total.sum(axis=1) @ CENTRES, total.sum(axis=0) @ CENTRES]) / total.sum()


def response(showers):
    energy = np.linalg.norm(showers.X[:, :3], axis=1)
    return showers.images.sum(axis=(1, 2), dtype=np.float64) / (1000 * energy)


def r90(showers):
    """Radius around the axis at 12 cm depth that holds 90 % of a shower, mean over showers [cm]."""
    px, py, pz, x, y = showers.X.T
    dx = CENTRES[None, :, None] - (x + 12 * px / pz)[:, None, None]
    dy = CENTRES[None, None, :] - (y + 12 * py / pz)[:, None, None]
    radius = np.hypot(dx, dy).reshape(len(x), -1)
    order = np.argsort(radius, axis=1)
    inside = np.cumsum(np.take_along_axis(showers.images.reshape(len(x), -1), order, 1), axis=1)
    place = (inside < 0.9 * inside[:, -1:]).sum(axis=1)
    return np.take_along_axis(radius, order, 1)[np.arange(len(x)), place].mean()


@pytest.fixture(scope="module")
def pair():
    """Geant4's showers and GFLASH's under the same conditions."""
    real = load_geant4_showers(nrows=1000)
    return real, make_toy_showers(conditions=real.X, random_state=0)


def test_fields():
    showers = make_toy_showers(3, random_state=0)
    assert showers.images.shape == (3, 30, 30)
    assert showers.images.dtype == np.float32
    assert showers.X is showers.data
    assert showers.X.shape == (3, 5)
    assert showers.feature_names == ["px", "py", "pz", "x", "y"]
    assert showers.units["images"] == "MeV"
    assert "3 electron showers, 30 × 30 cells" in showers.DESCR
    assert (showers.images >= 0).all()


def test_longitudinal_parameters_by_hand():
    """10 GeV: y = 1085.8, ln y = 6.990; T = 6.990 − 0.812 − 0.2015 − 0.2408, α likewise."""
    alpha, peak = _longitudinal(10.0, 0.0, 0.0)
    assert peak == pytest.approx(5.7357, abs=2e-3)
    assert alpha == pytest.approx(0.81 + 0.49019 * 6.990 - 0.17436, abs=2e-3)
    _, wide = _longitudinal(10.0, 1.0, 0.0)
    assert math.log(wide / peak) == pytest.approx(1 / (1.25 * 6.990 - 2.5), abs=1e-4)
    high, _ = _longitudinal(10.0, 0.0, 1.0)
    rho = 0.784 - 0.023 * 6.990
    sigma = math.sqrt(1 - rho**2) / (0.79 * 6.990 - 0.82)
    assert math.log(high / alpha) == pytest.approx(sigma, abs=1e-4)


def test_radial_parameters_by_hand():
    """1 GeV at the maximum, τ = 1: R_c = 0.0251 − 0.00708 + 0.00535 + 0.08945, R_t likewise."""
    tau = np.ones(2, dtype=np.float32)
    core, tail = _radius(tau, 1.0, np.array([0.0, 1.0], dtype=np.float32))
    assert core == pytest.approx(0.11282, abs=1e-4)
    expected = 0.44208 * (math.exp(-2.59 * 0.355) + math.exp(0.3585 * 0.355))
    assert tail == pytest.approx(expected - 0.04886 - 0.18132 * math.exp(-1), abs=1e-4)
    half = _radius(np.ones(100_000, dtype=np.float32), 1.0, np.linspace(0, 1, 100_000, dtype="f4"))
    q = (0.53227 - 1) / 1.313
    p = 2.56601 * math.exp(q - math.exp(q)) + 0.349 * (0.348 - 0.23516) - 0.1
    assert (half < 0.2).mean() == pytest.approx(p, abs=1e-3)


def test_energy_doubled():
    low, high = (make_toy_showers(conditions=beam(400, e), random_state=1) for e in (15, 30))
    ratio = high.images.sum(dtype=np.float64) / low.images.sum(dtype=np.float64)
    assert ratio == pytest.approx(2, rel=0.02)


def test_impact_shifted_by_one_cell():
    before, after = (
        make_toy_showers(conditions=beam(300, x=x, y=y), random_state=2).images
        for x, y in ((0, 0), (CELL, -CELL))
    )
    shift = (centroid(after) - centroid(before)) / CELL
    assert shift == pytest.approx([1, -1], abs=0.1)


def test_same_seed_same_spots_moved_exactly():
    """A shift by whole cells moves every spot by them: the image moves, its rim apart."""
    before, after = (
        make_toy_showers(conditions=beam(5, x=x), random_state=2).images
        for x in (0.1, 0.1 + 2 * CELL)
    )
    np.testing.assert_allclose(after[:, 3:28], before[:, 1:26], rtol=1e-4, atol=20)
    assert np.abs(after[:, 3:28] - before[:, 1:26]).sum() < 0.02 * before.sum()


@pytest.mark.parametrize("axis, slope", [(0, {"tx": 0.4}), (1, {"ty": 0.4}), (0, {"tx": -0.4})])
def test_slanted_showers_lean_along_their_axis(axis, slope):
    """Mean depth is T α/(α − 1) X₀ cos θ: 15.1 cm at 20 GeV, so the centroid is at 0.4 of it."""
    showers = make_toy_showers(conditions=beam(300, 20.0, **slope), random_state=3)
    alpha, peak = _longitudinal(20.0, 0.0, 0.0)
    depth = 1.64 * peak * alpha / (alpha - 1) / math.sqrt(1.16)
    centre = centroid(showers.images)
    value = next(iter(slope.values()))
    assert centre[axis] == pytest.approx(value * depth, rel=0.04)
    assert centre[1 - axis] == pytest.approx(0, abs=0.1)


def test_mirror_images():
    """px → −px mirrors the mean image in x."""
    left, right = (
        make_toy_showers(conditions=beam(400, tx=t, x=t), random_state=r).images.mean(axis=0)
        for t, r in ((0.3, 4), (-0.3, 5))
    )
    assert np.abs(left[::-1] - right).sum() < 0.08 * left.sum()
    assert np.abs(left - right).sum() > 0.5 * left.sum()


def test_fluctuation_of_the_sum():
    """1/√N of the compound Poisson with N = 10.3/a E^0.959, a little more by leakage."""
    for energy in (4.0, 16.0):
        seen = response(make_toy_showers(conditions=beam(500, energy), random_state=6))
        expected = math.sqrt(0.083 / 10.3) * energy ** (-0.959 / 2)
        assert expected * 0.93 < seen.std() / seen.mean() < expected * 1.25


def test_like_geant4_in_response_width_and_empty_cells(pair):
    real, toy = pair
    assert response(toy).mean() == pytest.approx(response(real).mean(), rel=0.01)
    assert r90(toy) == pytest.approx(r90(real), rel=0.15)
    assert 0.80 < (real.images == 0).mean() < 0.88
    assert 0.80 < (toy.images == 0).mean() < 0.88
    assert centroid(toy.images) == pytest.approx(centroid(real.images), abs=0.25)


@pytest.mark.needs_data
@pytest.mark.parametrize("energy", [4, 16, 64])
def test_like_geant4_at_fixed_energy(data_file, energy):
    with np.load(data_file(f"calo/v_{energy}.npz"), allow_pickle=False) as file:
        X = np.column_stack([file["ParticleMomentum"], file["ParticlePoint"]])
        real = type(make_toy_showers(1))(X=X.astype(float), images=file["EnergyDeposit"])
    toy = make_toy_showers(conditions=np.repeat(real.X, 3, axis=0), random_state=7)
    assert response(toy).mean() == pytest.approx(response(real).mean(), rel=0.01)
    assert r90(toy) == pytest.approx(r90(real), rel=0.15)


def test_seed_and_first_rows():
    showers = make_toy_showers(20, random_state=8)
    again = make_toy_showers(20, random_state=8)
    np.testing.assert_array_equal(showers.images, again.images)
    few = make_toy_showers(7, random_state=8)
    np.testing.assert_array_equal(few.images, showers.images[:7])
    np.testing.assert_array_equal(few.X, showers.X[:7])
    given = make_toy_showers(conditions=showers.X, random_state=8)
    np.testing.assert_array_equal(given.images, showers.images)
    assert not np.array_equal(make_toy_showers(20, random_state=9).images, showers.images)


def test_a_row_does_not_depend_on_its_neighbours():
    X = draw_conditions(6, random_state=0)
    other = X.copy()
    other[:5] = beam(5, 50.0)
    one, two = (make_toy_showers(conditions=c, random_state=1).images for c in (X, other))
    np.testing.assert_array_equal(one[5], two[5])


def test_columns_by_name():
    pandas = pytest.importorskip("pandas")
    X = draw_conditions(4, random_state=0)
    frame = pandas.DataFrame(X, columns=["px", "py", "pz", "x", "y"])[["y", "pz", "x", "px", "py"]]
    showers = make_toy_showers(conditions=frame, random_state=0)
    np.testing.assert_array_equal(showers.X, X)


def test_geometry():
    """Half the cell, twice the cells: the same showers in a finer grid; a thin slab sees less."""
    X = beam(5, 20.0)
    coarse = make_toy_showers(conditions=X, random_state=0).images
    fine = make_toy_showers(conditions=X, random_state=0, shape=(60, 60), cell=1.01).images
    summed = fine.reshape(5, 30, 2, 30, 2).sum(axis=(2, 4))
    assert np.abs(summed - coarse).sum() < 0.01 * coarse.sum()
    thin = make_toy_showers(conditions=X, random_state=0, thickness=5.0).images
    assert thin.sum() < 0.5 * coarse.sum()
    assert make_toy_showers(2, shape=(10, 20), random_state=0).images.shape == (2, 10, 20)


@pytest.mark.parametrize("energy, n", [(0.02, 500), (0.1, 200), (0.3, 200), (1000.0, 20)])
def test_energies_outside_the_gun(energy, n):
    showers = make_toy_showers(conditions=beam(n, energy), random_state=0)
    assert np.isfinite(showers.images).all()
    assert response(showers).mean() == pytest.approx(0.1735, rel=0.1)


def test_momenta_in_mev_are_told():
    with pytest.warns(UserWarning, match="the median of .* is 2000 GeV; momenta are expected in"):
        make_toy_showers(conditions=beam(1, 2000.0), random_state=0)


@pytest.mark.parametrize(
    "parameters, text",
    [
        ({"n_samples": -3}, "n_samples=-3: expected a whole number of at least 1"),
        ({"conditions": np.ones((2, 4))}, r"conditions.shape == \(2, 4\), expected \(n, 5\)"),
        ({"conditions": np.zeros((2, 5))}, "conditions has pz <= 0 in 2 of 2 rows"),
        ({"conditions": np.full((2, 5), np.nan)}, "conditions holds NaN or infinity in 2 of 2"),
        ({"conditions": np.ones((0, 5))}, "conditions has no rows"),
        ({"cell": 0}, "cell=0: expected a length above 0 cm"),
        ({"thickness": -1}, "thickness=-1: expected a finite number of at least 0"),
        ({"shape": (30, 0)}, r"shape\[1\]=0: expected a whole number"),
        ({"shape": 30}, "shape=30: expected two whole numbers"),
        ({"energy_range": (5, 1)}, "the lowest energy is above the highest"),
    ],
)
def test_refused(parameters, text):
    with pytest.raises(ValueError, match=text):
        make_toy_showers(**parameters)


def test_wrong_columns_are_named():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.ones((2, 5)), columns=["px", "py", "pz", "x", "e"])
    with pytest.raises(ValueError, match=r"conditions lacks the columns \['y'\]"):
        make_toy_showers(conditions=frame)
