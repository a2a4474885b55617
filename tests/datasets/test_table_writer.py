"""The table writer: what was written reads back, and a file is whole or absent."""

from __future__ import annotations

import numpy as np
import pytest

from skhep_anomaly import iter_table, open_table_writer, read_table

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

NAMES = ["s.csv", "s.csv.gz", "s.parquet", "s.pq"]


def chunk(k, n=7):
    rng = np.random.default_rng(k)
    return pd.DataFrame({"id": np.arange(n) + n * k, "score": rng.normal(size=n)})


@pytest.mark.parametrize("name", NAMES)
def test_chunks_read_back_bit_by_bit(tmp_path, name):
    path = tmp_path / name
    with open_table_writer(path) as out:
        for k in range(3):
            out.write(chunk(k))
    pd.testing.assert_frame_equal(
        read_table(path), pd.concat([chunk(k) for k in range(3)], ignore_index=True)
    )
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_scores_written_while_read(tmp_path):
    source, target = tmp_path / "in.csv", tmp_path / "out.parquet"
    pd.concat([chunk(k) for k in range(4)]).to_csv(source, index=False)
    with open_table_writer(target) as out:
        for part in iter_table(source, batch_rows=5):
            out.write(part.assign(score=-part["score"]))
    back = read_table(target)
    assert np.array_equal(back["id"], np.arange(28))
    assert np.array_equal(back["score"], -read_table(source)["score"])


@pytest.mark.parametrize("name", NAMES)
def test_error_keeps_the_old_file(tmp_path, name):
    path = tmp_path / name
    with open_table_writer(path) as out:
        out.write(chunk(0))
    old = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), open_table_writer(path) as out:
        out.write(chunk(1))
        raise KeyboardInterrupt
    assert path.read_bytes() == old
    assert len(list(tmp_path.iterdir())) == 1


def test_nothing_appears_before_the_end(tmp_path):
    path = tmp_path / "s.csv"
    with open_table_writer(path) as out:
        out.write(chunk(0))
        assert not path.exists()
    assert len(read_table(path)) == 7


def test_full_disk(tmp_path, monkeypatch):
    path = tmp_path / "s.csv"
    path.write_text("old\n1\n")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"), open_table_writer(path) as out:
        out.write(chunk(0))
    assert path.read_text() == "old\n1\n"
    assert len(list(tmp_path.iterdir())) == 1


def test_permissions_of_the_old_file_stay(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("old")
    path.chmod(0o600)
    with open_table_writer(path) as out:
        out.write(chunk(0))
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_written(tmp_path):
    with (
        pytest.raises(ValueError, match=r"s\.csv: nothing was written"),
        open_table_writer(tmp_path / "s.csv"),
    ):
        pass
    assert len(list(tmp_path.iterdir())) == 0


def test_other_columns(tmp_path):
    with (
        pytest.raises(ValueError, match=r"expected the columns \['id', 'score'\], received \['id'"),
        open_table_writer(tmp_path / "s.csv") as out,
    ):
        out.write(chunk(0))
        out.write(chunk(1)[["id"]])
    assert len(list(tmp_path.iterdir())) == 0


@pytest.mark.parametrize("score", [["high"] * 7, [b"a"] * 7])
def test_other_types(tmp_path, score):
    with (
        pytest.raises(ValueError, match=r"a chunk does not fit the types of the first chunk"),
        open_table_writer(tmp_path / "s.parquet") as out,
    ):
        out.write(chunk(0))
        out.write(chunk(1).assign(score=score))
    assert len(list(tmp_path.iterdir())) == 0


@pytest.mark.parametrize(
    "name, message",
    [
        ("s.root", r"s\.root: tables are written as csv or parquet, not as ROOT"),
        ("s.txt", r"s\.txt: unknown suffix"),
    ],
)
def test_formats_that_are_not_written(tmp_path, name, message):
    with pytest.raises(ValueError, match=message), open_table_writer(tmp_path / name):
        pass
    assert len(list(tmp_path.iterdir())) == 0
