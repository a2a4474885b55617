"""HiggsML as a one-class problem: splits, one model per jet number, and what is measured.

Background events of the training part train; all events of the test part test. Each jet number
has its own columns (those that exist for it, without the angles φ), fill values, model; its
training scores give thresholds and the scale of "rank pooling".
"""

from __future__ import annotations

import time
import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import matthews_corrcoef

from skhep_anomaly import GroupwiseOutlierDetector
from skhep_anomaly.datasets import load_higgsml
from skhep_anomaly.datasets.higgsml import BACKGROUND_WEIGHT_SUM, SIGNAL_WEIGHT_SUM
from skhep_anomaly.metrics import max_ams, weighted_roc_auc
from skhep_anomaly.outliers._pooling import learn_scale, to_scale

MISSING = -999.0
TOTALS = {"s_total": SIGNAL_WEIGHT_SUM, "b_total": BACKGROUND_WEIGHT_SUM}


class Events(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    jets: int  # position of the column that holds the jet number

    def at(self, index: np.ndarray) -> Events:
        return Events(self.X[index], self.y[index], self.weight[index], self.jets)

    def background(self) -> Events:
        return self.at(np.flatnonzero(~self.y))


class Scores(NamedTuple):
    """Anomaly scores on one scale: of the training rows, and of the test rows."""

    train: np.ndarray
    test: np.ndarray


def read(path: str | None = None, subset: str | None = None, coordinates: str = "plain") -> Events:
    """The events without angles, as they are or in `physics_coordinates`."""
    bunch = load_higgsml(path, subset=subset, drop_phi=True)
    names = list(bunch.feature_names)
    X = physics_coordinates(bunch.X, names, bunch.units) if coordinates == "physics" else bunch.X
    return Events(X, bunch.y.astype(bool), bunch.sample_weight, names.index("PRI_jet_num"))


def physics_coordinates(X: np.ndarray, names: list[str], units: dict[str, str]) -> np.ndarray:
    """log(1 + x) of all columns in GeV; events mirrored along the beam so that the τ has η ≥ 0.

    Both beams are protons: an event and its mirror image, all η with the other sign, are equally
    likely. The derived columns do not change.
    """
    gev = np.array([units[name] == "GeV" for name in names])
    eta = np.array([name.startswith("PRI_") and name.endswith("_eta") for name in names])
    sign = np.where(X[:, names.index("PRI_tau_eta")] < 0, -1, 1).astype(X.dtype)[:, None]
    defined = X != MISSING
    X = np.where(gev & defined, np.log1p(np.where(gev & defined, X, 0)), X)
    return np.where(eta & defined, sign * X, X)


def split(n_rows: int, seed: int, *fractions: float) -> list[np.ndarray]:
    """Disjoint parts of the events, the last takes the rest."""
    order = np.random.default_rng([2014, seed]).permutation(n_rows)
    return np.split(order, np.round(np.cumsum(fractions) * n_rows).astype(int))


class Grouped:
    """One clone of an estimator per jet number, trained on background."""

    def __init__(self, estimator: Any, train: Events) -> None:
        start = time.process_time()
        self.X = train.X
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a GMM that did not converge; a GAN that collapsed
            self.model = GroupwiseOutlierDetector(estimator, groups=train.jets).fit(train.X)
        self.fit_cpu_s = time.process_time() - start

    def scores(self, X: np.ndarray, **changed: Any) -> dict[str, Scores]:
        """Pooled over jet numbers as they are and by rank, after `changed` parameters are set."""
        made = {kind: Scores(np.empty(len(self.X)), np.empty(len(X))) for kind in ("raw", "rank")}
        for group, model in self.model.estimators_.items():
            if changed:
                model.set_params(**changed)
            inside, there = (rows[:, self.model.group_column_] == group for rows in (self.X, X))
            train = own_scores(model, self._rows(group, self.X[inside]))
            test = model.score_samples(self._rows(group, X[there]))
            scale = learn_scale("rank", train, None)
            for kind, own in (("raw", {}), ("rank", scale)):
                made[kind].train[inside] = -to_scale(kind, own, train)
                made[kind].test[there] = -to_scale(kind, own, test)
        return made

    def _rows(self, group: Any, rows: np.ndarray) -> np.ndarray:
        return self.model.fillers_[group].transform(rows[:, self.model.features_[group]])


def own_scores(model: Any, rows: np.ndarray) -> np.ndarray:
    """Normality of the training rows, leave-one-out where the detector knows it (kNN, LOF)."""
    last = model[-1] if hasattr(model, "steps") else model
    if hasattr(last, "negative_outlier_factor_"):
        return last.negative_outlier_factor_
    fitted = getattr(last, "detector_", None)
    if type(fitted).__name__ == "KNN":
        return -fitted.decision_scores_
    return np.asarray(model.score_samples(rows), dtype=np.float64)


def measure(test: Events, scores: Scores, seed: int, n_bootstrap: int = 50) -> dict[str, float]:
    """AUC and MCC count simulated events; the weighted AUC and AMS count expected events."""
    best = max_ams(
        test.y,
        scores.test,
        test.weight,
        n_bootstrap=n_bootstrap,
        random_state=seed,
        **TOTALS,
    )
    flagged = scores.test > np.percentile(scores.train, 40)
    numbers = {
        "auc": weighted_roc_auc(test.y, scores.test),
        "weighted_auc": weighted_roc_auc(test.y, scores.test, test.weight),
        "mcc_p40": matthews_corrcoef(test.y, flagged),
        "max_ams": best.value,
        "max_ams_error": best.error,
    }
    return {name: round(float(value), 5) for name, value in numbers.items()}


def spread(values: list[float]) -> tuple[float, float, float]:
    """Mean, standard deviation over seeds, standard error of the mean."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return float(np.mean(values)), sd, sd / np.sqrt(len(values))
