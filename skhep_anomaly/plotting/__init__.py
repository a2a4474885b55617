"""Figures in scikit-learn's Display form; matplotlib is loaded when one is drawn."""

from __future__ import annotations

from skhep_anomaly.plotting._axes import drawn_figure
from skhep_anomaly.plotting.density_level import DensityLevelDisplay
from skhep_anomaly.plotting.epsilon_scan import EpsilonScanDisplay
from skhep_anomaly.plotting.latent_map import LatentMapDisplay
from skhep_anomaly.plotting.roc_sic import RocSicDisplay
from skhep_anomaly.plotting.score_histogram import ScoreHistogramDisplay
from skhep_anomaly.plotting.shower_histograms import ShowerHistogramDisplay
from skhep_anomaly.plotting.shower_image import ShowerImageDisplay
from skhep_anomaly.plotting.training_curve import TrainingCurveDisplay

__all__ = [
    "DensityLevelDisplay",
    "EpsilonScanDisplay",
    "LatentMapDisplay",
    "RocSicDisplay",
    "ScoreHistogramDisplay",
    "ShowerHistogramDisplay",
    "ShowerImageDisplay",
    "TrainingCurveDisplay",
    "drawn_figure",
]
