"""Outlier detectors: autoencoders, flows, GANs, one model per group, and PyOD's at the border."""

from skhep_anomaly.outliers.autoencoder import AEOutlierDetector
from skhep_anomaly.outliers.baselines import baselines
from skhep_anomaly.outliers.flow import FlowOutlierDetector
from skhep_anomaly.outliers.gan import GANOutlierDetector
from skhep_anomaly.outliers.groupwise import GroupwiseOutlierDetector
from skhep_anomaly.outliers.pyod import PyODAdapter, as_pyod
from skhep_anomaly.outliers.vae import VAEOutlierDetector

__all__ = [
    "AEOutlierDetector",
    "FlowOutlierDetector",
    "GANOutlierDetector",
    "GroupwiseOutlierDetector",
    "PyODAdapter",
    "VAEOutlierDetector",
    "as_pyod",
    "baselines",
]
