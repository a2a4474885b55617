"""Flat columns of a ROOT file, TTree or RNTuple, through uproot.

A branch becomes a column if it holds one number, truth value or string per event. Jagged
branches and fixed-size arrays are refused by name before anything is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skhep_anomaly.datasets._extras import require
from skhep_anomaly.datasets._formats import check_columns, check_not_empty, refuse_jagged

if TYPE_CHECKING:
    import pandas as pd


def read_root(
    path: str | os.PathLike[str],
    tree: str | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Table from a TTree or RNTuple of a ROOT file.

    Parameters
    ----------
    path : str or path-like
        The ROOT file.
    tree : str, optional
        Name of the TTree or RNTuple, with its folder (``"nominal/events"``). May be left out
        where the file holds only one.
    columns : sequence of str, optional
        Branches to read, in this order. By default all, which then must all be flat.

    Returns
    -------
    table : DataFrame
        One row per event.

    Raises
    ------
    ValueError
        If the tree or a column is missing, several trees are there and none is named, a column
        is jagged, or there are no rows. The message names file, tree and column.
    ImportError
        If uproot is not installed: it comes with the extra ``hep``.

    See Also
    --------
    read_table : the same for csv and parquet, by suffix.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import uproot
    >>> from skhep_anomaly.datasets import read_root
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "events.root"
    >>> with uproot.recreate(path) as file:
    ...     tree = file.mktree("events", {"pt": "float32", "charge": "int32"})
    ...     tree.extend({"pt": [20.5, 31.25], "charge": [1, -1]})
    >>> read_root(path)["charge"].tolist()
    [1, -1]
    """
    pandas = require("pandas", "io", "to read tables")
    source = Path(path)
    if not source.is_file():
        msg = f"{path}: no such file."
        raise FileNotFoundError(msg)
    return pandas.concat(iter_root(source, tree, columns, 100_000), ignore_index=True)


def iter_root(
    path: Path, tree: str | None, columns: Sequence[str] | None, batch_rows: int
) -> Iterator[Any]:
    """Chunks of a TTree or RNTuple as frames."""
    uproot = require("uproot", "hep", "to read ROOT files")
    pandas = require("pandas", "io", "to read tables")
    with _open(uproot, path) as file:
        source = file[_tree_name(path, file, tree)]
        found = source.keys(recursive=False)
        wanted = list(columns) if columns is not None else list(found)
        check_columns(path, found, wanted)
        _check_flat(path, source, wanted)
        check_not_empty(path, source.num_entries)
        for arrays in source.iterate(wanted, step_size=batch_rows, library="np"):
            yield pandas.DataFrame({name: _flat(path, name, arrays[name]) for name in wanted})


def root_columns(path: Path, tree: str | None) -> list[str]:
    """Names of the branches of a TTree or the fields of an RNTuple."""
    with _open(require("uproot", "hep", "to read ROOT files"), path) as file:
        return list(file[_tree_name(path, file, tree)].keys(recursive=False))


def _open(uproot: Any, path: Path) -> Any:
    try:
        return uproot.open(path)
    except Exception as error:  # uproot raises many kinds for bytes that are no ROOT file
        msg = f"{path}: no readable ROOT file: {error}"
        raise ValueError(msg) from error


def _tree_name(path: Path, file: Any, tree: str | None) -> str:
    kinds = file.classnames(cycle=False)
    trees = [name for name, kind in kinds.items() if kind in ("TTree", "ROOT::RNTuple")]
    if tree is None and len(trees) == 1:
        return trees[0]
    if tree is None or tree.partition(";")[0] not in trees:
        asked = "holds" if tree is None else f"has no tree {tree!r}; it holds"
        msg = f"{path}: the file {asked} {len(trees)} trees {trees}; name one with tree=."
        raise ValueError(msg)
    return tree


def _check_flat(path: Path, source: Any, columns: Sequence[str]) -> None:
    """Jagged and array types are written with brackets: ``double[]``, ``std::vector<float>``."""
    jagged = [name for name in columns if any(mark in source[name].typename for mark in "[<")]
    if jagged:
        refuse_jagged(path, jagged)


def _flat(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """Guard once more, for types whose name does not show that they hold several values."""
    if values.ndim != 1 or (values.dtype == object and not isinstance(values[0], str)):
        refuse_jagged(path, [name])
    return values
