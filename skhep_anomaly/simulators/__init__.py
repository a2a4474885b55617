"""Simulators with a known answer: a particle gun, GFLASH showers in NumPy, showers of Geant4.

Conditions are (px, py, pz [GeV], x, y [cm]); images are energies in MeV, first axis x. Both
simulators have the same gun and calorimeter as defaults: electrons with dN/dE ~ 1/E in 1–100 GeV
on 66 × (2 mm lead + 4 mm scintillator), 30 × 30 cells of 2.02 cm. geant4_pybind is imported in a
process of its own, and only when :func:`simulate_geant4` is called.
"""

from skhep_anomaly.simulators.geant4 import simulate_geant4
from skhep_anomaly.simulators.gflash import make_toy_showers
from skhep_anomaly.simulators.gun import draw_conditions

__all__ = ["draw_conditions", "make_toy_showers", "simulate_geant4"]
