"""The competition's observables, and the mistakes of its script that ours must not make."""

from __future__ import annotations

import numpy as np
import pytest

from skhep_anomaly import shower_observables

CELL = 2.02


def gaussian_shower(centre, along, across, angle):
    """A smooth elliptic shower [MeV] about `centre` [cm], its long axis at `angle`."""
    c = (np.arange(30) - 14.5) * CELL
    dx, dy = c[:, None] - centre[0], c[None, :] - centre[1]
    u, v = dx * np.cos(angle) + dy * np.sin(angle), -dx * np.sin(angle) + dy * np.cos(angle)
    return np.exp(-((u / along) ** 2 + (v / across) ** 2) / 2)[None]


def measure(image, tx, ty, point=(0.0, 0.0)):
    return shower_observables(image, [[10 * tx, 10 * ty, 10.0, *point]], "mlhep2019")


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4, np.pi / 2, 2.0, -2.5])
def test_widths_are_those_of_the_ellipse_at_every_angle(angle):
    """Lines are a point and a direction: no angle divides by zero, none is mirrored."""
    t = 0.2 * np.array([np.cos(angle), np.sin(angle)])
    table = measure(gaussian_shower(12 * t, 6.0, 4.0, angle), *t)
    assert table["longitudinal_width"][0] == pytest.approx(6.0, rel=0.05)
    assert table["transverse_width"][0] == pytest.approx(4.0, rel=0.05)
    assert abs(table["longitudinal_asymmetry"][0]) < 0.15


@pytest.mark.parametrize("tx, ty", [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.0, -0.3), (1e-12, 0.0)])
def test_normal_incidence_divides_by_nothing(tx, ty):
    image = gaussian_shower((12 * tx, 12 * ty), 4.0, 4.0, 0.0)
    table = measure(image, tx, ty)
    assert np.isfinite(table.values).all()
    assert table["longitudinal_width"][0] == pytest.approx(4.0, rel=0.05)
    assert table["transverse_width"][0] == pytest.approx(4.0, rel=0.05)


def test_centimetres_are_not_cells():
    """A shower at its own axis is balanced; 25 cells taken for the depth would see all behind."""
    image = gaussian_shower((0.4 * 12, 0.0), 3.0, 3.0, 0.0)
    assert abs(measure(image, 0.4, 0.0)["longitudinal_asymmetry"][0]) < 0.25  # whole cells
    wrong = shower_observables(image, [[4.0, 0, 10.0, 0, 0]], "mlhep2019", geometry=(1.0, 25.0))
    assert wrong["longitudinal_asymmetry"][0] < -0.9


def test_asymmetry_has_the_sign_of_the_slope():
    ahead = gaussian_shower((10.0, 0.0), 2.0, 2.0, 0.0)
    assert measure(ahead, 0.1, 0.0)["longitudinal_asymmetry"][0] > 0.9
    assert measure(ahead, -0.1, 0.0)["longitudinal_asymmetry"][0] < -0.9
    left = gaussian_shower((0.0, 10.0), 2.0, 2.0, 0.0)
    assert measure(left, 0.1, 0.0)["transverse_asymmetry"][0] > 0.9
    assert measure(left, -0.1, 0.0)["transverse_asymmetry"][0] < -0.9


def test_sparsity_is_relative_to_the_sum():
    image = np.zeros((1, 30, 30))
    image[0, 0, :3] = [900.0, 95.0, 5.0]
    for scale in (1.0, 1e3):
        table = measure(scale * image, 0.1, 0.0)
        shares = [table[f"sparsity_{alpha}"][0] * 900 for alpha in ("0.1", "0.01", "0.001")]
        np.testing.assert_allclose(shares, [1, 2, 3])
