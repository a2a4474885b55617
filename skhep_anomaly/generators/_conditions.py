"""Conditions of a shower, (px, py, pz, x, y) in GeV and cm, checked and put in order."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.metrics.shower_arrays import CONDITIONS, read_conditions

__all__ = ["CONDITION_NAMES", "check_conditions"]

CONDITION_NAMES = CONDITIONS
_IN_MEV = 1e3  # median |p| above which GeV are hardly meant


def check_conditions(X: Any, owner: str) -> NDArray[np.float32]:
    """Turn user's conditions into float32 of shape (n, 5).

    Parameters
    ----------
    X : array-like or frame of shape (n, 5)
        px, py, pz [GeV], x, y [cm]; a frame's columns are taken by name in any order, and further
        columns are left out.
    owner : str
        Estimator, named in messages.

    Returns
    -------
    ndarray of shape (n, 5)

    Warns
    -----
    UserWarning
        If the median momentum is above 1,000 GeV.

    Raises
    ------
    ValueError
        If a column is missing, there are not five, a number is not finite, pz ≤ 0, or there are
        no rows.
    """
    table = read_conditions(X, name=f"X of {owner}")
    if len(table) == 0:
        raise ValueError(f"X of {owner} has no rows; at least 1 is needed.")
    median = float(np.median(np.linalg.norm(table[:, :3], axis=1)))
    if median > _IN_MEV:
        warnings.warn(
            f"The median momentum of X is {median:.4g} GeV. If these are MeV, divide px, py and "
            "pz by 1000.",
            stacklevel=3,
        )
    return table.astype(np.float32)
