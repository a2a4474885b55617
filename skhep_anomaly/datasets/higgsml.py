"""The Higgs boson machine learning challenge of 2014 (HiggsML).

H→ττ events in the ATLAS full simulation, one electron or muon and one hadronic τ, against
Z→ττ, tt̄ and W backgrounds. 17 primitive (``PRI_``) and 13 derived (``DER_``) features;
−999 where a feature is undefined, such as the mass of two jets in an event with one jet.

A subsample needs its weights rescaled: an expected number of events is Σw over a class, so each
class is scaled to the sums of the whole challenge set,

    w_i → w_i · S / Σ_{j in class of i} w_j,   S = 691.988608 (s), 410999.847 (b).

Source: C. Adam-Bourdarios et al., JMLR W&CP 42 (2015) 19, section 4 and appendix B.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from skhep_anomaly.datasets import sources
from skhep_anomaly.datasets._bunch import EventBunch, make_bunch
from skhep_anomaly.datasets._collect import check_nrows, collect
from skhep_anomaly.datasets._embedded import read_embedded
from skhep_anomaly.datasets.tables import iter_table, table_columns

SIGNAL_WEIGHT_SUM = 691.988608
BACKGROUND_WEIGHT_SUM = 410_999.847

_UNITS = {
    "DER_mass_MMC": "GeV",
    "DER_mass_transverse_met_lep": "GeV",
    "DER_mass_vis": "GeV",
    "DER_pt_h": "GeV",
    "DER_deltaeta_jet_jet": "1",
    "DER_mass_jet_jet": "GeV",
    "DER_prodeta_jet_jet": "1",
    "DER_deltar_tau_lep": "1",
    "DER_pt_tot": "GeV",
    "DER_sum_pt": "GeV",
    "DER_pt_ratio_lep_tau": "1",
    "DER_met_phi_centrality": "1",
    "DER_lep_eta_centrality": "1",
    "PRI_tau_pt": "GeV",
    "PRI_tau_eta": "1",
    "PRI_tau_phi": "rad",
    "PRI_lep_pt": "GeV",
    "PRI_lep_eta": "1",
    "PRI_lep_phi": "rad",
    "PRI_met": "GeV",
    "PRI_met_phi": "rad",
    "PRI_met_sumet": "GeV",
    "PRI_jet_num": "1",
    "PRI_jet_leading_pt": "GeV",
    "PRI_jet_leading_eta": "1",
    "PRI_jet_leading_phi": "rad",
    "PRI_jet_subleading_pt": "GeV",
    "PRI_jet_subleading_eta": "1",
    "PRI_jet_subleading_phi": "rad",
    "PRI_jet_all_pt": "GeV",
}
_FEATURES = list(_UNITS)
_SUBSETS = "tbvu"
_WEIGHTS = ("class_sums", "kaggle", "original")


def load_higgsml(
    path: str | os.PathLike[str] | None = None,
    *,
    subset: str | Iterable[str] | None = None,
    drop_phi: bool = False,
    weights: str = "class_sums",
    nrows: int | None = None,
    as_frame: bool = False,
) -> EventBunch:
    """HiggsML events: a small sample that ships with the package, or the user's file.

    Parameters
    ----------
    path : str or path-like, optional
        ``training.csv`` as given out by Kaggle, ``atlas-higgs-challenge-2014-v2.csv(.gz)`` of
        the CERN Open Data portal, or the same columns as parquet or ROOT. By default the
        embedded sample.
    subset : str or iterable of str, optional
        Parts of the challenge by their letter in the column ``KaggleSet``: ``"t"`` training
        (250,000 events in the full file), ``"b"`` public (100,000), ``"v"`` private test
        (450,000), ``"u"`` unused (18,238). ``"tv"`` takes t and v together. By default every
        event of the file.
    drop_phi : bool, default=False
        Leave out the five azimuthal angles ``PRI_*_phi``; the experiment is symmetric in φ.
    weights : {"class_sums", "kaggle", "original"}, default="class_sums"
        What ``sample_weight`` holds. ``"kaggle"``: the column ``KaggleWeight``, or ``Weight``
        where the file has no such column (in Kaggle's ``training.csv`` they are the same).
        ``"class_sums"``: the same, rescaled per class so that the loaded signal sums to
        691.988608 and the loaded background to 410999.847, the sums of the full set t; needed
        for AMS and any other expected count on a subsample. ``"original"``: the column
        ``Weight``.
    nrows : int, optional
        Only the first ``nrows`` events (of the subset).
    as_frame : bool, default=False
        Return X as a DataFrame (needs the extra ``io``).

    Returns
    -------
    events : EventBunch
        With ``X`` (−999 where undefined), ``y`` (1 signal), ``sample_weight``, ``ids``
        (``EventId``), ``feature_names``, ``units``, ``source`` and ``subset`` (the letter of
        each event, or None where the file has no ``KaggleSet``).

    Raises
    ------
    ValueError
        If a parameter is out of its range, the file lacks a column or rows, or a label is
        neither ``s`` nor ``b``. The message names file and column.
    FileNotFoundError
        If there is no such file.

    Notes
    -----
    The embedded sample is 18,311 events of set t: those with EventId 100000 to 122888 that are
    no multiple of 5; 6,285 signal and 12,026 background. Its features equal the float32 values
    of the published three decimals, its weights the published float64 values. CERN Open Data
    record 328, dedicated to the public domain (CC0 1.0).

    Differs from a plain read of the file in the default weights. AMS on a few thousand events
    is noise even so: one background event of the sample stands for about 34.

    References
    ----------
    C. Adam-Bourdarios et al., The Higgs boson machine learning challenge, JMLR W&CP 42 (2015)
    19–55. Data: doi 10.7483/OPENDATA.ATLAS.ZBP2.M5T8.

    Examples
    --------
    >>> from skhep_anomaly.datasets import load_higgsml
    >>> events = load_higgsml(drop_phi=True)
    >>> events.X.shape, int(events.y.sum())
    ((18311, 25), 6285)
    >>> round(float(events.sample_weight[events.y == 1].sum()), 6)
    691.988608
    """
    _check_choice(weights)
    check_nrows(nrows)
    letters = _letters(subset)
    features = [name for name in _FEATURES if not (drop_phi and name.endswith("_phi"))]
    name = "embedded sample" if path is None else str(path)
    chunks, found = _embedded() if path is None else _from_file(path, features)
    if letters is not None and "KaggleSet" not in found:
        msg = (
            f"{name}: subset={subset!r} needs the column 'KaggleSet', which this file lacks. "
            "Kaggle's training.csv is set t as a whole: leave subset=None."
        )
        raise ValueError(msg)
    others = [column for column in found if column not in _FEATURES]
    X, columns = collect(chunks, features, others, path=name, nrows=nrows, keep=_keep(letters))
    if len(X) == 0:
        msg = f"{name}: no event has column 'KaggleSet' in subset={subset!r}."
        raise ValueError(msg)
    y = _labels(columns["Label"], name)
    return make_bunch(
        f"HiggsML ({name})",
        X,
        y,
        feature_names=features,
        units=_UNITS,
        source=sources.HIGGSML,
        sample_weight=_weights(columns, y, weights),
        ids=columns["EventId"],
        as_frame=as_frame,
        subset=columns.get("KaggleSet"),
    )


def _check_choice(weights: str) -> None:
    if weights not in _WEIGHTS:
        msg = f"weights={weights!r}: expected one of {', '.join(map(repr, _WEIGHTS))}."
        raise ValueError(msg)


def _letters(subset: str | Iterable[str] | None) -> list[str] | None:
    if subset is None:
        return None
    letters = list(subset)
    if not letters or any(letter not in _SUBSETS or len(letter) != 1 for letter in letters):
        msg = f"subset={subset!r}: expected letters out of 't', 'b', 'v', 'u', or None."
        raise ValueError(msg)
    return letters


def _keep(letters: list[str] | None) -> Any:
    if letters is None:
        return None
    return lambda chunk: np.isin(np.asarray(chunk["KaggleSet"], dtype=str), letters)


def _embedded() -> tuple[Iterable[Any], list[str]]:
    columns = read_embedded()
    return [columns], list(columns)


def _from_file(
    path: str | os.PathLike[str], features: list[str]
) -> tuple[Iterable[Any], list[str]]:
    """Chunks of the columns that matter, and their names."""
    found = table_columns(path)
    optional = [name for name in ("KaggleSet", "KaggleWeight") if name in found]
    wanted = ["EventId", *features, "Weight", "Label", *optional]
    return iter_table(path, wanted), wanted


def _labels(values: np.ndarray, name: str) -> np.ndarray:
    labels = np.asarray(values, dtype=str)
    y = labels == "s"
    other = ~y & (labels != "b")
    if other.any():
        msg = f"{name}: column 'Label' holds {str(labels[other][0])!r}; expected 's' or 'b'."
        raise ValueError(msg)
    return y


def _weights(columns: dict[str, np.ndarray], y: np.ndarray, weights: str) -> np.ndarray:
    kaggle = columns.get("KaggleWeight", columns["Weight"])
    chosen = np.array(columns["Weight"] if weights == "original" else kaggle, dtype=np.float64)
    if weights == "class_sums":
        for rows, total in ((y, SIGNAL_WEIGHT_SUM), (~y, BACKGROUND_WEIGHT_SUM)):
            if rows.any():
                chosen[rows] *= total / chosen[rows].sum()
    return chosen
