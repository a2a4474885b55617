"""Which showers share an image: all of them, those of a group, or each one alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.plotting._mean_images import MeanImage, Track, mean_image

__all__ = ["average_groups", "whole_or_groups"]


class Group(NamedTuple):
    """Rows of one image, and what they are called."""

    title: str
    rows: Any


def whole_or_groups(groups: Any, n_showers: int, group_name: str) -> list[Group]:
    """Return one group of all rows, or one for each value of `groups`.

    Raises
    ------
    ValueError
        There is not one value for each shower.
    """
    if groups is None:
        return [Group("", slice(None))]
    values = np.asarray(groups)
    if values.shape != (n_showers,):
        raise ValueError(
            f"groups.shape == {values.shape}, expected {(n_showers,)}: one value for each shower."
        )
    return [Group(f"{group_name} = {v}", np.flatnonzero(values == v)) for v in np.unique(values)]


def average_groups(
    samples: Mapping[str, NDArray[Any]],
    groups: list[Group],
    X: NDArray[np.float64] | None,
    depth: float,
) -> list[list[MeanImage]]:
    """Return the mean images: one list for each sample, in it one image for each group.

    Parameters
    ----------
    samples : mapping of str to ndarray of shape (n, nx, ny)
        Images of each sample.
    groups : list of Group
        Their rows.
    X : ndarray of shape (n, 5) or None
        Conditions.
    depth : float
        Where the axis of a single shower is marked [cm].

    Returns
    -------
    images : list of list of MeanImage
        Samples and groups in the order given.

    Raises
    ------
    ValueError
        Samples of unlike length have groups or conditions.
    """
    lengths = {name: len(cells) for name, cells in samples.items()}
    by_row = X is not None or len(groups) > 1
    if by_row and len(set(lengths.values())) > 1:
        raise ValueError(
            f"numbers of showers differ: {lengths}; with X or groups row i of each sample must be "
            "a shower of the same conditions."
        )
    about = partial(_particle, X=X, depth=depth)
    real, *_ = samples.values()
    return [
        [
            mean_image(
                name,
                cells[group.rows],
                real[group.rows] if X is not None and cells is not real else None,
                **{"title": group.title, **about(group)},
            )
            for group in groups
        ]
        for name, cells in samples.items()
    ]


def _particle(group: Group, X: NDArray[np.float64] | None, depth: float) -> dict[str, Any]:
    """Return what the conditions say about a group's showers."""
    if X is None:
        return {}
    rows = X[group.rows]
    momentum = np.linalg.norm(rows[:, :3], axis=1)
    told: dict[str, Any] = {"energies": (float(momentum.min()), float(momentum.max()))}
    if len(rows) > 1:
        return told
    (row,) = rows
    angle = np.degrees(np.arccos(min(row[2] / momentum[0], 1.0)))
    deep = row[3:] + depth * row[:2] / row[2]
    track = Track((float(row[3]), float(row[4])), (float(deep[0]), float(deep[1])))
    return {**told, "title": f"{momentum[0]:.3g} GeV, {angle:.0f}°", "track": track}
