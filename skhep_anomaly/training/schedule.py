"""Learning rates over the planned steps."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["SCHEDULES"]

_WARM_UP = 0.05
_FLAT = 0.3


def _constant(progress: float) -> float:
    return 1.0


def _cosine(progress: float) -> float:
    """Rise over the first 5 % of the steps, then fall to zero on half a cosine."""
    if progress < _WARM_UP:
        return max(progress / _WARM_UP, 1e-2)
    return 0.5 * (1.0 + math.cos(math.pi * (progress - _WARM_UP) / (1.0 - _WARM_UP)))


def _linear(progress: float) -> float:
    """Stay constant for 30 % of the steps, then fall on a line to 1 %."""
    return 1.0 if progress < _FLAT else 1.0 - 0.99 * (progress - _FLAT) / (1.0 - _FLAT)


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": _constant,
    "cosine": _cosine,
    "linear": _linear,
}
