"""Which class is normal, and in which direction a decision counts.

``decision_function`` is the score of ``classes_[1]``: with y in {0, 1} (1 = anomaly) it grows with
anomaly, with ±1 (+1 = normal) and without y with normality. ``score_samples`` always grows with
normality.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

__all__ = ["Labels", "no_labels", "read_labels"]


@dataclass(frozen=True)
class Labels:
    """Labels of the training rows.

    Attributes
    ----------
    classes : ndarray of shape (2,)
        Sorted labels.
    anomaly : object
        The one of them that marks anomalies.
    flags : ndarray of bool of shape (n_samples,)
        True for known anomalies.
    """

    classes: NDArray[Any]
    anomaly: Any
    flags: NDArray[np.bool_]


def no_labels(n_rows: int) -> Labels:
    """Take every row for normal; decisions are +1 and −1 as those of outlier detectors."""
    return Labels(np.array([-1, 1]), -1, np.zeros(n_rows, dtype=bool))


def read_labels(y: Any, anomaly_label: Any, owner: str) -> Labels:
    """Read labels of two classes.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        {0, 1} or bool (1, True = anomaly), {−1, +1} (−1 = anomaly), or any two labels.
    anomaly_label : object
        The label of anomalies; None: by the codings above, else the rarer label, with a warning.
    owner : str
        Estimator named in messages.

    Returns
    -------
    Labels

    Raises
    ------
    ValueError
        If there are not exactly two classes, or `anomaly_label` is none of them.
    """
    y = check_array(column_or_1d(y, warn=True), ensure_2d=False, dtype=None, input_name="y")
    check_classification_targets(y)
    classes = np.unique(y)
    if len(classes) > 2:
        raise ValueError(
            f"Only binary classification is supported. The type of the target is "
            f"{type_of_target(y)}. {owner} tells one normal class from anomalies: give two labels."
        )
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class only ({classes.tolist()[0]!r}), and {owner} needs a second one to "
            "learn from it; without known anomalies use y=None."
        )
    anomaly = _anomaly_of(y, classes, anomaly_label, owner)
    return Labels(classes, anomaly, np.asarray(y == anomaly))


def _anomaly_of(y: NDArray[Any], classes: NDArray[Any], label: Any, owner: str) -> Any:
    known = classes.tolist()
    if label is not None:
        if label not in known:
            raise ValueError(f"anomaly_label={label!r} is none of the labels {known} in y.")
        return classes[known.index(label)]
    if y.dtype.kind in "biuf" and known in ([0, 1], [-1, 1]):
        return classes[1] if known == [0, 1] else classes[0]
    rarer = int(np.sum(y == classes[1]) < np.sum(y == classes[0]))
    warnings.warn(
        f"{owner} takes {known[rarer]!r}, the rarer label, for the anomalies; name them with "
        "anomaly_label=...",
        UserWarning,
        stacklevel=5,
    )
    return classes[rarer]
