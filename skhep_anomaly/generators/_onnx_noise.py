"""Cell noise of an exported generator, read from its description for the compiled loops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Noise", "read_noise"]


@dataclass(frozen=True)
class Noise:
    """Kind and parameters of the noise.

    Attributes
    ----------
    kind : {"table", "gaussian"} or None
        The formula.
    numbers : tuple
        What the loop of this kind takes.
    """

    kind: str | None = None
    numbers: tuple[Any, ...] = ()

    def n_normals(self, window: tuple[int, ...], shape: tuple[int, ...]) -> int:
        """Give how many normal numbers a shower takes."""
        if self.kind == "table":  # the window and a rim around it
            return (window[0] + 2) * (window[1] + 2)
        return shape[0] * shape[1] if self.kind == "gaussian" else 0


def read_noise(about: dict[str, Any] | None, window: tuple[int, ...]) -> Noise:
    """Give the noise that the part "cell_noise" of a description tells of."""
    if about is None:
        return Noise()
    pull, low = np.array(about["pull"]), _read_low(about["smallest_deposits"])
    if about["kind"] == "gaussian":
        return Noise("gaussian", (np.float32(about["a_mev"]), np.float32(about["b"]), pull, low))
    table = np.array(about["table"], dtype=np.float32)
    scale, near = (
        np.array(values, dtype=np.float32).reshape(window)
        for values in (about["scale"], about["adjacent"]["thick"])
    )
    threshold = np.float32(about["threshold_mev"])
    (first_l, step_l), (first_e, step_e) = about["l_grid"], about["eps_grid"]
    knots = tuple(
        np.float32(number)
        for number in (
            np.log(about["threshold_mev"]) + first_l,
            1.0 / step_l,
            table.shape[0] - 1.001,
            first_e,
            1.0 / step_e,
            table.shape[1] - 1.001,
        )
    )
    # thinness 1…0 of a cell is linear in its row of the table
    thick, thin = about["log_thick_thin"]
    slope = step_l / (thick - thin)
    start = (thick - np.log(about["threshold_mev"]) - first_l) / (thick - thin)
    more = (about["adjacent"]["thin"], about["diagonal"]["thick"], about["diagonal"]["thin"])
    weights = (scale, near, *(np.float32(number) for number in (*more, start, slope)))
    return Noise("table", (threshold, knots, table, _crossings(table), weights, pull, low))


def _read_low(about: dict[str, Any]) -> tuple[Any, ...]:
    """Give limit, first knot, steps per unit, last place, what is empty, and the table."""
    after = np.array(about["log_after"], dtype=np.float32)
    lowest, step = about["log_grid"]
    numbers = (about["limit_mev"], lowest, 1.0 / step, len(after) - 1.001, about["empty_mev"])
    return (*(np.float32(number) for number in numbers), after)


def _crossings(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give for each row of the table and the next the column up to which both give zero."""
    positive = table > 0
    first = np.where(positive.any(axis=1), positive.argmax(axis=1), table.shape[1]) - 1
    return np.minimum(first, np.append(first[1:], first[-1])).astype(np.float32)
