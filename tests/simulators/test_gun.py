"""The particle gun: spectrum, slopes and spot by hand; what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from skhep_anomaly import draw_conditions

N = 20_000


def energies(X):
    return np.linalg.norm(X[:, :3], axis=1)


def test_the_gun_of_the_paper():
    """ln E is even between 0 and ln 100; slopes are normal; the spot is a square of 1 cm."""
    X = draw_conditions(N, random_state=0)
    assert X.shape == (N, 5)
    assert X.dtype == np.float64
    log_e = np.log(energies(X)) / np.log(100)
    assert log_e.min() >= 0
    assert log_e.max() <= 1
    assert log_e.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * N))
    assert log_e.std() == pytest.approx(1 / np.sqrt(12), rel=0.02)
    slopes = X[:, :2] / X[:, 2:3]
    assert slopes.std(axis=0) == pytest.approx([0.35, 0.175], rel=0.02)
    assert slopes.mean(axis=0) == pytest.approx([0, 0], abs=0.01)
    assert np.abs(X[:, 3:]).max() == pytest.approx(0.5, abs=0.001)
    assert X[:, 3:].std(axis=0) == pytest.approx([1 / np.sqrt(12)] * 2, rel=0.02)
    assert (
        np.abs(np.corrcoef(np.column_stack([log_e, slopes, X[:, 3:]]).T) - np.eye(5)).max() < 0.03
    )


@pytest.mark.parametrize(
    "index, mean",
    [
        (0.0, 50.5),  # flat: (1 + 100)/2
        (1.0, 99 / np.log(100)),  # ∫ dE / ∫ dE/E
        (2.0, np.log(100) / 0.99),  # ∫ dE/E / ∫ dE/E²
        (1.0 + 1e-12, 99 / np.log(100)),
    ],
)
def test_spectrum(index, mean):
    E = energies(draw_conditions(N, spectrum_index=index, random_state=1))
    assert E.mean() == pytest.approx(mean, rel=5 * E.std() / E.mean() / np.sqrt(N))
    assert E.min() >= 1
    assert E.max() <= 100


def test_one_energy_at_normal_incidence():
    X = draw_conditions(5, energy_range=(7, 7), slope_sigma=(0, 0), spot_half_width=0)
    np.testing.assert_allclose(X, [[0, 0, 7, 0, 0]] * 5)


def test_seed_and_first_rows():
    X = draw_conditions(50, random_state=3)
    np.testing.assert_array_equal(X, draw_conditions(50, random_state=3))
    np.testing.assert_array_equal(X[:20], draw_conditions(20, random_state=3))
    assert not np.array_equal(X, draw_conditions(50, random_state=4))


@pytest.mark.parametrize(
    "parameters, text",
    [
        ({"n_samples": -1}, "n_samples=-1: expected a whole number of at least 1"),
        ({"n_samples": 2.5}, "n_samples=2.5: expected a whole number"),
        ({"n_samples": True}, "n_samples=True: expected a whole number"),
        ({"energy_range": (0, 10)}, r"energy_range\[0\]=0: expected a finite number of at least"),
        ({"energy_range": (10, 1)}, r"energy_range=\(10, 1\): the lowest energy is above"),
        ({"energy_range": 10}, "energy_range=10: expected two numbers"),
        (
            {"slope_sigma": (0.1, -1)},
            r"slope_sigma\[1\]=-1: expected a finite number of at least 0",
        ),
        ({"spectrum_index": float("nan")}, "spectrum_index=nan: expected a finite number"),
        ({"spot_half_width": -0.5}, "spot_half_width=-0.5"),
        ({"random_state": "a"}, "random_state='a' cannot seed"),
    ],
)
def test_refused(parameters, text):
    with pytest.raises(ValueError, match=text):
        draw_conditions(**parameters)
