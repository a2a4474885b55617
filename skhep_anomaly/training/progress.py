"""One progress bar per fit or sample, on stderr, shown at ``verbose=1`` only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["counting_bar", "progress_bar"]


class _Silent:
    def advance(self, train_loss: float, valid_loss: float | None = None) -> None:
        """Do nothing."""

    def advance_by(self, n: int) -> None:
        """Do nothing."""


class _Shown(_Silent):
    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def advance(self, train_loss: float, valid_loss: float | None = None) -> None:
        """Move by one epoch and show the losses."""
        shown = {"loss": f"{train_loss:.4g}"}
        if valid_loss is not None:
            shown["valid"] = f"{valid_loss:.4g}"
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update()

    def advance_by(self, n: int) -> None:
        """Move by so many units."""
        self.bar.update(n)


@contextmanager
def progress_bar(name: str | None, n_epochs: int) -> Iterator[_Silent]:
    """Give an object with ``advance``; nothing is shown where `name` is None."""
    if name is None:
        yield _Silent()
        return
    from tqdm.auto import tqdm

    with tqdm(total=n_epochs, desc=name, unit="epoch", leave=True) as bar:
        yield _Shown(bar)


@contextmanager
def counting_bar(name: str | None, total: int, done: int, unit: str) -> Iterator[_Silent]:
    """Give an object with ``advance_by``; nothing is shown where `name` is None."""
    if name is None:
        yield _Silent()
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, initial=done, desc=name, unit=unit, unit_scale=True) as bar:
        yield _Shown(bar)
