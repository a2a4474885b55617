"""A user's table, whole or in chunks, from csv, parquet or ROOT.

The suffix says the format. Chunks keep memory flat: csv is parsed piece by piece, parquet goes
through ``ParquetFile(pre_buffer=False).iter_batches(use_threads=False)``, ROOT through
``uproot``'s iteration. What cannot become a flat table (jagged columns, missing columns, no
rows, a column that turns from numbers into text) is refused with the file and the column named.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skhep_anomaly.datasets._extras import require
from skhep_anomaly.datasets._formats import csv_columns, iter_csv, iter_parquet, parquet_columns
from skhep_anomaly.datasets._kinds import KindGuard
from skhep_anomaly.datasets.root import iter_root, root_columns

if TYPE_CHECKING:
    import pandas as pd

    PathLike = str | os.PathLike[str]

_SUFFIXES = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".root": "root",
}


def read_table(
    path: PathLike | Sequence[PathLike],
    columns: Sequence[str] | None = None,
    *,
    tree: str | None = None,
) -> pd.DataFrame:
    r"""Table from a csv, parquet or ROOT file.

    Parameters
    ----------
    path : str, path-like or sequence of them
        ``.csv``, ``.csv.gz``, ``.parquet``, ``.pq`` or ``.root``; several files are read one
        after the other into one table.
    columns : sequence of str, optional
        Columns to read, in this order. By default all.
    tree : str, optional
        Name of the TTree or RNTuple of a ROOT file; needed where the file holds several.

    Returns
    -------
    table : DataFrame
        The rows in file order with a fresh index.

    Raises
    ------
    ValueError
        If the suffix is unknown, the file has no rows, a column is missing or jagged, or a
        column's values turn from one kind into another. The message names file and column.
    FileNotFoundError
        If there is no such file.
    ImportError
        If the format needs a package that is not installed; the message names the extra.

    Notes
    -----
    csv numbers are parsed exactly: a written number comes back bit by bit. Memory: twice the
    table at its peak; use :func:`iter_table` for files larger than memory.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from skhep_anomaly.datasets import read_table
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "events.csv"
    >>> _ = path.write_text("id,pt\n7,20.5\n8,31.25\n")
    >>> read_table(path, ["pt"])["pt"].tolist()
    [20.5, 31.25]
    """
    chunks = list(iter_table(path, columns, tree=tree))
    pandas = require("pandas", "io", "to read tables")
    return pandas.concat(chunks, ignore_index=True)


def iter_table(
    path: PathLike | Sequence[PathLike],
    columns: Sequence[str] | None = None,
    batch_rows: int = 100_000,
    *,
    tree: str | None = None,
) -> Iterator[pd.DataFrame]:
    r"""Chunks of a csv, parquet or ROOT file, one after the other, with flat memory.

    Joined together, the chunks are what :func:`read_table` returns.

    Parameters
    ----------
    path : str, path-like or sequence of them
        As in :func:`read_table`.
    columns : sequence of str, optional
        Columns to read, in this order. By default all.
    batch_rows : int, default=100_000
        Most rows in a chunk; larger is faster and takes more memory.
    tree : str, optional
        Name of the TTree or RNTuple of a ROOT file.

    Returns
    -------
    chunks : iterator of DataFrame
        Each of at most ``batch_rows`` rows; the index counts on from chunk to chunk.

    Raises
    ------
    ValueError, FileNotFoundError, ImportError
        As in :func:`read_table`; ``ValueError`` too if ``batch_rows`` is not positive.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from skhep_anomaly.datasets import iter_table
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "events.csv"
    >>> _ = path.write_text("pt\n1.5\n2.5\n3.5\n")
    >>> [len(chunk) for chunk in iter_table(path, batch_rows=2)]
    [2, 1]
    """
    if isinstance(batch_rows, bool) or not isinstance(batch_rows, int) or batch_rows < 1:
        msg = f"batch_rows={batch_rows!r}: expected a positive whole number of rows."
        raise ValueError(msg)
    require("pandas", "io", "to read tables")
    files = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    if not files:
        msg = "path=[]: expected at least one file."
        raise ValueError(msg)
    readers = [_reader(Path(file), columns, batch_rows, tree) for file in files]
    return _guarded(readers)


def table_columns(path: PathLike, *, tree: str | None = None) -> list[str]:
    r"""Names of the columns of a csv, parquet or ROOT file, without reading its rows.

    Parameters
    ----------
    path : str or path-like
        As in :func:`read_table`.
    tree : str, optional
        Name of the TTree or RNTuple of a ROOT file.

    Returns
    -------
    names : list of str
        In file order.

    Raises
    ------
    ValueError, FileNotFoundError, ImportError
        As in :func:`read_table`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from skhep_anomaly.datasets import table_columns
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "events.csv"
    >>> _ = path.write_text("id,pt\n7,20.5\n")
    >>> table_columns(path)
    ['id', 'pt']
    """
    file = Path(path)
    kind = _checked_format(file, tree)
    if kind == "root":
        return root_columns(file, tree)
    return csv_columns(file) if kind == "csv" else parquet_columns(file)


def table_format(path: PathLike) -> str:
    """Format that the suffix of a file stands for: "csv", "parquet" or "root"."""
    name = Path(path).name.lower()
    for suffix, kind in _SUFFIXES.items():
        if name.endswith(suffix):
            return kind
    msg = f"{path}: unknown suffix; a table ends in one of {', '.join(_SUFFIXES)}."
    raise ValueError(msg)


def _reader(path: Path, columns: Any, batch_rows: int, tree: str | None) -> Iterator[Any]:
    """Chunks of one file; what is wrong with its name is said at once."""
    kind = _checked_format(path, tree)
    if kind == "root":
        return _named(path, iter_root(path, tree, columns, batch_rows))
    reader = iter_csv if kind == "csv" else iter_parquet
    return _named(path, reader(path, columns, batch_rows))


def _checked_format(path: Path, tree: str | None) -> str:
    kind = table_format(path)
    if not path.is_file():
        msg = f"{path}: no such file."
        raise FileNotFoundError(msg)
    if tree is not None and kind != "root":
        msg = f"{path}: tree={tree!r} is for ROOT files; leave it out for {kind}."
        raise ValueError(msg)
    return kind


def _named(path: Path, chunks: Iterator[Any]) -> Iterator[tuple[Path, Any]]:
    return ((path, chunk) for chunk in chunks)


def _guarded(readers: list[Iterator[tuple[Path, Any]]]) -> Iterator[pd.DataFrame]:
    """Chunks with a running index and the same kind of values in each column."""
    guard, start = KindGuard(), 0
    for reader in readers:
        for path, chunk in reader:
            guard.check(chunk, path)
            chunk.index = range(start, start + len(chunk))
            start += len(chunk)
            yield chunk
