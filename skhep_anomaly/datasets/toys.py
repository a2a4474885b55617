"""Toys with a known truth: two Gaussians, and two moons with four kinds of anomalies.

Gaussians. Normal events follow N(0, 1) in d dimensions, anomalies N(δ e₁, 1). The best possible
score is the likelihood ratio, log p₁/p₀ = δ x₁ − δ²/2, and its area under the ROC curve is
Φ(δ/√2) (Neyman and Pearson; two normals a distance δ apart).

Moons. Normal events lie on two half circles with Gaussian noise; the distance of any point to the
half circles is known exactly, and anomalies keep away from them.

Weights. With ``weighted=True`` normal events are drawn from a distorted density q and carry
w = p/q, so that weighted sums follow the same truth p as the unweighted toy.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, pi
from typing import Any

import numpy as np

from skhep_anomaly._random import numpy_generator, seed_sequence
from skhep_anomaly.datasets import sources
from skhep_anomaly.datasets._bunch import EventBunch, make_bunch

_SPREAD = 1.5  # width of the distorted Gaussian
_TILT = 0.8  # strength of the distorted density along a moon, below 1
_MARGIN = 0.35  # least distance of a uniform anomaly to the moons
_KINDS = ("cluster", "ring", "line", "uniform")


def make_gaussian_anomalies(
    n_normal: int = 1000,
    n_anomalies: int = 100,
    *,
    n_features: int = 2,
    distance: float = 3.0,
    weighted: bool = False,
    as_frame: bool = False,
    random_state: Any = None,
) -> EventBunch:
    """Gaussian events N(0, 1), anomalies N(δ e₁, 1), with the best score and its AUC.

    Parameters
    ----------
    n_normal : int, default=1000
        Normal events, at least 1.
    n_anomalies : int, default=100
        Anomalies, at least 0.
    n_features : int, default=2
        Dimension d, at least 1.
    distance : float, default=3.0
        δ, at least 0; larger makes anomalies easier to find.
    weighted : bool, default=False
        Draw every class 1.5 times as wide along the first axis, with the weights that undo it.
    as_frame : bool, default=False
        Return X as a DataFrame.
    random_state : None, int, RandomState or Generator, default=None
        Seed.

    Returns
    -------
    events : EventBunch
        In random order. Besides the usual fields: ``log_likelihood_ratio``, the best score of
        each event (higher = more anomalous), and ``auc_optimal`` = Φ(δ/√2), its expected area.
        ``sample_weight`` is None without weights.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> from skhep_anomaly.datasets import make_gaussian_anomalies
    >>> toy = make_gaussian_anomalies(distance=2.0, random_state=0)
    >>> round(toy.auc_optimal, 4)
    0.9214
    """
    _check_counts(n_normal=(n_normal, 1), n_anomalies=(n_anomalies, 0), n_features=(n_features, 1))
    _check_number("distance", distance)
    rng = numpy_generator(seed_sequence(random_state))
    y = _shuffled_labels(rng, n_normal, n_anomalies)
    X = rng.standard_normal((len(y), n_features))
    weight = None
    if weighted:
        X[:, 0] *= _SPREAD
        weight = _SPREAD * np.exp(-0.5 * X[:, 0] ** 2 * (1 - _SPREAD**-2))
    X[:, 0] += distance * y
    return make_bunch(
        "Gaussian anomalies",
        X,
        y,
        feature_names=[f"x{j}" for j in range(n_features)],
        units={f"x{j}": "1" for j in range(n_features)},
        source=sources.TOY,
        sample_weight=weight,
        target_names=("normal", "anomaly"),
        as_frame=as_frame,
        log_likelihood_ratio=distance * X[:, 0] - distance**2 / 2,
        auc_optimal=(1 + erf(distance / 2)) / 2,
    )


def make_moons_anomalies(
    n_normal: int = 1000,
    n_anomalies: int = 100,
    *,
    kinds: Sequence[str] = _KINDS,
    noise: float = 0.08,
    weighted: bool = False,
    as_frame: bool = False,
    random_state: Any = None,
) -> EventBunch:
    """Two moons of normal events with anomalies of several kinds around them.

    Parameters
    ----------
    n_normal : int, default=1000
        Normal events, at least 1.
    n_anomalies : int, default=100
        Anomalies, at least 0; the kinds take turns, so their numbers differ by one at most.
    kinds : sequence of {"cluster", "ring", "line", "uniform"}, default=all four
        ``"cluster"``: two tight blobs; ``"ring"``: a circle around both moons; ``"line"``: a
        short line below them; ``"uniform"``: anywhere in [−2, 3] × [−1.75, 2.25] at a distance
        of 0.35 or more from the moons.
    noise : float, default=0.08
        Standard deviation of the normal events around the half circles, at least 0.
    weighted : bool, default=False
        Draw normal events unevenly along the moons, with the weights that undo it; anomalies
        have weight 1.
    as_frame : bool, default=False
        Return X as a DataFrame.
    random_state : None, int, RandomState or Generator, default=None
        Seed.

    Returns
    -------
    events : EventBunch
        In random order. Besides the usual fields: ``kind`` of each event (``"normal"`` or one
        of ``kinds``) and ``distance``, the exact distance to the nearer half circle.

    Raises
    ------
    ValueError
        If a number is out of its range or a kind is unknown.

    Notes
    -----
    The half circles are those of scikit-learn's ``make_moons``: (cos t, sin t) and
    (1 − cos t, ½ − sin t), 0 ≤ t ≤ π. Clusters, ring and line lie 0.8 or more away from them.

    Examples
    --------
    >>> from skhep_anomaly.datasets import make_moons_anomalies
    >>> toy = make_moons_anomalies(random_state=0)
    >>> bool(toy.distance[toy.y == 1].min() > toy.distance[toy.y == 0].max())
    True
    """
    _check_counts(n_normal=(n_normal, 1), n_anomalies=(n_anomalies, 0))
    _check_number("noise", noise)
    _check_kinds(kinds)
    rng = numpy_generator(seed_sequence(random_state))
    normal, weight = _moons(rng, n_normal, noise, weighted=weighted)
    names = np.array([kinds[k % len(kinds)] for k in range(n_anomalies)], dtype="U7")
    odd = np.empty((n_anomalies, 2))
    for kind in dict.fromkeys(kinds):
        rows = names == kind
        odd[rows] = _ANOMALIES[kind](rng, int(rows.sum()))
    order = rng.permutation(n_normal + n_anomalies)
    X = np.concatenate([normal, odd])[order]
    return make_bunch(
        "two moons with anomalies",
        X,
        np.repeat([0, 1], [n_normal, n_anomalies])[order],
        feature_names=["x0", "x1"],
        units={"x0": "1", "x1": "1"},
        source=sources.TOY,
        sample_weight=np.append(weight, np.ones(n_anomalies))[order] if weighted else None,
        target_names=("normal", "anomaly"),
        as_frame=as_frame,
        kind=np.append(np.full(n_normal, "normal", dtype="U7"), names)[order],
        distance=_distance(X),
    )


def _shuffled_labels(rng: np.random.Generator, n_normal: int, n_anomalies: int) -> np.ndarray:
    return rng.permutation(np.repeat([0, 1], [n_normal, n_anomalies]))


def _moons(
    rng: np.random.Generator, n: int, noise: float, *, weighted: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Points on both moons and their weights; q(t) = (1 + a cos t)/π against p(t) = 1/π."""
    t = pi * rng.random(n)
    weight = np.ones(n)
    if weighted:
        grid = np.linspace(0, pi, 4097)
        t = np.interp(t, grid + _TILT * np.sin(grid), grid)  # inverse of π Q(t)
        weight = 1 / (1 + _TILT * np.cos(t))
    upper = rng.permutation(np.arange(n) % 2 == 0)
    x = np.where(upper, np.cos(t), 1 - np.cos(t))
    y = np.where(upper, np.sin(t), 0.5 - np.sin(t))
    return np.column_stack([x, y]) + noise * rng.standard_normal((n, 2)), weight


def _distance(X: np.ndarray) -> np.ndarray:
    """Distance to the nearer half circle; the lower moon is the upper one turned about (½, ¼)."""
    return np.minimum(_to_half_circle(X), _to_half_circle(np.array([1.0, 0.5]) - X))


def _to_half_circle(X: np.ndarray) -> np.ndarray:
    """Distance to (cos t, sin t), 0 ≤ t ≤ π: radial above the ends, else to the nearer end."""
    radial = np.abs(np.hypot(X[:, 0], X[:, 1]) - 1)
    to_end = np.hypot(np.abs(X[:, 0]) - 1, X[:, 1])
    return np.where(X[:, 1] >= 0, radial, to_end)


def _clusters(rng: np.random.Generator, n: int) -> np.ndarray:
    centres = np.array([[-1.6, -0.9], [2.6, 1.7]])
    return centres[rng.permutation(np.arange(n) % 2)] + 0.08 * rng.standard_normal((n, 2))


def _ring(rng: np.random.Generator, n: int) -> np.ndarray:
    angle = 2 * pi * rng.random(n)
    radius = 3.0 + 0.05 * rng.standard_normal(n)
    return np.column_stack([0.5 + radius * np.cos(angle), 0.25 + radius * np.sin(angle)])


def _line(rng: np.random.Generator, n: int) -> np.ndarray:
    along = rng.random(n)
    line = np.column_stack([-0.5 + 2 * along, np.full(n, -1.6)])
    return line + 0.03 * rng.standard_normal((n, 2))


def _uniform(rng: np.random.Generator, n: int) -> np.ndarray:
    """Rejection: keep points of the box that are far enough from both moons."""
    kept = np.empty((0, 2))
    while len(kept) < n:
        points = np.array([-2.0, -1.75]) + np.array([5.0, 4.0]) * rng.random((2 * n, 2))
        kept = np.concatenate([kept, points[_distance(points) >= _MARGIN]])
    return kept[:n]


_ANOMALIES = {"cluster": _clusters, "ring": _ring, "line": _line, "uniform": _uniform}


def _check_counts(**counts: tuple[int, int]) -> None:
    for name, (value, least) in counts.items():
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < least:
            msg = f"{name}={value!r}: expected a whole number of at least {least}."
            raise ValueError(msg)


def _check_number(name: str, value: float) -> None:
    if not np.isfinite(value) or value < 0:
        msg = f"{name}={value!r}: expected a finite number of at least 0."
        raise ValueError(msg)


def _check_kinds(kinds: Sequence[str]) -> None:
    if isinstance(kinds, str) or not kinds or any(kind not in _ANOMALIES for kind in kinds):
        msg = f"kinds={kinds!r}: expected a sequence out of {', '.join(map(repr, _KINDS))}."
        raise ValueError(msg)
