"""``skhep-anomaly score``: a saved detector on a table, chunk by chunk, ids carried along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from skhep_anomaly.cli.columns import require_columns
from skhep_anomaly.cli.console import say
from skhep_anomaly.cli.outputs import check_writable
from skhep_anomaly.datasets import iter_table, open_table_writer, table_columns
from skhep_anomaly.datasets._collect import collect
from skhep_anomaly.persistence import load

__all__ = ["run"]

SCORES = ("score", "anomaly_score", "outlier")


def run(options: Any) -> int:
    """Score a table as the options say; give the exit code."""
    check_writable(options.out)
    model = load(options.model, device=options.device)
    features = _features(model, options.model)
    found = table_columns(options.data, tree=options.tree)
    require_columns(str(options.data), found, [*options.id, *features])
    taken = [name for name in options.id if name in SCORES]
    if taken:
        raise ValueError(f"--id {taken[0]}: the output has a column of that name already")
    n_rows = n_outliers = 0
    with open_table_writer(options.out) as out, _bar(options.quiet) as bar:
        for scored in _scored_chunks(model, features, options):
            out.write(scored)
            n_rows += len(scored)
            n_outliers += int(scored["outlier"].sum())
            bar.update(len(scored))
    if not options.quiet:
        say(f"{n_rows:,} rows scored, {n_outliers:,} of them outliers: {options.out}")
    return 0


def _features(model: Any, path: str) -> list[str]:
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        raise ValueError(
            f"{path}: the model does not know its columns' names; fit it on a frame, as the "
            "command fit does"
        )
    return [str(name) for name in names]


def _scored_chunks(model: Any, features: list[str], options: Any) -> Iterator[Any]:
    """Yield frames of ids and scores, in the order of the table."""
    import pandas as pd

    columns = list(dict.fromkeys([*options.id, *features]))
    first = 0
    for chunk in iter_table(options.data, columns, options.chunk, tree=options.tree):
        X, _ = collect([chunk], features, [], path=str(options.data))
        frame = pd.DataFrame(X, columns=features)
        ids = chunk[options.id] if options.id else pd.DataFrame({"row": np.arange(len(X)) + first})
        score, below = _judged(model, frame)
        numbers = {"score": score, "anomaly_score": -score, "outlier": below.astype(np.int8)}
        yield ids.reset_index(drop=True).assign(**numbers)
        first += len(X)


def _judged(model: Any, frame: Any) -> tuple[Any, Any]:
    """Give scores, and which rows lie below the threshold, scoring once where one pass tells."""
    score = np.asarray(model.score_samples(frame), dtype=np.float64)
    last = model[-1] if hasattr(model, "steps") else model
    offset = getattr(last, "offset_", None)
    if offset is None:  # one threshold for each group
        return score, np.asarray(model.decision_function(frame)) < 0
    return score, score < float(offset)


@contextmanager
def _bar(quiet: bool) -> Iterator[Any]:
    from tqdm.auto import tqdm

    with tqdm(desc="score", unit="row", unit_scale=True, disable=quiet) as bar:
        yield bar
