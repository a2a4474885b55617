"""Apply a function of tensors to rows in chunks, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skhep_anomaly._validation import iter_slices

__all__ = ["map_rows"]

_CHUNK_BYTES = 2**20


def map_rows(
    function: Callable[[Tensor], Tensor],
    X: NDArray[Any],
    *,
    module: nn.Module,
    chunk_rows: int | None = None,
) -> NDArray[Any]:
    """Apply `function` to `X`, chunk by chunk, without gradients and in evaluation mode.

    Parameters
    ----------
    function : callable
        Tensor of shape (n, ...) → tensor whose first axis is n.
    X : ndarray of shape (n, ...)
        Rows.
    module : Module
        Gives dtype and device, and is put into evaluation mode.
    chunk_rows : int, default=None
        Rows per chunk; None: about 1 MiB of input.

    Returns
    -------
    ndarray
        Result in the module's dtype on the CPU, one entry per row.
    """
    module.eval()
    like = next(module.parameters())
    if chunk_rows is None:
        per_row = max(1, int(np.prod(X.shape[1:]))) * like.dtype.itemsize
        chunk_rows = max(256, _CHUNK_BYTES // per_row)
    out: NDArray[Any] | None = None
    with torch.inference_mode():
        for rows in iter_slices(len(X), chunk_rows):
            chunk = X[rows] if X.flags.writeable else np.array(X[rows])
            part = function(torch.from_numpy(chunk).to(like.device, like.dtype)).cpu().numpy()
            if out is None:
                out = np.empty((len(X), *part.shape[1:]), dtype=part.dtype)
            out[rows] = part
    assert out is not None, "validation lets no empty input pass"
    return out
