"""Images of showers: deposits in MeV on a grid of cells, checked and flattened."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_images"]


def check_images(y: Any, shape: tuple[int, int], owner: str) -> NDArray[np.float32]:
    """Turn user's images into C-contiguous float32 of shape (n, nx·ny).

    Parameters
    ----------
    y : array-like of shape (n, nx, ny), (n, nx, ny, 1) or (n, nx·ny)
        Deposits [MeV] ≥ 0.
    shape : tuple of int
        (nx, ny).
    owner : str
        Estimator, named in messages.

    Returns
    -------
    ndarray of shape (n, nx·ny)
        The caller's own memory where it has that form.

    Raises
    ------
    TypeError
        If `y` does not hold numbers.
    ValueError
        If the shape is another one, or a deposit is negative, NaN or infinite.
    """
    images = np.asarray(y)
    if images.dtype.kind not in "fiub":
        raise TypeError(f"{owner} needs images of numbers [MeV]; got dtype {images.dtype}.")
    allowed = ((*shape,), (*shape, 1), (shape[0] * shape[1],))
    if images.shape[1:] not in allowed or images.ndim < 2:
        raise ValueError(
            f"y has shape {images.shape}; {owner} with shape={tuple(shape)} expects (n, "
            f"{shape[0]}, {shape[1]}), (n, {shape[0]}, {shape[1]}, 1) or (n, "
            f"{shape[0] * shape[1]})."
        )
    flat = np.ascontiguousarray(images.reshape(len(images), -1), dtype=np.float32)
    bad = ~(np.isfinite(flat) & (flat >= 0))
    if bad.any():
        raise ValueError(
            f"y must hold deposits >= 0 [MeV]: {int((flat < 0).sum())} cells are negative, "
            f"{int((~np.isfinite(flat)).sum())} NaN or infinite, in "
            f"{int(bad.any(axis=1).sum())} of {len(flat)} images."
        )
    return flat
