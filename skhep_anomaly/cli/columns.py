"""Which columns of a table are features; names that are wrong are answered with near ones."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Sequence

__all__ = ["chosen_features", "require_columns", "similar"]


def similar(name: str, known: Iterable[str]) -> str:
    """Say which of the known names come near, or list them.

    Parameters
    ----------
    name : str
        What was asked for.
    known : iterable of str
        What there is.

    Returns
    -------
    str
        The end of a message.
    """
    names = list(known)
    lower = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(repr(lower[each]) for each in near)}?"
    shown = ", ".join(names[:15]) + (f", … ({len(names)} in all)" if len(names) > 15 else "")
    return f"there are {shown}" if shown else "there is none"


def require_columns(path: str, found: Sequence[str], wanted: Iterable[str | None]) -> None:
    """Refuse names that the file does not have.

    Raises
    ------
    ValueError
        Names the column, and near ones.
    """
    for name in wanted:
        if name is not None and name not in found:
            raise ValueError(f"{path} has no column {name!r}: {similar(name, found)}")


def chosen_features(
    path: str,
    found: Sequence[str],
    *,
    features: Sequence[str] | None,
    exclude: Sequence[str],
    others: Iterable[str],
) -> list[str]:
    """Give the features: names or patterns asked for, or all columns, without those left out.

    Parameters
    ----------
    path : str
        The file, for messages.
    found : sequence of str
        Its columns.
    features : sequence of str or None
        Names or shell patterns; None: every column.
    exclude : sequence of str
        Names or shell patterns.
    others : iterable of str
        Columns with another role: label, weight, id.

    Returns
    -------
    list of str
        In the order asked for, else in file order.

    Raises
    ------
    ValueError
        If a name or pattern matches nothing, a feature has another role, or none is left.
    """
    roles = set(others)
    kept = [name for name in found if name not in roles]
    if features is not None:
        both = [name for name in features if name in roles]
        if both:
            raise ValueError(f"column {both[0]!r} is label, weight or id and cannot be a feature")
        kept = list(dict.fromkeys(n for each in features for n in _matches(path, kept, each)))
    dropped = {name for each in exclude for name in _matches(path, found, each)}
    left = [name for name in kept if name not in dropped]
    if not left:
        raise ValueError(f"{path}: no feature is left of {len(found)} columns")
    return left


def _matches(path: str, names: Sequence[str], pattern: str) -> list[str]:
    """Give the name itself, or what a pattern fits."""
    if pattern in names:
        return [pattern]
    matching = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
    if not matching:
        raise ValueError(f"{path} has no column {pattern!r}: {similar(pattern, names)}")
    return matching
