"""The coding of the embedded showers: where there is energy, and its logarithm in 16 bits.

A cell with energy E > 0 [MeV] is stored as the whole number

    c = round((ln E − ln E_min)/s),    E ≈ E_min exp(c s),    s = 2⁻¹¹,

so the relative error of every cell is at most s/2 = 2.4·10⁻⁴, from the smallest deposit
(3·10⁻¹⁰ MeV) to the largest (10⁴ MeV); a sum over cells is better still, as rounding is as often up
as down. One bit a cell says whether there is energy. Codes are split into a plane of low and one
of high bytes, which deflate packs well. Momenta and points are the float32 of the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

EMBEDDED_FILE = Path(__file__).parent / "data" / "geant4_showers.npz"
STEP = 2.0**-11


def encode(
    images: np.ndarray, momentum: np.ndarray, point: np.ndarray, **more: np.ndarray
) -> dict[str, np.ndarray]:
    """Arrays of the npz from showers.

    Parameters
    ----------
    images : ndarray of shape (n, nx, ny)
        Energies ≥ 0 [MeV].
    momentum : ndarray of shape (n, 3)
        Momenta [GeV].
    point : ndarray of shape (n, 2)
        Impact points [cm].
    **more : ndarray
        Stored as they are.

    Returns
    -------
    arrays : dict of str to ndarray
        What :func:`decode` turns back.
    """
    filled = images > 0
    logs = np.log(images[filled].astype(np.float64))
    codes = np.rint((logs - logs.min()) / STEP).astype("<u2")
    return {
        "shape": np.array(images.shape, dtype=np.int64),
        "filled": np.packbits(filled),
        "planes": codes.view(np.uint8).reshape(-1, 2).T.copy(),
        "log_smallest": np.array(logs.min()),
        "momentum": momentum.astype(np.float32),
        "point": point.astype(np.float32),
        **more,
    }


def decode(arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (n, nx, ny) float32, momenta (n, 3) and points (n, 2) from the arrays of the npz."""
    shape = tuple(int(size) for size in arrays["shape"])
    filled = np.unpackbits(arrays["filled"], count=int(np.prod(shape))).astype(bool)
    codes = np.ascontiguousarray(arrays["planes"].T).view("<u2").ravel()
    images = np.zeros(filled.shape, dtype=np.float32)
    images[filled] = np.exp(float(arrays["log_smallest"]) + STEP * codes)
    return images.reshape(shape), arrays["momentum"], arrays["point"]
