"""Turn ``random_state`` into local generators, so that no global stream is read or moved.

An int gives the same generators every time; a ``RandomState`` or ``Generator`` is advanced by one
draw, as scikit-learn's users expect; None takes fresh entropy from the system and leaves NumPy's
global stream alone.
"""

from __future__ import annotations

import contextlib
import numbers
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = [
    "global_streams_lock",
    "isolated_torch",
    "numpy_generator",
    "seed_sequence",
    "seeded_clone",
    "torch_generator",
]

global_streams_lock = threading.RLock()
"""Held by whoever borrows global random streams; two borrowers at once would mix them up.

Re-entrant: an adapter may hold an adapter.
"""


def seed_sequence(random_state: Any = None) -> np.random.SeedSequence:
    """Give the root of all randomness of one fit.

    Parameters
    ----------
    random_state : None, int, numpy.random.RandomState, Generator or SeedSequence
        The estimator's parameter.

    Returns
    -------
    numpy.random.SeedSequence
        Spawn one child for each independent use.

    Raises
    ------
    ValueError
        If `random_state` is of another kind.
    """
    if random_state is None:
        return np.random.SeedSequence()
    if isinstance(random_state, np.random.SeedSequence):
        # a copy: spawning from the user's own would give the next fit other children
        return np.random.SeedSequence(**random_state.state)  # type: ignore[arg-type]
    if isinstance(random_state, numbers.Integral):
        return np.random.SeedSequence(int(random_state))
    if isinstance(random_state, np.random.RandomState):
        return np.random.SeedSequence(random_state.randint(0, 2**31 - 1, size=4).tolist())
    if isinstance(random_state, np.random.Generator):
        return np.random.SeedSequence(random_state.integers(0, 2**31 - 1, size=4).tolist())
    raise ValueError(
        f"random_state={random_state!r} cannot seed a generator; "
        "use None, an int, a numpy RandomState or a numpy Generator."
    )


def numpy_generator(seeds: np.random.SeedSequence) -> np.random.Generator:
    """Give a NumPy generator seeded by `seeds`."""
    return np.random.default_rng(seeds)


def torch_generator(seeds: np.random.SeedSequence, device: str = "cpu") -> torch.Generator:
    """Give a torch generator on `device` seeded by `seeds`."""
    import torch

    generator = torch.Generator(device=device)
    generator.manual_seed(int(seeds.generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return generator


def seeded_clone(estimator: Any, seed: int) -> Any:
    """Give an unfitted copy with `seed` as every ``random_state`` that is None."""
    from sklearn.base import clone

    copy = clone(estimator)
    unset = [
        name
        for name, value in copy.get_params(deep=True).items()
        if name.split("__")[-1] == "random_state" and value is None
    ]
    return copy.set_params(**dict.fromkeys(unset, seed))


@contextlib.contextmanager
def isolated_torch(seeds: np.random.SeedSequence) -> Iterator[None]:
    """Run foreign torch code, which draws from the global stream, on a seeded copy of that stream.

    The global stream of the caller is as before on leaving. One thread at a time is let in, and
    other code in other threads sees the copy meanwhile, so this serves code that takes no generator
    (modules written by users, layers' own initialisation) and nothing else.
    """
    import torch

    with global_streams_lock, torch.random.fork_rng():
        torch.manual_seed(int(seeds.generate_state(1, np.uint64)[0] >> np.uint64(1)))
        yield
