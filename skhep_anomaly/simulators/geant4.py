"""Showers of real Geant4, through the geant4_pybind wheel, in processes of their own.

A sampling calorimeter of lead and scintillator is hit by electrons; the energy deposited in the
scintillator is summed over depth in cells. `_geant4_worker.py` holds Geant4; here conditions are
drawn or checked, data sets found, workers started and their results put together. Each shower has
its own seeds, so the number of workers changes nothing.

Source: S. Agostinelli et al., Nuclear Instruments and Methods A 506 (2003) 250; the set-up is that
of V. Chekalina et al., arXiv:1812.01319, section 2.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from skhep_anomaly._random import numpy_generator
from skhep_anomaly.exceptions import SimulatorError
from skhep_anomaly.simulators.gun import (
    check_count,
    check_length,
    check_shape,
    given_or_drawn,
    shower_bunch,
)

DATA_SETS = {  # variable -> official data set that Geant4 reads through it
    "G4LEDATA": "G4EMLOW",
    "G4LEVELGAMMADATA": "PhotonEvaporation",
    "G4ENSDFSTATEDATA": "G4ENSDFSTATE",
}
_WORKER = Path(__file__).with_name("_geant4_worker.py")
_TAIL = 2000  # characters of Geant4's output in a message


def simulate_geant4(
    n_samples: int = 1000,
    *,
    conditions: Any = None,
    energy_range: Sequence[float] = (1.0, 100.0),
    spectrum_index: float = 1.0,
    slope_sigma: Sequence[float] = (0.35, 0.175),
    spot_half_width: float = 0.5,
    shape: Sequence[int] = (30, 30),
    cell: float = 2.02,
    n_layers: int = 66,
    absorber: float = 0.2,
    scintillator: float = 0.4,
    layers: bool = False,
    n_jobs: int = 1,
    random_state: Any = None,
) -> Bunch:
    """Simulate electron showers with Geant4.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of showers, at least 1; ignored where `conditions` are given.
    conditions : array-like or frame of shape (n, 5), default=None
        px, py, pz [GeV], x, y [cm] of each electron on the face, pz > 0; columns of a frame by
        name, in any order. None draws them from the gun of :func:`draw_conditions`, whose
        parameters follow.
    energy_range : (float, float), default=(1.0, 100.0)
        Lowest and highest energy [GeV].
    spectrum_index : float, default=1.0
        k in dN/dE ~ E^−k.
    slope_sigma : (float, float), default=(0.35, 0.175)
        Standard deviations of px/pz and py/pz.
    spot_half_width : float, default=0.5
        Half the edge of the square that is hit [cm].
    shape : (int, int), default=(30, 30)
        Cells along x and y; the grid is centred on (0, 0).
    cell : float, default=2.02
        Edge of a cell [cm], > 0.
    n_layers : int, default=66
        Layers along z, at least 1.
    absorber : float, default=0.2
        Lead in a layer [cm], > 0.
    scintillator : float, default=0.4
        Scintillator (polyvinyltoluene) in a layer, behind the lead [cm], > 0.
    layers : bool, default=False
        Give the energy in each layer's scintillator, too.
    n_jobs : int, default=1
        Processes at a time; results are the same for any number.
    random_state : None, int, RandomState or Generator, default=None
        Seed. The same seed gives the same showers with one version of Geant4.

    Returns
    -------
    showers : Bunch
        ``X`` (conditions, float64; also as ``data``), ``images`` (n, nx, ny) float32 [MeV], ``cpu``
        (n,) [s] without the start of Geant4, ``feature_names``, ``units``, ``name``, ``DESCR``,
        and with ``layers=True`` also ``layers`` (n, n_layers) float32 [MeV].

    Raises
    ------
    ImportError
        If geant4_pybind is not installed.
    FileNotFoundError
        If a data set of Geant4 is not found; the message names it and its variable.
    ValueError
        If a parameter or the conditions are out of their range.
    SimulatorError
        If Geant4 fails; the message ends with what it printed.

    Warns
    -----
    UserWarning
        If the given momenta look like MeV.

    Notes
    -----
    Standard electromagnetic physics alone, production cut 0.7 mm, vacuum around the calorimeter:
    no photonuclear reactions, no light collection, no noise. About 7 ms of CPU time for each GeV,
    and two seconds for the start of each process.

    Of the official data sets three are read: G4EMLOW, PhotonEvaporation and G4ENSDFSTATE. They are
    looked for in the folders that ``G4LEDATA``, ``G4LEVELGAMMADATA`` and ``G4ENSDFSTATEDATA`` name,
    then in ``GEANT4_DATA_DIR``, then in ``~/.geant4_pybind``, where ``import geant4_pybind`` offers
    to put them. Nothing is downloaded here.

    A part of the work is never returned: Ctrl-C ends the processes and is raised again.

    References
    ----------
    S. Agostinelli et al., Nuclear Instruments and Methods A 506 (2003) 250.
    V. Chekalina et al., arXiv:1812.01319, section 2.

    Examples
    --------
    >>> from skhep_anomaly.simulators import simulate_geant4
    >>> showers = simulate_geant4(100, n_jobs=2, random_state=0)  # doctest: +SKIP
    >>> showers.images.shape  # doctest: +SKIP
    (100, 30, 30)
    """
    jobs = check_count("n_jobs", n_jobs)
    geometry = {
        "shape": check_shape(shape),
        "cell": check_length("cell", cell),
        "n_layers": check_count("n_layers", n_layers),
        "absorber": check_length("absorber", absorber),
        "scintillator": check_length("scintillator", scintillator),
    }
    X, seeds = given_or_drawn(
        conditions,
        n_samples,
        random_state,
        energy_range=energy_range,
        spectrum_index=spectrum_index,
        slope_sigma=slope_sigma,
        spot_half_width=spot_half_width,
    )
    environment = _environment()
    # CLHEP ends a list of seeds at the first zero
    table = numpy_generator(seeds).integers(1, 2**31 - 1, size=(len(X), 4))
    result = _run(X, table, geometry, min(jobs, len(X)), environment)
    more = {"layers": result["layers"]} if layers else {}
    about = f"Geant4, {n_layers} × ({absorber} cm lead + {scintillator} cm scintillator)."
    return shower_bunch("Geant4 showers", X, result["images"], about, cpu=result["cpu"], **more)


def _environment() -> dict[str, str]:
    """Variables of the worker, with every data set found."""
    if find_spec("geant4_pybind") is None:
        msg = (
            "geant4_pybind is needed to run Geant4 and is not installed. Install it with: "
            'pip install "skhep_anomaly[geant4]"'
        )
        raise ImportError(msg)
    found = {variable: _data_set(variable, name) for variable, name in DATA_SETS.items()}
    missing = [f"{DATA_SETS[variable]} ({variable})" for variable in found if not found[variable]]
    if missing:
        msg = (
            f"Geant4 lacks the data sets {', '.join(missing)}. Download them from "
            "https://geant4.web.cern.ch/download and set each variable to its folder, or let "
            "'python -c \"import geant4_pybind\"' put them into ~/.geant4_pybind."
        )
        raise FileNotFoundError(msg)
    folders = {variable: str(folder) for variable, folder in found.items()}
    # with GEANT4_DATA_DIR set, geant4_pybind neither asks nor downloads on import
    return {**os.environ, "GEANT4_DATA_DIR": str(Path(folders["G4LEDATA"]).parent), **folders}


def _data_set(variable: str, name: str) -> Path | None:
    """Find the folder of a data set: its variable, Geant4's data folder, that of geant4_pybind."""
    if variable in os.environ:
        folder = Path(os.environ[variable])
        return folder if folder.is_dir() else None
    homes = [os.environ.get("GEANT4_DATA_DIR"), Path.home() / ".geant4_pybind"]
    folders = [f for home in homes if home for f in sorted(Path(home).glob(f"{name}[0-9]*"))]
    return next((folder for folder in reversed(folders) if folder.is_dir()), None)


def _run(
    X: np.ndarray, seeds: np.ndarray, geometry: dict[str, Any], jobs: int, env: dict[str, str]
) -> dict[str, np.ndarray]:
    """Share the showers among `jobs` processes and put the results together, row by row."""
    with tempfile.TemporaryDirectory(prefix="geant4_") as name:
        folder = Path(name)
        for k in range(jobs):
            job = {"conditions": X[k::jobs], "seeds": seeds[k::jobs], **geometry}
            np.savez(folder / f"job{k}.npz", **job)
        _wait(folder, jobs, env)
        parts = [_read(folder / f"result{k}.npz") for k in range(jobs)]
    whole = {
        name: np.empty((len(X), *part.shape[1:]), part.dtype) for name, part in parts[0].items()
    }
    for k, part in enumerate(parts):
        for name, values in part.items():
            whole[name][k::jobs] = values
    return whole


def _wait(folder: Path, jobs: int, env: dict[str, str]) -> None:
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(_worker(folder, k, env)) for k in range(jobs)]
        for k, worker in enumerate(workers):
            code = _ended(worker)
            if code or not (folder / f"result{k}.npz").is_file():
                said = (folder / f"log{k}.txt").read_text("utf-8", "replace").strip()[-_TAIL:]
                reason = f"signal {-code}" if code < 0 else f"exit status {code}"
                msg = (
                    f"Geant4 ended with {reason}. Data sets of another version, or without the "
                    f"files of an element, are the usual cause. It printed: {said or 'nothing'}"
                )
                raise SimulatorError(msg)


def _ended(worker: subprocess.Popen[bytes]) -> int:
    """Wait for a process, but look up each second: Ctrl-C may reach a thread that does not wait."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return worker.wait(timeout=1.0)


@contextlib.contextmanager
def _worker(folder: Path, k: int, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that is gone when the block is left, whatever happens in it."""
    job, result = folder / f"job{k}.npz", folder / f"result{k}.npz"
    with (folder / f"log{k}.txt").open("wb") as log:
        worker = subprocess.Popen(  # noqa: S603 - our own file, on files of our own
            [sys.executable, "-P", str(_WORKER), str(job), str(result)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,  # Ctrl-C is for this process, which then ends the others
        )
        try:
            yield worker
        finally:
            worker.kill()
            worker.wait()


def _read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
