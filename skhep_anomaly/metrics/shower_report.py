"""One table for a shower generator: every metric beside what two real samples read.

Generated showers stand under the conditions of the real ones, row by row; the condition is the
group of both, so that the pair shares a fold. Rows of the table:

    MARGINAL      boosted trees on observables that know no condition
    HIGH          boosted trees on 15 condition-relative observables and the conditions
    EXT           the same with the spectrum of the deposits
    LOW trees, LOW MLP    trees and network on all cells and the conditions
    LOW MLP control       the network on real showers, smeared, under shuffled conditions
    PRD-AUC, FPD, KPD     on the 15 observables
    W1/sd, separation     mean and largest of the 15

A value close to its floor is as good as this number of showers can tell. Small samples flatter: a
poor generator's AUC grows from 700 showers to 3,000.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._random import numpy_generator, seed_sequence
from skhep_anomaly.metrics.frechet import fpd
from skhep_anomaly.metrics.kernel_distance import kpd
from skhep_anomaly.metrics.prd import prd_auc
from skhep_anomaly.metrics.sample_pair import Estimate, draw_pair, read_pair
from skhep_anomaly.metrics.separation import separation_power
from skhep_anomaly.metrics.shower_arrays import Geometry, read_conditions, read_images
from skhep_anomaly.metrics.shower_features import shower_features, spoil_showers
from skhep_anomaly.metrics.shower_observables import shower_observables
from skhep_anomaly.metrics.two_sample import classifier_auc
from skhep_anomaly.metrics.wasserstein import WassersteinTable, wasserstein_table

__all__ = ["ReportRow", "ShowerReport", "shower_report"]

LEVELS = ("high", "low", "all")
FEWEST = 200  # showers
SURE = 5.0  # standard errors from which something is flagged
N_BOOTSTRAP = 20
IDEAL_PRD = 1.0


class ReportRow(NamedTuple):
    """A metric of the generated showers, and of a second real sample."""

    name: str
    value: float
    std: float
    floor: float
    floor_std: float
    ideal: float


@dataclass(frozen=True)
class ShowerReport:
    """How far generated showers are from real ones; ``print`` shows it as a table.

    Parameters
    ----------
    rows : tuple of ReportRow
        ``name``, ``value``, ``std``, ``floor``, ``floor_std``, ``ideal`` of each metric.
    observables : WassersteinTable or None
        W₁/sd of each observable, where the high level was asked for.
    flags : tuple of str
        What is wrong for certain, in words.
    sizes : dict
        Number of showers: ``real``, ``fake``, ``floor`` (of each of the two samples of the floor).
    """

    rows: tuple[ReportRow, ...]
    observables: WassersteinTable | None
    flags: tuple[str, ...]
    sizes: dict[str, int]

    def __getitem__(self, name: str) -> ReportRow:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"{name!r} is not among the rows {[row.name for row in self.rows]}")

    def __str__(self) -> str:
        width = max(len(row.name) for row in self.rows)
        head = "{real} real, {fake} generated showers; floor: {floor} against {floor} real ones"
        lines = [head.format(**self.sizes), ""]
        lines.append(f"{'':<{width}}  {'generated':>16}  {'real vs real':>16}  ideal")
        for row in self.rows:
            cells = (_cell(row.value, row.std), _cell(row.floor, row.floor_std))
            lines.append(f"{row.name:<{width}}  {cells[0]:>16}  {cells[1]:>16}  {row.ideal:5g}")
        return "\n".join([*lines, *(f"! {flag}" for flag in self.flags)])

    def to_dict(self) -> dict[str, Any]:
        """Give everything as plain numbers, lists and texts, ready for JSON (None for NaN)."""
        table = self.observables
        columns = ("w1", "std", "floor")
        return {
            "sizes": dict(self.sizes),
            "flags": list(self.flags),
            "rows": [{key: _plain(value) for key, value in r._asdict().items()} for r in self.rows],
            "observables": None
            if table is None
            else {"names": list(table.names), **{c: getattr(table, c).tolist() for c in columns}},
        }


def _cell(value: float, std: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:.3f}" + ("" if np.isnan(std) else f" ± {std:.3f}")


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


class _Sample(NamedTuple):
    images: NDArray[np.floating]
    X: NDArray[np.float64]
    groups: NDArray[np.intp]

    def features(self, kind: str, geometry: Any) -> NDArray[Any]:
        return shower_features(self.images, self.X, kind, geometry=geometry)


class _Measure(NamedTuple):
    """One comparison's samples and settings; each metric takes it."""

    real: _Sample
    fake: _Sample
    geometry: tuple[float, float]
    seeds: np.random.SeedSequence

    def auc(self, kind: str, model: str) -> Estimate:
        features = [sample.features(kind, self.geometry) for sample in (self.real, self.fake)]
        groups = (self.real.groups, self.fake.groups)
        test = classifier_auc(
            *features, groups=groups, model=model, random_state=seed_sequence(self.seeds)
        )
        return Estimate(test.auc, test.std)

    def distances(self, floor: _Sample | None = None) -> tuple[dict[str, Estimate], Any]:
        """Give the distances of the 15 observables, and their table."""
        samples = [self.real, self.fake, *([] if floor is None else [floor])]
        tables = [shower_observables(s.images, s.X, geometry=self.geometry) for s in samples]
        real, fake = tables[:2]
        seeds = self.seeds.spawn(4)
        w1 = wasserstein_table(
            real,
            fake,
            real_2=None if floor is None else tables[2],
            n_bootstrap=N_BOOTSTRAP,
            random_state=seeds[0],
        )
        return {
            "PRD-AUC": prd_auc(real, fake, n_bootstrap=N_BOOTSTRAP, random_state=seeds[1]),
            "W1/sd mean": w1.mean,
            "W1/sd largest": w1.largest,
            **_separations(real, fake, seeds[2]),
            "FPD": fpd(real, fake, random_state=seeds[3]),
            "KPD": kpd(real, fake, random_state=seeds[3]),
        }, w1


def shower_report(
    real: Any,
    fake: Any,
    X: Any,
    *,
    real_2: Any = None,
    X_2: Any = None,
    level: str = "high",
    geometry: tuple[float, float] = Geometry(),
    random_state: Any = None,
) -> ShowerReport:
    """Compare generated with real showers, beside the floor that real showers read.

    Parameters
    ----------
    real : array-like of shape (n, nx, ny), (n, nx, ny, 1) or (n, nx · ny) for a square
        Real showers [MeV], used for no choice before; 3,000 or more tell something.
    fake : array-like of the same shape
        Generated showers, row i under the conditions of row i of `real`.
    X : array-like or frame of shape (n, 5)
        Conditions px, py, pz [GeV], x, y [cm].
    real_2 : array-like of showers, default=None
        Further real showers for the floor, of about the same number. None: the floor compares
        random halves of `real`; those of W₁ and separation, which are counting noise, are scaled to
        the whole number, while PRD-AUC and the errors stay those of halves.
    X_2 : array-like or frame of shape (n_2, 5), default=None
        Conditions of `real_2`.
    level : {"high", "low", "all"}, default="high"
        "high": classifiers and distances of observables (seconds). "low": classifiers of all cells
        and their control (a minute or two for 3,000 showers).
    geometry : (float, float), default=(2.02, 12.0)
        Edge of a cell and the depth at which the axis is taken [cm].
    random_state : int, RandomState, Generator or None, default=None
        Seed of folds, classifiers, clusters and resamplings.

    Returns
    -------
    ShowerReport
        ``rows``, ``observables``, ``flags``, ``sizes``; ``report["HIGH"]`` is one row,
        ``to_dict()`` all.

    Raises
    ------
    ValueError
        If showers and conditions do not fit together, are fewer than 200, or `level` is unknown.

    Notes
    -----
    Flagged are: showers of right marginals under wrong conditions (HIGH far above MARGINAL), AUCs
    significantly below ½ (generated showers that repeat real ones of this very sample), and a
    control that the network does not catch.

    The floor's two samples have conditions of their own, the generated showers those of the real
    ones: a perfect generator reads somewhat below the floor of W₁ and separation.

    Examples
    --------
    ::

        report = shower_report(real, generator.sample(X), X, real_2=more, X_2=X_more)
        print(report)
    """
    if level not in LEVELS:
        raise ValueError(f"level={level!r} is not known; use one of {LEVELS}.")
    samples = _read(real, fake, X, real_2, X_2, seed_sequence(random_state))
    seeds = seed_sequence(random_state).spawn(2)
    test = _Measure(samples[0], samples[1], geometry, seeds[0])
    floor = _Measure(samples[2], samples[3], geometry, seeds[1])
    rows: list[ReportRow] = []
    observables = None
    if level != "low":
        rows += _classified(test, floor, _HIGH)
        second = None if real_2 is None else samples[3]
        found, observables = test.distances(second)
        least = _at_size(floor.distances()[0], floor, len(test.real.X))
        rows += [_row(name, found[name], least[name]) for name in found]
    if level != "high":
        rows += _classified(test, floor, _LOW)
        rows.append(_control(floor))
    sizes = {"real": len(test.real.X), "fake": len(test.fake.X), "floor": len(floor.fake.X)}
    return ShowerReport(tuple(rows), observables, tuple(_flags(rows)), sizes)


_HIGH = {
    "MARGINAL": ("marginal", "trees"),
    "HIGH": ("high", "trees"),
    "EXT": ("extended", "trees"),
}
_LOW = {"LOW trees": ("cells", "trees"), "LOW MLP": ("cells", "mlp")}


def _read(
    real: Any, fake: Any, X: Any, real_2: Any, X_2: Any, seeds: np.random.SeedSequence
) -> tuple[_Sample, _Sample, _Sample, _Sample]:
    """Give real and generated sample, and the two real ones of the floor."""
    images, generated = read_images(real, "real"), read_images(fake, "fake")
    if images.shape != generated.shape:
        raise ValueError(
            f"real.shape == {images.shape} and fake.shape == {generated.shape}; generate one "
            "shower under the conditions of each real one."
        )
    if len(images) < FEWEST:
        raise ValueError(
            f"{len(images)} showers tell nothing: at least {FEWEST} are needed, 3,000 are better."
        )
    row = np.arange(len(images))
    conditions = read_conditions(X, len(images))
    whole = _Sample(images, conditions, row)
    made = _Sample(generated, conditions, row)
    if (real_2 is None) != (X_2 is None):
        raise ValueError("real_2 and X_2 belong together: give both or neither.")
    if real_2 is not None:
        more = read_images(real_2, "real_2")
        more_X = read_conditions(X_2, len(more), "X_2")
        return whole, made, whole, _Sample(more, more_X, len(row) + np.arange(len(more)))
    order = numpy_generator(seeds).permutation(len(images))
    halves = [order[: len(order) // 2], order[len(order) // 2 :]]
    parts = [_Sample(images[half], conditions[half], half) for half in halves]
    return whole, made, parts[0], parts[1]


def _row(name: str, found: Estimate, floor: Estimate) -> ReportRow:
    auc = name in _HIGH or name in _LOW
    return ReportRow(name, *found, *floor, 0.5 if auc else IDEAL_PRD * (name == "PRD-AUC"))


def _classified(
    test: _Measure, floor: _Measure, rows: dict[str, tuple[str, str]]
) -> Iterator[ReportRow]:
    for name, (kind, model) in rows.items():
        yield _row(name, test.auc(kind, model), floor.auc(kind, model))


def _at_size(least: dict[str, Estimate], floor: _Measure, n: int) -> dict[str, Estimate]:
    """Bring floors that are nothing but counting noise to samples of `n` showers."""
    noise = (2 / n) / (1 / len(floor.real.X) + 1 / len(floor.fake.X))
    power = {"W1": np.sqrt(noise), "se": noise}
    return {
        name: Estimate(*(float(power.get(name[:2], 1.0) * part) for part in estimate))
        for name, estimate in least.items()
    }


def _separations(real: Any, fake: Any, seeds: np.random.SeedSequence) -> dict[str, Estimate]:
    pair = read_pair(real, fake)
    rng = numpy_generator(seeds)
    drawn = [separation_power(*draw_pair(pair, rng)[:2]) for _ in range(N_BOOTSTRAP)]
    value = separation_power(real, fake)
    reduce: dict[str, Callable[..., Any]] = {"mean": np.mean, "largest": np.max}
    return {
        f"separation {name}": Estimate(float(f(value)), float(np.std(f(drawn, axis=1), ddof=1)))
        for name, f in reduce.items()
    }


def _control(floor: _Measure) -> ReportRow:
    """Measure how well the network catches spoilt real showers."""
    images, X = spoil_showers(floor.fake.images, floor.fake.X, random_state=floor.seeds)
    spoilt = floor._replace(fake=_Sample(images, X, floor.fake.groups))
    return ReportRow("LOW MLP control", *spoilt.auc("cells", "mlp"), np.nan, np.nan, 1.0)


def _flags(rows: list[ReportRow]) -> Iterator[str]:
    by_name = {row.name: row for row in rows}
    if "HIGH" in by_name:
        high, marginal = by_name["HIGH"], by_name["MARGINAL"]
        sure = high.value - high.floor > SURE * np.hypot(high.std, high.floor_std)
        if sure and high.value - max(marginal.value, 0.5) > 0.1:
            yield (
                f"wrong conditions: HIGH reads {high.value:.3f}, the same observables without "
                f"conditions {marginal.value:.3f}; the showers belong to other particles than X."
            )
    for row in rows:
        if row.ideal == 0.5 and row.value < 0.5 - SURE * row.std:
            yield (
                f"copies: {row.name} reads {row.value:.3f}, significantly below 0.5; generated "
                "showers repeat real ones of this sample under other conditions."
            )
    control = by_name.get("LOW MLP control")
    if control is not None and control.value < 0.9:
        yield (
            f"blind control: the network reads {control.value:.3f} on spoilt showers, so its "
            "LOW MLP near 0.5 proves nothing; use more showers."
        )
