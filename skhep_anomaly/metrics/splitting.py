"""Train on normal rows, test on both: what "background-trained" means in a cross-validation.

A detector learns what normal events look like, so anomalies are taken out of each training fold;
judging it needs both, so each test fold stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import UNUSED, MetadataRequest, get_routing_for_object

from skhep_anomaly.metrics.labels import anomaly_flags

__all__ = ["NormalOnlySplit"]


class NormalOnlySplit(BaseEstimator):
    """Splitter that wraps another one and removes anomalies from the training rows.

    Parameters
    ----------
    cv : int, splitter or list of (train, test), default=5
        The splitter to wrap. An int means stratified folds, with the same share of anomalies in
        each test fold.
    anomaly_label : object, default=None
        The value of y that marks an anomaly; None: y in {0, 1} (1 = anomaly), {-1, +1} (-1 =
        anomaly) or bool.

    Notes
    -----
    A search's ``refit=True`` fits the best parameters on *all* rows, anomalies included, because a
    splitter has no say there: use ``refit=False`` and fit the winner on the normal rows.

    With metadata routing the wrapped splitter's requests count (``groups`` for a ``GroupKFold``).

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([0, 0, 0, 0, 1, 1])
    >>> for train, test in NormalOnlySplit(2).split(np.zeros((6, 1)), y):
    ...     print(y[train].tolist(), y[test].tolist())
    [0, 0] [0, 0, 1]
    [0, 0] [0, 0, 1]
    """

    # Requests are those of the wrapped splitter.
    __metadata_request__split = {"groups": UNUSED}  # noqa: RUF012 - read by scikit-learn

    def __init__(self, cv: Any = 5, *, anomaly_label: Any = None) -> None:
        self.cv = cv
        self.anomaly_label = anomaly_label

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Give row numbers of training (normal only) and test rows (both classes).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Labels; both classes are needed.
        groups : array-like of shape (n_samples,), default=None
            Passed to the wrapped splitter.

        Yields
        ------
        train, test : ndarray of int
            Row numbers.

        Raises
        ------
        ValueError
            If y is None or ambiguous, or a fold is left without normal rows to train on.
        """
        anomaly = anomaly_flags(y, self.anomaly_label)
        rows = np.arange(len(anomaly))
        splitter = self._wrapped(anomaly)
        for fold, (train, test) in enumerate(splitter.split(X, np.asarray(y), groups)):
            train, test = rows[train], rows[test]
            normal = train[~anomaly[train]]
            if len(normal) == 0:
                raise ValueError(
                    f"Fold {fold} of {self.cv!r} holds no normal row among its {len(train)} "
                    "training rows; use fewer or shuffled folds."
                )
            yield normal, test

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Give the number of folds.

        Parameters
        ----------
        X, y, groups : array-like, default=None
            Passed to the wrapped splitter, if that asks for them.

        Returns
        -------
        int
            Number of folds.
        """
        return int(self._wrapped(None).get_n_splits(X, y, groups))

    def get_metadata_routing(self) -> MetadataRequest:
        """Give the wrapped splitter's metadata requests.

        Returns
        -------
        MetadataRequest
            What ``split`` of the wrapped splitter asks for.
        """
        return get_routing_for_object(self.cv)

    def _wrapped(self, anomaly: NDArray[np.bool_] | None) -> Any:
        """Give the wrapped splitter; folds from an int are stratified by `anomaly`."""
        if isinstance(self.cv, Iterator):
            raise ValueError(
                "cv is a one-shot iterator, which a splitter cannot read twice; pass list(cv)."
            )
        return check_cv(self.cv, anomaly, classifier=True)
