"""Robust autoencoders (Zhou & Paffenroth, KDD 2017): X = L + S, a net for L, a sparse S.

The two are fitted in turn: the net trains on X − S, then S becomes the proximal step of X − AE(L)
under λ‖S‖.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["PROXIMAL_STEPS", "prox_l1", "prox_l21_columns", "prox_l21_rows"]


def prox_l1(S: NDArray[np.float64], lam: float) -> NDArray[np.float64]:
    """Shrink every entry towards zero by `lam` (soft threshold)."""
    result: NDArray[np.float64] = np.sign(S) * np.maximum(np.abs(S) - lam, 0.0)
    return result


def prox_l21_rows(S: NDArray[np.float64], lam: float) -> NDArray[np.float64]:
    """Shrink the norm of every row by `lam`: whole rows vanish or stay."""
    return _shrink_norm(S, lam, axis=1)


def prox_l21_columns(S: NDArray[np.float64], lam: float) -> NDArray[np.float64]:
    """Shrink the norm of every column by `lam`: whole features vanish or stay."""
    return _shrink_norm(S, lam, axis=0)


def _shrink_norm(S: NDArray[np.float64], lam: float, axis: int) -> NDArray[np.float64]:
    norm = np.linalg.norm(S, axis=axis, keepdims=True)
    result: NDArray[np.float64] = S * np.maximum(1.0 - lam / np.maximum(norm, 1e-300), 0.0)
    return result


PROXIMAL_STEPS = {"l1": prox_l1, "l21_rows": prox_l21_rows, "l21_columns": prox_l21_columns}
