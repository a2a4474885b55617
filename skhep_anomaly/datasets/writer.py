"""Scored chunks into one csv or parquet file that is whole or absent.

Chunks go into a temporary neighbour; the file gets its name when the last chunk is on the disk.
A crash, a full disk or Ctrl-C leaves an old file of that name as it was.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skhep_anomaly._atomic import replacing
from skhep_anomaly.datasets._extras import require
from skhep_anomaly.datasets.tables import table_format

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def open_table_writer(path: str | os.PathLike[str]) -> Iterator[TableWriter]:
    """Writer of a csv or parquet table, chunk by chunk and atomically.

    Parameters
    ----------
    path : str or path-like
        ``.csv``, ``.csv.gz``, ``.parquet`` or ``.pq``. An old file of that name is replaced
        when the ``with`` block ends without an error, and stays as it is otherwise.

    Yields
    ------
    writer : TableWriter
        It has one method, ``write(frame)``.

    Raises
    ------
    ValueError
        If the suffix is unknown or names a format that is not written, if chunks differ in
        columns or types, or if the block ends and nothing was written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import pandas as pd
    >>> from skhep_anomaly.datasets import open_table_writer
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scores.csv"
    >>> with open_table_writer(path) as out:
    ...     out.write(pd.DataFrame({"id": [1, 2], "score": [0.5, 0.25]}))
    ...     out.write(pd.DataFrame({"id": [3], "score": [0.125]}))
    >>> path.read_text().split()
    ['id,score', '1,0.5', '2,0.25', '3,0.125']
    """
    target = Path(path)
    kind = table_format(target)
    if kind == "root":
        msg = f"{path}: tables are written as csv or parquet, not as ROOT files."
        raise ValueError(msg)
    chunks = _ParquetChunks if kind == "parquet" else _CsvChunks
    with replacing(target) as temporary, closing(chunks(temporary, target)) as file:
        writer = TableWriter(target, file)
        yield writer
        if writer.columns is None:
            msg = f"{path}: nothing was written."
            raise ValueError(msg)


class TableWriter:
    """Appends frames with the same columns to one file; see :func:`open_table_writer`."""

    def __init__(self, path: Path, chunks: _CsvChunks | _ParquetChunks) -> None:
        self._path = path
        self._chunks = chunks
        self.columns: list[str] | None = None

    def write(self, frame: pd.DataFrame) -> None:
        """Append rows.

        Parameters
        ----------
        frame : DataFrame
            Rows with the same columns in the same order as those before; the index is not
            written.
        """
        columns = list(frame.columns)
        if self.columns is not None and columns != self.columns:
            msg = f"{self._path}: expected the columns {self.columns}, received {columns}."
            raise ValueError(msg)
        self._chunks.write(frame)
        self.columns = columns


class _CsvChunks:
    """Rows as text; decimal numbers are written so that they read back bit by bit."""

    def __init__(self, temporary: Path, target: Path) -> None:
        opener: Any = gzip.open if target.name.lower().endswith(".gz") else open
        self._file = opener(temporary, "wt", encoding="utf-8", newline="")
        self._first = True

    def write(self, frame: pd.DataFrame) -> None:
        frame.to_csv(self._file, header=self._first, index=False, lineterminator="\n")
        self._first = False

    def close(self) -> None:
        self._file.close()


class _ParquetChunks:
    """One row group per chunk; the first chunk's types hold for all."""

    def __init__(self, temporary: Path, target: Path) -> None:
        self._arrow = require("pyarrow", "io", "to write parquet files")
        self._parquet = require("pyarrow.parquet", "io", "to write parquet files")
        self._temporary, self._target = temporary, target
        self._writer: Any = None

    def write(self, frame: pd.DataFrame) -> None:
        schema = self._writer.schema if self._writer is not None else None
        try:
            table = self._arrow.Table.from_pandas(frame, schema=schema, preserve_index=False)
        except (self._arrow.ArrowInvalid, self._arrow.ArrowTypeError) as error:
            msg = f"{self._target}: a chunk does not fit the types of the first chunk: {error}"
            raise ValueError(msg) from error
        if self._writer is None:
            self._writer = self._parquet.ParquetWriter(self._temporary, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
