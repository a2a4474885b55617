"""Approximate median significance (AMS): how many σ a selection is worth.

With s signal and b background events selected, the median significance of a discovery is, after
Asimov's data set replaces the likelihood ratio's median,

    AMS = √( 2 ((s + b + b_reg) ln(1 + s / (b + b_reg)) − s) )

`b_reg` keeps tiny selections from looking good. With x = s / (b + b_reg) the bracket is
(b + b_reg) g(x), g(x) = (1 + x) ln(1 + x) − x = x²/2 − x³/6 + x⁴/12 − …: for small x the series is
used, because the closed form loses its digits there. For small x AMS is near s / √(b + b_reg).

Source: G. Cowan, K. Cranmer, E. Gross, O. Vitells, Eur. Phys. J. C 71 (2011) 1554, eq. 97;
C. Adam-Bourdarios et al., "The Higgs boson machine learning challenge", eq. 7 (b_reg = 10).
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skhep_anomaly.metrics.bootstrap import bootstrap_metric
from skhep_anomaly.metrics.labels import anomaly_flags, prediction_flags
from skhep_anomaly.metrics.selection import read_scored, read_weights, select_above

__all__ = ["AMSCurve", "MaxAMS", "ams", "ams_curve", "ams_score", "max_ams"]

_SMALL = 0.05
# g(x) / x² = Σ (−1)^k x^(k−2) / (k (k − 1)), k = 2, 3, …
_SERIES = [(-1.0) ** k / (k * (k - 1)) for k in range(2, 17)]


class AMSCurve(NamedTuple):
    """AMS of the selection ``score >= threshold``, with its summed weights.

    Thresholds run from high to low, one for each distinct score.
    """

    ams: NDArray[np.float64]
    threshold: NDArray[np.float64]
    signal: NDArray[np.float64]
    background: NDArray[np.float64]


class MaxAMS(NamedTuple):
    """The largest AMS, the threshold that gives it, and its bootstrap error (NaN if not asked)."""

    value: float
    threshold: float
    error: float


def ams(s: ArrayLike, b: ArrayLike, b_reg: float = 10.0) -> Any:
    """Give the approximate median significance of s signal over b background events.

    Parameters
    ----------
    s, b : float or array-like
        Expected signal and background events (sums of weights), not negative.
    b_reg : float, default=10
        Added to `b`; larger values trust small selections less.

    Returns
    -------
    float or ndarray of float64
        Significance in σ; infinite where s > 0 and b + b_reg = 0.

    Raises
    ------
    ValueError
        If `s`, `b` or `b_reg` is negative or NaN.

    References
    ----------
    G. Cowan et al., arXiv:1007.1727, eq. 97.

    Examples
    --------
    >>> round(float(ams(10, 100)), 7)
    0.9395374
    >>> float(ams(0, 100))
    0.0
    """
    signal = np.asarray(s, dtype=np.float64)
    background = np.asarray(b, dtype=np.float64) + float(b_reg)
    if not (np.all(signal >= 0) and np.all(np.asarray(b) >= 0) and b_reg >= 0):
        raise ValueError(
            f"AMS is defined for s >= 0, b >= 0 and b_reg >= 0; got s >= {np.min(signal)}, "
            f"b >= {np.min(b)}, b_reg={b_reg}."
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = signal / background
        # Out of range of the series only the closed form is used, and the other way round.
        small = np.minimum(ratio, _SMALL)
        series = small**2 * np.polynomial.polynomial.polyval(small, _SERIES)
        closed = (1 + ratio) * np.log1p(ratio) - ratio
        value = np.sqrt(2 * background * np.where(ratio < _SMALL, series, closed))
    value = np.where(background > 0, value, np.where(signal > 0, np.inf, 0.0))
    return value[()]


def ams_score(
    y_true: Any,
    y_pred: Any,
    sample_weight: Any = None,
    b_reg: float = 10.0,
    s_total: float | None = None,
    b_total: float | None = None,
    *,
    anomaly_label: Any = None,
) -> float:
    """Give the AMS of the events that are predicted to be signal.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels: {0, 1} (1 = signal), bool, {-1, +1} (-1 = signal, the outlier of
        scikit-learn), or any together with `anomaly_label`.
    y_pred : array-like of shape (n_samples,)
        Predicted labels: bool, or in the coding of `y_true`.
    sample_weight : array-like of shape (n_samples,), default=None
        Expected events that each row stands for.
    b_reg : float, default=10
        Regularisation of the background.
    s_total, b_total : float, default=None
        Expected signal and background events of the full sample: the weights of each class are
        rescaled to these sums. Needed for a subsample, whose sums are too small.
    anomaly_label : object, default=None
        The value that marks signal in `y_true` and `y_pred`.

    Returns
    -------
    float
        AMS in σ.

    Raises
    ------
    ValueError
        If labels are ambiguous, weights unusable, or a total is negative or asked of a class
        without weight.

    Notes
    -----
    A summed weight below zero, which negative Monte-Carlo weights can give, counts as zero.

    Examples
    --------
    >>> round(ams_score([1, 1, 0, 0], [1, 0, 1, 0], [10.0, 5.0, 100.0, 900.0]), 7)
    0.9395374
    """
    predicted = prediction_flags(y_pred, y_true, anomaly_label)
    signal = anomaly_flags(y_true, anomaly_label, both_classes=False, name="y_true")
    weight = read_weights(sample_weight, len(signal))
    s = _scale(weight[signal].sum(), s_total, "s_total") * weight[signal & predicted].sum()
    b = _scale(weight[~signal].sum(), b_total, "b_total") * weight[~signal & predicted].sum()
    return float(ams(max(s, 0.0), max(b, 0.0), b_reg))


def ams_curve(
    y_true: Any,
    y_score: Any,
    sample_weight: Any = None,
    b_reg: float = 10.0,
    s_total: float | None = None,
    b_total: float | None = None,
    *,
    anomaly_label: Any = None,
) -> AMSCurve:
    """Give the AMS of the selection ``y_score >= threshold`` for every threshold.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, as in `ams_score`; both classes are needed.
    y_score : array-like of shape (n_samples,)
        Scores, **higher = more signal-like** as in scikit-learn's ``roc_curve``. For a detector
        pass ``detector.anomaly_score(X)``.
    sample_weight : array-like of shape (n_samples,), default=None
        Expected events that each row stands for.
    b_reg : float, default=10
        Regularisation of the background.
    s_total, b_total : float, default=None
        Sums of weights of the full sample, as in `ams_score`.
    anomaly_label : object, default=None
        The value of `y_true` that marks signal.

    Returns
    -------
    AMSCurve
        ``ams``, ``threshold`` (from high to low), ``signal`` and ``background`` selected.

    Raises
    ------
    ValueError
        If labels are ambiguous, scores not finite or weights unusable.

    Examples
    --------
    >>> curve = ams_curve([1, 0, 0], [3.0, 2.0, 1.0], [10.0, 100.0, 900.0])
    >>> curve.threshold.tolist(), curve.background.tolist()
    ([3.0, 2.0, 1.0], [0.0, 100.0, 1000.0])
    """
    selection = select_above(read_scored(y_true, y_score, sample_weight, anomaly_label))
    s = selection.signal * _scale(selection.signal[-1], s_total, "s_total")
    b = selection.background * _scale(selection.background[-1], b_total, "b_total")
    s, b = np.maximum(s, 0.0), np.maximum(b, 0.0)
    return AMSCurve(ams(s, b, b_reg), selection.threshold, s, b)


def max_ams(
    y_true: Any,
    y_score: Any,
    sample_weight: Any = None,
    b_reg: float = 10.0,
    s_total: float | None = None,
    b_total: float | None = None,
    *,
    anomaly_label: Any = None,
    n_bootstrap: int = 0,
    random_state: Any = None,
) -> MaxAMS:
    """Give the largest AMS over all thresholds.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, as in `ams_score`; both classes are needed.
    y_score : array-like of shape (n_samples,)
        Scores, higher = more signal-like.
    sample_weight : array-like of shape (n_samples,), default=None
        Expected events that each row stands for.
    b_reg : float, default=10
        Regularisation of the background.
    s_total, b_total : float, default=None
        Sums of weights of the full sample, as in `ams_score`.
    anomaly_label : object, default=None
        The value of `y_true` that marks signal.
    n_bootstrap : int, default=0
        Resamplings for the error; 0 gives none.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the resampling.

    Returns
    -------
    MaxAMS
        ``value``, ``threshold`` (select ``y_score >= threshold``), ``error``.

    Raises
    ------
    ValueError
        If labels are ambiguous, scores not finite or weights unusable.

    Notes
    -----
    The maximum is taken on the rows that it is quoted for, so it is biased upwards, and each
    resampling repeats the search, so the error contains that. Where one background event stands
    for hundreds the value is noise: judge by the error, or choose the threshold on other rows and
    use `ams_score`.

    Examples
    --------
    >>> best = max_ams([1, 0, 0], [3.0, 2.0, 1.0], [10.0, 100.0, 900.0])
    >>> round(best.value, 6), best.threshold
    (2.779548, 3.0)
    """
    totals: dict[str, Any] = {"b_reg": b_reg, "s_total": s_total, "b_total": b_total}
    curve = ams_curve(y_true, y_score, sample_weight, **totals, anomaly_label=anomaly_label)
    best = int(np.argmax(curve.ams))
    error = float("nan")
    if n_bootstrap:
        error = bootstrap_metric(
            functools.partial(_highest, **totals),
            y_true,
            y_score,
            sample_weight,
            n_bootstrap=n_bootstrap,
            random_state=random_state,
            anomaly_label=anomaly_label,
        ).std
    return MaxAMS(float(curve.ams[best]), float(curve.threshold[best]), error)


def _highest(y_true: Any, y_score: Any, sample_weight: Any = None, **totals: Any) -> float:
    """Give the largest AMS as a plain number."""
    return float(ams_curve(y_true, y_score, sample_weight, **totals).ams.max())


def _scale(total: float, wanted: float | None, name: str) -> float:
    """Give the factor that turns the sum of weights `total` into `wanted`."""
    if wanted is None:
        return 1.0
    if not wanted >= 0:
        raise ValueError(f"{name}={wanted} must be a sum of weights ≥ 0, or None.")
    if not total > 0:
        raise ValueError(
            f"{name}={wanted} cannot be reached: the weights of that class sum to {total}."
        )
    return float(wanted / total)
