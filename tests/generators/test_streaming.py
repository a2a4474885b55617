"""Showers into arrays, files and streams: always the same ones, also after a kill."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest

from skhep_anomaly import CaloGANGenerator
from skhep_anomaly.generators import _shower_files, _unfinished

SHAPE = (4, 4)


def training_rows(n=300):
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [rng.normal(0, 1, (n, 2)), rng.uniform(5, 50, n), rng.uniform(-0.5, 0.5, (n, 2))]
    )
    return X, rng.exponential(X[:, 2, None, None], (n, *SHAPE))


@pytest.fixture(scope="module")
def fitted():
    generator = CaloGANGenerator(
        shape=SHAPE, hidden_layer_sizes=(8,), latent_dim=4, max_epochs=1, random_state=0
    )
    return generator.fit(*training_rows())


@pytest.fixture(scope="module")
def X():
    return np.tile(training_rows()[0], (20, 1))[:5000]


@pytest.fixture(scope="module")
def expected(fitted, X):
    return fitted.sample(X, random_state=3)


# ------------------------------------------------------------------ arrays


@pytest.mark.parametrize("kind", ["array", "memmap", "hdf5"])
def test_out_gets_the_showers(fitted, X, expected, kind, tmp_path):
    if kind == "hdf5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "a.h5", "w") as file:
            out = file.create_dataset("s", expected.shape, dtype="f4")
            assert fitted.sample(X, random_state=3, out=out) is out
            np.testing.assert_array_equal(out[:], expected)
        return
    out = np.full(expected.shape, -1, dtype=np.float32)
    if kind == "memmap":
        out = np.memmap(tmp_path / "a.bin", np.float32, "w+", shape=expected.shape)
    assert fitted.sample(X, random_state=3, out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (
            np.empty((9, 4, 4), np.float32),
            r"shape \(10, 4, 4\) .* got ndarray of shape \(9, 4, 4\)",
        ),
        (np.empty((10, 4, 4)), "dtype float32; got ndarray .* dtype float64"),
        ([1, 2], "got list of shape None"),
        ("showers.root", "showers are written as .npy, .h5 or .hdf5"),
    ],
)
def test_out_that_does_not_fit(fitted, X, out, message):
    with pytest.raises(ValueError, match=message):
        fitted.sample(X[:10], out=out)


def test_read_only_out(fitted, X):
    out = np.empty((10, 4, 4), np.float32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only: open the memory map"):
        fitted.sample(X[:10], out=out)


# ------------------------------------------------------------------ stream


@pytest.mark.parametrize("size", [1, 100, 256, 3000, 10**6])
def test_a_stream_is_the_sample_however_it_is_cut(fitted, X, expected, size):
    rows = X[:400] if size == 1 else X
    chunks = [rows[i : i + size] for i in range(0, len(rows), size)]
    made = list(fitted.stream(iter(chunks), random_state=3))
    assert [len(part) for part in made] == [len(chunk) for chunk in chunks]
    np.testing.assert_array_equal(np.concatenate(made), expected[: len(rows)])


def test_parts_made_apart_are_the_sample(fitted, X, expected):
    """As by several processes, each with a part of the conditions."""
    for low, high in ((4100, 5000), (0, 777), (777, 4100)):
        part = np.concatenate(list(fitted.stream([X[low:high]], random_state=3, first=low)))
        np.testing.assert_array_equal(part, expected[low:high])


def test_a_stream_is_lazy_and_checks_at_once(fitted, X):
    asked = []

    def chunks():
        for k in range(100):
            asked.append(k)
            yield X[:1000]

    stream = fitted.stream(chunks(), random_state=0)
    assert asked == []
    next(stream)
    assert len(asked) == 3
    with pytest.raises(ValueError, match=r"first=-1 must be an integer of at least 0"):
        fitted.stream([X], first=-1)
    with pytest.raises(ValueError, match="cannot seed a generator"):
        fitted.stream([X], random_state="a")


def test_memory_is_flat(fitted, X, tmp_path):
    peaks = []
    for n in (1, 8):
        rows = np.tile(X, (n, 1)).astype(np.float32)
        tracemalloc.start()
        fitted.sample(rows, random_state=0, out=tmp_path / "a.npy")
        peaks.append(tracemalloc.get_traced_memory()[1] - 100 * len(rows))  # conditions, checked
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 1e6  # 35,000 more showers have 2.2 MB


# ------------------------------------------------------------------- files


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("name", ["a.npy", "a.h5"])
def test_files(fitted, X, expected, tmp_path, name, resume):
    path = tmp_path / name
    made = fitted.sample(X, random_state=3, out=path, resume=resume)
    np.testing.assert_array_equal(made, expected)
    assert not made.flags.writeable
    assert [p.name for p in tmp_path.iterdir()] == [name]
    if name == "a.npy":
        np.testing.assert_array_equal(np.load(path), expected)
        return
    h5py = pytest.importorskip("h5py")
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["showers"][:], expected)
        np.testing.assert_array_equal(file["conditions"][:], X.astype(np.float32))
        assert file["showers"].attrs["unit"] == "MeV"


def test_an_older_file_is_replaced_or_left(fitted, X, tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    path.write_bytes(b"old")
    monkeypatch.setattr(_shower_files.ShowerWriter, "write", full_disk)
    with pytest.raises(OSError, match="No space left"):
        fitted.sample(X, out=path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.npy"]
    monkeypatch.undo()
    assert len(fitted.sample(X, out=str(path))) == len(X)


def full_disk(self, made):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_places_that_cannot_be_written(fitted, X, tmp_path):
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(IsADirectoryError, match="A folder of this name is in the way"):
        fitted.sample(X, out=tmp_path / "folder.npy")
    with pytest.raises(FileNotFoundError, match="No such folder to write into"):
        fitted.sample(X, out=tmp_path / "missing" / "a.npy")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if not os.access(closed, os.W_OK):  # root writes everywhere
        with pytest.raises(PermissionError):
            fitted.sample(X, out=closed / "a.npy")
    assert list(closed.iterdir()) == []


@pytest.mark.parametrize("resume", [False, True])
def test_a_disk_that_is_too_small_is_noticed_before_the_work(fitted, tmp_path, resume):
    options = {"random_state": 0, "out": tmp_path / "a.npy", "resume": resume}
    with pytest.raises(OSError, match=r"The showers take .* GB, of which .* GB are free"):
        fitted.sample(10**14, **options)
    assert not (tmp_path / "a.npy").exists()


# ------------------------------------------------------------------ resume


def interrupt_at(monkeypatch, n, error):
    """Raise when `n` showers are written."""
    write = _shower_files.ShowerWriter.write

    def interrupted(self, made):
        if self.done >= n:
            raise error
        write(self, made)

    monkeypatch.setattr(_shower_files.ShowerWriter, "write", interrupted)


ERRORS = [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")]


@pytest.mark.parametrize("error", ERRORS, ids=["ctrl-c", "full disk"])
@pytest.mark.parametrize("name", ["a.npy", "a.h5"])
def test_what_was_interrupted_goes_on(fitted, X, expected, tmp_path, monkeypatch, name, error):
    path = tmp_path / name
    for n in (700, 2600):  # twice
        with monkeypatch.context() as patch:
            interrupt_at(patch, n, error)
            with pytest.raises(type(error)):
                fitted.sample(X, random_state=3, out=path, resume=True)
        assert not path.exists()
        journal = json.loads((tmp_path / f"{name}.part.json").read_text())
        assert journal["done"] == -(-n // 256) * 256
    blocks = []
    make = CaloGANGenerator._block
    monkeypatch.setattr(CaloGANGenerator, "_block", lambda *a: blocks.append(a[3]) or make(*a))
    made = fitted.sample(X, random_state=3, out=path, resume=True)
    assert blocks == list(range(11, 20))  # nothing twice
    np.testing.assert_array_equal(made, expected)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.fixture
def begun(fitted, X, tmp_path, monkeypatch):
    """An unfinished file."""
    with monkeypatch.context() as patch:
        interrupt_at(patch, 700, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            fitted.sample(X, random_state=3, out=tmp_path / "a.npy", resume=True)
    return tmp_path / "a.npy"


def test_what_was_begun_with_something_else_is_refused(fitted, X, begun):
    other = CaloGANGenerator(
        shape=SHAPE, hidden_layer_sizes=(8,), latent_dim=4, max_epochs=1, random_state=1
    ).fit(*training_rows())
    options = {"out": begun, "resume": True}
    with pytest.raises(ValueError, match="was begun with another model"):
        other.sample(X, random_state=3, **options)
    with pytest.raises(ValueError, match=r"another seed \(was 3 \(\)\): it cannot be resumed"):
        fitted.sample(X, random_state=4, **options)
    with pytest.raises(ValueError, match="another conditions"):
        fitted.sample(X[::-1], random_state=3, **options)
    with pytest.raises(ValueError, match=r"another number of showers \(was 5000\), conditions"):
        fitted.sample(X[:10], random_state=3, **options)
    with pytest.raises(ValueError, match="another number of showers"):
        fitted.sample(X, 2, random_state=3, **options)


@pytest.mark.parametrize("text", ["", "[]", '{"facts": {}}', '{"facts": 1, "start": 0, "done": 0}'])
def test_a_damaged_journal_is_refused(fitted, X, begun, text):
    begun.with_name("a.npy.part.json").write_text(text)
    with pytest.raises(ValueError, match="is no journal of showers"):
        fitted.sample(X, random_state=3, out=begun, resume=True)


def test_without_its_journal_a_file_is_started_over(fitted, X, expected, begun):
    begun.with_name("a.npy.part.json").unlink()
    made = fitted.sample(X, random_state=3, out=begun, resume=True)
    np.testing.assert_array_equal(made, expected)


def test_two_processes_do_not_write_one_file(fitted, X, begun):
    fcntl = pytest.importorskip("fcntl")
    with begun.with_name("a.npy.part").open("rb+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="Another process is writing this file of showers"):
            fitted.sample(X, random_state=3, out=begun, resume=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"random_state": 0}, "resume=True goes on with a file: out must be a path, got NoneType"),
        ({"out": "a.npy"}, "resume=True needs a seed .* random_state must be an int, got None"),
        ({"out": "a.npy", "random_state": np.random.default_rng(0)}, "must be an int, got Gen"),
    ],
)
def test_what_cannot_be_resumed(fitted, X, options, message):
    with pytest.raises(ValueError, match=message):
        fitted.sample(X, resume=True, **options)


RUN = """
import sys, time
from skhep_anomaly import load
from skhep_anomaly.generators import _shower_files, _unfinished
_unfinished._SECONDS = 0.0
write = _shower_files.ShowerWriter.write
def slowly(self, made):
    write(self, made)
    time.sleep(0.05)
_shower_files.ShowerWriter.write = slowly
load(sys.argv[1]).sample(5000, random_state=3, out=sys.argv[2], resume=True)
"""


def test_a_killed_process_goes_on(fitted, tmp_path):
    model, path = tmp_path / "m.skhep", tmp_path / "a.npy"
    fitted.save(model)
    process = subprocess.Popen([sys.executable, "-c", RUN, model, path])
    journal, end = tmp_path / "a.npy.part.json", time.monotonic() + 120
    while time.monotonic() < end:
        if journal.exists() and json.loads(journal.read_text())["done"] > 0:
            break
        time.sleep(0.02)
    process.kill()
    process.wait()
    done = json.loads(journal.read_text())["done"]
    assert 0 < done < 5000
    assert not path.exists()
    made = fitted.sample(5000, random_state=3, out=path, resume=True)
    np.testing.assert_array_equal(made, fitted.sample(5000, random_state=3))


def test_the_journal_is_written_now_and_then(fitted, X, tmp_path, monkeypatch):
    monkeypatch.setattr(_unfinished, "_SECONDS", 1e9)
    notes = []
    note = _unfinished.write_atomically
    monkeypatch.setattr(_unfinished, "write_atomically", lambda *a: notes.append(a) or note(*a))
    fitted.sample(X, random_state=3, out=tmp_path / "a.npy", resume=True)
    assert len(notes) == 2  # at the beginning and at the end


# ---------------------------------------------------------------- progress


def test_progress_is_shown_if_asked_for(fitted, X, capsys, tmp_path):
    fitted.sample(X)
    assert capsys.readouterr().err == ""
    fitted.set_params(verbose=1)
    try:
        fitted.sample(X, out=tmp_path / "a.npy")
    finally:
        fitted.set_params(verbose=0)
    shown = capsys.readouterr().err
    assert "CaloGANGenerator" in shown
    assert "5.00k/5.00k" in shown
