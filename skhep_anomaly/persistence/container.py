"""The form of a model file: a zip whose comment is the sha256 of everything before it.

::

    arrays/0.npy ...      numpy arrays
    weights.safetensors   torch tensors
    state.json            fitted attributes
    manifest.json         format, class, versions, parameters, size and sha256 of each part
    (zip directory)
    "skhep_anomaly sha256:" + 64 hexadecimal digits

Nothing is compressed, so a part is never larger than the file that holds it. The hash at the end
covers the zip headers and the manifest, which hashes of the parts alone would miss; it lies in the
zip's comment, so that any zip tool still opens the file. It shows damage, it is no signature: a
hostile file has a right hash too, hence the checks of every entry before anything is read.

A file is checked from the outside inwards: size, hash, manifest, format, entries, parts. Every
later format keeps the trailer and a stored ``manifest.json`` with ``format`` and ``written_by``, so
that an old version of the package can say which version it takes to read a new file.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
import zipfile
from collections.abc import Mapping
from typing import Any

from skhep_anomaly.exceptions import ModelFileError

__all__ = ["FORMAT", "pack", "unpack"]

FORMAT = 1
_MANIFEST = "manifest.json"
_PART_NAME = re.compile(r"state\.json|weights\.safetensors|arrays/[0-9]{1,9}\.npy")
_TRAILER_START = b"skhep_anomaly sha256:"
_TRAILER_SIZE = len(_TRAILER_START) + 64
_DAMAGED = "It is damaged, cut short or was changed after it was saved: take another copy"


def pack(head: Mapping[str, Any], parts: Mapping[str, bytes]) -> bytes:
    """Give the bytes of a model file; the same model gives the same bytes."""
    listed = {name: {"size": len(data), "sha256": _sha256(data)} for name, data in parts.items()}
    manifest = json.dumps({**head, "parts": listed}, indent=1, allow_nan=False).encode("ascii")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {**parts, _MANIFEST: manifest}.items():
            entry = zipfile.ZipInfo(name)  # dated 1980, whenever it is written
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, data)
        archive.comment = bytes(_TRAILER_SIZE)  # the directory names its length
    with buffer.getbuffer() as view:
        view[-_TRAILER_SIZE:] = _trailer(view[:-_TRAILER_SIZE])
    return buffer.getvalue()


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Check a model file's bytes and give its manifest and its parts."""
    _check_trailer(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        manifest = _read_manifest(archive, entries)
        _check_entries(entries, manifest["parts"], len(data))
        return manifest, {
            entry.filename: _read_part(archive, entry, manifest["parts"][entry.filename])
            for entry in entries
            if entry.filename != _MANIFEST
        }


def _sha256(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _trailer(content: memoryview) -> bytes:
    return _TRAILER_START + _sha256(content).encode("ascii")


def _check_trailer(data: bytes) -> None:
    found = data[-_TRAILER_SIZE:]
    if not (len(data) > _TRAILER_SIZE and found.startswith(_TRAILER_START)):
        msg = f"its {len(data)} bytes do not end as a model file does. {_DAMAGED}"
        raise ModelFileError(msg)
    if found != _trailer(memoryview(data)[:-_TRAILER_SIZE]):
        msg = f"its sha256 does not fit its content. {_DAMAGED}"
        raise ModelFileError(msg)


def _read_manifest(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> dict[str, Any]:
    found = [entry for entry in entries if entry.filename == _MANIFEST]
    if len(found) != 1:
        msg = f"it holds {len(found)} entries {_MANIFEST!r}, allowed is one"
        raise ModelFileError(msg)
    _check_plain(found[0])
    manifest = json.loads(archive.read(found[0]))
    if type(manifest["format"]) is not int or manifest["format"] > FORMAT:
        msg = (
            f"it is written by {str(manifest['written_by'])[:60]!a} in format "
            f"{str(manifest['format'])[:10]!a}; this version reads formats up to {FORMAT}. "
            "Update skhep_anomaly"
        )
        raise ModelFileError(msg)
    return dict(manifest)


def _check_plain(entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    plain = (
        kind in (0, stat.S_IFREG)
        and not entry.flag_bits & 0x1  # encrypted
        and entry.compress_type == zipfile.ZIP_STORED
        and entry.compress_size == entry.file_size
    )
    if not plain:
        msg = f"its entry {entry.filename[:80]!a} is no plain, uncompressed file"
        raise ModelFileError(msg)


def _check_entries(
    entries: list[zipfile.ZipInfo], listed: Mapping[str, Any], file_size: int
) -> None:
    names = [entry.filename for entry in entries if entry.filename != _MANIFEST]
    for name in names:
        if not _PART_NAME.fullmatch(name):
            msg = f"its entry {name[:80]!a} has a name that no part of a model has"
            raise ModelFileError(msg)
    if len(names) != len(set(names)) or set(names) != set(listed):
        msg = "its entries are not those that its manifest lists, each once"
        raise ModelFileError(msg)
    for entry in entries:
        _check_plain(entry)
    if sum(entry.file_size for entry in entries) > file_size:
        msg = f"its entries claim more than the file's own {file_size} bytes"
        raise ModelFileError(msg)


def _read_part(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, listed: Mapping[str, Any]
) -> bytes:
    same_size = entry.file_size == listed["size"]
    data = archive.read(entry) if same_size else b""
    if not same_size or _sha256(data) != listed["sha256"]:
        msg = f"its part {entry.filename!r} is not the one that its manifest describes"
        raise ModelFileError(msg)
    return data
