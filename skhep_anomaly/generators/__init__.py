"""Generators: estimators that make events."""

from skhep_anomaly.generators.calogan import CaloGANGenerator

__all__ = ["CaloGANGenerator"]
