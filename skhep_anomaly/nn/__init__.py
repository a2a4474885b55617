"""Torch modules: what a net computes, without training or input checks."""

from skhep_anomaly.nn.activations import ACTIVATIONS
from skhep_anomaly.nn.autoencoder import Autoencoder, ModuleAutoencoder
from skhep_anomaly.nn.dropout import SeededDropout
from skhep_anomaly.nn.flow import FLOW_KINDS, Flow, FlowDensity
from skhep_anomaly.nn.maf import MAF
from skhep_anomaly.nn.mlp import MLP
from skhep_anomaly.nn.residual_metric import ResidualMetric, SecondMoments
from skhep_anomaly.nn.standardizer import Standardizer

__all__ = [
    "ACTIVATIONS",
    "FLOW_KINDS",
    "MAF",
    "MLP",
    "Autoencoder",
    "Flow",
    "FlowDensity",
    "ModuleAutoencoder",
    "ResidualMetric",
    "SecondMoments",
    "SeededDropout",
    "Standardizer",
]
