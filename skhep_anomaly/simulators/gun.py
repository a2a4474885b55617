"""The particle gun: which electrons hit the calorimeter, and where.

    dN/dE ~ E^−k in [E₁, E₂],   tx = px/pz ~ N(0, σx),   ty = py/pz ~ N(0, σy),
    x, y ~ U(−w, w),            p = E (tx, ty, 1)/√(1 + tx² + ty²)

with k = 1, 1–100 GeV, σ = (0.35, 0.175), w = 0.5 cm: the gun of the paper. The mass of the
electron is neglected, so E = |p|.

Source: V. Chekalina et al., arXiv:1812.01319, section 2.
"""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from skhep_anomaly._random import numpy_generator, seed_sequence
from skhep_anomaly.metrics.shower_arrays import CONDITIONS, read_conditions

UNITS = {"px": "GeV", "py": "GeV", "pz": "GeV", "x": "cm", "y": "cm", "images": "MeV"}
_LARGE_MOMENTUM = 1e3  # GeV; a median above it looks like MeV


def draw_conditions(
    n_samples: int = 1000,
    *,
    energy_range: Sequence[float] = (1.0, 100.0),
    spectrum_index: float = 1.0,
    slope_sigma: Sequence[float] = (0.35, 0.175),
    spot_half_width: float = 0.5,
    random_state: Any = None,
) -> np.ndarray:
    """Draw conditions of electrons from the particle gun of the paper.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of particles, at least 1.
    energy_range : (float, float), default=(1.0, 100.0)
        Lowest and highest energy [GeV], 0 < lowest ≤ highest; equal values give one energy.
    spectrum_index : float, default=1.0
        k in dN/dE ~ E^−k; 0 is flat, larger is softer.
    slope_sigma : (float, float), default=(0.35, 0.175)
        Standard deviations of px/pz and py/pz, ≥ 0; (0, 0) is normal incidence.
    spot_half_width : float, default=0.5
        Half the edge of the square on the face, centred on (0, 0), that is hit evenly [cm], ≥ 0.
    random_state : None, int, RandomState or Generator, default=None
        Seed.

    Returns
    -------
    conditions : ndarray of shape (n_samples, 5), float64
        px, py, pz [GeV], x, y [cm].

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    References
    ----------
    V. Chekalina et al., arXiv:1812.01319, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly.simulators import draw_conditions
    >>> X = draw_conditions(4, energy_range=(20, 20), random_state=0)
    >>> np.linalg.norm(X[:, :3], axis=1)
    array([20., 20., 20., 20.])
    """
    n = check_count("n_samples", n_samples)
    low, high = _pair("energy_range", energy_range, least=math.ulp(0.0))
    if low > high:
        msg = f"energy_range={energy_range!r}: the lowest energy is above the highest; swap them."
        raise ValueError(msg)
    sigma = _pair("slope_sigma", slope_sigma, least=0.0)
    index = check_number("spectrum_index", spectrum_index, least=-math.inf)
    half = check_number("spot_half_width", spot_half_width, least=0.0)
    for_place, for_slope = seed_sequence(random_state).spawn(2)  # rows do not depend on n_samples
    columns = numpy_generator(for_place).random((n, 3))
    slope = np.asarray(sigma) * numpy_generator(for_slope).standard_normal((n, 2))
    energy = _power_law(columns[:, 0], low, high, index)
    pz = energy / np.sqrt(1 + (slope**2).sum(axis=1))
    point = half * (2 * columns[:, 1:] - 1)
    return np.column_stack([slope * pz[:, None], pz, point])


def _power_law(u: np.ndarray, low: float, high: float, index: float) -> np.ndarray:
    """Inverse of the cumulated E^−k at `u`; the logarithm is the limit k → 1."""
    power = 1 - index
    if abs(power) * math.log(high / low) < 1e-9:
        return low * (high / low) ** u
    ratio = (high / low) ** power
    return low * (1 + u * (ratio - 1)) ** (1 / power)


def given_or_drawn(
    conditions: Any, n_samples: int, random_state: Any, **gun: Any
) -> tuple[np.ndarray, np.random.SeedSequence]:
    """Conditions of the user, checked, or of the gun; and the seed that showers start from."""
    for_gun, for_showers = seed_sequence(random_state).spawn(2)
    if conditions is None:
        return draw_conditions(n_samples, random_state=for_gun, **gun), for_showers
    X = read_conditions(conditions, name="conditions")
    if not len(X):
        msg = "conditions has no rows; expected (n, 5) with n ≥ 1."
        raise ValueError(msg)
    momentum = float(np.median(np.linalg.norm(X[:, :3], axis=1)))
    if momentum > _LARGE_MOMENTUM:
        msg = (
            f"conditions: the median of |p| is {momentum:.4g} GeV; momenta are expected in GeV. "
            "Divide by 1000 if they are in MeV."
        )
        warnings.warn(msg, stacklevel=3)
    return X, for_showers


def shower_bunch(name: str, X: np.ndarray, images: np.ndarray, about: str, **more: Any) -> Bunch:
    """Put the fields together that every set of showers has; `about` says how it was made."""
    text = (
        f"{name}: {len(X)} electron showers, {images.shape[1]} × {images.shape[2]} cells.\n"
        "X: px, py, pz [GeV], x, y [cm]; images: energy in each cell [MeV], first axis x.\n"
        f"{about}"
    )
    return Bunch(
        name=name,
        X=X,
        data=X,
        images=images,
        feature_names=list(CONDITIONS),
        units=dict(UNITS),
        DESCR=text,
        **more,
    )


def check_count(name: str, value: Any, least: int = 1) -> int:
    """Give a whole number of at least `least`."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:
        msg = f"{name}={value!r}: expected a whole number of at least {least}."
        raise ValueError(msg)
    return int(value)


def check_number(name: str, value: Any, least: float) -> float:
    """Give a finite number of at least `least`."""
    if not isinstance(value, numbers.Real) or not math.isfinite(value) or value < least:
        above = "" if least == -math.inf else f" of at least {least:.3g}"
        msg = f"{name}={value!r}: expected a finite number{above}."
        raise ValueError(msg)
    return float(value)


def check_length(name: str, value: Any) -> float:
    """Give a length above 0 [cm]."""
    number = check_number(name, value, least=0.0)
    if number == 0:
        msg = f"{name}={value!r}: expected a length above 0 cm."
        raise ValueError(msg)
    return number


def check_shape(shape: Any) -> tuple[int, int]:
    """Give the numbers of cells along x and y."""
    try:
        nx, ny = shape
    except (TypeError, ValueError):
        msg = f"shape={shape!r}: expected two whole numbers, cells along x and y."
        raise ValueError(msg) from None
    return check_count("shape[0]", nx), check_count("shape[1]", ny)


def _pair(name: str, values: Any, least: float) -> tuple[float, float]:
    try:
        first, second = values
    except (TypeError, ValueError):
        msg = f"{name}={values!r}: expected two numbers."
        raise ValueError(msg) from None
    return check_number(f"{name}[0]", first, least), check_number(f"{name}[1]", second, least)
