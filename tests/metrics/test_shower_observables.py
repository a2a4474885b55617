"""Observables of showers whose answer is known by hand, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skhep_anomaly import shower_observables

CELL = 2.02
STRAIGHT = [0.0, 0.0, 10.0, 0.0, 0.0]


def empty(n=1):
    return np.zeros((n, 30, 30))


def random_showers(n=20, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.exponential(5.0, (n, 30, 30)) * (rng.random((n, 30, 30)) < 0.2)
    slope = rng.normal(0, 0.3, (n, 2))
    pz = rng.uniform(1, 50, (n, 1))
    return images, np.hstack([slope * pz, pz, rng.uniform(-0.5, 0.5, (n, 2))])


def test_single_cell_is_a_point():
    images = empty()
    images[0, 20, 12] = 500.0
    table = shower_observables(images, [STRAIGHT], extended=True)
    assert table["response"][0] == pytest.approx(0.05)
    assert table["centroid_x"][0] == pytest.approx(5.5 * CELL)
    assert table["centroid_y"][0] == pytest.approx(-2.5 * CELL)
    for name in ("width_x", "width_y", "width_along", "width_across", "r90"):
        assert table[name][0] == pytest.approx(0.0, abs=1e-6)
    for name in ("f1", "f4", "f9", "f25", "n_above_0.06", "n_above_1", "isolated", "n_150-inf"):
        assert table[name][0] == 1.0
    assert table["adjacent"][0] == 0.0
    assert table["log10_smallest"][0] == pytest.approx(np.log10(500.0))


def test_two_cells_have_known_width_asymmetry_and_radius():
    images = empty()
    images[0, 16, 15], images[0, 13, 15] = 300.0, 100.0  # centres at 1.5 and −1.5 cells
    table = shower_observables(images, [[0.0, 0.0, 10.0, 0.0, 0.5 * CELL]])
    assert table["centroid_x"][0] == pytest.approx(0.75 * CELL)
    assert table["centroid_y"][0] == pytest.approx(0.0, abs=1e-12)
    assert table["width_x"][0] == pytest.approx(np.sqrt(27) / 4 * CELL)  # 3 √(p(1−p)), p = ¼
    assert table["width_along"][0] == table["width_x"][0]  # no slope: along is x
    assert table["asymmetry"][0] == pytest.approx(0.5)
    assert table["r90"][0] == pytest.approx(2.25 * CELL)  # the nearer cell holds 75 % only
    assert table["f4"][0] == pytest.approx(0.75)


def test_windows_take_the_best_place():
    images = empty()
    images[0, 3:8, 4:9] = 1.0
    images[0, 20, 20] = 5.0
    table = shower_observables(images, [STRAIGHT])
    shares = [table[name][0] for name in ("f1", "f4", "f9", "f25")]
    np.testing.assert_allclose(shares, np.array([5, 5, 9, 25]) / 30)


def test_centroid_is_relative_to_the_axis_at_the_depth():
    """Centimetres throughout: a cell is 2.02 of them, and the axis moves 12 cm times the slope."""
    images = empty()
    images[0, 18, 15] = 100.0  # x = 3.5 cells = 7.07 cm
    X = [[4.0, 0.0, 8.0, 0.3, 0.0]]
    table = shower_observables(images, X)
    assert table["centroid_x"][0] == pytest.approx(3.5 * CELL - 0.3 - 12.0 * 0.5)
    deeper = shower_observables(images, X, geometry=(1.0, 20.0))
    assert deeper["centroid_x"][0] == pytest.approx(3.5 - 0.3 - 10.0)


def test_shower_moved_by_a_cell_moves_the_centroid_by_a_cell():
    images, X = random_showers()
    images[:, -1] = 0
    table, moved = shower_observables(images, X), shower_observables(np.roll(images, 1, 1), X)
    np.testing.assert_allclose(moved["centroid_x"] - table["centroid_x"], CELL)
    np.testing.assert_allclose(moved["width_along"], table["width_along"])
    X_moved = X + np.array([0, 0, 0, CELL, 0])
    followed = shower_observables(np.roll(images, 1, 1), X_moved)
    np.testing.assert_allclose(followed.values, table.values, atol=1e-9)


def test_symmetries_of_the_square_change_only_what_they_should():
    images, X = random_showers()
    table = shower_observables(images, X, extended=True)
    turned = shower_observables(images.transpose(0, 2, 1), X[:, [1, 0, 2, 4, 3]], extended=True)
    swapped = {"centroid_x": "centroid_y", "width_x": "width_y"}
    swapped |= {there: here for here, there in swapped.items()}
    for name in table.names:
        np.testing.assert_allclose(turned[name], table[swapped.get(name, name)], atol=1e-9)
    mirrored = shower_observables(images[:, ::-1], X * [-1, 1, 1, -1, 1])
    for name in mirrored.names:
        sign = -1 if name == "centroid_x" else 1
        np.testing.assert_allclose(mirrored[name], sign * table[name], atol=1e-9)


def test_widths_along_and_across_keep_the_trace():
    table = shower_observables(*random_showers())
    np.testing.assert_allclose(
        table["width_along"] ** 2 + table["width_across"] ** 2,
        table["width_x"] ** 2 + table["width_y"] ** 2,
    )


def test_spectrum_counts_every_deposit_once():
    images = empty()
    images[0, 0, :12] = [0.01, 0.02, 0.06, 0.1, 0.2, 0.5, 2.0, 5.0, 20.0, 100.0, 150.0, 1e4]
    table = shower_observables(images, [STRAIGHT], extended=True)
    counts = [table[name][0] for name in table.names if name.startswith("n_") and "-" in name]
    assert counts == [1, 1, 2, 1, 1, 1, 1, 1, 1, 2]
    assert table["adjacent"][0] == 11
    assert table["isolated"][0] == 0
    assert table["log10_smallest"][0] == pytest.approx(-2)


def test_isolated_means_eight_dark_neighbours():
    images = empty()
    images[0, [0, 5, 6, 29], [0, 5, 6, 29]] = 1.0  # the pair touches at a corner
    table = shower_observables(images, [STRAIGHT], extended=True)
    assert table["isolated"][0] == 2
    assert table["adjacent"][0] == 0


@pytest.mark.parametrize("convention", ["physical", "mlhep2019"])
def test_no_deposit_is_defined(convention):
    table = shower_observables(empty(2), [STRAIGHT] * 2, convention, extended=True)
    expected = np.where(np.array(table.names) == "log10_smallest", -12.0, 0.0)
    assert (table.values == expected).all()


@pytest.mark.parametrize("convention", ["physical", "mlhep2019"])
def test_a_row_does_not_depend_on_its_neighbours(convention):
    images, X = random_showers(1100)  # three chunks
    table = shower_observables(images, X, convention, extended=True)
    alone = shower_observables(images[700:701], X[700:701], convention, extended=True)
    np.testing.assert_allclose(table.values[700], alone.values[0], rtol=1e-12, atol=1e-12)
    assert np.asarray(table).shape == (1100, len(table.names)) == (len(table), len(table.units))


def test_shapes_and_frames_are_read_alike():
    images, X = random_showers()
    table = shower_observables(images, X).values
    frame = pd.DataFrame(X, columns=["px", "py", "pz", "x", "y"])[["y", "pz", "x", "px", "py"]]
    for same in (images[..., None], images.reshape(20, 900), images.tolist()):
        np.testing.assert_array_equal(shower_observables(same, frame).values, table)
    rectangle = shower_observables(images[:, :, :20], X)
    assert rectangle.values.shape == (20, 15)
    whole_numbers = shower_observables(np.ones((1, 2, 2), dtype=int), [STRAIGHT])
    assert whole_numbers["f9"][0] == 1.0  # a window larger than the image is the image


def test_energy_doubled_halves_the_response_only():
    images, X = random_showers()
    table, doubled = (shower_observables(images, X * [k, k, k, 1, 1]) for k in (1, 2))
    np.testing.assert_allclose(doubled["response"], table["response"] / 2)
    np.testing.assert_allclose(doubled.values[:, 1:], table.values[:, 1:], atol=1e-12)


@pytest.mark.needs_data
def test_geant4_validation_showers(data_file):
    """Visible fraction .1735 and R90 43.3 mm at normal incidence, as known for this calorimeter."""
    with np.load(data_file("calo/v_16.npz")) as data:
        X = np.hstack([data["ParticleMomentum"], data["ParticlePoint"]])
        table = shower_observables(data["EnergyDeposit"], X)
    assert table["response"].mean() == pytest.approx(0.1735, abs=0.001)
    assert table["r90"].mean() == pytest.approx(4.33, abs=0.1)
    assert abs(table["centroid_x"].mean()) < 4 * table["centroid_x"].std() / np.sqrt(len(table))


@pytest.mark.parametrize(
    "images, X, message",
    [
        (np.ones((2, 30)), [STRAIGHT] * 2, r"images.shape == \(2, 30\), expected"),
        (np.ones((0, 30, 30)), np.ones((0, 5)), r"images.shape == \(0, 30, 30\), expected"),
        (np.ones((2, 4, 4, 3)), [STRAIGHT] * 2, r"images.shape == \(2, 4, 4, 3\), expected"),
        (np.full((2, 4, 4), np.nan), [STRAIGHT] * 2, "holds NaN or infinity in 2 of 2 showers"),
        (np.full((2, 4, 4), np.inf), [STRAIGHT] * 2, "holds NaN or infinity in 2 of 2 showers"),
        (-np.ones((2, 4, 4)), [STRAIGHT] * 2, r"holds negative deposits \(down to -1 MeV\) in 2"),
        (np.ones((2, 4, 4)), np.ones((2, 3)), r"X.shape == \(2, 3\), expected \(n, 5\)"),
        (np.ones((2, 4, 4)), np.ones((2, 6)), r"X.shape == \(2, 6\), expected \(n, 5\)"),
        (np.ones((2, 4, 4)), [STRAIGHT], "X has 1 rows, but there are 2 showers"),
        (np.ones((1, 4, 4)), [[0, 0, np.nan, 0, 0]], "X holds NaN or infinity in 1 of 1 rows"),
        (np.ones((1, 4, 4)), [[0, 0, -1.0, 0, 0]], "has pz <= 0 in 1 of 1 rows"),
        (np.ones((1, 4, 4)), pd.DataFrame({"px": [1]}), r"X lacks the columns \['py', 'pz'"),
    ],
)
def test_bad_showers_and_conditions(images, X, message):
    with pytest.raises(ValueError, match=message):
        shower_observables(images, X)


def test_bad_options():
    images, X = random_showers(2)
    with pytest.raises(ValueError, match="convention='cms' is not known"):
        shower_observables(images, X, "cms")
    for geometry in [(0, 12), (2.02, -1), 2.02, (1, 2, 3), ("a", 1)]:
        with pytest.raises(ValueError, match="must be .cell edge > 0, depth >= 0. in cm"):
            shower_observables(images, X, geometry=geometry)
    with pytest.raises(KeyError, match="'r50' is not among the observables"):
        shower_observables(images, X)["r50"]
