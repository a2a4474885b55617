"""Build a net that a file asks for, within limits.

A hostile file can ask for layers of any size. Its own weights say how large the net may be, so the
tensors that torch makes while the net is built are counted, and building stops when they pass a
generous multiple of the weights. Numpy's arrays and the user's modules are not watched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from skhep_anomaly.exceptions import ModelFileError

__all__ = ["bounded_build"]

_FREE = 256 * 2**20  # bytes
_PER_BYTE = 16


@contextlib.contextmanager
def bounded_build(weights: Iterable[torch.Tensor]) -> Iterator[None]:
    """Stop a build that makes far larger tensors than `weights`."""
    limit = _FREE + _PER_BYTE * sum(tensor.nbytes for tensor in weights)
    with _Counter(limit):
        yield


class _Counter(TorchFunctionMode):
    """Counts the bytes of new tensors; torch reserves memory but fills it only afterwards."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.left = limit

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        in_place = bool(args) and result is args[0]
        attribute = getattr(func, "__name__", "") == "__get__"
        if isinstance(result, torch.Tensor) and not in_place and not attribute:
            self.left -= result.nbytes
            if self.left < 0:
                msg = "its parameters ask for a net far larger than its weights"
                raise ModelFileError(msg)
        return result
