"""From arrays to numbers: significance, curves, errors, and scorers for searches."""

from __future__ import annotations

from skhep_anomaly.metrics.ams import AMSCurve, MaxAMS, ams, ams_curve, ams_score, max_ams
from skhep_anomaly.metrics.bootstrap import MetricEstimate, bootstrap_metric
from skhep_anomaly.metrics.labels import anomaly_flags, prediction_flags
from skhep_anomaly.metrics.roc import (
    PrecisionRecallCurve,
    RocCurve,
    delong_roc_auc,
    weighted_average_precision,
    weighted_precision_recall_curve,
    weighted_roc_auc,
    weighted_roc_curve,
)
from skhep_anomaly.metrics.scorers import (
    OutlierScorer,
    make_ams_scorer,
    make_outlier_scorer,
    outlier_average_precision_scorer,
    outlier_mcc_scorer,
    outlier_roc_auc_scorer,
)
from skhep_anomaly.metrics.shower_observables import ShowerObservables, shower_observables
from skhep_anomaly.metrics.sic import SICCurve, max_sic, sic_curve
from skhep_anomaly.metrics.splitting import NormalOnlySplit
from skhep_anomaly.metrics.threshold import mcc_at_percentile, mcc_at_threshold
from skhep_anomaly.metrics.two_sample import ClassifierAUC, classifier_auc

__all__ = [
    "AMSCurve",
    "ClassifierAUC",
    "MaxAMS",
    "MetricEstimate",
    "NormalOnlySplit",
    "OutlierScorer",
    "PrecisionRecallCurve",
    "RocCurve",
    "SICCurve",
    "ShowerObservables",
    "ams",
    "ams_curve",
    "ams_score",
    "anomaly_flags",
    "bootstrap_metric",
    "classifier_auc",
    "delong_roc_auc",
    "make_ams_scorer",
    "make_outlier_scorer",
    "max_ams",
    "max_sic",
    "mcc_at_percentile",
    "mcc_at_threshold",
    "outlier_average_precision_scorer",
    "outlier_mcc_scorer",
    "outlier_roc_auc_scorer",
    "prediction_flags",
    "shower_observables",
    "sic_curve",
    "weighted_average_precision",
    "weighted_precision_recall_curve",
    "weighted_roc_auc",
    "weighted_roc_curve",
]
