"""A file of showers that is being written, and what it takes to go on with it after a kill.

The showers lie in the file one after the other, from some byte on; a journal beside it says how
many of them have reached the disk and what they were made from. Going on starts behind them.
Everything that decides about a shower is compared first: a file whose parts come from two models
would look like any other.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from skhep_anomaly._atomic import write_atomically

__all__ = ["Unfinished", "is_unfinished"]

_SECONDS = 5.0  # between two entries in the journal
_HOW_TO_RESTART = "Remove it and its journal, or leave resume out, to start over."


def _names(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    target = Path(os.path.realpath(path))
    return (
        target.with_name(f"{target.name}.part"),
        target.with_name(f"{target.name}.part.json"),
    )


def is_unfinished(path: str | os.PathLike[str]) -> bool:
    """Tell whether an earlier run has left something to go on with beside `path`."""
    return all(name.is_file() for name in _names(path))


class Unfinished:
    """The unfinished neighbour of a file, and its journal.

    Parameters
    ----------
    path : str or path-like
        The file that it is to become.
    facts : mapping of str to str or int
        What decides about the content.
    """

    def __init__(self, path: str | os.PathLike[str], facts: Mapping[str, Any]) -> None:
        self.path = path
        self.part, self.journal = _names(path)
        self.facts = dict(facts)
        self.start = self.done = 0
        self._written_at = time.monotonic()

    def exists(self) -> bool:
        """Tell whether there is something to go on with; take over how far it is.

        Raises
        ------
        ValueError
            If it was made from something else, or the journal is damaged.
        """
        if not is_unfinished(self.path):
            return False
        try:
            kept = json.loads(self.journal.read_text("utf-8"))
            facts, start, done = dict(kept["facts"]), int(kept["start"]), int(kept["done"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.journal} is no journal of showers ({error!r}). {_HOW_TO_RESTART}"
            ) from error
        other = [name for name, value in self.facts.items() if facts.get(name) != value]
        if other:
            said = ", ".join(f"{n} (was {_short(facts.get(n))})" for n in other)
            raise ValueError(
                f"{self.part} was begun with another {said}: it cannot be resumed. "
                f"{_HOW_TO_RESTART}"
            )
        self.start, self.done = start, done
        return True

    def note(self, stream: IO[bytes], done: int, *, now: bool = True) -> None:
        """Force what is written to the disk, then say so in the journal; every 5 s unless `now`."""
        if not now and time.monotonic() - self._written_at < _SECONDS:
            return
        stream.flush()
        os.fsync(stream.fileno())
        self.done = done
        text = json.dumps({"facts": self.facts, "start": self.start, "done": done})
        write_atomically(self.journal, text.encode("utf-8"))
        self._written_at = time.monotonic()

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Open the file for writing, and keep other processes from doing so; a kill ends both.

        Raises
        ------
        OSError
            If another process writes it.
        """
        descriptor = os.open(self.part, os.O_RDWR | os.O_CREAT, 0o666)
        with os.fdopen(descriptor, "rb+") as stream:
            _lock(stream, self.part)
            yield stream

    @contextmanager
    def noting(self, writer: Any) -> Iterator[None]:
        """Note at the end how far a writer is, whatever ends it."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):  # a full disk: the last entry stands
                self.note(writer.stream, writer.done)
            raise
        self.note(writer.stream, writer.done)

    def finish(self) -> None:
        """Turn the neighbour into the file."""
        os.replace(self.part, os.path.realpath(self.path))
        with contextlib.suppress(FileNotFoundError):
            self.journal.unlink()


def _lock(stream: IO[bytes], name: Path) -> None:
    try:
        import fcntl
    except ImportError:  # no such locks on Windows
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OSError(
            errno.EAGAIN, "Another process is writing this file of showers", str(name)
        ) from error


def _short(value: Any) -> str:
    text = str(value)
    return f"{text[:8]}…" if len(text) > 20 else text
