"""Write a file whole or not at all.

The bytes go to a temporary neighbour (same folder, hence same file system), are forced to the disk
(fsync), and the neighbour is renamed over the old file, which is one step for every reader. The
folder is forced to the disk too, so that the new name outlives a power cut. Whatever goes wrong
before the rename, a full disk or Ctrl-C, leaves the old file as it was and no temporary file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing", "write_atomically"]

# what file systems answer that cannot fsync a folder (network mounts)
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary neighbour that becomes `path` when the block ends without an error.

    Parameters
    ----------
    path : str or path-like
        The file to write or replace; a symbolic link there stays one.

    Yields
    ------
    Path
        An empty file in the same folder; removed if the block raises.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "No such folder to write into", str(target.parent))
    neighbour = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        neighbour.touch(exist_ok=False)
        yield neighbour
        _sync(neighbour)
        if target.exists():
            neighbour.chmod(target.stat().st_mode & 0o777)
        os.replace(neighbour, target)
    except BaseException:
        with contextlib.suppress(OSError):
            neighbour.unlink()
        raise
    _sync_folder(target.parent)


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace the file at `path` by `data`."""
    with replacing(path) as neighbour, open(neighbour, "wb") as stream:
        stream.write(data)


def _sync(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # a folder cannot be opened elsewhere
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)
