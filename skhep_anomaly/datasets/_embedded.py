"""The coding of the embedded HiggsML sample: small, exact, no pickle.

The published features have three decimals, so 1000·x is a whole number i. Each feature is stored
as its code c = i − offset + 1, with c = 0 for the undefined −999, split into bytes: plane k
holds bits 8k … 8k+7 of every event. The high bytes vary little, so deflate packs them well.
float32(i / 1000) gives back the float32 nearest to the published decimal; only the sign of a
zero is lost. Weights are float64: a table of the distinct pairs and the index of each event.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

EMBEDDED_FILE = Path(__file__).parent / "data" / "higgsml_sample.npz"
_UNDEFINED = -999_000


def encode(columns: Mapping[str, np.ndarray], features: list[str]) -> dict[str, np.ndarray]:
    """Arrays of the npz from the columns of the original file.

    Parameters
    ----------
    columns : dict of str to ndarray
        ``EventId``, the features, ``Weight``, ``Label``, ``KaggleSet``, ``KaggleWeight``.
    features : list of str
        Names of the features.

    Returns
    -------
    arrays : dict of str to ndarray
        What :func:`decode` turns back into the columns.
    """
    ids = np.asarray(columns["EventId"], dtype=np.int64)
    pairs = np.column_stack([columns["Weight"], columns["KaggleWeight"]]).astype(np.float64)
    table, index = np.unique(pairs, axis=0, return_inverse=True)
    codes = {name: _codes(columns[name]) for name in features}
    return {
        "features": np.array(features),
        "offsets": np.array([codes[name][1] for name in features], dtype=np.int64),
        "event_id_steps": np.diff(ids, prepend=0).astype(np.int32),
        "is_signal": np.packbits(np.asarray(columns["Label"]) == "s"),
        "kaggle_set": np.asarray(columns["KaggleSet"], dtype="S1").view(np.uint8),
        "weight_table": table,
        "weight_index": _planes(index.ravel()),
        **{f"planes_{name}": _planes(codes[name][0]) for name in features},
    }


def decode(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns of the original file from the arrays of the npz."""
    ids = np.cumsum(arrays["event_id_steps"], dtype=np.int64)
    weights = arrays["weight_table"][_join(arrays["weight_index"])]
    columns = {"EventId": ids}
    for name, offset in zip(arrays["features"].tolist(), arrays["offsets"], strict=True):
        codes = _join(arrays[f"planes_{name}"])
        thousandths = np.where(codes == 0, _UNDEFINED, codes - 1 + offset)
        columns[name] = (thousandths / 1000).astype(np.float32)
    signal = np.unpackbits(arrays["is_signal"], count=len(ids)).astype(bool)
    return columns | {
        "Weight": weights[:, 0],
        "Label": np.where(signal, "s", "b"),
        "KaggleSet": arrays["kaggle_set"].view("S1").astype(str),
        "KaggleWeight": weights[:, 1],
    }


def read_embedded() -> dict[str, np.ndarray]:
    """Columns of the sample that ships with the package."""
    with np.load(EMBEDDED_FILE, allow_pickle=False) as file:
        return decode({name: file[name] for name in file.files})


def _codes(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Whole numbers ≥ 0 with 0 for undefined, and the offset of the others."""
    thousandths = np.rint(np.asarray(values, dtype=np.float64) * 1000).astype(np.int64)
    defined = thousandths != _UNDEFINED
    offset = int(thousandths[defined].min())
    return np.where(defined, thousandths - offset + 1, 0), offset


def _planes(codes: np.ndarray) -> np.ndarray:
    """Bytes of whole numbers, lowest first, shape (n_planes, n)."""
    n_planes = max(1, -(-int(codes.max()).bit_length() // 8))
    return np.stack([codes >> 8 * k & 255 for k in range(n_planes)]).astype(np.uint8)


def _join(planes: np.ndarray) -> np.ndarray:
    shifts = 8 * np.arange(len(planes), dtype=np.int64)[:, None]
    return (planes.astype(np.int64) << shifts).sum(axis=0)
