"""The detectors of the main job by short names, each behind the same `MissingSentinel`.

Undefined values are replaced alike for all, from the training rows only: what is compared is the
detectors, not their preprocessing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from sklearn.pipeline import Pipeline

from skhep_anomaly.preprocessing import MissingSentinel

__all__ = ["MODELS", "comparison_detectors", "make_detector"]


class Model(NamedTuple):
    """A detector of the main job: its name in tables, its maker, and whether files can hold it.

    The maker gives an estimator, or a pipeline whose last step is called "detector".
    """

    label: str
    make: Callable[[bool], Any]
    storable: bool


def _ae(quick: bool) -> Any:
    from skhep_anomaly.outliers import AEOutlierDetector

    return AEOutlierDetector(max_epochs=2 if quick else None)


def _vae(quick: bool) -> Any:
    from skhep_anomaly.outliers import VAEOutlierDetector

    return VAEOutlierDetector(max_epochs=2 if quick else None)


def _flow(quick: bool) -> Any:
    from skhep_anomaly.outliers import FlowOutlierDetector

    return FlowOutlierDetector(max_epochs=2 if quick else None)


def _gan(quick: bool) -> Any:
    from skhep_anomaly.outliers import GANOutlierDetector

    return GANOutlierDetector(max_epochs=2 if quick else None)


def _groupwise(quick: bool) -> Any:
    from skhep_anomaly.outliers import GroupwiseOutlierDetector

    return GroupwiseOutlierDetector(_vae(quick), unseen="nearest", threshold_scope="pooled")


def _ope(quick: bool) -> Any:
    from skhep_anomaly.ope import OPEClassifier

    return OPEClassifier(max_iter=50 if quick else 2000)


def _trees(quick: bool) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    # early stopping, the default above 10,000 rows, would judge by a handful of signal events
    return HistGradientBoostingClassifier(max_iter=5 if quick else 100, early_stopping=False)


def _logistic(quick: bool) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    return Pipeline([("scale", StandardScaler()), ("detector", model)])


def _baseline(name: str) -> Callable[[bool], Any]:
    def make(quick: bool) -> Any:
        from skhep_anomaly.outliers import baselines

        fewer = {"max_rows_ocsvm": 500, "epochs_deepsvdd": 2} if quick else {}
        return baselines(**fewer)[name]

    return make


MODELS: dict[str, Model] = {
    "ae": Model("AE", _ae, True),
    "vae": Model("VAE", _vae, True),
    "flow": Model("Flow", _flow, True),
    "gan": Model("GAN", _gan, True),
    "groupwise": Model("Group-wise VAE", _groupwise, True),
    "ope": Model("OPE", _ope, True),
    "iforest": Model("IsolationForest", _baseline("IsolationForest"), False),
    "ocsvm": Model("OC-SVM", _baseline("OC-SVM"), False),
    "deepsvdd": Model("DeepSVDD", _baseline("DeepSVDD"), False),
    "trees": Model("boosted trees", _trees, False),
    "logistic": Model("logistic regression", _logistic, False),
}
"""Short name -> detector; the baselines are PyOD's. The classifiers "ope", "trees" and "logistic"
learn from known signal too."""


def make_detector(
    name: str,
    *,
    group_column: int | None = None,
    missing: float = -999.0,
    device: str = "cpu",
    quick: bool = False,
) -> Pipeline:
    """Give one detector of `MODELS` behind a `MissingSentinel`.

    Parameters
    ----------
    name : str
        A key of `MODELS`.
    group_column : int or None, default=None
        Position of the column that tells the groups; needed by "groupwise".
    missing : float, default=-999.0
        The number that means "undefined".
    device : str, default="cpu"
        Where nets are trained.
    quick : bool, default=False
        Hardly any training.

    Returns
    -------
    Pipeline
        Steps "missing" and "detector", for "logistic" with "scale" between, not fitted.

    Raises
    ------
    ValueError
        If the name is unknown, or the group-wise detector is given no group.
    """
    if name not in MODELS:
        raise ValueError(f"there is no model {name!r}; the models are {', '.join(MODELS)}.")
    if name == "groupwise" and group_column is None:
        raise ValueError(
            "the model 'groupwise' needs a column that tells the groups, such as the number of "
            "jets."
        )
    detector = MODELS[name].make(quick)
    settings: dict[str, Any] = {"groups": group_column} if name == "groupwise" else {}
    known = detector.get_params(deep=True)
    settings |= {key: device for key in ("device", "estimator__device") if key in known}
    detector.set_params(**settings)
    steps = detector.steps if isinstance(detector, Pipeline) else [("detector", detector)]
    return Pipeline([("missing", MissingSentinel(missing=missing)), *steps])


def comparison_detectors(
    names: Iterable[str] | None = None,
    *,
    group_column: int | None = None,
    missing: float = -999.0,
    device: str = "cpu",
    quick: bool = False,
) -> dict[str, Pipeline]:
    """Give the detectors of the main job, ready for `compare_detectors`.

    Parameters
    ----------
    names : iterable of str, default=None
        Any of "ae", "vae", "flow", "gan", "groupwise" and PyOD's "iforest", "ocsvm", "deepsvdd".
        None: all of them, "groupwise" only with a `group_column`.
    group_column : int or None, default=None
        Position of the column that tells the groups, for the group-wise VAE.
    missing : float, default=-999.0
        The number that means "undefined"; it becomes the median of the training rows.
    device : str, default="cpu"
        Where nets are trained: "cpu", "cuda" or "auto".
    quick : bool, default=False
        Hardly any training: to try a command, not to look at numbers.

    Returns
    -------
    dict of str to Pipeline
        Name for tables → `MissingSentinel` and detector.

    Raises
    ------
    ValueError
        If a name is unknown, or "groupwise" is asked for without a `group_column`.

    Examples
    --------
    >>> from skhep_anomaly import comparison_detectors
    >>> list(comparison_detectors(["ae", "iforest"]))
    ['AE', 'IsolationForest']
    """
    if names is None:
        names = [name for name in MODELS if name != "groupwise" or group_column is not None]
    made = {
        name: make_detector(
            name, group_column=group_column, missing=missing, device=device, quick=quick
        )
        for name in names
    }
    return {MODELS[name].label: pipeline for name, pipeline in made.items()}
