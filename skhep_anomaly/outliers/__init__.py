"""Outlier detectors: autoencoders, flows, GANs, one model per group, and PyOD's at the border."""

from skhep_anomaly.outliers.autoencoder import AEOutlierDetector

__all__ = ["AEOutlierDetector"]
