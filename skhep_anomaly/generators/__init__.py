"""Generators: estimators that make events."""

from skhep_anomaly.generators.calogan import CaloGANGenerator
from skhep_anomaly.generators.composing import compose_event
from skhep_anomaly.generators.readout import readout

__all__ = ["CaloGANGenerator", "compose_event", "readout"]
