"""A table of results that can be read in a terminal and in the report alike.

Numbers stand below each other at their decimal points, each with the digits its error allows
(`skhep_anomaly.report.numbers`), and the best of a column is marked by a sign, not by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skhep_anomaly.report.numbers import format_cell

__all__ = ["Table", "format_table"]

FIGURE_SPACE = "\u2007"  # as wide as a digit
PUNCTUATION_SPACE = "\u2008"  # as wide as a point
_TO_SPACES = str.maketrans({FIGURE_SPACE: " ", PUNCTUATION_SPACE: " "})
_TO_ASCII = {"±": "+-", "–": "-", "∞": "inf", "√": "sqrt", "ε": "eps", "×": "x", "−": "-"}


@dataclass(frozen=True)
class Table:
    """A captioned table; the first column names the rows.

    Parameters
    ----------
    caption : str
        What the table shows, in one sentence.
    columns : sequence of str
        Column names.
    rows : sequence of sequences
        One sequence a row, as long as `columns`. A cell is a number, a text, ``(value, error)`` or
        None where there is no value.
    units : mapping of str to str, default={}
        Column name → unit, written as ``name [unit]``.
    notes : sequence of str, default=()
        Remarks set below the table.
    best : mapping of str to {"max", "min"}, default={}
        Columns in which the best value is marked, and which end is best.
    digits : int, default=3
        Significant digits of numbers that have no error.

    Raises
    ------
    ValueError
        A row is too short or too long, or `units` or `best` name a column that is not there.

    Examples
    --------
    >>> from skhep_anomaly.report import Table, format_table
    >>> table = Table(
    ...     "Two detectors", ["model", "AUC", "fit"],
    ...     [["VAE", (0.6123, 0.0071), 1.5], ["forest", (0.57, 0.02), 0.25]],
    ...     units={"fit": "s"}, best={"AUC": "max", "fit": "min"})
    >>> print(format_table(table))
    Two detectors
    <BLANKLINE>
    model              AUC  fit [s]
    ------  --------------  -------
    VAE     0.612 ± 0.007*   1.50
    forest  0.570 ± 0.020    0.250*
    <BLANKLINE>
    * best of its column
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    units: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    best: Mapping[str, str] = field(default_factory=dict)
    digits: int = 3

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                msg = (
                    f"row {number} has {len(row)} cells; the table has {len(self.columns)} columns"
                )
                raise ValueError(msg)
        for name in (*self.units, *self.best):
            if name not in self.columns:
                msg = f"there is no column {name!r}; the columns are {list(self.columns)}"
                raise ValueError(msg)
        for name, end in self.best.items():
            if end not in ("max", "min"):
                msg = f"best[{name!r}]={end!r}; allowed are 'max' and 'min'"
                raise ValueError(msg)

    def column(self, name: str) -> list[Any]:
        """Return the cells of one column.

        Parameters
        ----------
        name : str
            Column name.

        Returns
        -------
        cells : list
            One cell a row.
        """
        index = list(self.columns).index(name)
        return [row[index] for row in self.rows]

    def heading(self, name: str) -> str:
        """Return a column's heading, with its unit in brackets.

        Parameters
        ----------
        name : str
            Column name.

        Returns
        -------
        heading : str
            For example ``"fit [s]"``.
        """
        return f"{name} [{self.units[name]}]" if name in self.units else name

    def best_rows(self, name: str) -> set[int]:
        """Return the rows that hold the best value of a column; ties give several.

        Parameters
        ----------
        name : str
            Column name.

        Returns
        -------
        rows : set of int
            Empty where the column is not in `best` or holds no number.
        """
        values = [_number(cell) for cell in self.column(name)]
        known = [value for value in values if value is not None]
        if name not in self.best or not known:
            return set()
        target = max(known) if self.best[name] == "max" else min(known)
        return {row for row, value in enumerate(values) if value == target}

    def texts(self, name: str) -> list[str]:
        """Return the cells of one column as texts aligned at the decimal point.

        Parameters
        ----------
        name : str
            Column name.

        Returns
        -------
        texts : list of str
            All of the same width where figures have one width; padding is figure space.
        """
        return align([format_cell(cell, digits=self.digits) for cell in self.column(name)])

    def is_numeric(self, name: str) -> bool:
        """Return whether a column holds numbers (and missing values) only.

        Parameters
        ----------
        name : str
            Column name.

        Returns
        -------
        numeric : bool
            False for a column of texts or with nothing in it.
        """
        cells = [cell for cell in self.column(name) if cell is not None]
        return bool(cells) and all(
            isinstance(cell, (int, float, np.number, tuple)) for cell in cells
        )


def _number(cell: Any) -> float | None:
    """Return the value of a cell, None for a text, a missing value or NaN."""
    value = cell[0] if isinstance(cell, tuple) else cell
    if not isinstance(value, (int, float, np.number)) or isinstance(value, bool):
        return None
    return None if math.isnan(value) else float(value)


def _is_digits(text: str) -> bool:
    return text.lstrip("-").replace(",", "").replace(".", "", 1).isdigit()


def _pad_number(text: str, left: int, right: int) -> str:
    """Pad a number to `left` characters before its point and `right` after it."""
    whole, point, fraction = text.partition(".")
    lead = FIGURE_SPACE * (left - len(whole))
    gap = "" if point or not right else PUNCTUATION_SPACE
    return f"{lead}{whole}{point}{gap}{fraction}{FIGURE_SPACE * (right - len(fraction))}"


def _align_numbers(texts: list[str]) -> list[str]:
    """Align plain numbers at the point; anything else stays as it is."""
    parts = [text.partition(".") for text in texts if _is_digits(text)]
    left = max((len(whole) for whole, _, _ in parts), default=0)
    right = max((len(fraction) for _, _, fraction in parts), default=0)
    return [_pad_number(text, left, right) if _is_digits(text) else text for text in texts]


def align(texts: Sequence[str]) -> list[str]:
    """Align numbers at their decimal points, errors too.

    Parameters
    ----------
    texts : sequence of str
        Formatted cells.

    Returns
    -------
    aligned : list of str
        The cells, padded with spaces as wide as a digit or a point.
    """
    pieces = [text.split(" ± ") for text in texts]
    values = _align_numbers([piece[0] for piece in pieces])
    errors = _align_numbers([piece[1] if len(piece) == 2 else "" for piece in pieces])
    width = max((len(error) for error in errors), default=0)
    blank = FIGURE_SPACE * (width + 3) if width else ""
    return [
        f"{value} ± {error}" if error else f"{value}{blank}" if _is_digits(text) else text
        for text, value, error in zip(texts, values, errors, strict=True)
    ]


def format_table(table: Table, *, ascii_only: bool = False) -> str:
    """Write a table as plain text for a terminal.

    Parameters
    ----------
    table : Table
        The table.
    ascii_only : bool, default=False
        Replace "±" and other signs, for terminals and logs that know ASCII only.

    Returns
    -------
    text : str
        Caption, heading, rule, rows and notes; no line ends in a space.
    """
    columns = [_text_column(table, name) for name in table.columns]
    lines = ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
    notes = list(table.notes)
    if any(table.best_rows(name) for name in table.columns):
        notes.insert(0, "* best of its column")
    text = "\n".join([table.caption, "", *lines, *([""] if notes else []), *notes])
    if ascii_only:
        for sign, word in _TO_ASCII.items():
            text = text.replace(sign, word)
        text = text.encode("ascii", "replace").decode("ascii")
    return text


def _text_column(table: Table, name: str) -> list[str]:
    """Return heading, rule and cells of one column, all of one width."""
    best = table.best_rows(name)
    mark = [("*" if row in best else " ") if best else "" for row in range(len(table.rows))]
    cells = [text.translate(_TO_SPACES) for text in table.texts(name)]
    if table.is_numeric(name):
        cells = [
            f"{cell.rstrip()}{sign}".ljust(len(cell) + len(sign))
            for cell, sign in zip(cells, mark, strict=True)
        ]
    width = max(len(text) for text in (table.heading(name), *cells))
    justify = str.rjust if table.is_numeric(name) else str.ljust
    return [justify(table.heading(name), width), "-" * width, *(justify(c, width) for c in cells)]
