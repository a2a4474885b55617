"""Damaged and hostile model files: all refused, nothing executed, nothing written.

`forge` writes what an attacker would: a file whose hashes are right and whose content is not.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import stat
import struct
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save as safetensors_bytes

from skhep_anomaly import ModelFileError
from skhep_anomaly.persistence import load
from skhep_anomaly.persistence.container import pack, unpack
from skhep_anomaly.persistence.npy import array_from_npy, array_to_npy
from skhep_anomaly.persistence.weights import tensors_from_bytes

TRAILER = len(b"skhep_anomaly sha256:") + 64


def seal(content):
    """The content with the right trailer."""
    return content + b"skhep_anomaly sha256:" + hashlib.sha256(content).hexdigest().encode()


def forge(entries, change=lambda archive: None, compression=zipfile.ZIP_STORED):
    """A file of (ZipInfo or name, bytes) entries with a right hash."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
        change(archive)
        archive.comment = bytes(TRAILER)
    return seal(buffer.getvalue()[:-TRAILER])


def entries_of(path):
    with zipfile.ZipFile(path) as archive:
        return {i.filename: archive.read(i) for i in archive.infolist()}


def manifest_for(manifest, parts):
    listed = {
        n: {"size": len(d), "sha256": hashlib.sha256(d).hexdigest()} for n, d in parts.items()
    }
    return json.dumps({**manifest, "parts": listed}).encode()


@pytest.fixture
def parts(model):
    """(manifest, parts) of a good file."""
    entries = entries_of(model)
    return json.loads(entries.pop("manifest.json")), entries


def refused(path, data, match):
    path.write_bytes(data)
    folder = sorted(os.listdir(path.parent))
    with pytest.raises(ModelFileError, match=match) as error:
        load(path)
    assert sorted(os.listdir(path.parent)) == folder
    assert str(path) in str(error.value)


# ------------------------------------------------------------------- damage


@pytest.fixture
def small(standins, tmp_path):
    """The bytes of a small but whole model file."""
    standins.Bag([1]).fit(np.arange(3.0)).save(tmp_path / "small")
    data = (tmp_path / "small").read_bytes()
    assert len(data) < 3000
    return data


def is_refused(data):
    try:
        unpack(data)
    except ModelFileError:
        return True
    return False


def test_every_flipped_byte_is_refused(small):
    assert not is_refused(small)
    accepted = []
    for i in range(len(small)):
        for flip in (0x01, 0x20, 0x80, 0xFF):  # 0x20 turns a hexadecimal digit's case
            data = bytearray(small)
            data[i] ^= flip
            if not is_refused(bytes(data)):
                accepted.append((i, flip))
    assert accepted == []


def test_every_bit_of_some_bytes(small):
    places = random.Random(1).sample(range(len(small)), 150) + list(range(-TRAILER, 0))
    for i in places:
        for bit in range(8):
            data = bytearray(small)
            data[i] ^= 1 << bit
            assert is_refused(bytes(data)), (i, bit)
    assert len(places) == 150 + 85


def test_every_length_is_refused(small):
    assert [n for n in range(len(small)) if not is_refused(small[:n])] == []
    assert [n for n in range(1, len(small), 97) if not is_refused(small[n:])] == []


@pytest.mark.parametrize(
    "change, told",
    [
        (lambda d: b"", "its 0 bytes do not end as a model file does"),
        (lambda d: d[:-1], "do not end as a model file does. It is damaged, cut short"),
        (lambda d: d + b"\0", "do not end as a model file does"),
        (lambda d: d + d[-TRAILER:], "its sha256 does not fit its content"),
        (lambda d: d + d, "its sha256 does not fit its content"),
        (lambda d: d[: len(d) // 2] + d[len(d) // 2 + 1 :], "its sha256 does not fit"),
        (lambda d: b"\0" * len(d), "do not end as a model file does"),
        (lambda d: seal(b""), "do not end as a model file does"),
        (lambda d: seal(b"no zip at all"), "it is malformed .*BadZipFile"),
        (lambda d: d[-TRAILER:] * 2, "its sha256 does not fit"),
    ],
)
def test_damage_is_told(model, change, told):
    refused(model, change(model.read_bytes()), told)


def test_hash_can_be_checked_by_hand(model):
    data = model.read_bytes()
    assert data[-64:].decode() == hashlib.sha256(data[:-TRAILER]).hexdigest()
    with zipfile.ZipFile(model) as archive:
        assert archive.comment == data[-TRAILER:]


def test_pipe_and_device_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelFileError, match="pipe is refused: it is no regular file"):
        load(tmp_path / "pipe")
    with pytest.raises(ModelFileError, match="zero is refused: it is no regular file"):
        load("/dev/zero")


# ------------------------------------------------------------- hostile entries


@pytest.mark.parametrize(
    "name",
    [
        "../evil.npy",
        "arrays/../../evil.npy",
        "/etc/evil.npy",
        "arrays/1.npy/../2.npy",
        "C:\\evil.npy",
        "arrays/1.pkl",
        "arrays/1.npy\n",
        "arrays/٣.npy",
        "state.json ",
        "arrays/",
        "extra.txt",
    ],
)
def test_names_outside_are_refused(model, parts, name):
    manifest, entries = parts
    entries[name] = b"x"
    data = forge([*entries.items(), ("manifest.json", manifest_for(manifest, entries))])
    refused(model, data, "has a name that no part of a model has")
    assert not (model.parent.parent / "evil.npy").exists()


def test_link_and_folder_are_refused(model, parts):
    manifest, entries = parts
    for kind in (stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO):
        link = zipfile.ZipInfo("arrays/7.npy")
        link.external_attr = (kind | 0o777) << 16
        all_parts = {**entries, "arrays/7.npy": b"/etc/passwd"}
        forged = [*entries.items(), (link, b"/etc/passwd")]
        forged.append(("manifest.json", manifest_for(manifest, all_parts)))
        refused(
            model, forge(forged), match="its entry 'arrays/7.npy' is no plain, uncompressed file"
        )


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicates_are_refused(model, parts):
    manifest, entries = parts
    good = manifest_for(manifest, entries)
    twice = [*entries.items(), ("state.json", entries["state.json"]), ("manifest.json", good)]
    refused(model, forge(twice), match="are not those that its manifest lists, each once")
    two = [*entries.items(), ("manifest.json", good), ("manifest.json", good)]
    refused(model, forge(two), match="it holds 2 entries 'manifest.json', allowed is one")
    refused(model, forge(entries.items()), "it holds 0 entries 'manifest.json'")


def test_missing_and_unlisted_parts_are_refused(model, parts):
    manifest, entries = parts
    good = manifest_for(manifest, entries)
    more = [*entries.items(), ("arrays/0.npy", b""), ("manifest.json", good)]
    refused(model, forge(more), "are not those that its manifest lists")
    fewer = [("state.json", entries["state.json"]), ("manifest.json", good)]
    refused(model, forge(fewer), "are not those that its manifest lists")


def test_exchanged_part_is_refused(model, parts):
    manifest, entries = parts
    good = manifest_for(manifest, entries)
    for other in (entries["state.json"][:-1] + b" ", entries["state.json"] + b" "):
        changed = {**entries, "state.json": other}
        data = forge([*changed.items(), ("manifest.json", good)])
        refused(model, data, "its part 'state.json' is not the one that its manifest describes")


def test_zip_bomb_is_refused_unread(model, parts):
    manifest, entries = parts
    bomb = bytes(64 * 2**20)  # 64 MiB in 64 kB
    all_parts = {**entries, "arrays/0.npy": bomb}
    good = manifest_for(manifest, all_parts)
    data = forge([*all_parts.items(), ("manifest.json", good)], compression=zipfile.ZIP_DEFLATED)
    assert len(data) < 2**20
    del bomb, all_parts
    tracemalloc.start()
    try:
        refused(model, data, "its entry 'manifest.json' is no plain, uncompressed file")
        stored = zipfile.ZipInfo("manifest.json")
        entries_then_bomb = [*entries.items(), ("arrays/0.npy", bytes(10**6)), (stored, good)]
        data = forge(entries_then_bomb, compression=zipfile.ZIP_DEFLATED)
        refused(model, data, "is no plain, uncompressed file")
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


def test_sizes_that_overlap_are_refused(model, parts):
    """One stored block that many entries of the directory claim."""
    manifest, entries = parts
    block = bytes(4000)
    listed = {**entries, **{f"arrays/{i}.npy": block for i in range(50)}}

    def point_all_to_the_first(archive):
        infos = [i for i in archive.infolist() if i.filename.startswith("arrays/")]
        for info in infos:
            info.file_size = info.compress_size = len(block)
            info.header_offset = infos[0].header_offset

    small = [
        (name, block if name == "arrays/0.npy" else b"") for name in listed if "arrays" in name
    ]
    forged = [*entries.items(), *small, ("manifest.json", manifest_for(manifest, listed))]
    refused(
        model, forge(forged, point_all_to_the_first), "its entries claim more than the file's own"
    )


def test_encrypted_entry_is_refused(model, parts):
    manifest, entries = parts

    def encrypt(archive):
        archive.getinfo("state.json").flag_bits |= 1

    data = forge([*entries.items(), ("manifest.json", manifest_for(manifest, entries))], encrypt)
    refused(model, data, "its entry 'state.json' is no plain, uncompressed file")


# ------------------------------------------------------------ hostile contents


def repacked(parts, state=None, manifest=None, extra=None):
    head, entries = parts
    entries = {**entries, **(extra or {})}
    if state is not None:
        entries["state.json"] = state if isinstance(state, bytes) else json.dumps(state).encode()
    head = {k: v for k, v in {**head, **(manifest or {})}.items() if k != "parts"}
    return pack(head, entries)


def test_repacked_as_it_was_is_the_file(model, parts):
    order = {k: parts[1][k] for k in ("weights.safetensors", "state.json")}
    assert repacked((parts[0], order)) == model.read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "sklearn.svm.SVC",
        "skhep_anomaly.standins.Hidden",  # there, but not in __all__
        "skhep_anomaly.standins.Net",  # in __all__, but no estimator
        "skhep_anomaly.standins.some_function",
        "skhep_anomaly.standins.Missing",
        "skhep_anomaly.no_such_room.Toy",
        "skhep_anomaly.persistence.files.Path",
        "skhep_anomaly.load",
        "skhep_anomaly.ModelFileError",
        "skhep_anomaly.__init__.Toy",
        "skhep_anomaly._validation.Toy",
        "skhep_anomaly..standins.Toy",
        "skhep_anomaly.standins.Toy\n",
        "skhep_anomaly_evil.Toy",
        "Toy",
        "",
        None,
        7,
        ["skhep_anomaly.standins.Toy"],
    ],
)
def test_other_classes_are_refused(model, parts, name):
    modules = set(sys.modules)
    refused(model, repacked(parts, manifest={"class": name}), "is no public estimator of skhep_")
    assert not {m for m in set(sys.modules) - modules if not m.startswith("skhep_anomaly")}
    nested = {"$": "estimator", "class": name, "parameters": {}, "state": {}, "nets": None}
    state = {"state": {"a_": [nested]}, "nets": None}
    refused(model, repacked(parts, state=state), "is no public estimator of skhep_anomaly")


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("evil_was_executed",))


def test_pickle_in_an_array_is_refused(model, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stream = io.BytesIO()
    np.save(stream, np.array([Evil()], dtype=object), allow_pickle=True)
    state = {"state": {"a_": {"$": "array", "part": "arrays/0.npy"}}, "nets": None}
    data = repacked(parts, state=state, extra={"arrays/0.npy": stream.getvalue()})
    refused(model, data, "it holds an array of dtype 'object', which is never read")
    assert not (tmp_path / "evil_was_executed").exists()


def test_pickle_as_weights_is_refused(model, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stream = io.BytesIO()
    torch.save({"net_.0.weight": Evil()}, stream)
    data = repacked(parts, extra={"weights.safetensors": stream.getvalue()})
    refused(model, data, "its weights claim a header of [0-9]+ bytes")
    assert not (tmp_path / "evil_was_executed").exists()


def npy(header, payload=b""):
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + payload


@pytest.mark.parametrize(
    "data, told",
    [
        (
            npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"),
            "does not fit",
        ),
        (
            npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", b"8bytes__"),
            "does not fit",
        ),
        (
            npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", b"8bytes___"),
            "not fit its 9",
        ),
        (npy("{'descr': '<U0', 'fortran_order': False, 'shape': (10000000,)}"), "does not fit"),
        (
            npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"\x80\x04N."),
            "never read",
        ),
        (npy("{'descr': '|V8', 'fortran_order': False, 'shape': (1,)}", b"8bytes__"), "never read"),
        (npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': ()}"), "never read"),
        (npy("{'descr': '<M8[s]', 'fortran_order': False, 'shape': ()}", bytes(8)), "never read"),
        (npy("__import__('os').mkdir('evil_was_executed')"), "malformed"),
        (npy("{" * 20_000), "malformed"),
        (b"\x93NUMPY\x03\x00" + bytes(20), r"in version \(3, 0\) of the npy format, allowed are"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "malformed"),
        (b"", "malformed"),
        (b"\x80\x04N.", "malformed"),
    ],
)
def test_hostile_arrays_are_refused(model, parts, data, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = {"state": {"a_": {"$": "array", "part": "arrays/0.npy"}}, "nets": None}
    refused(model, repacked(parts, state=state, extra={"arrays/0.npy": data}), told)
    assert os.listdir(tmp_path) == ["toy.skhep"]


def test_array_reader_alone():
    good = array_to_npy(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    again = array_from_npy(good)
    assert again.flags.f_contiguous
    assert again.flags.writeable
    assert again.sum() == 15


@pytest.mark.parametrize(
    "weights, told",
    [
        (b"", "its weights claim a header of 0 bytes and have 0 in all"),
        (struct.pack("<Q", 2**63) + b"{}", "claim a header of 9223372036854775808 bytes"),
        (struct.pack("<Q", 3) + b"{}", "claim a header of 3 bytes and have 10"),
        (struct.pack("<Q", 2) + b"[]", "malformed"),
        (safetensors_bytes({"a": torch.ones(2)})[:-1], "malformed"),
        (safetensors_bytes({"a": torch.ones(2)}), "other names or dtypes than the net"),
    ],
)
def test_hostile_weights_are_refused(model, parts, weights, told):
    refused(model, repacked(parts, extra={"weights.safetensors": weights}), told)


def test_huge_header_is_refused():
    text = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}' + b" " * (101 * 2**20) + b"}"
    with pytest.raises(SafetensorError, match="header too large"):
        tensors_from_bytes(struct.pack("<Q", len(text)) + text + bytes(4))


def changed_weights(toy, **change):
    own = {f"net_.{k}": v for k, v in toy.net_.module_.state_dict().items()}
    return {"weights.safetensors": safetensors_bytes({**own, **change})}


def test_weights_of_another_net_are_refused(toy, model, parts):
    float32 = changed_weights(toy, **{"net_.0.weight": torch.zeros(4, 3)})
    refused(model, repacked(parts, extra=float32), "other names or dtypes than the net")
    shape = changed_weights(toy, **{"net_.0.weight": torch.zeros(4, 2, dtype=torch.float64)})
    refused(model, repacked(parts, extra=shape), "(?s)malformed .*size mismatch for 0.weight")
    more = changed_weights(toy, **{"net_.9.weight": torch.zeros(1)})
    refused(model, repacked(parts, extra=more), "other names or dtypes than the net")


def test_number_of_nets(model, parts):
    state = json.loads(parts[1]["state.json"])
    refused(
        model, repacked(parts, state={**state, "nets": ["net_."]}), "weights of 1 nets, its param"
    )
    refused(model, repacked(parts, state={**state, "nets": ["net_."] * 2}), "weights of 2 nets")


def test_giant_net_is_refused(model, parts):
    parameters = {**parts[0]["parameters"], "width": 30_000_000}
    data = repacked(parts, manifest={"parameters": parameters})
    refused(model, data, "its parameters ask for a net far larger than its weights")


def deep(n):
    return b'{"nets": null, "state": {"a_": ' + b"[" * n + b"]" * n + b"}}"


@pytest.mark.parametrize(
    "state, told",
    [
        (b"", "malformed"),
        (b"[]", "malformed"),
        (b"\xff\xfe", "malformed"),
        (deep(100_000), "malformed .*RecursionError"),
        ({"state": {}}, "malformed .*nets"),
        ({"state": {"score_samples": 1}, "nets": None}, "sets 'score_samples', which is no fitted"),
        ({"state": {"__class__": "x"}, "nets": None}, "sets '__class__', which is no fitted"),
        ({"state": {"_private_": 1}, "nets": None}, "sets '_private_', which is no fitted"),
        ({"state": {"net_": 1}, "nets": None}, "sets 'net_', which is no fitted"),
        (
            {"state": {"a_": {"$": "pickle", "data": "x"}}, "nets": None},
            "of the unknown kind 'pickle'",
        ),
        ({"state": {"a_": {"$": ["list"]}}, "nets": None}, "malformed"),
        ({"state": {"a_": {"b": 1}}, "nets": None}, "malformed"),
        (
            {"state": {"a_": {"$": "scalar", "dtype": "O", "bytes": "00"}}, "nets": None},
            "never read",
        ),
        (
            {"state": {"a_": {"$": "scalar", "dtype": "f8", "bytes": "00"}}, "nets": None},
            "malformed",
        ),
        ({"state": {"a_": {"$": "array", "part": "../x"}}, "nets": None}, "malformed"),
        ({"state": {"a_": {"$": "tensor", "name": "x"}}, "nets": None}, "malformed"),
        (
            {
                "state": {"a_": {"$": "dict", "items": [[{"$": "dict", "items": []}, 1]]}},
                "nets": None,
            },
            "malformed .*unhashable",
        ),
        (
            {"state": {"a_": {"$": "object_array", "shape": [2**40], "items": []}}, "nets": None},
            "malformed",
        ),
        (
            {
                "state": {
                    "a_": {
                        "$": "Generator",
                        "state": {"$": "dict", "items": [["bit_generator", "os.system"]]},
                    }
                },
                "nets": None,
            },
            "a random generator of kind 'os.system'",
        ),
    ],
)
def test_hostile_state_is_refused(model, parts, state, told):
    refused(model, repacked(parts, state=state), told)


@pytest.mark.parametrize(
    "manifest, told",
    [
        ({"format": 2, "written_by": "skhep_anomaly 9.1"}, "it is written by 'skhep_anomaly 9.1'"),
        ({"format": "1"}, "reads formats up to 1"),
        ({"format": True}, "reads formats up to 1"),
        ({"format": 10**4000}, "reads formats up to 1"),
        ({"parameters": {"no_such_parameter": 1}}, "malformed .*no_such_parameter"),
        ({"parameters": []}, "malformed"),
        ({"versions": {}}, "malformed .*skhep_anomaly"),
        ({"versions": {"skhep_anomaly": 1, "torch": 2}}, "malformed"),
    ],
)
def test_hostile_manifest_is_refused(model, parts, manifest, told):
    refused(model, repacked(parts, manifest=manifest), told)


def test_terminal_codes_do_not_reach_the_screen(model, parts):
    model.write_bytes(repacked(parts, manifest={"class": "\x1b[2J\x07evil", "format": 1}))
    with pytest.raises(ModelFileError, match="its class") as error:
        load(model)
    assert "\x1b" not in str(error.value)
    assert str(error.value).isprintable()
