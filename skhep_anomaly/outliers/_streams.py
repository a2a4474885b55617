"""Run foreign code that seeds and draws from the global random streams, and leave no trace.

PyOD's deep detectors call ``random.seed``, ``numpy.random.seed`` and ``torch.manual_seed`` in their
constructors, shuffle with NumPy's global stream and set ``PYTHONHASHSEED``. One thread at a time
borrows the streams, the others wait; foreign code in other threads sees the borrowed ones
meanwhile.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import sys
from collections.abc import Iterator

import numpy as np

from skhep_anomaly._random import global_streams_lock

__all__ = ["borrowed_streams", "no_print"]


@contextlib.contextmanager
def borrowed_streams(seed: int) -> Iterator[None]:
    """Seed Python's, NumPy's and torch's global streams; restore the caller's on leaving.

    Torch takes part once it is imported; a detector that trains with it has imported it.

    Parameters
    ----------
    seed : int in [0, 2**32)
        What the three streams start from.
    """
    with global_streams_lock, _restored(), _forked_torch(seed):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        yield


@contextlib.contextmanager
def _restored() -> Iterator[None]:
    python, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    hash_seed = os.environ.get("PYTHONHASHSEED")
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)  # noqa: NPY002
        os.environ.pop("PYTHONHASHSEED", None)
        if hash_seed is not None:
            os.environ["PYTHONHASHSEED"] = hash_seed


@contextlib.contextmanager
def _forked_torch(seed: int) -> Iterator[None]:
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def no_print(silent: bool = True) -> Iterator[None]:
    """Drop what foreign code prints; warnings, which go another way, are kept."""
    if silent:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    else:
        yield
