"""A column keeps its kind from the first chunk to the last.

Text formats let a column start with numbers and go on with words. Between whole and decimal
numbers nothing is lost; any other change would reach a model as nonsense and is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_KINDS = {"b": "bool", "i": "number", "u": "number", "f": "number", "M": "time", "m": "time"}
_INFERRED = {
    "boolean": "bool",
    "integer": "number",
    "floating": "number",
    "decimal": "number",
    "mixed-integer-float": "number",
    "datetime": "time",
    "date": "time",
    "empty": None,
}


class KindGuard:
    """Remember the kind of every column and refuse a change."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}
        self._names: list[str] | None = None

    def check(self, chunk: Any, path: Path) -> None:
        """Compare a chunk with those before it.

        Parameters
        ----------
        chunk : DataFrame
            The next rows.
        path : Path
            Their file, for the message.
        """
        names = list(chunk.columns)
        if self._names is not None and names != self._names:
            different = sorted(set(names) ^ set(self._names)) or names
            msg = (
                f"{path}: columns differ from those of the files before: {different}. "
                "Name the common ones with columns=."
            )
            raise ValueError(msg)
        self._names = names
        for name in names:
            kind = _kind(chunk[name])
            known = self._kinds.setdefault(name, kind) if kind else kind
            if kind != known:
                msg = (
                    f"{path}: column {name!r} changes from {known} to {kind} within the rows "
                    f"{chunk.index[0]} to {chunk.index[-1]}; a column must keep one kind of value."
                )
                raise ValueError(msg)


def _kind(column: Any) -> str | None:
    """Kind of the values, None where every value is missing."""
    if column.isna().all():
        return None
    kind = getattr(column.dtype, "kind", "O")
    if kind in _KINDS:
        return _KINDS[kind]
    from pandas.api.types import infer_dtype

    return _INFERRED.get(infer_dtype(column, skipna=True), "text")
