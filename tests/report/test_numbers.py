"""Values and errors are rounded as the Particle Data Group rounds them."""

from __future__ import annotations

import numpy as np
import pytest

from skhep_anomaly.report import format_value
from skhep_anomaly.report.numbers import format_cell


@pytest.mark.parametrize(
    "value, error, text",
    [
        (0.827, 0.119, "0.83 ± 0.12"),  # the two examples of the Review
        (0.827, 0.367, "0.8 ± 0.4"),
        (0.612345, 0.00712, "0.612 ± 0.007"),
        (0.5, 0.0355, "0.50 ± 0.04"),
        (0.5, 0.0354, "0.500 ± 0.035"),
        (1.0, 0.0951, "1.00 ± 0.10"),  # 951 rounds up to 1000 and keeps two digits
        (1.0, 0.0949, "1.00 ± 0.09"),
        (1234.5, 210.0, "1230 ± 210"),
        (123456.0, 1200.0, "123,500 ± 1200"),
        (-0.001, 0.02, "-0.001 ± 0.020"),
        (-0.0001, 0.02, "0.000 ± 0.020"),
        (0.0, 0.0, "0 ± 0"),
        (2.0, 0.0, "2.00 ± 0"),
        (1.234e-7, 2.1e-9, "(1.234 ± 0.021)e-07"),
        (3.0e9, 2.0e8, "(3.00 ± 0.20)e+09"),
        (0.5, float("nan"), "0.500"),
    ],
)
def test_value_with_error(value, error, text):
    assert format_value(value, error) == text


@pytest.mark.parametrize(
    "value, text",
    [
        (0.123456, "0.123"),
        (12.3456, "12.3"),
        (1234.56, "1235"),
        (98765.4, "98,765"),
        (0.0, "0"),
        (-0.25, "-0.250"),
        (1.5e-9, "1.50e-09"),
        (float("nan"), "–"),
        (float("inf"), "∞"),
        (float("-inf"), "-∞"),
    ],
)
def test_value_alone(value, text):
    assert format_value(value) == text


@pytest.mark.parametrize("seed", range(20))
def test_written_numbers_are_within_half_an_error_digit(seed):
    rng = np.random.default_rng(seed)
    value, error = rng.normal() * 10, 10 ** rng.uniform(-4, 1)
    shown, shown_error = (float(part) for part in format_value(value, error).split(" ± "))
    assert abs(shown_error - error) <= 0.5 * error
    assert abs(shown - value) <= 0.5 * error


@pytest.mark.parametrize(
    "cell, text",
    [
        (None, "–"),
        (True, "yes"),
        (np.bool_(False), "no"),
        (np.int64(7), "7"),
        (18311, "18,311"),
        (np.float32(0.5), "0.500"),
        ((0.5, None), "0.500"),
        ("VAE", "VAE"),
    ],
)
def test_cells(cell, text):
    assert format_cell(cell) == text


def test_digits():
    assert format_value(np.pi, digits=5) == "3.1416"
    assert format_cell(np.pi, digits=2) == "3.1"


def test_negative_error():
    with pytest.raises(ValueError, match="error=-1.0 is negative; give the standard error"):
        format_value(1.0, -1.0)
