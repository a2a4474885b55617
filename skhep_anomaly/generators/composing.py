"""Events: what a calorimeter holds after several particles is the sum of their showers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length

from skhep_anomaly._random import seed_sequence
from skhep_anomaly._validation import iter_slices

__all__ = ["compose_event"]

_PART = 2048
_EVENT = "event"


def compose_event(
    generator: Any,
    particles: Any,
    event: Any = None,
    *,
    n_events: int | None = None,
    random_state: Any = None,
) -> NDArray[np.float32]:
    """Sum the showers of an event's particles.

    Parameters
    ----------
    generator : CaloGANGenerator
        Fitted.
    particles : array-like or frame of shape (n, 5)
        px, py, pz [GeV], x, y [cm] of each particle; particles of an event need not be neighbours.
    event : array-like of shape (n,), default=None
        Which event each particle belongs to. None: the column "event" of a frame; without one, all
        particles make one event.
    n_events : int, default=None
        Number of events, which are then called 0, …, n_events − 1; those without a particle are
        empty. None: one for each distinct value of `event`, in ascending order.
    random_state : int, RandomState, Generator or None, default=None
        Seed; particle i has shower i of ``generator.sample(particles, random_state=random_state)``.

    Returns
    -------
    ndarray of shape (n_events, nx, ny)
        Deposits [MeV], float32. `readout` adds noise, saturation and a threshold.

    Raises
    ------
    ValueError
        If lengths differ, `event` holds NaN, or is not within `n_events`.

    Notes
    -----
    Showers of the same cell add up without interference: no pile-up in time, no shared saturation
    before `readout`. Memory is that of the events, and 7 MB.

    Examples
    --------
    >>> from skhep_anomaly import CaloGANGenerator, compose_event, load_geant4_showers
    >>> showers = load_geant4_showers(nrows=200)
    >>> generator = CaloGANGenerator(hidden_layer_sizes=(8,), max_epochs=1, random_state=0)
    >>> generator = generator.fit(showers.X, showers.images)
    >>> compose_event(generator, showers.X[:3], event=[7, 9, 7], random_state=0).shape
    (2, 30, 30)
    """
    if event is None:
        has_column = _EVENT in getattr(particles, "columns", ())
        event = np.asarray(particles[_EVENT]) if has_column else np.zeros(len(particles), int)
    check_consistent_length(particles, event)
    rows, n_rows = _places(np.asarray(event), n_events)
    shape = tuple(int(n) for n in generator.shape)
    images, at = np.zeros((n_rows, *shape), dtype=np.float32), 0
    seeds = seed_sequence(random_state)
    for showers in generator.stream(_parts(particles), random_state=seeds):
        np.add.at(images, rows[at : at + len(showers)], showers)
        at += len(showers)
    return images


def _parts(particles: Any) -> Iterator[Any]:
    frame = hasattr(particles, "iloc")
    table = particles if hasattr(particles, "columns") else np.asarray(particles)
    for part in iter_slices(len(table), _PART):
        yield particles.iloc[part] if frame else table[part]


def _places(event: NDArray[Any], n_events: int | None) -> tuple[NDArray[np.intp], int]:
    """Give for each particle the row of its event, and how many rows there are."""
    if event.dtype == object and all(isinstance(name, str) for name in event.flat):
        event = event.astype(str)  # names in a pandas column
    if event.ndim != 1 or event.dtype.kind not in "iubfUS" or (event != event).any():
        raise ValueError(
            f"event must hold one number or name without NaN for each particle; got dtype "
            f"{event.dtype} of shape {event.shape}."
        )
    if n_events is None:
        names, rows = np.unique(event, return_inverse=True)
        return rows, len(names)
    fits = event.dtype.kind in "iu" and isinstance(n_events, int | np.integer)
    if not fits or event.min() < 0 or event.max() >= n_events:
        raise ValueError(
            f"n_events={n_events!r} must be an integer above every number in event, and these "
            f"integers >= 0; got {event.min()} to {event.max()} of dtype {event.dtype}."
        )
    return event.astype(np.intp), int(n_events)
