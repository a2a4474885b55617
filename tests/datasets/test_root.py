"""ROOT files: TTree and RNTuple, written by uproot."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from skhep_anomaly import iter_table, read_root, read_table, table_columns

uproot = pytest.importorskip("uproot")
ak = pytest.importorskip("awkward")
pytest.importorskip("pandas")

N = 25
FLAT = {
    "id": np.arange(N, dtype=np.int64) + 2**53,
    "pt": np.linspace(20, 100, N, dtype=np.float32),
    "njet": np.arange(N, dtype=np.int32) % 4,
}
JAGGED = ak.Array([[1.0] * (i % 3) for i in range(N)])


def as_tree(file, name, columns):
    types = {
        n: "var * float64" if v is JAGGED else (v.dtype, v.shape[1:]) for n, v in columns.items()
    }
    file.mktree(name, types).extend(columns)


def as_rntuple(file, name, columns):
    file.mkrntuple(name, columns)


@pytest.fixture(params=[as_tree, as_rntuple], ids=["TTree", "RNTuple"])
def write(request, tmp_path):
    def to(**trees):
        path = tmp_path / "t.root"
        with uproot.recreate(path) as file:
            for name, columns in trees.items():
                request.param(file, name.replace("__", "/"), columns)
        return path

    return to


def test_columns_come_back(write):
    path = write(events=FLAT)
    back = read_root(path)
    for name, values in FLAT.items():
        assert np.array_equal(back[name].to_numpy(), values), name
        assert back[name].dtype == values.dtype
    assert sorted(table_columns(path)) == sorted(FLAT)


def test_chunks_join_to_the_table(write):
    path = write(events=FLAT)
    chunks = list(iter_table(path, ["pt", "id"], batch_rows=10))
    assert [len(chunk) for chunk in chunks] == [10, 10, 5]
    assert np.array_equal(np.concatenate([c["id"] for c in chunks]), FLAT["id"])
    assert list(read_table(path, ["pt", "id"]).columns) == ["pt", "id"]


def test_tree_by_name(write):
    path = write(a=FLAT, b={"pt": FLAT["pt"] * 2})
    assert read_root(path, "b")["pt"].sum() == pytest.approx(2 * FLAT["pt"].sum())
    assert read_table(path, tree="a").shape == (N, 3)
    with pytest.raises(ValueError, match=r"t\.root: the file holds 2 trees \['a', 'b'\]; name one"):
        read_root(path)
    with pytest.raises(ValueError, match=r"has no tree 'c'; it holds 2 trees"):
        read_root(path, "c")


def test_tree_in_a_folder(write):
    path = write(nominal__events=FLAT)
    assert len(read_root(path)) == N
    assert len(read_root(path, "nominal/events")) == N


def test_text_column(tmp_path):
    path = tmp_path / "t.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("events", {"x": np.arange(4.0), "label": ak.Array(["s", "b", "b", "s"])})
    assert read_root(path)["label"].tolist() == ["s", "b", "b", "s"]
    assert read_root(path)["x"].sum() == 6


def test_jagged_column(write):
    path = write(events={**FLAT, "jets": JAGGED})
    with pytest.raises(ValueError, match=r"t\.root: column 'jets' is jagged"):
        read_root(path)
    assert len(read_root(path, columns=["pt"])) == N


def test_array_column(write):
    path = write(events={"x": FLAT["pt"], "p4": np.zeros((N, 4))})
    with pytest.raises(ValueError, match=r"column 'p4' is jagged \(a list or array per event\)"):
        read_root(path)
    assert read_root(path, columns=["x"])["x"].sum() == pytest.approx(FLAT["pt"].sum())


def test_missing_column(write):
    with pytest.raises(ValueError, match=r"t\.root: no column 'mass'; the file has"):
        read_root(write(events=FLAT), columns=["pt", "mass"])


def test_no_rows(tmp_path):
    path = tmp_path / "t.root"
    with uproot.recreate(path) as file:
        file.mktree("events", {"x": "float64"})
    with pytest.raises(ValueError, match=r"t\.root: the file has columns and no rows"):
        read_root(path)


def test_no_trees(tmp_path):
    path = tmp_path / "t.root"
    with uproot.recreate(path) as file:
        file["h"] = np.histogram([1.0, 2.0])
    with pytest.raises(ValueError, match=r"the file holds 0 trees"):
        read_root(path)


@pytest.mark.parametrize("content", [b"", b"no ROOT file at all" * 20])
def test_other_bytes(tmp_path, content):
    path = tmp_path / "t.root"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"t\.root: no readable ROOT file"):
        read_root(path)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"t\.root: no such file"):
        read_root(tmp_path / "t.root")


def test_uproot_not_installed(write, monkeypatch):
    path = write(events=FLAT)
    monkeypatch.setitem(sys.modules, "uproot", None)
    with pytest.raises(ImportError, match=r"uproot is needed .*skhep_anomaly\[hep\]"):
        read_root(path)
