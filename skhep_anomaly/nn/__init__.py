"""Torch modules: what a net computes, without training or input checks."""

from skhep_anomaly.nn.activations import ACTIVATIONS
from skhep_anomaly.nn.autoencoder import Autoencoder, ModuleAutoencoder
from skhep_anomaly.nn.dropout import SeededDropout
from skhep_anomaly.nn.mlp import MLP
from skhep_anomaly.nn.residual_metric import ResidualMetric, SecondMoments
from skhep_anomaly.nn.standardizer import Standardizer

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "Autoencoder",
    "ModuleAutoencoder",
    "ResidualMetric",
    "SecondMoments",
    "SeededDropout",
    "Standardizer",
]
