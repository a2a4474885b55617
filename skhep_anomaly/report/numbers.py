"""Numbers as a physicist writes them: value ± error with the digits that the error allows.

The rounding rule is that of the Particle Data Group's Review (section 5.3 of its introduction): of
the error's three leading digits, 100–354 keep two digits, 355–949 keep one, 950–999 become 1000 and
keep two. The value is cut at the same decimal.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

__all__ = ["Cell", "format_cell", "format_value"]

MISSING = "–"
GROUP_FROM = 10_000  # thousands are set apart from five digits on
_PLAIN_RANGE = (-5, 6)  # decimal exponents that are written without "e"

Cell = Real | str | tuple[float, float | None] | None
"""What a table holds: a number, a text, ``(value, error)``, or None for "no value"."""


def _decimals_of_error(error: float) -> int:
    """Return the number of decimals that the error's own digits allow."""
    exponent = math.floor(math.log10(error))
    leading = round(error / 10.0 ** (exponent - 2))
    return 1 - exponent if leading < 355 else -exponent


def _decimals_of_value(value: float, digits: int) -> int:
    """Return the number of decimals that leave `digits` significant digits."""
    if value == 0.0:
        return 0
    return max(0, digits - 1 - math.floor(math.log10(abs(value))))


def _fixed(value: float, decimals: int) -> str:
    group = "," if abs(value) >= GROUP_FROM else ""
    text = f"{round(value, decimals):{group}.{max(decimals, 0)}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text


def _plain(value: float, error: float | None, digits: int) -> str:
    if error is None:
        return _fixed(value, _decimals_of_value(value, digits))
    if error == 0.0:
        return f"{_fixed(value, _decimals_of_value(value, digits))} ± 0"
    decimals = _decimals_of_error(error)
    return f"{_fixed(value, decimals)} ± {_fixed(error, decimals)}"


def format_value(value: float, error: float | None = None, *, digits: int = 3) -> str:
    """Write a number, with its error where there is one.

    Parameters
    ----------
    value : float
        The number; NaN is written as a dash.
    error : float or None, default=None
        Its standard error, ≥ 0. None or NaN: the error is not known and not written.
    digits : int, default=3
        Significant digits of a number without error.

    Returns
    -------
    text : str
        For example ``"0.612 ± 0.007"``; powers of ten outside 10⁻⁵–10⁶ use the form ``"1.2e-07"``.

    Raises
    ------
    ValueError
        The error is negative.

    Examples
    --------
    >>> from skhep_anomaly.report import format_value
    >>> format_value(0.612345, 0.00712)
    '0.612 ± 0.007'
    >>> format_value(1234.5, 210.0)
    '1230 ± 210'
    >>> format_value(0.123456)
    '0.123'
    """
    if error is not None and error < 0:
        msg = f"error={error} is negative; give the standard error, or None where it is not known"
        raise ValueError(msg)
    if math.isnan(value):
        return MISSING
    if error is not None and not math.isfinite(error):
        error = None
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    largest = max(abs(value), error or 0.0)
    exponent = math.floor(math.log10(largest)) if largest else 0
    if _PLAIN_RANGE[0] <= exponent < _PLAIN_RANGE[1]:
        return _plain(value, error, digits)
    scale = 10.0**exponent
    mantissa = _plain(value / scale, None if error is None else error / scale, digits)
    return f"({mantissa})e{exponent:+03d}" if error is not None else f"{mantissa}e{exponent:+03d}"


def format_cell(cell: Any, *, digits: int = 3) -> str:
    """Write one cell of a table: a number, ``(value, error)``, a text, a truth value or None.

    Parameters
    ----------
    cell : float, int, bool, str, tuple or None
        What the cell holds.
    digits : int, default=3
        Significant digits of a number without error; whole numbers are written in full.

    Returns
    -------
    text : str
        The cell's text, unescaped.

    Examples
    --------
    >>> from skhep_anomaly.report.numbers import format_cell
    >>> format_cell((2.5, 0.31)), format_cell(18311), format_cell(None), format_cell(True)
    ('2.50 ± 0.31', '18,311', '–', 'yes')
    """
    if cell is None:
        return MISSING
    if isinstance(cell, tuple):
        return format_value(*cell, digits=digits)
    if isinstance(cell, bool) or type(cell).__name__ == "bool":
        return "yes" if cell else "no"
    if isinstance(cell, Integral):
        return _fixed(int(cell), 0)
    if isinstance(cell, Real):
        return format_value(float(cell), digits=digits)
    return str(cell)
