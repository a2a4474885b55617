"""Showers in any number: into an array, into a file, or chunk by chunk, with flat memory.

Whatever the way, shower i of a sample has the conditions i, belongs to block ⌊i/256⌋ and comes out
bitwise the same (see `_sampling`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skhep_anomaly._random import seed_sequence
from skhep_anomaly.generators._shower_files import check_shower_path, open_showers, shower_writer
from skhep_anomaly.generators._wanted import DrawnConditions, GivenConditions, WantedConditions
from skhep_anomaly.training.progress import counting_bar

__all__ = ["ShowerStreaming"]

_PART = 2048  # showers made between two looks at the progress bar; a multiple of the block


class ShowerStreaming:
    """`sample` and `stream`."""

    def sample(
        self,
        X: Any,
        n_per_condition: int = 1,
        random_state: Any = None,
        out: Any = None,
        resume: bool = False,
    ) -> NDArray[np.float32]:
        """Generate showers.

        Parameters
        ----------
        X : array-like of shape (n, 5), or int
            Conditions px, py, pz [GeV], x, y [cm], a frame's columns by name; or how many showers
            under conditions drawn from those of the training (see `sample_conditions`).
        n_per_condition : int, default=1
            Showers for each condition, one after the other.
        random_state : int, RandomState, Generator or None, default=None
            Seed; None draws fresh showers at each call.
        out : ndarray, str or path-like, default=None
            Where the showers go: a float32 array of the shape given below (a memory map, an HDF5
            dataset), or a file to write, ``.npy`` or ``.h5`` (with datasets ``showers`` and
            ``conditions``). The file appears when it is whole; memory stays flat.
        resume : bool, default=False
            For a file. True keeps what is done when the call is interrupted or killed, as
            ``<out>.part`` with a journal ``<out>.part.json`` beside it, and goes on from there, so
            that the file in the end is bitwise the one of an uninterrupted call. Needs an int
            `random_state`.

        Returns
        -------
        ndarray of shape (n · n_per_condition, nx, ny)
            Deposits [MeV] ≥ 0, float32: `out` where that is an array, a read-only memory map of the
            file where it is a path.

        Raises
        ------
        ValueError
            If conditions are not five finite numbers with pz > 0, `out` does not fit, or what is to
            be resumed was begun with another model, seed, shape or other conditions.
        OSError
            If the file cannot be written, or the disk is too small for it.

        Warns
        -----
        ExtrapolationWarning
            If conditions lie outside those of the training.
        """
        check_is_fitted(self)
        seeds = seed_sequence(random_state)
        wanted = self._wanted(X, n_per_condition, seeds)
        shape = (len(wanted), *(int(n) for n in self.shape))  # type: ignore[attr-defined]
        if resume:
            _check_resumable(out, random_state)
        if isinstance(out, str | os.PathLike):
            return self._to_file(check_shower_path(out), wanted, seeds, resume)
        if out is None:
            out = np.empty(shape, dtype=np.float32)
        _check_array(out, shape)
        for low, made in self._parts(wanted, seeds, 0):
            out[low : low + len(made)] = made.reshape(-1, *shape[1:])
        showers: NDArray[np.float32] = out
        return showers

    def _wanted(self, X: Any, n_per_condition: Any, seeds: Any) -> WantedConditions:
        if not _is_count(n_per_condition):
            raise ValueError(
                f"n_per_condition={n_per_condition!r} must be an integer of at least 1."
            )
        times = int(n_per_condition)
        if not np.isscalar(X):
            return GivenConditions(self._conditions(X), times)  # type: ignore[attr-defined]
        drawn = self._drawn(X, seeds)
        return drawn if times == 1 else GivenConditions(drawn.rows(0, len(drawn)), times)

    def _drawn(self, n: Any, seeds: np.random.SeedSequence) -> DrawnConditions:
        if not _is_count(n):
            raise ValueError(
                f"n={n!r} showers cannot be drawn: an integer of at least 1 is needed, or "
                "conditions of shape (n, 5)."
            )
        return DrawnConditions(self.conditions_, int(n), seeds)  # type: ignore[attr-defined]

    def _parts(
        self, wanted: WantedConditions, seeds: Any, done: int
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Give the blocks of a sample from shower `done` on, each with its first shower."""
        name = type(self).__name__ if self.verbose else None  # type: ignore[attr-defined]
        with counting_bar(name, len(wanted), done, "shower") as bar:
            for start in range(done, len(wanted), _PART):
                low = start
                rows = wanted.rows(start, min(start + _PART, len(wanted)))
                for made in self._blocks(rows, start, seeds):  # type: ignore[attr-defined]
                    yield low, made
                    low += len(made)
                bar.advance_by(len(rows))

    def _to_file(
        self, path: Path, wanted: WantedConditions, seeds: Any, resume: bool
    ) -> NDArray[np.float32]:
        shape = self.shape  # type: ignore[attr-defined]
        facts = self._facts(wanted, seeds) if resume else None
        with shower_writer(path, wanted, shape, facts) as writer:
            for _, made in self._parts(wanted, seeds, writer.done):
                writer.write(made)
        return open_showers(path)

    def _facts(self, wanted: WantedConditions, seeds: Any) -> dict[str, Any]:
        """Give what decides about the showers of a sample."""
        return {
            "number of showers": len(wanted),
            "conditions": wanted.digest(),
            "seed": f"{seeds.entropy} {seeds.spawn_key}",
            "model": _digest(self.net_.module_.generator),  # type: ignore[attr-defined]
            "device": str(self.device_),  # type: ignore[attr-defined]
            "version of torch": str(torch.__version__),
        }

    def stream(
        self, conditions: Iterable[Any], random_state: Any = None, first: int = 0
    ) -> Iterator[NDArray[np.float32]]:
        """Generate showers for chunks of conditions, one chunk after the other.

        Joined together they are bitwise ``sample(X, random_state=random_state)``, X the chunks
        joined together, however these are cut. So are the parts that several processes make, each
        of which says by `first` where its part begins.

        Parameters
        ----------
        conditions : iterable of array-like of shape (m, 5)
            Chunks of conditions px, py, pz [GeV], x, y [cm]; m may differ. A chunk of many rows is
            better and takes more memory; small ones are read ahead up to 2,048 rows.
        random_state : int, RandomState, Generator or None, default=None
            Seed; None draws fresh showers.
        first : int, default=0
            Number of the first shower in the whole sample.

        Returns
        -------
        iterator of ndarray of shape (m, nx, ny)
            Deposits [MeV] ≥ 0 for one chunk after the other, float32.

        Raises
        ------
        ValueError
            If conditions are not five finite numbers with pz > 0, or `first` is no integer ≥ 0.
        """
        check_is_fitted(self)
        if not isinstance(first, int | np.integer) or first < 0:
            raise ValueError(f"first={first!r} must be an integer of at least 0.")
        return self._streamed(conditions, seed_sequence(random_state), int(first))

    def _streamed(
        self, conditions: Iterable[Any], seeds: Any, first: int
    ) -> Iterator[NDArray[np.float32]]:
        chunks: list[NDArray[np.float32]] = []
        for chunk in conditions:
            chunks.append(self._conditions(chunk))  # type: ignore[attr-defined]
            if sum(map(len, chunks)) >= _PART:
                yield from self._made_together(chunks, seeds, first)
                first += sum(map(len, chunks))
                chunks = []
        if chunks:
            yield from self._made_together(chunks, seeds, first)

    def _made_together(
        self, chunks: list[NDArray[np.float32]], seeds: Any, first: int
    ) -> Iterator[NDArray[np.float32]]:
        """Make several chunks at once, since a block costs the same however full it is."""
        rows = np.concatenate(chunks)
        shape = (len(rows), *(int(n) for n in self.shape))  # type: ignore[attr-defined]
        showers, at = np.empty(shape, dtype=np.float32), 0
        for made in self._blocks(rows, first, seeds):  # type: ignore[attr-defined]
            showers[at : at + len(made)] = made.reshape(-1, *shape[1:])
            at += len(made)
        yield from np.split(showers, np.cumsum([len(chunk) for chunk in chunks])[:-1])


def _check_resumable(out: Any, random_state: Any) -> None:
    if not isinstance(out, str | os.PathLike):
        raise ValueError(
            f"resume=True goes on with a file: out must be a path, got {type(out).__name__}."
        )
    if not isinstance(random_state, int | np.integer):
        raise ValueError(
            f"resume=True needs a seed that is the same next time: random_state must be an int, "
            f"got {random_state!r}."
        )


def _check_array(out: Any, shape: tuple[int, ...]) -> None:
    """Refuse what showers do not fit into."""
    found = getattr(out, "shape", None), str(getattr(out, "dtype", None))
    if found != (shape, "float32"):
        raise ValueError(
            f"out must be a path, or an array of shape {shape} and dtype float32; got "
            f"{type(out).__name__} of shape {found[0]} and dtype {found[1]}."
        )
    flags = getattr(out, "flags", None)
    if flags is not None and not flags.writeable:
        raise ValueError("out is read-only: open the memory map with mode='r+' or 'w+'.")


def _digest(module: torch.nn.Module) -> str:
    """Give a hash of all weights and buffers."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _is_count(n: Any) -> bool:
    """Tell whether `n` is an integer of at least 1; True is none."""
    return isinstance(n, int | np.integer) and not isinstance(n, bool) and int(n) >= 1
