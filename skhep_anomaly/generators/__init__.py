"""Generators: estimators that make events."""

from skhep_anomaly.generators.calogan import CaloGANGenerator
from skhep_anomaly.generators.composing import compose_event
from skhep_anomaly.generators.onnx_showers import OnnxShowerGenerator
from skhep_anomaly.generators.readout import readout

__all__ = ["CaloGANGenerator", "OnnxShowerGenerator", "compose_event", "readout"]
