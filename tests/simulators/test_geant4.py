"""Geant4 behind a process: what is missing is named, nothing is lost, and the showers are right.

Most tests put a small script in the place of the worker, so that they run without Geant4.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from skhep_anomaly import SimulatorError, draw_conditions, simulate_geant4
from skhep_anomaly.simulators import geant4

FAKE = """
import os, sys
import numpy as np
job = np.load(sys.argv[1], allow_pickle=False)
n, shape, layers = len(job["conditions"]), tuple(job["shape"]), int(job["n_layers"])
mark = job["conditions"].sum(axis=1) + job["seeds"].sum(axis=1)
np.savez(sys.argv[2], images=np.broadcast_to(mark[:, None, None], (n, *shape)).astype("f4"),
         layers=np.full((n, layers), float(job["cell"])), cpu=np.full(n, 0.5))
print(os.environ["GEANT4_DATA_DIR"])
"""


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Put a script in the place of the worker, with empty folders for Geant4's data."""
    monkeypatch.setattr(geant4, "find_spec", lambda name: "found")
    for variable in geant4.DATA_SETS:
        monkeypatch.setenv(variable, str(tmp_path))

    def put(script):
        path = tmp_path / "worker.py"
        path.write_text(script, "utf-8")
        monkeypatch.setattr(geant4, "_WORKER", path)

    return put


@pytest.fixture
def no_data(tmp_path, monkeypatch):
    """A machine with geant4_pybind and none of its data; gives the empty home."""
    monkeypatch.setattr(geant4, "find_spec", lambda name: "found")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for variable in ("GEANT4_DATA_DIR", *geant4.DATA_SETS):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def test_without_geant4(monkeypatch):
    monkeypatch.setattr(geant4, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "skhep_anomaly\[geant4\]"'):
        simulate_geant4(2)


def test_every_missing_data_set_is_named(no_data):
    with pytest.raises(FileNotFoundError, match="lacks the data sets") as error:
        simulate_geant4(2)
    for text in ("G4EMLOW (G4LEDATA)", "PhotonEvaporation (G4LEVELGAMMADATA)", "G4ENSDFSTATEDATA"):
        assert text in str(error.value)


def test_only_the_missing_data_set_is_named(no_data, monkeypatch):
    (no_data / "here").mkdir()
    monkeypatch.setenv("G4LEDATA", str(no_data / "here"))
    monkeypatch.setenv("G4LEVELGAMMADATA", str(no_data / "nowhere"))
    (no_data / ".geant4_pybind" / "G4ENSDFSTATE3.0").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"data sets PhotonEvaporation \(G4LEVEL[A-Z]+\)\."):
        simulate_geant4(2)


def test_data_sets_in_the_usual_folders(no_data, monkeypatch):
    monkeypatch.setenv("GEANT4_DATA_DIR", str(no_data / "data"))
    for folder in (
        "data/G4EMLOW8.8",
        "data/PhotonEvaporation6.1.2",
        ".geant4_pybind/G4ENSDFSTATE3.0",
    ):
        (no_data / folder).mkdir(parents=True)
    found = geant4._environment()
    assert found["G4LEDATA"].endswith("data/G4EMLOW8.8")
    assert found["G4ENSDFSTATEDATA"].endswith(".geant4_pybind/G4ENSDFSTATE3.0")
    assert found["GEANT4_DATA_DIR"] == str(no_data / "data")


def test_rows_come_back_in_order_whatever_the_jobs(worker):
    worker(FAKE)
    X = draw_conditions(7, random_state=0)
    one, three = (simulate_geant4(conditions=X, n_jobs=n, random_state=1) for n in (1, 3))
    np.testing.assert_array_equal(one.images, three.images)
    assert len(np.unique(one.images[:, 0, 0])) == 7
    np.testing.assert_array_equal(one.X, X)
    assert one.cpu.tolist() == [0.5] * 7
    other = simulate_geant4(conditions=X, random_state=2)
    assert (other.images != one.images).all()


def test_fields_and_geometry(worker):
    worker(FAKE)
    showers = simulate_geant4(4, shape=(5, 6), n_layers=3, cell=1.5, layers=True, random_state=0)
    assert showers.images.shape == (4, 5, 6)
    assert showers.layers.tolist() == [[1.5] * 3] * 4
    assert showers.X is showers.data
    assert "4 electron showers, 5 × 6 cells" in showers.DESCR
    assert "layers" not in simulate_geant4(2, random_state=0)


@pytest.mark.parametrize(
    "script, text",
    [
        ("print('no element Z=82'); raise SystemExit(3)", "ended with exit status 3.*Z=82"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "ended with signal 11.*nothing",
        ),
        ("pass", "ended with exit status 0"),
    ],
)
def test_a_worker_that_fails(worker, script, text):
    worker(script)
    with pytest.raises(SimulatorError, match=text):
        simulate_geant4(2)


def test_interrupt_ends_the_workers(worker, tmp_path):
    pids = tmp_path / "pids"
    worker(
        "import os, pathlib, sys, time\n"
        f"with open({str(pids)!r}, 'a') as file: file.write(f'{{os.getpid()}}\\n')\n"
        "time.sleep(60)"
    )

    def interrupt():
        end = time.monotonic() + 30
        while time.monotonic() < end and not (pids.exists() and pids.read_text().count("\n") == 2):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        simulate_geant4(4, n_jobs=2)
    assert time.monotonic() - start < 50  # the workers would sleep for 60 s
    for pid in pids.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@pytest.mark.parametrize(
    "parameters, text",
    [
        ({"n_samples": 0}, "n_samples=0: expected a whole number of at least 1"),
        ({"n_jobs": 0}, "n_jobs=0: expected a whole number of at least 1"),
        ({"n_layers": 1.5}, "n_layers=1.5: expected a whole number"),
        ({"absorber": 0}, "absorber=0: expected a length above 0 cm"),
        ({"conditions": -np.ones((2, 5))}, "conditions has pz <= 0 in 2 of 2 rows"),
    ],
)
def test_refused(parameters, text):
    with pytest.raises(ValueError, match=text):
        simulate_geant4(**parameters)


def test_worker_says_what_it_lacks(tmp_path):
    """Run by its path, without geant4_pybind: it fails with a message and imports nothing of us."""
    np.savez(tmp_path / "job.npz", conditions=np.ones((1, 5)))
    (tmp_path / "geant4_pybind.py").write_text("raise ImportError('not here')", "utf-8")
    command = [sys.executable, str(geant4._WORKER), str(tmp_path / "job.npz"), "result.npz"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )
    assert done.returncode == 1
    assert "ImportError: not here" in done.stderr


@pytest.mark.needs_data
def test_real_showers(geant4_tables):
    """Energy conservation by layer, the visible fraction, seeds, the shape of a slanted shower."""
    X = draw_conditions(4, energy_range=(8, 8), slope_sigma=(0, 0), random_state=0)
    X[2:, 0] = 0.4 * X[2:, 2]
    showers = simulate_geant4(conditions=X, layers=True, random_state=0)
    seen = showers.images.sum(axis=(1, 2))
    np.testing.assert_allclose(showers.layers.sum(axis=1), seen, rtol=1e-5)
    energy = np.linalg.norm(X[:, :3], axis=1)
    assert (seen / energy).mean() == pytest.approx(173.5, rel=4 * 0.035 / np.sqrt(4))
    peak = np.convolve(showers.layers.mean(axis=0), np.ones(5), "same").argmax()
    assert 8 <= peak <= 24  # the maximum lies near 6 X₀ = 10 cm = 16 layers
    cells = (np.arange(30) - 14.5) * 2.02
    mean_x = showers.images.sum(axis=2) @ cells / seen
    assert mean_x[:2] == pytest.approx(X[:2, 3], abs=1)
    assert (mean_x[2:] - X[2:, 3]).mean() == pytest.approx(0.4 * 12, abs=1.2)
    assert (showers.cpu > 0).all()
    again = simulate_geant4(conditions=X[:1], random_state=0)
    np.testing.assert_array_equal(again.images, showers.images[:1])
