"""A pandas frame in an HDF5 file, read with h5py alone.

pandas writes a frame in its "fixed" form as one group: ``axis0`` names the columns; block k
holds the columns of one dtype, ``block{k}_items`` their names and ``block{k}_values`` their
values with one row per event. Only these plain arrays are read; attributes of such files may
hold pickles and are not touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skhep_anomaly.datasets._extras import require
from skhep_anomaly.datasets._formats import check_not_empty


def hdf5_columns(path: Path) -> list[str]:
    """Names of the columns, in the frame's order."""
    with open_hdf5(path) as file:
        return _texts(_frame(path, file)["axis0"])


def iter_hdf5(path: Path, columns: Sequence[str], batch_rows: int) -> Iterator[dict[str, Any]]:
    """Chunks of the frame as dicts of arrays."""
    with open_hdf5(path) as file:
        places = _places(_frame(path, file))
        n_rows = len(places[columns[0]][0])
        check_not_empty(path, n_rows)
        for start in range(0, n_rows, batch_rows):
            blocks: dict[str, np.ndarray] = {}
            for name in columns:
                values, _ = places[name]
                if values.name not in blocks:
                    blocks[values.name] = _read(path, values, start, start + batch_rows)
            yield {name: blocks[places[name][0].name][:, places[name][1]] for name in columns}


def _read(path: Path, values: Any, start: int, stop: int) -> np.ndarray:
    try:
        return values[start:stop]
    except OSError as error:
        msg = (
            f"{path}: the values cannot be decompressed ({error}). Filters such as blosc come with "
            "the package hdf5plugin (import it first); or convert the file to parquet."
        )
        raise ValueError(msg) from error


def open_hdf5(path: Path) -> Any:
    """Open the file for reading, or say why it cannot be."""
    h5py = require("h5py", "io", "to read HDF5 files")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        msg = f"{path}: no readable HDF5 file: {error}"
        raise ValueError(msg) from error


def _frame(path: Path, file: Any) -> Any:
    """Find the only group with ``axis0`` and named columns."""
    groups = [name for name in file if "axis0" in getattr(file[name], "keys", dict)()]
    if len(groups) != 1 or file[groups[0]]["axis0"].dtype.kind not in "SO":
        msg = (
            f"{path}: expected one pandas frame in the fixed form with named columns, found the "
            f"groups {list(file)}. Convert it: pandas.read_hdf(path).to_parquet('events.parquet')."
        )
        raise ValueError(msg)
    return file[groups[0]]


def _places(frame: Any) -> dict[str, tuple[Any, int]]:
    """Name of a column -> the array that holds it and its place there."""
    places: dict[str, tuple[Any, int]] = {}
    for key in frame:
        if key.startswith("block") and key.endswith("_items"):
            values = frame[key.replace("_items", "_values")]
            places |= {name: (values, place) for place, name in enumerate(_texts(frame[key]))}
    return places


def _texts(names: Any) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names[:]]
