"""The trained generator that ships with the package."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Any, Self

from skhep_anomaly.persistence import load

__all__ = ["ShowerPretrained"]

_FILE = "calogan_e.skhep"


class ShowerPretrained:
    """`pretrained`."""

    @classmethod
    def pretrained(cls, device: str = "cpu") -> Self:
        """Give a generator that is trained on Geant4 showers of electrons, without training.

        Electrons of 1–100 GeV with slopes px/pz ~ N(0, 0.35) and py/pz ~ N(0, 0.175), at points of
        ±0.5 cm around the centre of the face, on 30 × 30 cells of 2.02 cm: the set-up of
        `load_geant4_showers`.

        Parameters
        ----------
        device : str, default="cpu"
            "cpu", "cuda" or "auto".

        Returns
        -------
        CaloGANGenerator
            Fitted; `partial_fit`, or `fit` with ``warm_start=True``, trains it further.

        Examples
        --------
        >>> from skhep_anomaly import CaloGANGenerator
        >>> electron = [[0.0, 0.0, 50.0, 0.0, 0.0]]  # px, py, pz [GeV], x, y [cm]
        >>> CaloGANGenerator.pretrained().sample(electron, random_state=0).shape
        (1, 30, 30)
        """
        with as_file(files("skhep_anomaly.generators") / "data" / _FILE) as path:
            model: Any = load(path, device=device)
        fitted: Self = model
        return fitted
