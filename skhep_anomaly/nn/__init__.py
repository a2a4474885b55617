"""Torch modules: what a net computes, without training or input checks."""

from skhep_anomaly.nn.activations import ACTIVATIONS
from skhep_anomaly.nn.autoencoder import Autoencoder, ModuleAutoencoder
from skhep_anomaly.nn.dropout import SeededDropout
from skhep_anomaly.nn.flow import FLOW_KINDS, Flow, FlowDensity
from skhep_anomaly.nn.latent_prior import FlowPrior, MixturePrior, NormalPrior
from skhep_anomaly.nn.logit import LogitNet, ModuleLogit
from skhep_anomaly.nn.maf import MAF
from skhep_anomaly.nn.mlp import MLP
from skhep_anomaly.nn.residual_metric import ResidualMetric, SecondMoments
from skhep_anomaly.nn.standardizer import Standardizer
from skhep_anomaly.nn.vae import VAE, balanced_noise, gaussian_nll, kl_per_dim

__all__ = [
    "ACTIVATIONS",
    "FLOW_KINDS",
    "MAF",
    "MLP",
    "VAE",
    "Autoencoder",
    "Flow",
    "FlowDensity",
    "FlowPrior",
    "LogitNet",
    "MixturePrior",
    "ModuleAutoencoder",
    "ModuleLogit",
    "NormalPrior",
    "ResidualMetric",
    "SecondMoments",
    "SeededDropout",
    "Standardizer",
    "balanced_noise",
    "gaussian_nll",
    "kl_per_dim",
]
