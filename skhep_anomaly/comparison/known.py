"""Which rows the table has: a classifier gets one for each number K of known signal events.

Detectors learn from background alone. A classifier learns from K signal events more, each K with a
row of its own, so that rows of one K know the same. K = 0 is for classifiers whose labels are
optional, such as (1+ε)-class classification.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

__all__ = ["FEWEST", "KNOWN_SIGNAL", "Entry", "table_entries"]

FEWEST = 10  # background events in training, in the test, and signal events
KNOWN_SIGNAL = (0, 20, 200)


class Entry(NamedTuple):
    """A row of the table: its name, its detector, and how many known signal events train it."""

    name: str
    detector: Any
    n_known: int = 0


def table_entries(
    detectors: Mapping[str, Any], known_signal: int | Sequence[int] | None, n_signal: int
) -> list[Entry]:
    """Give the rows of the table.

    Parameters
    ----------
    detectors : mapping of str to estimator
        Outlier detectors and classifiers.
    known_signal : int, sequence of int or None
        Numbers K; None: those of `KNOWN_SIGNAL` that the signal suffices for.
    n_signal : int
        Signal events there are.

    Returns
    -------
    list of Entry
        In the order of `detectors`; classifiers are called "name (K=20)".

    Raises
    ------
    ValueError
        If the numbers are unusable, two rows have one name, or there is no row.
    """
    learners = [name for name, detector in detectors.items() if is_classifier(detector)]
    if not learners and known_signal is not None:
        raise ValueError(
            f"known_signal={known_signal!r}: none of {', '.join(detectors)} is a classifier that "
            "could learn from known signal."
        )
    numbers = _numbers(known_signal, n_signal) if learners else []
    entries: list[Entry] = []
    for name, detector in detectors.items():
        if name in learners:
            entries += _learning(name, detector, numbers)
        else:
            entries.append(Entry(name, detector))
    _check_names(entries)
    return entries


def _learning(name: str, detector: Any, numbers: Sequence[int]) -> list[Entry]:
    usable = [k for k in numbers if k > 0 or not _needs_labels(detector)]
    if not usable:
        warnings.warn(
            f"{name} is left out: it learns from known signal, and there is no K > 0.",
            UserWarning,
            stacklevel=4,
        )
    return [Entry(f"{name} (K={k})", detector, k) for k in usable]


def _needs_labels(detector: Any) -> bool:
    last = detector[-1] if isinstance(detector, Pipeline) else detector
    return bool(get_tags(last).target_tags.required)


def _numbers(known_signal: int | Sequence[int] | None, n_signal: int) -> list[int]:
    """Give the numbers K in increasing order; at most half of the signal may be known."""
    numbers = KNOWN_SIGNAL if known_signal is None else known_signal
    chosen = [numbers] if isinstance(numbers, int) else [int(number) for number in numbers]
    if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0:
        raise ValueError(
            f"known_signal={known_signal!r}: give a number ≥ 0, or different numbers ≥ 0."
        )
    most = max(0, min(n_signal // 2, n_signal - FEWEST))
    left_out = [k for k in chosen if k > most]
    if left_out:
        words = (
            f"K = {', '.join(map(str, left_out))} known signal events of {n_signal} leave too few "
            f"for the test; at most {most} can be known"
        )
        if known_signal is not None:
            raise ValueError(f"known_signal={known_signal!r}: {words}.")
        warnings.warn(f"{words}; left out.", UserWarning, stacklevel=4)
    return sorted(set(chosen) - set(left_out))


def _check_names(entries: Sequence[Entry]) -> None:
    names = [entry.name for entry in entries]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"two rows of the table would be called {twice[0]!r}; rename a detector.")
    if not entries:
        raise ValueError(
            "there is nothing to compare: every detector is a classifier that learns from known "
            "signal; give known_signal a number above 0, and enough signal events."
        )
