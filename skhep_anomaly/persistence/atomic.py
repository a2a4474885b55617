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
from pathlib import Path

__all__ = ["write_atomically"]

# what file systems answer that cannot fsync a folder (network mounts)
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace the file at `path` by `data`; a symbolic link at `path` stays one."""
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "No such folder to write into", str(target.parent))
    neighbour = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        _write_and_sync(neighbour, data)
        os.replace(neighbour, target)
    except BaseException:
        with contextlib.suppress(OSError):
            neighbour.unlink()
        raise
    _sync_folder(target.parent)


def _write_and_sync(path: Path, data: bytes) -> None:
    with open(path, "xb") as stream:
        stream.write(data)
        stream.flush()
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
