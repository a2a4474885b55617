"""Plain Python and numpy values as a JSON tree, and back exactly.

None, bool, int, str, finite floats and lists stand for themselves. Everything else is an object
whose key ``"$"`` names its kind: non-finite floats, tuples, dicts (their keys need not be strings),
slices, numpy scalars and random generators. Arrays and tensors go to parts of their own and leave
their name behind. Types are compared exactly: a subclass of list or dict may carry more than
its items, and would come back as something else, so it is refused like everything unknown.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from skhep_anomaly.exceptions import ModelFileError
from skhep_anomaly.persistence.npy import PLAIN_KINDS, array_from_npy, array_to_npy
from skhep_anomaly.persistence.streams import stream_from_state, stream_to_state
from skhep_anomaly.persistence.weights import STORABLE_DTYPES

__all__ = ["ValueReader", "ValueWriter", "is_plain"]

_NUMBER_KINDS = "biufc"
_PLAIN = (type(None), bool, int, str)


def is_plain(value: object) -> bool:
    """Whether JSON gives the value back as it is."""
    return type(value) in _PLAIN


class ValueWriter:
    """Turns values into a JSON tree; `arrays` (npy bytes) and `tensors` collect the rest.

    `where` names a value as a user would reach it, for the TypeError of what cannot be stored.
    """

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.arrays: dict[str, bytes] = {}
        self.tensors: dict[str, torch.Tensor] = {}

    def write(self, value: Any, where: str) -> Any:
        """Give the JSON tree of `value`."""
        if is_plain(value):
            return value
        if isinstance(value, np.generic):
            return self._scalar(value, where)
        write = _WRITERS.get(type(value))
        return write(self, value, where) if write else self.write_object(value, where)

    def write_object(self, value: Any, where: str) -> Any:
        """Store what is neither plain data nor numpy nor torch: here nothing."""
        text = " ".join(repr(value).split())
        msg = (
            f"{self.owner} cannot be saved: {where}={text[:100]} is a {type(value).__name__}. "
            "A model file holds numbers, strings, arrays, tensors, lists, tuples, dicts and "
            "estimators of skhep_anomaly, never pickled objects. To store the whole estimator "
            "with such a part use skops.io.dump (https://skops.readthedocs.io)"
        )
        raise TypeError(msg)

    def _float(self, value: float, where: str) -> Any:
        if np.isfinite(value):
            return value
        return {"$": "float", "bits": struct.pack(">d", value).hex()}

    def _list(self, value: list[Any], where: str) -> Any:
        return [self.write(item, f"{where}[{i}]") for i, item in enumerate(value)]

    def _tuple(self, value: tuple[Any, ...], where: str) -> Any:
        return {"$": "tuple", "items": self._list(list(value), where)}

    def _dict(self, value: dict[Any, Any], where: str) -> Any:
        items = [
            [self.write(key, f"a key of {where}"), self.write(item, f"{where}[{key!r}]")]
            for key, item in value.items()
        ]
        return {"$": "dict", "items": items}

    def _slice(self, value: slice, where: str) -> Any:
        return {"$": "slice", "items": self._list([value.start, value.stop, value.step], where)}

    def _scalar(self, value: np.generic, where: str) -> Any:
        if isinstance(value, np.str_):  # an empty one has no bytes
            return {"$": "str_", "value": str(value)}
        if value.dtype.kind not in _NUMBER_KINDS:
            return self.write_object(value, where)
        return {"$": "scalar", "dtype": value.dtype.str, "bytes": value.tobytes().hex()}

    def _array(self, value: np.ndarray[Any, Any], where: str) -> Any:
        if value.dtype.kind == "O":
            return self._object_array(value, where)
        if value.dtype.kind not in PLAIN_KINDS:
            return self.write_object(value, where)
        if value.dtype.itemsize == 0:  # empty strings only
            value = value.astype(f"{value.dtype.kind}1")
        name = f"arrays/{len(self.arrays)}.npy"
        self.arrays[name] = array_to_npy(value)
        return {"$": "array", "part": name}

    def _object_array(self, value: np.ndarray[Any, Any], where: str) -> Any:
        items = self._list(value.ravel().tolist(), where)
        return {"$": "object_array", "shape": list(value.shape), "items": items}

    def _tensor(self, value: torch.Tensor, where: str) -> Any:
        self.add_tensor(where, value)
        return {"$": "tensor", "name": where}

    def add_tensor(self, name: str, tensor: torch.Tensor) -> None:
        """Put a tensor among the weights under `name`."""
        if tensor.layout is not torch.strided or tensor.dtype not in STORABLE_DTYPES:
            self.write_object(tensor, name)
        self.tensors[name] = tensor

    def _stream(self, value: Any, where: str) -> Any:
        if (state := stream_to_state(value)) is None:
            return self.write_object(value, where)
        return {"$": type(value).__name__, "state": self.write(state, where)}


_WRITERS: dict[type, Callable[[Any, Any, str], Any]] = {
    float: ValueWriter._float,
    list: ValueWriter._list,
    tuple: ValueWriter._tuple,
    dict: ValueWriter._dict,
    slice: ValueWriter._slice,
    np.ndarray: ValueWriter._array,
    np.memmap: ValueWriter._array,
    torch.Tensor: ValueWriter._tensor,
    np.random.RandomState: ValueWriter._stream,
    np.random.Generator: ValueWriter._stream,
    np.random.SeedSequence: ValueWriter._stream,
}


class ValueReader:
    """Turns a JSON tree back into values; the tree is untrusted, nothing in it can be called."""

    def __init__(self, parts: Mapping[str, bytes], tensors: Mapping[str, torch.Tensor]) -> None:
        self.parts = parts
        self.tensors = tensors

    def read(self, node: Any) -> Any:
        """Give the value of a JSON tree."""
        if is_plain(node) or type(node) is float:
            return node
        if type(node) is list:
            return [self.read(item) for item in node]
        read = _READERS.get(node["$"])
        return read(self, node) if read else self.read_object(node)

    def read_object(self, node: Mapping[str, Any]) -> Any:
        """Read what is neither plain data nor numpy nor torch: here nothing."""
        msg = f"it holds a value of the unknown kind {str(node['$'])[:40]!a}"
        raise ModelFileError(msg)

    def _float(self, node: Mapping[str, Any]) -> float:
        return float(struct.unpack(">d", bytes.fromhex(node["bits"]))[0])

    def _tuple(self, node: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(self.read(node["items"]))

    def _dict(self, node: Mapping[str, Any]) -> dict[Any, Any]:
        return {self.read(key): self.read(item) for key, item in node["items"]}

    def _slice(self, node: Mapping[str, Any]) -> slice:
        return slice(*self.read(node["items"]))

    def _str(self, node: Mapping[str, Any]) -> np.str_:
        return np.str_(node["value"])

    def _scalar(self, node: Mapping[str, Any]) -> Any:
        dtype = np.dtype(node["dtype"])
        if dtype.kind not in _NUMBER_KINDS:
            msg = f"it holds a number of dtype {str(dtype)[:40]!a}, which is never read"
            raise ModelFileError(msg)
        return np.ndarray((), dtype, bytes.fromhex(node["bytes"]))[()]

    def _array(self, node: Mapping[str, Any]) -> Any:
        return array_from_npy(self.parts[node["part"]])

    def _object_array(self, node: Mapping[str, Any]) -> Any:
        items = [self.read(item) for item in node["items"]]
        array = np.empty(len(items), dtype=object)
        for i, item in enumerate(items):  # array[:] would unpack items that are lists
            array[i] = item
        return array.reshape(node["shape"])

    def _tensor(self, node: Mapping[str, Any]) -> torch.Tensor:
        return self.tensors[node["name"]]

    def _stream(self, node: Mapping[str, Any]) -> Any:
        return stream_from_state(node["$"], self.read(node["state"]))


_READERS: dict[str, Callable[[Any, Any], Any]] = {
    "float": ValueReader._float,
    "tuple": ValueReader._tuple,
    "dict": ValueReader._dict,
    "slice": ValueReader._slice,
    "str_": ValueReader._str,
    "scalar": ValueReader._scalar,
    "array": ValueReader._array,
    "object_array": ValueReader._object_array,
    "tensor": ValueReader._tensor,
    "RandomState": ValueReader._stream,
    "Generator": ValueReader._stream,
    "SeedSequence": ValueReader._stream,
}
