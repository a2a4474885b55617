"""Conditions of a shower, (px, py, pz, x, y) in GeV and cm, checked and put in order."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array

__all__ = ["CONDITION_NAMES", "check_conditions"]

CONDITION_NAMES = ("px", "py", "pz", "x", "y")
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
        If a column is missing, there are not five, a number is not finite, or pz ≤ 0.
    """
    columns = [str(name) for name in getattr(X, "columns", ())]
    if columns:
        missing = [name for name in CONDITION_NAMES if name not in columns]
        if missing:
            raise ValueError(
                f"{owner} needs the columns {list(CONDITION_NAMES)} [GeV, GeV, GeV, cm, cm]; "
                f"{missing} not found among {columns}."
            )
        X = X[list(CONDITION_NAMES)]
    table = check_array(X, dtype=np.float64, input_name="X", estimator=owner)
    if table.shape[1] != len(CONDITION_NAMES):
        raise ValueError(
            f"X has {table.shape[1]} columns; {owner} expects 5: px, py, pz [GeV], x, y [cm]."
        )
    backward = int((table[:, 2] <= 0).sum())
    if backward:
        raise ValueError(
            f"pz must be above 0: the particle flies into the calorimeter. Got {backward} of "
            f"{len(table)} rows with pz <= 0."
        )
    median = float(np.median(np.linalg.norm(table[:, :3], axis=1)))
    if median > _IN_MEV:
        warnings.warn(
            f"The median momentum of X is {median:.4g} GeV. If these are MeV, divide px, py and "
            "pz by 1000.",
            stacklevel=3,
        )
    conditions: NDArray[np.float32] = table.astype(np.float32)
    return conditions
