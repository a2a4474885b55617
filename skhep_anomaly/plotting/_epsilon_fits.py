"""Fits along ε: which parameter is ε, which seeds are set, who gets the weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skhep_anomaly.metrics.scorers import anomaly_scores

__all__ = ["check_eps", "fit_scores"]


def check_eps(eps: Any) -> NDArray[np.float64]:
    """Return ε as an increasing array in [0, 1], or raise a ValueError."""
    values = np.asarray(eps, dtype=np.float64)
    inside = values.ndim == 1 and len(values) > 0 and ((values >= 0) & (values <= 1)).all()
    if not inside or not (np.diff(values) > 0).all():
        raise ValueError(f"eps={eps!r} must be increasing numbers in [0, 1], one or more.")
    return values


def fit_scores(
    estimator: Any,
    X: Any,
    y: Any,
    X_test: Any,
    *,
    eps: NDArray[np.float64],
    eps_name: str | None,
    seeds: Any,
    sample_weight: Any,
    anomaly_label: Any,
    n_jobs: int | None,
) -> NDArray[np.float64]:
    """Fit clones at each ε and seed, and score the test rows.

    Parameters
    ----------
    estimator : estimator
        With a parameter ``eps``, or one named ``…__eps``.
    X, y, X_test
        Rows and labels to fit, rows to score.
    eps : ndarray of shape (n_eps,)
        Values of ε.
    eps_name : str or None
        The parameter's name; None: found.
    seeds : int or sequence of int
        How many seeds, or the seeds.
    sample_weight : array-like of shape (n_samples,) or None
        Weights of the rows of `X`.
    anomaly_label : object
        The label of anomalies, or None.
    n_jobs : int or None
        Fits at a time.

    Returns
    -------
    scores : ndarray of shape (n_eps, n_seeds, n_test)
        Higher = more anomalous.

    Raises
    ------
    ValueError
        There is no ε to set, or more than one, or `seeds` is neither a number nor seeds.
    """
    name = _eps_name(estimator, eps_name)
    random = _seed_names(estimator)
    chosen = _read_seeds(seeds)
    chosen = chosen if random else chosen[:1]  # without randomness every fit is the same
    fit_params = _weight_params(estimator, name, sample_weight)

    def one(value: float, seed: int) -> NDArray[np.float64]:
        model = clone(estimator).set_params(**{name: value}, **dict.fromkeys(random, seed))
        return anomaly_scores(model.fit(X, y, **fit_params), X_test, anomaly_label)

    tasks = [(float(value), seed) for value in eps for seed in chosen]
    scores = Parallel(n_jobs=n_jobs)(delayed(one)(*task) for task in tasks)
    return np.reshape(scores, (len(eps), len(chosen), -1))


def _eps_name(estimator: Any, name: str | None) -> str:
    """Find the parameter ε; that of the estimator itself goes before those of its parts."""
    params = estimator.get_params(deep=True)
    found = sorted(key for key in params if key.split("__")[-1] == "eps")
    if name is not None:
        if name not in params:
            raise ValueError(
                f"eps_name={name!r} is no parameter of {type(estimator).__name__}; found {found}."
            )
        return name
    if "eps" in found:
        return "eps"
    if len(found) != 1:
        raise ValueError(
            f"{type(estimator).__name__} has {len(found)} parameters named eps {found}; a scan "
            "needs one: take an OPEClassifier, a Pipeline or search around it, or name the "
            "parameter with eps_name=..."
        )
    return found[0]


def _seed_names(estimator: Any) -> list[str]:
    return [key for key in estimator.get_params(deep=True) if key.split("__")[-1] == "random_state"]


def _read_seeds(seeds: Any) -> list[int]:
    """Return the seeds: those given, or the first whole numbers."""
    if np.ndim(seeds) == 0 and _is_whole(seeds) and seeds >= 1:
        return list(range(int(seeds)))
    if np.ndim(seeds) == 1 and len(seeds) == len(set(seeds)) > 0 and all(map(_is_whole, seeds)):
        return [int(seed) for seed in seeds]
    raise ValueError(
        f"seeds={seeds!r} must be a number of fits at each ε, at least 1, or different whole "
        "numbers."
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _weight_params(estimator: Any, eps_name: str, weight: Any) -> dict[str, Any]:
    """Send the weights to the step of a Pipeline that has ε, unless metadata are routed."""
    if weight is None:
        return {}
    if isinstance(estimator, Pipeline) and not get_config()["enable_metadata_routing"]:
        return {f"{eps_name.split('__')[0]}__sample_weight": weight}
    return {"sample_weight": weight}
