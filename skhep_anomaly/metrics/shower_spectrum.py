"""Spectrum and pattern of the deposits: what classifiers of raw cells see and shapes miss.

    n_0-0.02 … n_150-inf   cells with a deposit in (0, .02), [.02, .06) … [150, ∞) MeV
    isolated               lit cells none of whose eight neighbours is lit
    adjacent               pairs of lit cells that share an edge
    log10_smallest         log₁₀ of the smallest deposit above zero [MeV]

A generator can have every shape right and still write a smallest deposit of 10⁻⁴ MeV where the
simulation writes 10⁻⁷. An image without any deposit has all counts 0 and a smallest deposit of
10⁻¹² MeV (−12), which is also the least that is told apart.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["SPECTRUM_EDGES", "SPECTRUM_NAMES", "SPECTRUM_UNITS", "spectrum_observables"]

SPECTRUM_EDGES = (0.0, 0.02, 0.06, 0.15, 0.4, 1.0, 3.0, 10.0, 40.0, 150.0, np.inf)  # MeV
SMALLEST = 1e-12  # MeV

_COUNTS = tuple(f"n_{low:g}-{high:g}" for low, high in pairwise(SPECTRUM_EDGES))
SPECTRUM_NAMES = (*_COUNTS, "isolated", "adjacent", "log10_smallest")
SPECTRUM_UNITS = (*["cells"] * len(_COUNTS), "cells", "pairs", "log10 MeV")


def spectrum_observables(images: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give the observables of `SPECTRUM_NAMES`, shape (n, 13), of checked showers."""
    lit = images > 0
    smallest = np.where(lit, images, np.inf).min(axis=(1, 2)).astype(np.float64)
    smallest = np.where(np.isfinite(smallest), smallest, SMALLEST)
    return np.column_stack(
        [
            _spectrum(images),
            _isolated(lit),
            _adjacent(lit),
            np.log10(np.maximum(smallest, SMALLEST)),
        ]
    ).astype(np.float64)


def _spectrum(images: NDArray[np.floating]) -> NDArray[np.float64]:
    """Count the lit cells in each bin of the deposit, (n, 10)."""
    row, ix, iy = np.nonzero(images)
    n_bins = len(SPECTRUM_EDGES) - 1
    # float64 edges: 0.02 in float32 would move the edge by a rounding
    deposit = images[row, ix, iy].astype(np.float64)
    index = np.searchsorted(SPECTRUM_EDGES, deposit, side="right") - 1
    counts = np.bincount(row * n_bins + index, minlength=len(images) * n_bins)
    return counts.reshape(len(images), n_bins).astype(np.float64)


def _adjacent(lit: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Count the pairs of lit cells that share an edge."""
    in_x, in_y = lit[:, 1:] & lit[:, :-1], lit[..., 1:] & lit[..., :-1]
    return in_x.sum(axis=(1, 2)) + in_y.sum(axis=(1, 2))


def _isolated(lit: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Count the lit cells without a lit neighbour (eight of them; fewer at the edge)."""
    n, nx, ny = lit.shape
    framed = np.zeros((n, nx + 2, ny + 2), dtype=bool)
    framed[:, 1:-1, 1:-1] = lit
    near = np.zeros_like(lit)
    for dx in (0, 1, 2):
        for dy in (0, 1, 2):
            if (dx, dy) != (1, 1):
                near |= framed[:, dx : dx + nx, dy : dy + ny]
    return (lit & ~near).sum(axis=(1, 2))
