"""Colours of different meaning stay different for readers with any colour vision."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from skhep_anomaly.plotting._palette import BACKGROUND, DASHES, GUIDE, SERIES, SIGNAL, TRAIN, VALID

# G. Machado, M. Oliveira, L. Fernandes, IEEE TVCG 15 (2009) 1291: severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour):
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE L*a*b* of linear RGB: distances are about what the eye sees, 2 is just visible."""
    t = TO_XYZ @ rgb / (TO_XYZ @ np.ones(3))
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(a, b, vision):
    seen = [lab((np.array(VISION[vision]) @ linear(c)).clip(0, 1)) for c in (a, b)]
    return float(np.linalg.norm(seen[0] - seen[1]))


def contrast(colour):
    """WCAG contrast against white."""
    return 1.05 / (TO_XYZ[1] @ linear(colour) + 0.05)


def test_distance_knows_black_and_white():
    assert distance("#000000", "#ffffff", "normal") == pytest.approx(100, abs=0.1)
    assert contrast("#000000") == pytest.approx(21.0)


@pytest.mark.parametrize("vision", VISION)
def test_classes_and_samples_differ(vision):
    assert distance(SIGNAL, BACKGROUND, vision) > 40
    assert distance(TRAIN, VALID, vision) > 40


@pytest.mark.parametrize("vision", VISION)
def test_models_differ_in_colour_or_dashes(vision):
    for i, j in combinations(range(len(SERIES)), 2):
        seen = distance(SERIES[i], SERIES[j], vision)
        assert seen > 10 or i % len(DASHES) != j % len(DASHES), (SERIES[i], SERIES[j], seen)
    assert min(distance(a, b, vision) for a, b in combinations(SERIES[:3], 2)) > 15


def test_lines_stand_out_from_the_paper():
    assert min(contrast(colour) for colour in (SIGNAL, BACKGROUND, TRAIN, VALID)) > 3
    assert min(contrast(colour) for colour in SERIES) > 2
    assert contrast(GUIDE) > 4.5


def test_colours_and_dashes_make_24_pairs():
    pairs = {(i % len(SERIES), i % len(DASHES)) for i in range(24)}
    assert len(pairs) == 24
