"""One form for every data set: an :class:`EventBunch`.

Every loader and toy returns the same fields with the same meaning, so that code written for one
data set runs on the next. y = 1 is signal or anomaly, y = 0 background or normal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skhep_anomaly.datasets._extras import require


class EventBunch(dict[str, Any]):
    """Events with labels, weights, units and origin; a dict with attribute access.

    Used like scikit-learn's ``Bunch``: ``events["X"]`` and ``events.X`` are the same.

    Attributes
    ----------
    X : ndarray or DataFrame of shape (n_events, n_features), float32
        Features; a DataFrame where the loader was called with ``as_frame=True``.
    y : ndarray of shape (n_events,), int64
        1 signal or anomaly, 0 background or normal.
    sample_weight : ndarray of shape (n_events,), float64, or None
        Weight of each event.
    ids : ndarray of shape (n_events,), int64, or None
        Identifiers that the file gives to its events.
    feature_names : list of str
        Names of the columns of X, in order.
    target_names : list of str
        What y = 0 and y = 1 stand for.
    units : dict of str to str
        Unit of each feature: ``"GeV"``, ``"rad"`` or ``"1"``.
    source : dict of str to str
        ``citation``, ``doi``, ``licence`` and ``url`` of the data.
    name : str
        Short name of the data set.

    Examples
    --------
    >>> from skhep_anomaly.datasets import make_gaussian_anomalies
    >>> toy = make_gaussian_anomalies(90, 10, random_state=0)
    >>> toy.X.shape, int(toy.y.sum())
    ((100, 2), 10)
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            msg = f"EventBunch has no field {name!r}; its fields are {', '.join(self)}."
            raise AttributeError(msg) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self})

    def __repr__(self) -> str:
        return f"<{self.describe().splitlines()[0]}>"

    def describe(self) -> str:
        """Size, classes, sums of weights, units and origin as plain text.

        Returns
        -------
        text : str
            A few lines for a log or a report.
        """
        lines = [f"{self.name}: {len(self.y)} events, {len(self.feature_names)} features"]
        for label, title in enumerate(self.target_names):
            lines.append(self._class_line(label, title))
        for unit in sorted(set(self.units.values())):
            names = [name for name in self.feature_names if self.units[name] == unit]
            lines.append(f"  [{unit}] {', '.join(names)}")
        lines += [f"  {key}: {value}" for key, value in self.source.items()]
        return "\n".join(lines)

    def _class_line(self, label: int, title: str) -> str:
        rows = self.y == label
        line = f"  y = {label} ({title}): {int(np.count_nonzero(rows))} events"
        if self.sample_weight is not None:
            line += f", sum of weights {self.sample_weight[rows].sum():.9g}"
        return line


def make_bunch(
    name: str,
    X: np.ndarray,
    y: np.ndarray,
    *,
    feature_names: Sequence[str],
    units: Mapping[str, str],
    source: Mapping[str, str],
    sample_weight: np.ndarray | None = None,
    ids: np.ndarray | None = None,
    target_names: Sequence[str] = ("background", "signal"),
    as_frame: bool = False,
    **more: Any,
) -> EventBunch:
    """Put the fields together, with the dtypes that :class:`EventBunch` states."""
    data: Any = np.ascontiguousarray(X, dtype=np.float32)
    if as_frame:
        pandas = require("pandas", "io", "for as_frame=True")
        data = pandas.DataFrame(data, columns=list(feature_names))
    return EventBunch(
        name=name,
        X=data,
        y=np.asarray(y, dtype=np.int64),
        sample_weight=None if sample_weight is None else np.asarray(sample_weight, np.float64),
        ids=None if ids is None else np.asarray(ids, np.int64),
        feature_names=list(feature_names),
        target_names=list(target_names),
        units={feature: units[feature] for feature in feature_names},
        source=dict(source),
        **more,
    )
