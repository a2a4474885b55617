"""The engine: the only room that steps an optimiser."""

from skhep_anomaly.training.adversarial import AdversarialNet, Player
from skhep_anomaly.training.estimator import NetEstimator
from skhep_anomaly.training.moments import column_moments
from skhep_anomaly.training.net import Net
from skhep_anomaly.training.objective import Context, Objective, weighted_mean
from skhep_anomaly.training.rows import Batches, Rows
from skhep_anomaly.training.schedule import SCHEDULES
from skhep_anomaly.training.scoring import map_rows

__all__ = [
    "SCHEDULES",
    "AdversarialNet",
    "Batches",
    "Context",
    "Net",
    "NetEstimator",
    "Objective",
    "Player",
    "Rows",
    "column_moments",
    "map_rows",
    "weighted_mean",
]
