"""Showers into a file, one block after the other: .npy, or HDF5 with the conditions beside them.

Both formats hold the showers in one piece from some byte on, so that blocks are simply written to
the file. A memory map would do the same, but its pages count as memory of the process, and a full
disk ends the process instead of raising an error.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._atomic import replacing
from skhep_anomaly.datasets._extras import require
from skhep_anomaly.generators._unfinished import Unfinished
from skhep_anomaly.generators._wanted import WantedConditions

__all__ = ["ShowerWriter", "check_shower_path", "open_showers", "shower_writer"]

_HDF5 = (".h5", ".hdf5")
_DTYPE = np.dtype("<f4")
_UNITS = "px, py, pz [GeV], x, y [cm]"


class ShowerWriter:
    """Writes showers one after the other.

    Attributes
    ----------
    done : int
        Showers in the file so far.
    """

    def __init__(self, stream: IO[bytes], done: int, unfinished: Unfinished | None) -> None:
        self.stream, self.done, self.unfinished = stream, done, unfinished

    def write(self, made: NDArray[np.float32]) -> None:
        """Append showers (n, n_cells)."""
        self.stream.write(np.ascontiguousarray(made, dtype=_DTYPE).data)
        self.done += len(made)
        if self.unfinished is not None:
            self.unfinished.note(self.stream, self.done, now=False)


def check_shower_path(path: str | os.PathLike[str]) -> Path:
    """Refuse names of files that showers cannot be written to.

    Raises
    ------
    ValueError
        If the suffix is none of .npy, .h5 and .hdf5.
    OSError
        If there is no such folder, or `path` is one.
    """
    target = Path(path)
    if target.suffix.lower() not in (".npy", *_HDF5):
        raise ValueError(f"out={str(path)!r}: showers are written as .npy, .h5 or .hdf5.")
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "A folder of this name is in the way", str(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "No such folder to write into", str(target.parent))
    return target


@contextmanager
def shower_writer(
    path: Path, wanted: WantedConditions, shape: Any, facts: dict[str, Any] | None
) -> Iterator[ShowerWriter]:
    """Give a writer; its file becomes `path` when the block ends without an error.

    Parameters
    ----------
    path : Path
        Where the showers go.
    wanted : WantedConditions
        Their conditions.
    shape : tuple of int
        Cells (nx, ny).
    facts : dict or None
        What decides about the showers: the file is then kept if the block raises, and one begun
        with the same facts is gone on with. None: it is removed.

    Yields
    ------
    ShowerWriter
        Its ``done`` showers are there already.
    """
    size = len(wanted) * int(np.prod(shape)) * _DTYPE.itemsize
    if facts is None:
        with replacing(path) as neighbour:
            _check_space(path, size)
            start = _begin(neighbour, path.suffix, wanted, shape)
            with neighbour.open("rb+") as stream:
                stream.seek(start)
                yield ShowerWriter(stream, 0, None)
        return
    unfinished = Unfinished(path, facts)
    known = unfinished.exists()
    with unfinished.opened() as stream:
        _check_space(path, size - unfinished.done * (size // len(wanted)))
        if not known:
            unfinished.start = _begin(unfinished.part, path.suffix, wanted, shape)
            unfinished.note(stream, 0)
        stream.seek(unfinished.start + unfinished.done * (size // len(wanted)))
        writer = ShowerWriter(stream, unfinished.done, unfinished)
        with unfinished.noting(writer):
            yield writer
        unfinished.finish()


def _check_space(path: Path, size: int) -> None:
    free = shutil.disk_usage(os.path.dirname(os.path.realpath(path))).free
    if size > free:
        raise OSError(
            errno.ENOSPC,
            f"The showers take {size / 1e9:.3g} GB, of which {free / 1e9:.3g} GB are free",
            str(path),
        )


def _begin(part: Path, suffix: str, wanted: WantedConditions, shape: Any) -> int:
    """Write what stands before the showers; give the byte at which they start."""
    if suffix.lower() in _HDF5:
        return _begin_hdf5(part, wanted, shape)
    header = {"descr": _DTYPE.str, "fortran_order": False, "shape": (len(wanted), *shape)}
    with part.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        return stream.tell()


def _begin_hdf5(part: Path, wanted: WantedConditions, shape: Any) -> int:
    """Lay out ``conditions``, filled, and ``showers``, whose space is taken but not written."""
    h5py = require("h5py", "io", "to write HDF5 files")
    n = len(wanted)
    with h5py.File(part, "w", locking=False) as file:
        conditions = file.create_dataset("conditions", (n, 5), dtype=_DTYPE)
        conditions.attrs["columns"] = _UNITS
        for low in range(0, n, 2**16):
            high = min(n, low + 2**16)
            conditions[low:high] = wanted.rows(low, high)
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_layout(h5py.h5d.CONTIGUOUS)
        plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple((n, *shape))
        kind = h5py.h5t.IEEE_F32LE
        showers = h5py.Dataset(h5py.h5d.create(file.id, b"showers", kind, space, plan))
        showers.attrs["unit"] = "MeV"
        return int(showers.id.get_offset())


def open_showers(path: Path) -> NDArray[np.float32]:
    """Map the showers of a file into memory, read-only."""
    if path.suffix.lower() not in _HDF5:
        showers: NDArray[np.float32] = np.load(path, mmap_mode="r")
        return showers
    h5py = require("h5py", "io", "to read HDF5 files")
    with h5py.File(path, "r", locking=False) as file:
        found = file["showers"]
        offset, shape = found.id.get_offset(), found.shape
    return np.memmap(path, dtype=_DTYPE, mode="r", offset=offset, shape=shape)
