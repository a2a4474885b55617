"""Files that are whole or absent.

A file is written under a temporary name beside its target, flushed to the disk (fsync) and only
then renamed with ``os.replace``, which is atomic within one folder. Whoever reads the target
sees the old file or the new one, never half of one.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary neighbour that becomes ``path`` when the block ends without an error.

    Parameters
    ----------
    path : str or path-like
        The file to write or replace.

    Yields
    ------
    temporary : Path
        An empty file in the same folder; removed if the block raises.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        _sync(temporary)
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o777)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
