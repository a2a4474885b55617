"""A numpy array as the bytes of a plain ``.npy`` file, and back, without ``pickle``.

``np.load`` allocates what the header asks for before it looks whether the data are there. Here
the shape times the item size must equal the number of bytes at hand, and only booleans, numbers
and strings are read: an object array would be a pickle.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.exceptions import ModelFileError

__all__ = ["PLAIN_KINDS", "array_from_npy", "array_to_npy"]

PLAIN_KINDS = "biufcSU"  # bool, integers, floats, complex, bytes, str


def array_to_npy(array: NDArray[Any]) -> bytes:
    """Give the ``.npy`` bytes of an array of a plain dtype."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)
    return stream.getvalue()


def array_from_npy(data: bytes) -> NDArray[Any]:
    """Give the array in `data`: writable, in its own memory, with its memory order."""
    shape, fortran_order, dtype = _read_header(stream := io.BytesIO(data))
    if dtype.hasobject or dtype.kind not in PLAIN_KINDS:
        msg = f"it holds an array of dtype {str(dtype)[:40]!a}, which is never read"
        raise ModelFileError(msg)
    start, size = stream.tell(), math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or dtype.itemsize == 0 or size != len(data) - start:
        msg = f"it holds an array whose header does not fit its {len(data) - start} bytes"
        raise ModelFileError(msg)
    view = np.ndarray(shape, dtype, data, start, order="F" if fortran_order else "C")
    return view.copy(order="K")


def _read_header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(stream)
    msg = f"it holds an array in version {version} of the npy format, allowed are 1.0 and 2.0"
    raise ModelFileError(msg)
