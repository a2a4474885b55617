"""Showers in the HDF5 format of the Fast Calorimeter Simulation Challenge 2022 (CaloChallenge).

One file holds ``incident_energies`` (n, 1) and ``showers`` (n, n_voxels), both in MeV. Datasets 2
and 3: electrons of 1 GeV to 1 TeV on 45 layers of silicon and tungsten, 6,480 and 40,500 voxels;
dataset 1: photons (368) and pions (533) in an ATLAS-like calorimeter. Where the voxels are is in a
binning file (XML).

Source: https://calochallenge.github.io/homepage, arXiv:2410.21611, section 2.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from skhep_anomaly.datasets import sources
from skhep_anomaly.datasets._collect import check_nrows
from skhep_anomaly.datasets._hdf5 import open_hdf5
from skhep_anomaly.datasets._shower_bunch import ShowerBunch, make_shower_bunch
from skhep_anomaly.datasets._voxels import read_binning

_CHUNK_CELLS = 4_000_000
_MEV_PER_GEV = 1000.0


def load_calochallenge_hdf5(
    path: str | os.PathLike[str],
    *,
    binning: str | os.PathLike[str] | None = None,
    particle: str | None = None,
    nrows: int | None = None,
) -> ShowerBunch:
    """Showers of the CaloChallenge, with the place of each voxel.

    Parameters
    ----------
    path : str or path-like
        HDF5 file with ``incident_energies`` (n, 1) and ``showers`` (n, n_voxels) [MeV].
    binning : str or path-like, optional
        XML file that says where the voxels are, such as ``binning_dataset_2.xml``.
    particle : str, optional
        Name of the particle in the binning file; needed where it has several.
    nrows : int, optional
        Only the first ``nrows`` showers; by default all. Dataset 3 takes 8 GB a file.

    Returns
    -------
    showers : ShowerBunch
        With ``X`` of shape (n, 1), the energy of the particle in **GeV**, and ``images`` of shape
        (n, n_voxels), float32 [MeV]. With a binning file also, for each voxel, ``layer``, ``r_low``
        and ``r_high`` [mm], ``alpha`` [rad] (middle of its bin), and ``grid_shape``: (layers,
        angles, radii) where all layers are alike, so that
        ``images.reshape(-1, *grid_shape)`` is a regular grid, else None.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If h5py is not installed; the message names the extra.
    ValueError
        If the file is no HDF5, lacks an array, or an array has another shape than it should, holds
        NaN or negative energies, or the binning does not fit it.

    Notes
    -----
    Differs from the file in the unit of the particle's energy: GeV, as everywhere in this package.
    Showers are read in chunks; the peak is the result plus one chunk.

    References
    ----------
    C. Krause et al., arXiv:2410.21611. Data: doi 10.5281/zenodo.6234054, 10.5281/zenodo.6366270,
    10.5281/zenodo.6366323.

    Examples
    --------
    >>> from skhep_anomaly.datasets import load_calochallenge_hdf5
    >>> showers = load_calochallenge_hdf5(
    ...     "dataset_2_1.hdf5", binning="binning_dataset_2.xml")  # doctest: +SKIP
    >>> showers.images.shape, showers.grid_shape  # doctest: +SKIP
    ((100000, 6480), (45, 16, 9))
    """
    check_nrows(nrows)
    for file in (path, binning):
        if file is not None and not Path(file).is_file():
            msg = f"{file}: no such file. The challenge's are at {sources.CALOCHALLENGE['url']}."
            raise FileNotFoundError(msg)
    place = Path(path)
    voxels = None if binning is None else read_binning(Path(binning), particle)
    with open_hdf5(place) as file:
        energies, showers = (_array(place, file, key) for key in ("incident_energies", "showers"))
        _check_shapes(place, energies, showers)
        if voxels is not None and len(voxels.layer) != showers.shape[1]:
            msg = (
                f"{binning} has {len(voxels.layer)} voxels, but a shower of {path} has "
                f"{showers.shape[1]}; take the binning of this data set and particle."
            )
            raise ValueError(msg)
        energy = _energies(place, energies[:nrows].reshape(-1, 1))
        images = _images(place, showers, len(energy))
    return make_shower_bunch(
        f"CaloChallenge {place.name}",
        energy / _MEV_PER_GEV,
        images,
        units={"energy": "GeV"},
        source=sources.CALOCHALLENGE,
        **({} if voxels is None else voxels._asdict()),
    )


def _array(path: Path, file: Any, key: str) -> Any:
    if key not in file or not hasattr(file[key], "shape"):
        msg = f"{path}: no array {key}; the file holds {', '.join(file) or 'none'}."
        raise ValueError(msg)
    if file[key].dtype.kind not in "fiu":
        msg = f"{path}: array {key} has dtype {file[key].dtype}; expected numbers."
        raise ValueError(msg)
    return file[key]


def _check_shapes(path: Path, energies: Any, showers: Any) -> None:
    if showers.ndim != 2 or 0 in showers.shape:
        msg = f"{path}: array showers has shape {showers.shape}; expected (n, n_voxels), n ≥ 1."
        raise ValueError(msg)
    n = len(showers)
    if energies.shape not in ((n,), (n, 1)):
        msg = f"{path}: array incident_energies has shape {energies.shape}; expected ({n}, 1)."
        raise ValueError(msg)


def _energies(path: Path, energies: np.ndarray) -> np.ndarray:
    bad = int((~(np.isfinite(energies) & (energies > 0))).sum())
    if bad:
        msg = f"{path}: incident_energies holds {bad} values that are not above 0 MeV."
        raise ValueError(msg)
    return energies.astype(np.float64)


def _images(path: Path, showers: Any, n_rows: int) -> np.ndarray:
    images = np.empty((n_rows, showers.shape[1]), dtype=np.float32)
    step = max(1, _CHUNK_CELLS // showers.shape[1])
    for start in range(0, n_rows, step):
        rows = slice(start, min(start + step, n_rows))
        try:
            chunk = showers[rows]
        except OSError as error:
            msg = f"{path}: showers cannot be read ({error}); copy or download the file again."
            raise ValueError(msg) from error
        bad = int((~(np.isfinite(chunk) & (chunk >= 0))).any(axis=1).sum())
        if bad:
            msg = (
                f"{path}: showers holds NaN, infinite or negative energies in {bad} of the rows "
                f"{rows.start} to {rows.stop - 1}; drop these showers or set the voxels to 0."
            )
            raise ValueError(msg)
        images[rows] = chunk
    return images
