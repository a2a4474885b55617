"""Files to write are looked at before the work, not after it."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["check_writable"]


def check_writable(*paths: str | None) -> None:
    """Refuse places that cannot be written to.

    Parameters
    ----------
    *paths : str or None
        Files that a command will write; None is passed over.

    Raises
    ------
    ValueError
        If a folder is missing or not writable, or the name is that of a folder.
    """
    for path in filter(None, paths):
        folder = Path(path).parent
        if not folder.is_dir():
            raise ValueError(f"cannot write {path}: there is no folder {folder}")
        if Path(path).is_dir():
            raise ValueError(f"cannot write {path}: it is a folder")
        if not os.access(folder, os.W_OK):
            raise ValueError(f"cannot write {path}: the folder {folder} is not writable")
