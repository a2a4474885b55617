"""Where the voxels of a CaloChallenge shower are, from its binning file.

The file lists, for one particle, layers with edges in the radius and a number of bins in the angle
α ∈ [−π, π]:

    <Bins><Bin pid="11" name="electron"><Layer id="0" r_edges="0,4.65,9.3" n_bin_alpha="16"/>…

A shower is a flat row: radius runs fastest, then α, then the layer. Layers with fewer than two
edges hold no voxel.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import numpy as np


class Voxels(NamedTuple):
    """Place of each voxel, arrays of shape (n_voxels,)."""

    layer: np.ndarray  # id of the layer
    r_low: np.ndarray  # inner edge [mm]
    r_high: np.ndarray  # outer edge [mm]
    alpha: np.ndarray  # middle of the bin in the angle [rad]
    grid_shape: tuple[int, int, int] | None  # (layers, angles, radii) where all layers are alike


def read_binning(path: Path, particle: str | None = None) -> Voxels:
    """Read the voxels of one particle.

    Parameters
    ----------
    path : Path
        ``binning_dataset_2.xml`` and the like.
    particle : str, optional
        Name in the file, such as ``"photon"``; needed where the file has several.

    Returns
    -------
    voxels : Voxels
        In the order of a shower's row.

    Raises
    ------
    ValueError
        If the file is no binning, or has not this particle.
    """
    parts, sizes = [], []
    for number, edges, n_alpha in _layers(path, _particle(path, particle)):
        middle = np.pi * ((2 * np.arange(n_alpha) + 1) / n_alpha - 1)
        n_r = len(edges) - 1
        parts.append(
            (
                np.full(n_alpha * n_r, number),
                np.tile(edges[:-1], n_alpha),
                np.tile(edges[1:], n_alpha),
                np.repeat(middle, n_r),
            )
        )
        sizes.append((n_alpha, n_r))
    layer, low, high, alpha = (np.concatenate(part) for part in zip(*parts, strict=True))
    grid = (len(sizes), *sizes[0]) if len(set(sizes)) == 1 else None
    return Voxels(layer, low, high, alpha, grid)


def _particle(path: Path, name: str | None) -> ET.Element:
    try:
        text = path.read_text("utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            msg = f"{path}: has a document type, which a binning file has not; refused unread."
            raise ValueError(msg)
        found = ET.fromstring(text).findall("Bin")  # noqa: S314 - see the import
    except (ET.ParseError, UnicodeDecodeError) as error:
        msg = f"{path}: no XML file ({error})."
        raise ValueError(msg) from error
    names = [str(element.get("name")) for element in found]
    if name is None and len(found) == 1:
        return found[0]
    if name not in names:
        msg = f"particle={name!r}: {path} has {', '.join(map(repr, names)) or 'no particle'}."
        raise ValueError(msg)
    return found[names.index(name)]


def _layers(path: Path, particle: ET.Element) -> list[tuple[int, np.ndarray, int]]:
    """(id, edges, bins in α) of the layers that hold voxels."""
    try:
        rows = [
            (
                int(layer.attrib["id"]),
                np.array([float(edge) for edge in layer.attrib["r_edges"].split(",")]),
                int(layer.attrib["n_bin_alpha"]),
            )
            for layer in particle.findall("Layer")
        ]
    except (KeyError, ValueError) as error:
        msg = f"{path}: a Layer lacks id, r_edges or n_bin_alpha, or one is no number ({error})."
        raise ValueError(msg) from error
    rows = [row for row in rows if len(row[1]) > 1 and row[2] > 0]
    if not rows or any((np.diff(edges) <= 0).any() for _, edges, _ in rows):
        msg = f"{path}: no layer with voxels, or edges in r that do not increase."
        raise ValueError(msg)
    return rows
