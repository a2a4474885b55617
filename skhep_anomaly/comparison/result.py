"""What a comparison found: means over seeds with errors, paired differences, files.

A value is the mean over k seeds. Its error joins the two things that would change it in a
repetition, other test events and other seeds:

    σ² = mean over seeds of the bootstrap variance + s² / k,   s the spread over seeds.

Seeds share events, so the first term does not fall with k, and σ is rather too large than too
small.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skhep_anomaly._atomic import write_atomically
from skhep_anomaly.comparison.measures import METRICS
from skhep_anomaly.comparison.run import Run

__all__ = ["ComparisonResult"]

KIND = "skhep_anomaly comparison"
FORMAT = 1
COSTS = ("fit_seconds", "fit_cpu_seconds", "rows_per_second")


@dataclass(frozen=True)
class ComparisonResult:
    """Numbers of a comparison of detectors.

    Made by `compare_detectors`, or by `from_json` from a file.

    Parameters
    ----------
    runs : list of Run
        One for each detector and seed.
    setup : dict
        Seeds, share of test background, resamplings and the like.
    data : dict
        What is known of the events: counts, sums of weights, features, source.
    parameters : dict of str to dict
        Parameters of each detector.
    versions, machine : dict of str to str
        What it was made with.

    See Also
    --------
    compare_detectors : Makes it.

    Examples
    --------
    >>> from sklearn.ensemble import IsolationForest
    >>> from skhep_anomaly import compare_detectors, make_gaussian_anomalies
    >>> events = make_gaussian_anomalies(400, 60, random_state=0)
    >>> result = compare_detectors(
    ...     {"forest": IsolationForest(n_estimators=20)}, events, seeds=2, n_bootstrap=20)
    >>> value, error = result.estimate("forest", "auc")
    >>> bool(value > 0.8), bool(0 < error < 0.1)
    (True, True)
    """

    runs: list[Run]
    setup: dict[str, Any]
    data: dict[str, Any]
    parameters: dict[str, dict[str, Any]]
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Detectors that gave numbers, the highest weighted AUC first."""
        found = dict.fromkeys(run.name for run in self.runs if run.failure is None)
        return sorted(found, key=lambda name: -self.estimate(name, "weighted_auc")[0])

    @property
    def failures(self) -> dict[str, str]:
        """Detector and seed of each run that gave nothing → why."""
        return {f"{r.name}, seed {r.seed}": r.failure for r in self.runs if r.failure is not None}

    @property
    def warnings(self) -> list[str]:
        """What detectors warned of, each with the detector's name, once."""
        return list(dict.fromkeys(f"{run.name}: {w}" for run in self.runs for w in run.warnings))

    def runs_of(self, name: str) -> list[Run]:
        """Give the runs of one detector that gave numbers.

        Parameters
        ----------
        name : str
            The detector.

        Returns
        -------
        list of Run
            One a seed.

        Raises
        ------
        ValueError
            If there is none.
        """
        runs = [run for run in self.runs if run.name == name and run.failure is None]
        if not runs:
            known = ", ".join(dict.fromkeys(run.name for run in self.runs))
            raise ValueError(f"the comparison has no numbers of {name!r}; it compared {known}.")
        return runs

    def known_signal(self, name: str) -> int:
        """Give how many known signal events trained one detector.

        Parameters
        ----------
        name : str
            The detector.

        Returns
        -------
        int
            K; 0: background alone.
        """
        return self.runs_of(name)[0].n_known

    def peers(self) -> dict[int, list[str]]:
        """Give the detectors that gave numbers by K: those of one K learnt from the same events.

        Returns
        -------
        dict of int to list of str
            K in increasing order → names, the highest weighted AUC first.
        """
        known = {name: self.known_signal(name) for name in self.names}
        return {k: [n for n in known if known[n] == k] for k in sorted(set(known.values()))}

    def estimate(self, name: str, metric: str) -> tuple[float, float]:
        """Give one number of one detector with its error.

        Parameters
        ----------
        name : str
            The detector.
        metric : {"weighted_auc", "auc", "average_precision", "mcc_p40", "max_ams", "max_sic"}
            Which number.

        Returns
        -------
        value, error : float
            Mean over seeds, and its error from resampled test events and the spread over seeds;
            NaN where it is not known.
        """
        runs = self.runs_of(name)
        values = np.array([run.values[metric] for run in runs])
        own = np.array([run.errors.get(metric, math.nan) for run in runs])
        return float(values.mean()), _joined(own**2, values)

    def cost(self, name: str, which: str) -> float:
        """Give the median over seeds of a time or speed.

        Parameters
        ----------
        name : str
            The detector.
        which : {"fit_seconds", "fit_cpu_seconds", "rows_per_second"}
            Which.

        Returns
        -------
        float
            Seconds, or rows per second.
        """
        return float(np.median([getattr(run, which) for run in self.runs_of(name)]))

    def difference(self, name: str, reference: str) -> tuple[float, float]:
        """Give how much higher one detector's weighted AUC is than another's, with a paired error.

        Parameters
        ----------
        name, reference : str
            Two detectors.

        Returns
        -------
        value, error : float
            The error counts only what moves the two apart: both were tested on the same events and
            the same resamplings of them.
        """
        ours = {run.seed: run for run in self.runs_of(name)}
        pairs = [(ours[r.seed], r) for r in self.runs_of(reference) if r.seed in ours]
        values = np.array([a.values["weighted_auc"] - b.values["weighted_auc"] for a, b in pairs])
        spread = [np.subtract(a.resampled, b.resampled) for a, b in pairs]
        own = np.array([np.var(each, ddof=1) if len(each) > 1 else math.nan for each in spread])
        return (float(values.mean()), _joined(own, values)) if pairs else (math.nan, math.nan)

    def to_frame(self, *, per_seed: bool = False) -> Any:
        """Give the numbers as a frame.

        Parameters
        ----------
        per_seed : bool, default=False
            One row a run instead of one row a detector.

        Returns
        -------
        pandas.DataFrame
            Metrics in columns, errors in columns ``<metric>_error``; needs pandas.
        """
        import pandas as pd

        return pd.DataFrame(self._run_rows() if per_seed else self._rows())

    def _rows(self) -> list[dict[str, Any]]:
        rows = []
        for name in self.names:
            row: dict[str, Any] = {"model": name, "known_signal": self.known_signal(name)}
            row["n_seeds"] = len(self.runs_of(name))
            for metric in METRICS:
                row[metric], row[f"{metric}_error"] = self.estimate(name, metric)
            row["max_sic"] = self.estimate(name, "max_sic")[0]
            rows.append(row | {which: self.cost(name, which) for which in COSTS})
        return rows

    def _run_rows(self) -> list[dict[str, Any]]:
        return [
            {"model": run.name, "known_signal": run.n_known, "seed": run.seed}
            | run.values
            | {f"{metric}_error": error for metric, error in run.errors.items()}
            | {which: getattr(run, which) for which in (*COSTS, "n_train", "n_test")}
            for name in self.names
            for run in self.runs_of(name)
        ]

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write everything that tables and figures need into a JSON file.

        Parameters
        ----------
        path : str or path-like
            The file; it appears whole or not at all. NaN is written as null.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        content = {"kind": KIND, "format": FORMAT, **dataclasses.asdict(self)}
        text = json.dumps(_without_nan(content), allow_nan=False, ensure_ascii=False)
        write_atomically(path, text.encode("utf-8", "replace"))

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> ComparisonResult:
        """Read what `to_json` wrote.

        Parameters
        ----------
        path : str or path-like
            The file.

        Returns
        -------
        ComparisonResult
            With the same numbers.

        Raises
        ------
        ValueError
            If the file holds something else.
        OSError
            If it cannot be read.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if not isinstance(content, dict) or content.pop("kind", None) != KIND:
                raise ValueError("it is not marked as one")
            if content.pop("format") != FORMAT:
                raise ValueError("it was written by a newer skhep_anomaly")
            runs = [_read_run(run) for run in content.pop("runs")]
            result = cls(runs=runs, **content)
            result._rows()
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path}: not a comparison in JSON: {error}.") from error
        return result


def _joined(variances: Any, values: Any) -> float:
    """Join the mean variance of test events with the spread over seeds."""
    spread = np.var(values, ddof=1) / len(values) if len(values) > 1 else 0.0
    return float(np.sqrt(np.mean(variances) + spread))


def _read_run(content: Mapping[str, Any]) -> Run:
    """Give a run whose numbers are numbers; null is NaN."""
    numbers = {name: _number(content[name]) for name in COSTS}
    tables = {
        name: {str(key): _number(value) for key, value in content[name].items()}
        for name in ("values", "errors")
    }
    resampled = [_number(value) for value in content["resampled"]]
    return Run(**{**content, **numbers, **tables, "resampled": resampled})


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _without_nan(value: Any) -> Any:
    """Give plain JSON values, None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_without_nan(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
