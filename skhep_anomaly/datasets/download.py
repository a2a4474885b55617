"""Downloads that are either exactly the file meant or nothing.

A file is named by its sha256. It is streamed to a temporary neighbour while the hash is taken;
only a file with the right hash gets its name. A machine without a network gets the address and
the place to put the file by hand.
"""

from __future__ import annotations

import hashlib
import os
import re
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.error import URLError
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from skhep_anomaly._atomic import replacing
from skhep_anomaly.datasets.home import data_home

_BLOCK = 1 << 20
_SCHEMES = ("https", "http", "file")


def fetch(
    url: str,
    sha256: str,
    filename: str | None = None,
    *,
    data_home: str | os.PathLike[str] | None = None,
    timeout: float = 30.0,
) -> Path:
    """Path of a file with a known checksum, downloaded if it is not there yet.

    A file that already lies at its place with the right checksum is used without a network.
    One with another checksum is downloaded anew and replaced only by the right one.

    Parameters
    ----------
    url : str
        Address; ``https``, ``http`` or ``file``.
    sha256 : str
        Checksum of the file, 64 hexadecimal digits.
    filename : str, optional
        Path below the data folder. By default the last part of the address.
    data_home : str or path-like, optional
        Data folder; see :func:`data_home` for the default.
    timeout : float, default=30.0
        Seconds [s] to wait for the server, per connection and read.

    Returns
    -------
    path : Path
        The file, whole and with the right checksum.

    Raises
    ------
    ValueError
        If the address has another scheme, the checksum is not a sha256, or ``filename`` leads
        out of the data folder.
    OSError
        If the file cannot be downloaded (with the address and how to place it by hand), or if
        the download has another checksum; nothing is kept of it then.

    Notes
    -----
    The checksum is required: a file of unknown content is not something to train on. Cost
    O(file size), memory one block of 1 MiB.

    Examples
    --------
    >>> import hashlib, pathlib, tempfile
    >>> from skhep_anomaly.datasets import fetch
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "there.csv").write_bytes(b"a,b")
    >>> there = (folder / "there.csv").as_uri()
    >>> path = fetch(there, hashlib.sha256(b"a,b").hexdigest(), "here.csv", data_home=folder)
    >>> path.read_bytes()
    b'a,b'
    """
    _check_url(url)
    expected = _check_digest(sha256)
    target = _target(url, filename, data_home)
    if target.is_file() and _digest_of(target) == expected:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        received = _download(url, temporary, target, expected, timeout)
        if received != expected:
            msg = (
                f"The file from {url} has the sha256 {received}, expected {expected}. The download "
                "was removed. The file changed at its source or was damaged on the way: try "
                "again, then compare the checksum with the one its publisher states."
            )
            raise OSError(msg)
    return target


def _check_url(url: str) -> None:
    scheme = urlsplit(url).scheme
    if scheme not in _SCHEMES:
        msg = f"url={url!r} has the scheme {scheme!r}; allowed are {', '.join(_SCHEMES)}."
        raise ValueError(msg)


def _check_digest(sha256: str) -> str:
    if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        msg = f"sha256={sha256!r} is no sha256 checksum: expected 64 hexadecimal digits."
        raise ValueError(msg)
    return sha256.lower()


def _target(url: str, filename: str | None, home: str | os.PathLike[str] | None) -> Path:
    name = filename or PurePosixPath(unquote(urlsplit(url).path)).name
    folder = data_home(home)
    target = folder / name
    if not name or not target.resolve().is_relative_to(folder.resolve()) or target.is_dir():
        msg = f"filename={name!r} is no file below the data folder {folder}; give a plain name."
        raise ValueError(msg)
    return target


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url: str, temporary: Path, target: Path, expected: str, timeout: float) -> str:
    """Stream the address into ``temporary``; return the sha256 of what came."""
    digest = hashlib.sha256()
    try:
        with urlopen(url, timeout=timeout) as answer, temporary.open("wb") as file:  # noqa: S310
            while block := answer.read(_BLOCK):
                digest.update(block)
                file.write(block)
    except (URLError, OSError, HTTPException) as error:
        msg = (
            f"Could not download {url}: {error}. Without a network, get the file elsewhere and "
            f"place it by hand as {target} (sha256 {expected}), then call again."
        )
        raise OSError(msg) from error
    return digest.hexdigest()
