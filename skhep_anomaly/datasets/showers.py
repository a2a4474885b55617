"""Calorimeter showers: an embedded set from Geant4, and the npz files of the 2018/2019 schools.

The format of the machine-learning schools in high-energy physics of 2018 and 2019 (and of the
competition of 2019): one npz with, for every shower,

    EnergyDeposit (n, 30, 30[, 1]) [MeV], first axis x,   ParticleMomentum (n, 3) [GeV],
    ParticlePoint (n, 2 or 3) [cm],                       ParticlePDG (n,), optional.

Some of these files were written with pickled arrays; such an array is refused and never unpickled.

Source: V. Chekalina et al., arXiv:1812.01319, section 2.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from skhep_anomaly.datasets import sources
from skhep_anomaly.datasets._collect import check_nrows
from skhep_anomaly.datasets._shower_bunch import CONDITION_UNITS, ShowerBunch, make_shower_bunch
from skhep_anomaly.datasets._shower_code import EMBEDDED_FILE, decode

_NEEDED = ("EnergyDeposit", "ParticleMomentum", "ParticlePoint")
# a cut file, a flipped bit, a password, a header that claims more than there is memory
_DAMAGED = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, MemoryError)


def load_geant4_showers(*, nrows: int | None = None) -> ShowerBunch:
    """2,000 electron showers of Geant4 that ship with the package.

    Electrons with dN/dE ~ 1/E in 1–100 GeV, slopes px/pz ~ N(0, 0.35), py/pz ~ N(0, 0.175), at a
    point drawn evenly from ±0.5 cm around the centre of the face, on 66 × (2 mm lead + 4 mm
    scintillator). The energy deposited in the scintillator is summed over depth in 30 × 30 cells
    of 2.02 cm.

    Parameters
    ----------
    nrows : int, optional
        Only the first ``nrows`` showers; by default all.

    Returns
    -------
    showers : ShowerBunch
        With ``X`` (px, py, pz [GeV], x, y [cm]) of shape (n, 5), ``images`` of shape (n, 30, 30)
        [MeV], ``feature_names``, ``units`` and ``source``.

    Raises
    ------
    ValueError
        If `nrows` is no whole number of at least 1.

    Notes
    -----
    Conditions are exact; a cell's energy is exact to 2.4·10⁻⁴, relative (see the coding in
    ``datasets/_shower_code.py``); empty cells stay empty. No readout is applied: no noise, no
    threshold, no photostatistics.

    References
    ----------
    The set-up is that of V. Chekalina et al., arXiv:1812.01319, section 2.

    Examples
    --------
    >>> from skhep_anomaly.datasets import load_geant4_showers
    >>> showers = load_geant4_showers()
    >>> showers.X.shape, showers.images.shape, showers.units["images"]
    ((2000, 5), (2000, 30, 30), 'MeV')
    """
    check_nrows(nrows)
    with np.load(EMBEDDED_FILE, allow_pickle=False) as file:
        images, momentum, point = decode({name: file[name] for name in file.files})
    conditions = np.column_stack([momentum, point])
    return make_shower_bunch(
        "Geant4 electron showers",
        conditions[:nrows],
        images[:nrows],
        units=CONDITION_UNITS,
        source=sources.GEANT4_SHOWERS,
    )


def load_calogan_npz(
    path: str | os.PathLike[str], *, nrows: int | None = None, unit: str = "MeV"
) -> ShowerBunch:
    """Showers in the npz format of the 2018 and 2019 machine-learning schools.

    Parameters
    ----------
    path : str or path-like
        An npz file with ``EnergyDeposit`` (n, nx, ny) or (n, nx, ny, 1), ``ParticleMomentum``
        (n, 3) [GeV], ``ParticlePoint`` (n, 2) or (n, 3) [cm] and, if it has one, ``ParticlePDG``
        (n,) or (n, 1). Other arrays of the file are left alone.
    nrows : int, optional
        Only the first ``nrows`` showers; by default all.
    unit : {"MeV", "GeV"}, default="MeV"
        Unit of ``EnergyDeposit`` in the file; ``images`` is in MeV either way.

    Returns
    -------
    showers : ShowerBunch
        With ``X`` (px, py, pz [GeV], x, y [cm]), ``images`` (n, nx, ny) [MeV], ``pdg`` (int64, or
        None where the file has no ``ParticlePDG``) and ``z`` (cm, or None where a point has two
        coordinates).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or no npz, lacks an array, or an array has another shape than it
        should, holds objects, NaN or negative energies. The message names the array, what it
        holds and what was expected.

    Notes
    -----
    Nothing is unpickled: an array of objects is refused.

    References
    ----------
    V. Chekalina et al., arXiv:1812.01319, section 2.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from skhep_anomaly.datasets import load_calogan_npz
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "showers.npz"
    >>> np.savez(path, EnergyDeposit=np.ones((4, 30, 30, 1)), ParticleMomentum=np.ones((4, 3)),
    ...          ParticlePoint=np.zeros((4, 2)))
    >>> load_calogan_npz(path).images.shape
    (4, 30, 30)
    """
    check_nrows(nrows)
    scale = _scale(unit)
    file = Path(path)
    if not file.is_file():
        msg = f"{path}: no such file. load_geant4_showers() gives showers without a file."
        raise FileNotFoundError(msg)
    arrays = _read(file)
    _check_shapes(file, arrays)
    arrays = {name: values[:nrows] for name, values in arrays.items()}
    _check_finite(file, arrays)
    images = arrays["EnergyDeposit"].reshape(arrays["EnergyDeposit"].shape[:3])
    point = arrays["ParticlePoint"]
    return make_shower_bunch(
        file.name,
        np.column_stack([arrays["ParticleMomentum"], point[:, :2]]),
        _checked_energies(file, images) * scale,
        units=CONDITION_UNITS,
        source=sources.USER_FILE | {"url": file.name},
        pdg=_whole(file, arrays.get("ParticlePDG")),
        z=point[:, 2].astype(np.float64) if point.shape[1] == 3 else None,
    )


def _scale(unit: str) -> np.float32:
    scales = {"MeV": 1, "GeV": 1000}
    if unit not in scales:
        msg = f"unit={unit!r}: expected one of {', '.join(map(repr, scales))}."
        raise ValueError(msg)
    return np.float32(scales[unit])


def _read(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of the format that the file has; never an object."""
    try:
        with zipfile.ZipFile(path):  # np.load would take another kind of file for a pickle
            pass
        with np.load(path, allow_pickle=False) as file:
            _check_names(path, list(file.files))
            wanted = [*_NEEDED, *(name for name in file.files if name == "ParticlePDG")]
            return {name: _array(path, file, name) for name in wanted}
    except _DAMAGED as error:
        msg = f"{path}: damaged, or no npz file ({error}). Copy or download it again."
        raise ValueError(msg) from error


def _check_names(path: Path, found: list[str]) -> None:
    missing = [name for name in _NEEDED if name not in found]
    if missing:
        msg = f"{path}: no array {', '.join(missing)}; the file holds {', '.join(found) or 'none'}."
        raise ValueError(msg)


def _array(path: Path, file: Any, name: str) -> np.ndarray:
    try:
        values = file[name]
    except ValueError as error:  # NumPy says so of objects and of a damaged header
        msg = (
            f"{path}: array {name} cannot be read as plain numbers ({error}). Pickled objects can "
            "run code and are never opened: write the array again as numbers."
        )
        raise ValueError(msg) from error
    if values.dtype.kind not in "fiu":
        msg = f"{path}: array {name} has dtype {values.dtype}; expected numbers."
        raise ValueError(msg)
    return values


def _check_shapes(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Every array has as many rows as there are energies, and the right form."""
    images, momentum = arrays["EnergyDeposit"], arrays["ParticleMomentum"]
    if not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 1)) or not images.size:
        _refuse(path, "EnergyDeposit", images, "(n, nx, ny) or (n, nx, ny, 1) with n ≥ 1")
    n = len(images)
    if momentum.shape != (n, 3):
        _refuse(path, "ParticleMomentum", momentum, f"({n}, 3)")
    if arrays["ParticlePoint"].shape not in ((n, 2), (n, 3)):
        _refuse(path, "ParticlePoint", arrays["ParticlePoint"], f"({n}, 2) or ({n}, 3)")
    pdg = arrays.get("ParticlePDG")
    if pdg is not None and pdg.shape not in ((n,), (n, 1)):
        _refuse(path, "ParticlePDG", pdg, f"({n},) or ({n}, 1)")


def _check_finite(path: Path, arrays: dict[str, np.ndarray]) -> None:
    for name in ("ParticleMomentum", "ParticlePoint"):
        bad = int((~np.isfinite(arrays[name])).any(axis=1).sum())
        if bad:
            msg = f"{path}: array {name} holds NaN or infinity in {bad} rows; drop them."
            raise ValueError(msg)


def _refuse(path: Path, name: str, got: np.ndarray, expected: str) -> None:
    msg = f"{path}: array {name} has shape {got.shape}; expected {expected}."
    raise ValueError(msg)


def _checked_energies(path: Path, images: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        energies = images.astype(np.float32)
    bad = int((~(np.isfinite(energies) & (energies >= 0))).any(axis=(1, 2)).sum())
    if bad:
        msg = (
            f"{path}: array EnergyDeposit holds NaN, infinite or negative energies in {bad} of "
            f"{len(images)} showers; drop these showers or set the cells to 0."
        )
        raise ValueError(msg)
    return energies


def _whole(path: Path, pdg: np.ndarray | None) -> np.ndarray | None:
    if pdg is None:
        return None
    codes = pdg.ravel()
    if not np.array_equal(codes, np.trunc(codes)):
        msg = f"{path}: array ParticlePDG holds numbers that are not whole, such as {codes[0]}."
        raise ValueError(msg)
    return codes.astype(np.int64)
