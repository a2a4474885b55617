"""The UCI data sets HIGGS and SUSY of Baldi, Sadowski and Whiteson (2014).

Both are csv files without a header: the label first (1 = signal), then the features, all scaled
to mean near one or to unit spread, so every unit is "1". Low-level kinematics come first, functions
of them last (7 in HIGGS, 10 in SUSY). By the authors' convention the last 500,000 events are the
test set.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from skhep_anomaly.datasets import sources
from skhep_anomaly.datasets._bunch import EventBunch, make_bunch
from skhep_anomaly.datasets._collect import check_nrows, collect
from skhep_anomaly.datasets._formats import iter_csv
from skhep_anomaly.datasets._labels import binary_labels, label_column
from skhep_anomaly.datasets.tables import iter_table, table_columns, table_format

_HIGGS = [
    "lepton_pT",
    "lepton_eta",
    "lepton_phi",
    "missing_energy_magnitude",
    "missing_energy_phi",
    *(f"jet_{k}_{part}" for k in (1, 2, 3, 4) for part in ("pt", "eta", "phi", "btag")),
    *("m_jj", "m_jjj", "m_lv", "m_jlv", "m_bb", "m_wbb", "m_wwbb"),
]
_SUSY = [
    *(f"lepton_{k}_{part}" for k in (1, 2) for part in ("pT", "eta", "phi")),
    "missing_energy_magnitude",
    "missing_energy_phi",
    *("MET_rel", "axial_MET", "M_R", "M_TR_2", "R", "MT2", "S_R"),
    *("M_Delta_R", "dPhi_r_b", "cos_theta_r1"),
]
_CHUNK_ROWS = 100_000


def load_higgs(
    path: str | os.PathLike[str], *, nrows: int | None = None, as_frame: bool = False
) -> EventBunch:
    """UCI HIGGS: a heavy Higgs boson that decays to W bosons and b quarks, against tt̄.

    Parameters
    ----------
    path : str or path-like
        ``HIGGS.csv`` or ``HIGGS.csv.gz`` as the archive gives it out (no header, label first,
        28 features; 11,000,000 events), or parquet or ROOT with named columns and a column
        ``y`` or ``label``.
    nrows : int, optional
        Only the first ``nrows`` events.
    as_frame : bool, default=False
        Return X as a DataFrame.

    Returns
    -------
    events : EventBunch
        With ``X`` (28 features), ``y`` (1 signal), ``sample_weight`` None.

    Raises
    ------
    ValueError
        If the file has another layout; the message names file and column.
    FileNotFoundError
        If there is no such file; the message says where to get it.

    Notes
    -----
    Read in chunks into float32: the peak is the matrix (1.2 GB for all events) plus a chunk.
    On background alone unsupervised detectors find next to nothing here (AUC near one half).

    References
    ----------
    P. Baldi, P. Sadowski, D. Whiteson, arXiv:1402.4735. Data: doi 10.24432/C5V312.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from skhep_anomaly.datasets import load_higgs
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "HIGGS.csv"
    >>> _ = path.write_text(",".join(["1.0"] + ["0.5"] * 28))
    >>> load_higgs(path).X.shape
    (1, 28)
    """
    return _load("HIGGS", path, _HIGGS, sources.HIGGS, nrows, as_frame)


def load_susy(
    path: str | os.PathLike[str], *, nrows: int | None = None, as_frame: bool = False
) -> EventBunch:
    """UCI SUSY: chargino pairs with two leptons and missing energy, against W pairs.

    Parameters
    ----------
    path : str or path-like
        ``SUSY.csv`` or ``SUSY.csv.gz`` as the archive gives it out (no header, label first, 18
        features; 5,000,000 events), or parquet or ROOT with named columns and a column ``y``
        or ``label``.
    nrows : int, optional
        Only the first ``nrows`` events.
    as_frame : bool, default=False
        Return X as a DataFrame.

    Returns
    -------
    events : EventBunch
        With ``X`` (18 features), ``y`` (1 signal), ``sample_weight`` None.

    Raises
    ------
    ValueError
        If the file has another layout; the message names file and column.
    FileNotFoundError
        If there is no such file; the message says where to get it.

    References
    ----------
    P. Baldi, P. Sadowski, D. Whiteson, arXiv:1402.4735. Data: doi 10.24432/C54606.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from skhep_anomaly.datasets import load_susy
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "SUSY.csv"
    >>> _ = path.write_text(",".join(["0.0"] + ["0.5"] * 18))
    >>> load_susy(path).y
    array([0])
    """
    return _load("SUSY", path, _SUSY, sources.SUSY, nrows, as_frame)


def _load(
    name: str,
    path: str | os.PathLike[str],
    features: list[str],
    source: Mapping[str, str],
    nrows: int | None,
    as_frame: bool,
) -> EventBunch:
    check_nrows(nrows)
    file = Path(path)
    if not file.is_file():
        msg = f"{path}: no such file. {name} can be downloaded from {source['url']}."
        raise FileNotFoundError(msg)
    chunks, label = _chunks(name, file, features, nrows)
    X, columns = collect(chunks, features, [label], path=str(path), nrows=nrows)
    return make_bunch(
        name,
        X,
        binary_labels(columns[label], str(path), label),
        feature_names=features,
        units=dict.fromkeys(features, "1"),
        source=source,
        as_frame=as_frame,
    )


def _chunks(
    name: str, path: Path, features: list[str], nrows: int | None
) -> tuple[Iterable[Any], str]:
    """Chunks with named columns, and the name of the label."""
    size = _CHUNK_ROWS if nrows is None else min(nrows, _CHUNK_ROWS)
    if table_format(path) == "csv":
        names = ["label", *features]
        _check_first_line(name, path, len(names))
        return iter_csv(path, None, size, names=names), "label"
    label = label_column(table_columns(path), str(path))
    return iter_table(path, [label, *features], size), label


def _check_first_line(name: str, path: Path, expected: int) -> None:
    """Refuse a header or another number of columns: they are known by their place alone."""
    opener: Any = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as file:
        fields = file.readline().strip().split(",")
    if len(fields) != expected:
        msg = (
            f"{path}: {len(fields)} columns in the first line; the archive's {name} file has "
            f"{expected}: the label, then {expected - 1} features."
        )
        raise ValueError(msg)
    try:
        np.array(fields, dtype=np.float64)
    except ValueError as error:
        msg = f"{path}: the first line is no list of numbers; the archive's file has no header."
        raise ValueError(msg) from error
