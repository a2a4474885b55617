"""Scikit-learn estimators for generative models in high-energy physics.

Three things a physicist does with it: find odd events, make events, tune a detector. Public
names are loaded when they are first used (PEP 562), so that ``import skhep_anomaly`` costs
milliseconds and loads neither torch nor matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# public name -> module that defines it; one line each, alphabetical
_EXPORTS: dict[str, str] = {
    "adversarial_margin": "skhep_anomaly.ope",
    "AEOutlierDetector": "skhep_anomaly.outliers",
    "ams": "skhep_anomaly.metrics",
    "ams_curve": "skhep_anomaly.metrics",
    "ams_score": "skhep_anomaly.metrics",
    "anomaly_flags": "skhep_anomaly.metrics",
    "as_pyod": "skhep_anomaly.outliers",
    "baselines": "skhep_anomaly.outliers",
    "bootstrap_metric": "skhep_anomaly.metrics",
    "CaloGANGenerator": "skhep_anomaly.generators",
    "CheckpointWarning": "skhep_anomaly.exceptions",
    "classifier_auc": "skhep_anomaly.metrics",
    "compare_detectors": "skhep_anomaly.comparison",
    "comparison_detectors": "skhep_anomaly.comparison",
    "ComparisonResult": "skhep_anomaly.comparison",
    "compose_event": "skhep_anomaly.generators",
    "data_home": "skhep_anomaly.datasets",
    "DeepSampler": "skhep_anomaly.ope",
    "delong_roc_auc": "skhep_anomaly.metrics",
    "DensityLevelDisplay": "skhep_anomaly.plotting",
    "draw_conditions": "skhep_anomaly.simulators",
    "energy_score": "skhep_anomaly.metrics",
    "EpsilonScanDisplay": "skhep_anomaly.plotting",
    "EventBunch": "skhep_anomaly.datasets",
    "ExtrapolationWarning": "skhep_anomaly.exceptions",
    "fetch": "skhep_anomaly.datasets",
    "FlowOutlierDetector": "skhep_anomaly.outliers",
    "FlowSampler": "skhep_anomaly.ope",
    "fpd": "skhep_anomaly.metrics",
    "GANOutlierDetector": "skhep_anomaly.outliers",
    "GaussianMixtureSampler": "skhep_anomaly.ope",
    "GroupwiseOutlierDetector": "skhep_anomaly.outliers",
    "HMCSampler": "skhep_anomaly.ope",
    "iter_table": "skhep_anomaly.datasets",
    "kpd": "skhep_anomaly.metrics",
    "LatentMapDisplay": "skhep_anomaly.plotting",
    "load": "skhep_anomaly.persistence",
    "load_calochallenge_hdf5": "skhep_anomaly.datasets",
    "load_calogan_npz": "skhep_anomaly.datasets",
    "load_geant4_showers": "skhep_anomaly.datasets",
    "load_higgs": "skhep_anomaly.datasets",
    "load_higgsml": "skhep_anomaly.datasets",
    "load_lhco": "skhep_anomaly.datasets",
    "load_susy": "skhep_anomaly.datasets",
    "make_ams_scorer": "skhep_anomaly.metrics",
    "make_gaussian_anomalies": "skhep_anomaly.datasets",
    "make_moons_anomalies": "skhep_anomaly.datasets",
    "make_outlier_scorer": "skhep_anomaly.metrics",
    "make_toy_showers": "skhep_anomaly.simulators",
    "max_ams": "skhep_anomaly.metrics",
    "max_sic": "skhep_anomaly.metrics",
    "mcc_at_percentile": "skhep_anomaly.metrics",
    "mcc_at_threshold": "skhep_anomaly.metrics",
    "MissingSentinel": "skhep_anomaly.preprocessing",
    "MixtureSampler": "skhep_anomaly.ope",
    "ModeCollapseWarning": "skhep_anomaly.exceptions",
    "ModelFileError": "skhep_anomaly.exceptions",
    "NormalOnlySplit": "skhep_anomaly.metrics",
    "OnnxShowerGenerator": "skhep_anomaly.generators",
    "OPEClassifier": "skhep_anomaly.ope",
    "open_table_writer": "skhep_anomaly.datasets",
    "outlier_average_precision_scorer": "skhep_anomaly.metrics",
    "outlier_mcc_scorer": "skhep_anomaly.metrics",
    "outlier_roc_auc_scorer": "skhep_anomaly.metrics",
    "prd_auc": "skhep_anomaly.metrics",
    "prd_curve": "skhep_anomaly.metrics",
    "PseudoAnomalySampler": "skhep_anomaly.ope",
    "PyODAdapter": "skhep_anomaly.outliers",
    "read_root": "skhep_anomaly.datasets",
    "read_table": "skhep_anomaly.datasets",
    "readout": "skhep_anomaly.generators",
    "RMSPropSampler": "skhep_anomaly.ope",
    "RocSicDisplay": "skhep_anomaly.plotting",
    "save": "skhep_anomaly.persistence",
    "ScoreHistogramDisplay": "skhep_anomaly.plotting",
    "SemiSupervisedAEClassifier": "skhep_anomaly.ope",
    "separation_power": "skhep_anomaly.metrics",
    "shower_features": "skhep_anomaly.metrics",
    "shower_observables": "skhep_anomaly.metrics",
    "shower_report": "skhep_anomaly.metrics",
    "ShowerBunch": "skhep_anomaly.datasets",
    "ShowerHistogramDisplay": "skhep_anomaly.plotting",
    "ShowerImageDisplay": "skhep_anomaly.plotting",
    "sic_curve": "skhep_anomaly.metrics",
    "simulate_geant4": "skhep_anomaly.simulators",
    "SimulatorError": "skhep_anomaly.exceptions",
    "SwapSampler": "skhep_anomaly.ope",
    "table_columns": "skhep_anomaly.datasets",
    "TrainingCurveDisplay": "skhep_anomaly.plotting",
    "TrainingDivergedError": "skhep_anomaly.exceptions",
    "UniformSampler": "skhep_anomaly.ope",
    "VAEOutlierDetector": "skhep_anomaly.outliers",
    "wasserstein_table": "skhep_anomaly.metrics",
    "weighted_average_precision": "skhep_anomaly.metrics",
    "weighted_precision_recall_curve": "skhep_anomaly.metrics",
    "weighted_roc_auc": "skhep_anomaly.metrics",
    "weighted_roc_curve": "skhep_anomaly.metrics",
    "write_comparison_report": "skhep_anomaly.comparison",
    "write_report": "skhep_anomaly.report",
}

__all__ = ["__version__", *_EXPORTS]  # noqa: PLE0604 - the keys are strings


def __getattr__(name: str) -> Any:
    """Import the module behind a public name when the name is first used."""
    if name not in _EXPORTS:
        msg = f"module {__name__!r} has no attribute {name!r}; its public names are in __all__"
        raise AttributeError(msg)
    value = getattr(import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
