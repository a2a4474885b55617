"""From arrays to numbers: significance, curves, errors, and scorers for searches."""

from __future__ import annotations

from skhep_anomaly.metrics.ams import AMSCurve, MaxAMS, ams, ams_curve, ams_score, max_ams
from skhep_anomaly.metrics.bootstrap import MetricEstimate, bootstrap_metric
from skhep_anomaly.metrics.energy_score import energy_score
from skhep_anomaly.metrics.frechet import fpd
from skhep_anomaly.metrics.kernel_distance import kpd
from skhep_anomaly.metrics.labels import anomaly_flags, prediction_flags
from skhep_anomaly.metrics.prd import PRDCurve, prd_auc, prd_curve
from skhep_anomaly.metrics.roc import (
    PrecisionRecallCurve,
    RocCurve,
    delong_roc_auc,
    weighted_average_precision,
    weighted_precision_recall_curve,
    weighted_roc_auc,
    weighted_roc_curve,
)
from skhep_anomaly.metrics.sample_pair import Estimate
from skhep_anomaly.metrics.scorers import (
    OutlierScorer,
    make_ams_scorer,
    make_outlier_scorer,
    outlier_average_precision_scorer,
    outlier_mcc_scorer,
    outlier_roc_auc_scorer,
)
from skhep_anomaly.metrics.separation import separation_power
from skhep_anomaly.metrics.shower_features import shower_features
from skhep_anomaly.metrics.shower_observables import ShowerObservables, shower_observables
from skhep_anomaly.metrics.shower_report import ReportRow, ShowerReport, shower_report
from skhep_anomaly.metrics.sic import SICCurve, max_sic, sic_curve
from skhep_anomaly.metrics.splitting import NormalOnlySplit
from skhep_anomaly.metrics.threshold import mcc_at_percentile, mcc_at_threshold
from skhep_anomaly.metrics.two_sample import ClassifierAUC, classifier_auc
from skhep_anomaly.metrics.wasserstein import WassersteinTable, wasserstein_table

__all__ = [
    "AMSCurve",
    "ClassifierAUC",
    "Estimate",
    "MaxAMS",
    "MetricEstimate",
    "NormalOnlySplit",
    "OutlierScorer",
    "PRDCurve",
    "PrecisionRecallCurve",
    "ReportRow",
    "RocCurve",
    "SICCurve",
    "ShowerObservables",
    "ShowerReport",
    "WassersteinTable",
    "ams",
    "ams_curve",
    "ams_score",
    "anomaly_flags",
    "bootstrap_metric",
    "classifier_auc",
    "delong_roc_auc",
    "energy_score",
    "fpd",
    "kpd",
    "make_ams_scorer",
    "make_outlier_scorer",
    "max_ams",
    "max_sic",
    "mcc_at_percentile",
    "mcc_at_threshold",
    "outlier_average_precision_scorer",
    "outlier_mcc_scorer",
    "outlier_roc_auc_scorer",
    "prd_auc",
    "prd_curve",
    "prediction_flags",
    "separation_power",
    "shower_features",
    "shower_observables",
    "shower_report",
    "sic_curve",
    "wasserstein_table",
    "weighted_average_precision",
    "weighted_precision_recall_curve",
    "weighted_roc_auc",
    "weighted_roc_curve",
]
