"""The particles whose showers are asked for: momenta and points from a table or an array."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.cli.columns import require_columns
from skhep_anomaly.datasets import iter_table, table_columns
from skhep_anomaly.datasets._collect import collect

__all__ = ["read_particles"]

NAMES = ("px", "py", "pz", "x", "y")
PARTS = ("ParticleMomentum", "ParticlePoint")
_CHUNK = 100_000


def read_particles(path: str, *, tree: str | None = None) -> NDArray[np.float32]:
    """Read conditions.

    Parameters
    ----------
    path : str
        csv, parquet or ROOT with columns px, py, pz, x, y; .npy of shape (n, 5); .npz with
        ParticleMomentum (n, 3) and ParticlePoint (n, 2 or 3).
    tree : str, default=None
        Tree of a ROOT file.

    Returns
    -------
    ndarray of shape (n, 5)
        [GeV, cm]; not yet checked.

    Raises
    ------
    ValueError
        If the file does not hold them.
    OSError
        If it cannot be read.
    """
    suffix = Path(path).suffix.lower()
    if suffix in (".npy", ".npz"):
        return _from_numpy(path, suffix)
    require_columns(path, table_columns(path, tree=tree), NAMES)
    found, _ = collect(iter_table(path, NAMES, _CHUNK, tree=tree), NAMES, [], path=path)
    return found


def _from_numpy(path: str, suffix: str) -> NDArray[np.float32]:
    try:
        content: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        if suffix == ".npz":
            content = _joined(path, content)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: no conditions can be read from it: {error}") from error
    if content.dtype.kind not in "fiu" or content.ndim != 2 or content.shape[1] != len(NAMES):
        raise ValueError(
            f"{path} has shape {content.shape} and dtype {content.dtype}; numbers of shape (n, 5) "
            f"are needed: {', '.join(NAMES)} [GeV, cm]"
        )
    return np.asarray(content, dtype=np.float32)


def _joined(path: str, content: Any) -> NDArray[Any]:
    with content:
        require_columns(path, content.files, PARTS)
        momentum, point = (content[name] for name in PARTS)
    if momentum.ndim != 2 or point.ndim != 2 or len(momentum) != len(point):
        raise ValueError(
            f"ParticleMomentum of shape {momentum.shape} and ParticlePoint of shape {point.shape} "
            "do not go together"
        )
    joined: NDArray[Any] = np.column_stack([momentum, point[:, :2]])
    return joined
