"""The research and development set of the LHC Olympics 2020.

QCD dijet events (1,000,000) and W' → XY → qqqq (100,000) with one trigger jet of radius 1 and
pT > 1.2 TeV; Pythia 8 and Delphes. A feature file holds, for the two leading jets, momentum,
mass and N-subjettiness τ1, τ2, τ3.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from skhep_anomaly.datasets import sources
from skhep_anomaly.datasets._bunch import EventBunch, make_bunch
from skhep_anomaly.datasets._collect import check_nrows, collect
from skhep_anomaly.datasets._hdf5 import hdf5_columns, iter_hdf5
from skhep_anomaly.datasets._labels import binary_labels, label_column
from skhep_anomaly.datasets.tables import iter_table, table_columns

_HDF5 = (".h5", ".hdf5", ".hdf")
_CHUNK_ROWS = 100_000
_GEV_STARTS = ("px", "py", "pz", "pt", "mass", "mj", "e_")


def load_lhco(
    path: str | os.PathLike[str], *, nrows: int | None = None, as_frame: bool = False
) -> EventBunch:
    r"""LHC Olympics 2020 R&D events as jet features.

    Parameters
    ----------
    path : str or path-like
        ``events_anomalydetection_v2.features.h5`` as Zenodo gives it out (``pxj1, pyj1, pzj1,
        mj1, tau1j1, tau2j1, tau3j1``, the same for ``j2``, ``label``), or csv, parquet or ROOT
        with one row per event and a column ``label`` or ``y``. A column ``event`` becomes
        ``ids``; every other column is a feature.
    nrows : int, optional
        Only the first ``nrows`` events.
    as_frame : bool, default=False
        Return X as a DataFrame.

    Returns
    -------
    events : EventBunch
        With ``X``, ``y`` (1 signal), ``ids`` (or None), ``sample_weight`` None.

    Raises
    ------
    ValueError
        If the file has no label, no rows, or is no table of features; the message names file
        and column. The raw file of 2,101 columns has no names and is refused.
    FileNotFoundError
        If there is no such file; the message says where to get it.
    ImportError
        If the format needs a package that is not installed; the message names the extra.

    Notes
    -----
    The HDF5 file was written by pandas in its "fixed" form. It is read with h5py, in chunks and
    without PyTables; nothing pickled in it is opened. Momenta and masses are in GeV.

    References
    ----------
    G. Kasieczka et al., arXiv:2101.08320. Data: doi 10.5281/zenodo.4536377.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from skhep_anomaly.datasets import load_lhco
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "jets.csv"
    >>> _ = path.write_text("mj1,tau1j1,label\n95.5,0.25,1\n40.0,0.5,0\n")
    >>> events = load_lhco(path)
    >>> events.units["mj1"], events.y.tolist()
    ('GeV', [1, 0])
    """
    check_nrows(nrows)
    file = Path(path)
    if not file.is_file():
        msg = f"{path}: no such file. It can be downloaded from {sources.LHCO['url']}."
        raise FileNotFoundError(msg)
    found = hdf5_columns(file) if _is_hdf5(file) else table_columns(file)
    label = label_column(found, str(path))
    others = [label, *(name for name in found if name == "event")]
    features = [name for name in found if name not in others]
    X, columns = collect(
        _chunks(file, [*features, *others]), features, others, path=str(path), nrows=nrows
    )
    return make_bunch(
        "LHC Olympics 2020 R&D",
        X,
        binary_labels(columns[label], str(path), label),
        feature_names=features,
        units={name: _unit(name) for name in features},
        source=sources.LHCO,
        ids=columns.get("event"),
        as_frame=as_frame,
    )


def _is_hdf5(path: Path) -> bool:
    return path.suffix.lower() in _HDF5


def _chunks(path: Path, columns: list[str]) -> Iterable[Any]:
    if _is_hdf5(path):
        return iter_hdf5(path, columns, _CHUNK_ROWS)
    return iter_table(path, columns, _CHUNK_ROWS)


def _unit(name: str) -> str:
    if name.startswith("phi"):
        return "rad"
    return "GeV" if name.startswith(_GEV_STARTS) or name in ("mjj", "m_jj") else "1"
