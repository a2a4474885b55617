"""One form for every set of calorimeter showers: a :class:`ShowerBunch`.

X holds what is known of the particle (conditions), `images` what the calorimeter saw, row by row.
The showers made by `skhep_anomaly.simulators` have the same fields with the same meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skhep_anomaly.datasets._bunch import EventBunch

CONDITION_UNITS = {"px": "GeV", "py": "GeV", "pz": "GeV", "x": "cm", "y": "cm"}


class ShowerBunch(EventBunch):
    """Showers with their conditions, units and origin; a dict with attribute access.

    Attributes
    ----------
    X : ndarray of shape (n_showers, n_conditions), float64
        Conditions, one row for each shower; also under scikit-learn's name `data`.
    images : ndarray of shape (n_showers, ...), float32
        Energy in each cell [MeV], first axis x; a flat list of voxels where the cells form no
        rectangle.
    feature_names : list of str
        Names of the columns of X.
    units : dict of str to str
        Unit of each column of X and of ``"images"``.
    source : dict of str to str
        ``citation``, ``doi``, ``licence`` and ``url`` of the data.
    name : str
        Short name of the data set.
    DESCR : str
        The text of :meth:`describe`.
    """

    def describe(self) -> str:
        """Size, energies, units and origin as plain text.

        Returns
        -------
        text : str
            A few lines for a log or a report.
        """
        shape = "×".join(str(size) for size in self.images.shape[1:])
        lines = [f"{self.name}: {len(self.X)} showers of {shape} cells"]
        lines += [f"  [{self.units[name]}] {name}" for name in [*self.feature_names, "images"]]
        total = self.images.reshape(len(self.X), -1).sum(axis=1, dtype=np.float64)
        lines.append(f"  energy in the cells: mean {total.mean():.6g} {self.units['images']}")
        lines += [f"  {key}: {value}" for key, value in self.source.items()]
        return "\n".join(lines)


def make_shower_bunch(
    name: str,
    X: np.ndarray,
    images: np.ndarray,
    *,
    units: Mapping[str, str],
    source: Mapping[str, str],
    **more: Any,
) -> ShowerBunch:
    """Put the fields together; `units` names the columns of X in order."""
    conditions = np.ascontiguousarray(X, dtype=np.float64)
    bunch = ShowerBunch(
        name=name,
        X=conditions,
        data=conditions,
        images=np.ascontiguousarray(images, dtype=np.float32),
        feature_names=list(units),
        units={**units, "images": "MeV"},
        source=dict(source),
        **more,
    )
    bunch["DESCR"] = bunch.describe()
    return bunch
