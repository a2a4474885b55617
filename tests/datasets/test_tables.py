"""csv and parquet tables: whole, in chunks, and every way in which a file can be wrong."""

from __future__ import annotations

import gzip
import sys

import numpy as np
import pytest

from skhep_anomaly import iter_table, read_table, table_columns
from skhep_anomaly.datasets._formats import _exact
from skhep_anomaly.datasets.tables import table_format

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def table(n=23, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": np.arange(n) + 2**53,  # float64 would merge neighbours
            "pt": rng.lognormal(size=n),
            "eta": rng.normal(size=n).astype(np.float32),
            "label": np.where(rng.random(n) < 0.5, "s", "b"),
            "good": rng.random(n) < 0.5,
        }
    )


WRITERS = {
    "t.csv": lambda frame, path: frame.to_csv(path, index=False),
    "t.csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "t.parquet": lambda frame, path: frame.to_parquet(path, row_group_size=6),
    "t.pq": lambda frame, path: frame.to_parquet(path, index=True),
    "T.CSV": lambda frame, path: frame.to_csv(path, index=False),
}


@pytest.fixture(params=WRITERS)
def written(request, tmp_path):
    path = tmp_path / request.param
    WRITERS[request.param](table(), path)
    return path


def test_numbers_come_back_bit_by_bit(written):
    back = read_table(written)
    assert list(back.columns) == list(table().columns)
    for name in ("id", "pt", "label", "good"):
        assert np.array_equal(back[name].to_numpy(), table()[name].to_numpy()), name
    assert np.array_equal(back["eta"].to_numpy().astype(np.float32), table()["eta"])


@pytest.mark.parametrize("batch_rows", [1, 5, 22, 23, 1000])
def test_chunks_join_to_the_table(written, batch_rows):
    chunks = list(iter_table(written, batch_rows=batch_rows))
    assert max(len(chunk) for chunk in chunks) <= batch_rows
    assert sum(len(chunk) for chunk in chunks) == 23
    pd.testing.assert_frame_equal(pd.concat(chunks), read_table(written), check_index_type=False)


def test_columns_come_in_the_order_asked_for(written):
    assert list(read_table(written, ["pt", "id"]).columns) == ["pt", "id"]
    assert read_table(written, ["pt"])["pt"].sum() == table()["pt"].sum()
    assert table_columns(written) == ["id", "pt", "eta", "label", "good"]


def test_several_files_are_one_table(tmp_path):
    paths = [tmp_path / "a.csv", tmp_path / "b.parquet"]
    table(seed=1).to_csv(paths[0], index=False)
    table(seed=2).to_parquet(paths[1])
    both = read_table(paths, ["pt"])
    expected = np.concatenate([table(seed=1)["pt"], table(seed=2)["pt"]])
    assert np.array_equal(both["pt"], expected)
    assert both.index.tolist() == list(range(46))


def test_whole_then_decimal_numbers_are_one_kind(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x\n1\n2\n3.5\n\n")
    assert [chunk["x"].dtype.kind for chunk in iter_table(path, batch_rows=2)] == ["i", "f"]
    assert read_table(path)["x"].tolist() == [1.0, 2.0, 3.5]


def test_missing_values_fit_every_kind(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,s\n1,a\n2,b\n,\n,\n3,c\n4,d\n")
    chunks = list(iter_table(path, batch_rows=2))
    assert [int(chunk["x"].isna().sum()) for chunk in chunks] == [0, 2, 0]


def test_dictionary_columns_are_plain(tmp_path):
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"x": np.arange(6.0), "src": pd.Categorical(list("aabbcc"))})
    frame.to_parquet(path, row_group_size=2)
    back = read_table(path)
    assert back["src"].tolist() == list("aabbcc")
    assert back["src"].dtype != "category"
    assert back["x"].sum() == 15


def test_empty_row_groups_are_passed_over(tmp_path):
    path = tmp_path / "t.parquet"
    part = pa.table({"x": [1.0, 2.0]})
    with pq.ParquetWriter(path, part.schema) as writer:
        for piece in (part, part.slice(0, 0), part):
            writer.write_table(piece)
    assert pq.ParquetFile(path).num_row_groups == 3
    assert read_table(path)["x"].tolist() == [1, 2, 1, 2]


def test_memory_stays_flat(tmp_path):
    """Reading 40 chunks one by one allocates far less than the 32 MB table."""
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({f"x{j}": np.random.default_rng(j).random(200_000) for j in range(20)})
    frame.to_parquet(path, row_group_size=5_000)
    del frame
    before = pa.total_allocated_bytes()
    peak = max(pa.total_allocated_bytes() - before for _ in iter_table(path, batch_rows=5_000))
    assert peak < 8_000_000


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("t.csv", "", r"t\.csv: the file is empty"),
        ("t.csv", "x,y\n", r"t\.csv: the file has columns and no rows"),
        ("t.csv", "x,y\n1,2\n3,4,5\n6,7,8,9\n", r"t\.csv: not a regular csv table"),
        ("t.csv", "x,y\n1,2,3\n4,5,6\n", r"t\.csv: not a regular csv table"),
        ("t.csv", "x,y\n1,a\n2,b\n3,c\n4,5\n6,7\n", r"column 'y' changes from text to number"),
        ("t.csv", "x\n1\n2\n3\na\nb\n", r"column 'x' changes from number to text"),
        (
            "t.csv",
            "x\nTrue\nFalse\n1\n2\n",
            r"'x' changes from bool to number within the rows 2 to 3",
        ),
    ],
)
def test_wrong_text(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        list(iter_table(path, batch_rows=2))


def test_compressed_file_cut_in_the_middle(tmp_path):
    path = tmp_path / "t.csv.gz"
    frame = pd.DataFrame({"x": np.random.default_rng(0).random(60_000)})
    frame.to_csv(path, index=False)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert table_columns(path) == ["x"]
    with pytest.raises(
        ValueError, match=r"t\.csv\.gz: the compressed file is damaged or cut short"
    ):
        read_table(path)


def test_text_that_is_no_gzip(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_text("x\n1\n")
    with pytest.raises(ValueError, match=r"t\.csv\.gz: no readable csv file"):
        read_table(path)


def test_bytes_that_are_no_parquet(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(ValueError, match=r"t\.parquet: no readable parquet file"):
        read_table(path)


def test_parquet_without_rows(tmp_path):
    path = tmp_path / "t.parquet"
    table(0).to_parquet(path)
    with pytest.raises(ValueError, match=r"t\.parquet: the file has columns and no rows"):
        read_table(path)


def test_jagged_parquet_column(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": [1.0, 2.0], "jets": [[1.0], [1.0, 2.0]]}), path)
    with pytest.raises(ValueError, match=r"t\.parquet: column 'jets' is jagged"):
        read_table(path)
    assert read_table(path, ["x"])["x"].sum() == 3


def test_type_that_changes_from_file_to_file(tmp_path):
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    pd.DataFrame({"x": [1.0, 2.0]}).to_parquet(paths[0])
    pd.DataFrame({"x": ["high", "low"]}).to_parquet(paths[1])
    with pytest.raises(ValueError, match=r"b\.parquet: column 'x' changes from number to text"):
        read_table(paths)


def test_times_are_a_kind(tmp_path):
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    pd.DataFrame({"x": [1.0, 2.0]}).to_parquet(paths[0])
    pd.DataFrame({"x": pd.to_datetime(["2020-01-01", "2020-01-02"])}).to_parquet(paths[1])
    assert read_table(paths[1])["x"].dt.year.tolist() == [2020, 2020]
    with pytest.raises(ValueError, match=r"changes from number to time"):
        read_table(paths)


def test_columns_that_change_from_file_to_file(tmp_path):
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    paths[0].write_text("x,y\n1,2\n")
    paths[1].write_text("x,z\n1,2\n")
    with pytest.raises(ValueError, match=r"columns differ from those of the files before: \['y'"):
        read_table(paths)
    assert read_table(paths, ["x"])["x"].sum() == 2


def test_missing_column(written):
    with pytest.raises(ValueError, match=r"no column 'mass', 'phi'; the file has 'id', 'pt'"):
        read_table(written, ["pt", "mass", "phi"])


def test_long_lists_of_columns_are_cut(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",".join(f"x{j}" for j in range(100)) + "\n" + ",".join("0" * 100) + "\n")
    with pytest.raises(ValueError, match=r"'x39' and 60 more\.$"):
        read_table(path, ["y"])


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("t.txt", {}, r"t\.txt: unknown suffix; a table ends in one of \.csv, \.csv\.gz"),
        ("t.csv", {"tree": "events"}, r"tree='events' is for ROOT files; leave it out for csv"),
        ("t.csv", {"batch_rows": 0}, r"batch_rows=0: expected a positive whole number of rows"),
        ("t.csv", {"batch_rows": True}, r"batch_rows=True: expected a positive whole number"),
    ],
)
def test_wrong_parameters(tmp_path, name, options, message):
    (tmp_path / name).write_text("x\n1\n")
    with pytest.raises(ValueError, match=message):
        iter_table(tmp_path / name, **options)


def test_no_files():
    with pytest.raises(ValueError, match=r"path=\[\]: expected at least one file"):
        iter_table([])


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.parquet: no such file"):
        iter_table(tmp_path / "none.parquet")
    with pytest.raises(FileNotFoundError, match=r"none\.csv: no such file"):
        table_columns(tmp_path / "none.csv")


@pytest.mark.parametrize("missing", ["pandas", "pyarrow"])
def test_package_that_is_not_installed(tmp_path, monkeypatch, missing):
    path = tmp_path / "t.parquet"
    table().to_parquet(path)
    for name in [missing, f"{missing}.parquet"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"{missing} is needed .*skhep_anomaly\[io\]"):
        read_table(path)


def test_formats_by_suffix():
    names = ["a.csv", "a.CSV.GZ", "a.b.parquet", "a.pq", "a.root"]
    assert [table_format(name) for name in names] == ["csv", "csv", "parquet", "parquet", "root"]


@pytest.mark.parametrize("version, old", [("2.2.3", 1), ("3.0.1", 1), ("3.1.0", 0), ("4.0.0", 0)])
def test_exact_parsing_by_version(version, old):
    assert len(_exact(version)) == old


def test_plain_gzip_written_by_hand(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"x\n0.1\n1e-300\n"))
    assert read_table(path)["x"].tolist() == [0.1, 1e-300]


def test_text_in_another_encoding_names_the_file(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes("a,b\n1,é\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.csv: no readable csv file: 'utf-8' codec"):
        read_table(path)
