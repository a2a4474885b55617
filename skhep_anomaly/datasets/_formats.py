"""The formats csv and parquet in chunks, with messages that name file and column.

Both readers give frames in file order and refuse what is no flat, non-empty table before the
first chunk is handed out.
"""

from __future__ import annotations

import gzip
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from skhep_anomaly.datasets._extras import require


def iter_csv(
    path: Path,
    columns: Sequence[str] | None,
    batch_rows: int,
    *,
    names: Sequence[str] | None = None,
) -> Iterator[Any]:
    """Chunks of a csv file; ``names`` are its columns where it has no header line."""
    pandas = require("pandas", "io", "to read csv files")
    found = list(names) if names is not None else csv_columns(path)
    check_columns(path, found, columns)
    options = _exact(pandas.__version__)
    if names is not None:
        options |= {"names": list(names), "header": None}
    n_rows = 0
    try:
        with pandas.read_csv(
            path,
            usecols=list(columns) if columns is not None else None,
            chunksize=batch_rows,
            low_memory=False,
            index_col=False,
            **options,
        ) as reader:
            for chunk in _strictly(reader, pandas.errors.ParserWarning):
                n_rows += len(chunk)
                yield chunk if columns is None else chunk[list(columns)]
    except (pandas.errors.ParserError, pandas.errors.ParserWarning) as error:
        msg = f"{path}: not a regular csv table: {error}"
        raise ValueError(msg) from error
    except (EOFError, gzip.BadGzipFile) as error:
        msg = f"{path}: the compressed file is damaged or cut short: {error}"
        raise ValueError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path}: no readable csv file: {error}"
        raise ValueError(msg) from error
    check_not_empty(path, n_rows)


def _strictly(reader: Any, warning: type[Warning]) -> Iterator[Any]:
    """Read chunks; `warning` (rows longer than the header) is an error."""
    chunks = iter(reader)
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("error", warning)
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def _exact(version: str) -> dict[str, Any]:
    """Option that makes pandas parse numbers exactly; from 3.1 on it always does."""
    old = tuple(int(part) for part in version.split(".")[:2]) < (3, 1)
    return {"float_precision": "round_trip"} if old else {}


def csv_columns(path: Path) -> list[str]:
    """Names in the first line of a csv file."""
    pandas = require("pandas", "io", "to read csv files")
    try:
        return list(pandas.read_csv(path, nrows=0, index_col=False).columns)
    except pandas.errors.EmptyDataError as error:
        msg = f"{path}: the file is empty."
        raise ValueError(msg) from error
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        msg = f"{path}: no readable csv file: {error}"
        raise ValueError(msg) from error


def iter_parquet(path: Path, columns: Sequence[str] | None, batch_rows: int) -> Iterator[Any]:
    """Chunks of a parquet file; empty row groups are passed over."""
    with _open_parquet(path) as file:
        schema = file.schema_arrow
        found = _names(schema)
        wanted = list(columns) if columns is not None else found
        check_columns(path, found, wanted)
        _check_flat(path, schema, wanted)
        check_not_empty(path, file.metadata.num_rows)
        for batch in file.iter_batches(batch_rows, columns=wanted, use_threads=False):
            if batch.num_rows:
                yield _plain(batch.to_pandas(ignore_metadata=True))[wanted]


def parquet_columns(path: Path) -> list[str]:
    """Names in the schema of a parquet file."""
    with _open_parquet(path) as file:
        return _names(file.schema_arrow)


def _names(schema: Any) -> list[str]:
    """Columns without the nameless row numbers that pandas may have stored beside them."""
    return [name for name in schema.names if not re.fullmatch(r"__index_level_\d+__", name)]


def _open_parquet(path: Path) -> Any:
    parquet = require("pyarrow.parquet", "io", "to read parquet files")
    arrow = require("pyarrow", "io", "to read parquet files")
    try:
        return parquet.ParquetFile(path, pre_buffer=False)
    except (arrow.ArrowInvalid, OSError) as error:
        msg = f"{path}: no readable parquet file: {error}"
        raise ValueError(msg) from error


def _check_flat(path: Path, schema: Any, columns: Sequence[str]) -> None:
    types = require("pyarrow.types", "io", "to read parquet files")
    nested = [name for name in columns if types.is_nested(schema.field(name).type)]
    if nested:
        refuse_jagged(path, nested)


def _plain(chunk: Any) -> Any:
    """Categories differ from chunk to chunk; their values do not."""
    for name in chunk.columns:
        if chunk[name].dtype == "category":
            chunk[name] = chunk[name].astype(chunk[name].cat.categories.dtype)
    return chunk


def check_columns(path: Path, found: Sequence[str], wanted: Sequence[str] | None) -> None:
    """Refuse names that the file does not have."""
    missing = [name for name in wanted or () if name not in found]
    if missing:
        msg = f"{path}: no column {', '.join(map(repr, missing))}; the file has {_some(found)}."
        raise ValueError(msg)


def check_not_empty(path: Path, n_rows: int) -> None:
    """Refuse a file without rows."""
    if n_rows == 0:
        msg = f"{path}: the file has columns and no rows."
        raise ValueError(msg)


def refuse_jagged(path: Path, names: Sequence[str]) -> None:
    """Say which columns are no single number per event."""
    msg = (
        f"{path}: column {', '.join(map(repr, names))} is jagged (a list or array per event) and "
        "does not fit a flat table; name flat columns with columns=, or write the entries that "
        "you need as columns of their own."
    )
    raise ValueError(msg)


def _some(names: Sequence[str], most: int = 40) -> str:
    """Names for a message, cut where there are hundreds."""
    text = ", ".join(map(repr, names[:most]))
    return text if len(names) <= most else f"{text} and {len(names) - most} more"
