"""A table reads the same in the terminal and knows its best values."""

from __future__ import annotations

import pytest

from skhep_anomaly.report import Table, format_table


@pytest.fixture
def table():
    return Table(
        "Two detectors and a floor",
        ["model", "AUC", "fit", "kind"],
        [
            ["VAE", (0.6123, 0.0071), 12.5, "net"],
            ["forest", (0.57, 0.02), 0.25, "trees"],
            ["floor", 0.5, None, "–"],
        ],
        units={"fit": "s"},
        best={"AUC": "max", "fit": "min"},
        notes=["AUC is weighted."],
    )


def test_text(table):
    assert format_table(table).splitlines() == [
        "Two detectors and a floor",
        "",
        "model              AUC  fit [s]  kind",
        "------  --------------  -------  -----",
        "VAE     0.612 ± 0.007*  12.5     net",
        "forest  0.570 ± 0.020    0.250*  trees",
        "floor   0.500                –   –",
        "",
        "* best of its column",
        "AUC is weighted.",
    ]


def test_points_stand_below_each_other(table):
    lines = format_table(table).splitlines()[4:7]
    assert len({line.index(".") for line in lines}) == 1
    assert lines[0].index("±") == lines[1].index("±")


def test_best_values(table):
    assert table.best_rows("AUC") == {0}
    assert table.best_rows("fit") == {1}
    assert table.best_rows("kind") == set()


def test_ties_and_missing_values():
    rows = [["a", 1.0], ["b", float("nan")], ["c", 1], ["d", None], ["e", "text"]]
    assert Table("t", ["n", "x"], rows, best={"x": "max"}).best_rows("x") == {0, 2}
    assert Table("t", ["n", "x"], rows[3:], best={"x": "max"}).best_rows("x") == set()


def test_kinds_of_columns(table):
    assert table.is_numeric("AUC")
    assert table.is_numeric("fit")
    assert not table.is_numeric("model")
    assert table.column("fit") == [12.5, 0.25, None]
    assert [table.heading(name) for name in ("AUC", "fit")] == ["AUC", "fit [s]"]


def test_ascii_only(table):
    text = format_table(table, ascii_only=True)
    assert text.isascii()
    assert "0.612 +- 0.007" in text


def test_no_rows():
    text = format_table(Table("nothing", ["a", "b"], []))
    assert text.splitlines() == ["nothing", "", "a  b", "-  -"]


@pytest.mark.parametrize(
    "change, text",
    [
        ({"rows": [["a"]]}, "row 0 has 1 cells; the table has 2 columns"),
        ({"units": {"c": "s"}}, "there is no column 'c'; the columns are"),
        ({"best": {"b": "top"}}, "best['b']='top'; allowed are 'max' and 'min'"),
    ],
)
def test_wrong_tables(change, text):
    good = {"caption": "t", "columns": ["a", "b"], "rows": [["x", 1]]}
    assert Table(**good).column("b") == [1]
    with pytest.raises(ValueError) as caught:
        Table(**{**good, **change})
    assert text in str(caught.value)
