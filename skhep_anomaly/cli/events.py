"""The events of a command: the embedded ones, a HiggsML file, or any table of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.cli.columns import chosen_features, require_columns, similar
from skhep_anomaly.cli.labels import signal_flags
from skhep_anomaly.cli.sample import Sample
from skhep_anomaly.datasets import iter_table, load_higgsml, table_columns
from skhep_anomaly.datasets._collect import collect

__all__ = ["CommandEvents", "read_events"]

MOST_GROUPS = 30
HIGGSML_GROUP = "PRI_jet_num"
HIGGSML_ROLES = ("EventId", "Weight", "Label", "KaggleSet", "KaggleWeight")


@dataclass(frozen=True)
class CommandEvents:
    """Events as the commands need them; `signal` and `weight` may be missing."""

    name: str
    X: NDArray[np.float32]
    features: list[str]
    signal: NDArray[np.bool_] | None
    weight: NDArray[np.float64] | None
    group: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def group_column(self) -> int | None:
        """Position of the group's column."""
        return None if self.group is None else self.features.index(self.group)

    @property
    def groups(self) -> NDArray[Any] | None:
        """Group of each row, whole numbers where they are whole."""
        if self.group_column is None:
            return None
        values = self.X[:, self.group_column]
        return values.astype(np.int64) if (values == np.round(values)).all() else values

    @property
    def background(self) -> NDArray[np.intp]:
        """Positions of the background rows; all rows without labels."""
        rows = np.zeros(len(self.X), bool) if self.signal is None else self.signal
        return np.flatnonzero(~rows)


def read_events(options: Any, *, need_label: bool) -> CommandEvents:
    """Read the events that the options describe.

    Parameters
    ----------
    options : argparse.Namespace
        With the options of the group "events".
    need_label : bool
        Whether a label is indispensable.

    Returns
    -------
    CommandEvents
        At most ``options.max_rows`` of them.

    Raises
    ------
    ValueError
        If a column is missing or unusable; the message names it.
    OSError
        If the file cannot be read.
    """
    if options.data is None:
        _refuse_column_options(options)
        return _higgsml(options)
    found = table_columns(options.data, tree=options.tree)
    own_roles = options.label or options.weight or options.id
    if not own_roles and set(HIGGSML_ROLES[:3]) <= set(found) and HIGGSML_GROUP in found:
        return _higgsml(options)
    if need_label and options.label is None:
        raise ValueError(
            f"{options.data}: name the column that tells signal from background with --label; "
            f"{similar('label', found)}"
        )
    return _table(options, found)


def _refuse_column_options(options: Any) -> None:
    for name in ("label", "weight", "signal", "tree", "id"):
        if getattr(options, name):
            raise ValueError(f"--{name} needs --data: the embedded events know their own columns")


def _higgsml(options: Any) -> CommandEvents:
    bunch = load_higgsml(options.data)
    name = "HiggsML, embedded sample" if options.data is None else f"HiggsML, {options.data}"
    angles = [] if options.features else ["PRI_*_phi"]
    features = chosen_features(
        name,
        bunch.feature_names,
        features=options.features,
        exclude=[*angles, *options.exclude],
        others=(),
    )
    rows = _drawn(len(bunch.y), options.max_rows, options.seed)
    columns = [bunch.feature_names.index(feature) for feature in features]
    default = HIGGSML_GROUP if HIGGSML_GROUP in features else None
    X = np.ascontiguousarray(bunch.X[rows][:, columns])
    weight, signal = bunch.sample_weight[rows], bunch.y[rows] == 1
    for kept, every in ((signal, bunch.y == 1), (~signal, bunch.y == 0)):
        if len(rows) < len(every) and kept.any():  # the part stands for the whole
            weight[kept] *= bunch.sample_weight[every].sum() / weight[kept].sum()
    return CommandEvents(
        name,
        X,
        features,
        signal,
        weight,
        _group(options.group or default, features, X),
        facts=dict(bunch.source),
    )


def _drawn(n_rows: int, most: int | None, seed: int) -> NDArray[np.intp]:
    """Give positions of at most `most` rows drawn at random, in order."""
    if most is None or most >= n_rows:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng([seed, 1]).choice(n_rows, most, replace=False))


def _table(options: Any, found: Sequence[str]) -> CommandEvents:
    path = str(options.data)
    roles = [name for name in (options.label, options.weight, *options.id) if name is not None]
    require_columns(path, found, roles)
    features = chosen_features(
        path, found, features=options.features, exclude=options.exclude, others=roles
    )
    others = [name for name in (options.label, options.weight) if name is not None]
    chunks = iter_table(path, [*features, *dict.fromkeys(others)], tree=options.tree)
    sample = Sample(options.max_rows, options.seed)
    try:
        X, columns = collect(sample.of(chunks), features, others, path=path)
    except ValueError as error:
        if "not numeric" not in str(error):
            raise
        raise ValueError(
            f"{error} Leave it out with --exclude, or turn it into numbers."
        ) from error
    signal = None
    if options.label is not None:
        signal = signal_flags(columns[options.label], options.signal, f"{path}: {options.label}")
    weight = _weights(columns, options.weight, path)
    if sample.factor > 1:  # the part stands for the whole
        weight = (np.ones(len(X)) if weight is None else weight) * sample.factor
    return CommandEvents(
        path,
        X,
        features,
        signal,
        weight,
        _group(options.group, features, X),
    )


def _weights(columns: dict[str, Any], name: str | None, path: str) -> NDArray[np.float64] | None:
    if name is None:
        return None
    try:
        weight = np.asarray(columns[name], dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: weight column {name!r} is not numeric: {error}") from error
    bad = int((~np.isfinite(weight)).sum())
    if bad:
        raise ValueError(f"{path}: weight column {name!r} is NaN or infinite in {bad} rows")
    return weight


def _group(name: str | None, features: Sequence[str], X: NDArray[np.float32]) -> str | None:
    """Check the group's column: a feature with a few values."""
    if name is None or name == "none":
        return None
    if name not in features:
        raise ValueError(f"--group {name}: no such feature: {similar(name, features)}")
    values = X[:, features.index(name)]
    if not np.isfinite(values).all():
        raise ValueError(f"--group {name}: {int((~np.isfinite(values)).sum())} rows have no value")
    n_groups = len(np.unique(values))
    if n_groups > MOST_GROUPS:
        raise ValueError(
            f"--group {name}: it has {n_groups} values; a group's column has at most {MOST_GROUPS}"
        )
    return name
