"""Significance improvement: by which factor a cut raises the significance s/√b of a small signal.

    SIC(t) = ε_S(t) / √ε_B(t),   ε the efficiency of "score >= t" for signal and background

No cut has SIC = 1; above 1 the cut helps. At tight cuts ε_B is estimated from a handful of
background events and the ratio is noise, so the curve ends where fewer than
`min_background_events` effective events, (Σw)²/Σw², are selected (25 means a 20 % error of ε_B).

Source: J. Gallicchio et al., "Multivariate discrimination and the Higgs + W/Z search",
arXiv:1010.3698.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.metrics.roc import weighted_roc_curve
from skhep_anomaly.metrics.selection import read_scored, select_above

__all__ = ["SICCurve", "max_sic", "sic_curve"]


class SICCurve(NamedTuple):
    """Significance improvement of ``score >= threshold``, thresholds from high to low."""

    signal_efficiency: NDArray[np.float64]
    sic: NDArray[np.float64]
    background_efficiency: NDArray[np.float64]
    threshold: NDArray[np.float64]


def sic_curve(
    y_true: Any,
    y_score: Any,
    sample_weight: Any = None,
    *,
    min_background_events: float = 25,
    anomaly_label: Any = None,
) -> SICCurve:
    """Give the significance improvement of every cut that has background enough.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels: {0, 1} (1 = signal), {-1, +1} (-1 = signal), bool, or with `anomaly_label`.
    y_score : array-like of shape (n_samples,)
        Scores, higher = more signal-like.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights.
    min_background_events : float, default=25
        Cuts that keep fewer effective background events are left out; larger is safer. Cuts that
        keep none are always left out.
    anomaly_label : object, default=None
        The value of `y_true` that marks signal.

    Returns
    -------
    SICCurve
        ``signal_efficiency``, ``sic``, ``background_efficiency``, ``threshold``.

    Raises
    ------
    ValueError
        If labels are ambiguous, scores not finite, or not even all rows together hold
        `min_background_events`.

    Examples
    --------
    >>> curve = sic_curve([1, 0, 1, 0], [4.0, 3.0, 2.0, 1.0], min_background_events=1)
    >>> curve.signal_efficiency.tolist(), round(float(curve.sic[1]), 4)
    ([0.5, 1.0, 1.0], 1.4142)
    """
    scored = read_scored(y_true, y_score, sample_weight, anomaly_label)
    curve = weighted_roc_curve(scored.signal, scored.score, scored.weight)
    events = np.concatenate([[0.0], select_above(scored).n_background])
    # Rounding must not drop a cut with exactly the number asked for.
    enough = events >= min_background_events * (1 - 1e-9)
    kept = enough & (curve.false_positive_rate > 0)
    if not kept.any():
        raise ValueError(
            f"Only {events[-1]:.4g} effective background events are there, fewer than "
            f"min_background_events={min_background_events}; lower it or add background."
        )
    signal, background = curve.true_positive_rate[kept], curve.false_positive_rate[kept]
    return SICCurve(signal, signal / np.sqrt(background), background, curve.threshold[kept])


def max_sic(
    y_true: Any,
    y_score: Any,
    sample_weight: Any = None,
    *,
    min_background_events: float = 25,
    anomaly_label: Any = None,
) -> float:
    """Give the largest significance improvement of any cut that has background enough.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels, as in `sic_curve`.
    y_score : array-like of shape (n_samples,)
        Scores, higher = more signal-like.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights.
    min_background_events : float, default=25
        As in `sic_curve`.
    anomaly_label : object, default=None
        The value of `y_true` that marks signal.

    Returns
    -------
    float
        Never below 1, the value without any cut.

    Raises
    ------
    ValueError
        As `sic_curve`.

    Examples
    --------
    >>> round(max_sic([1, 0, 1, 0], [4, 3, 2, 1], min_background_events=1), 4)
    1.4142
    """
    curve = sic_curve(
        y_true,
        y_score,
        sample_weight,
        min_background_events=min_background_events,
        anomaly_label=anomaly_label,
    )
    return float(curve.sic.max())
