"""How far an anomaly must move until it is called normal: robustness to adversarial attack.

With h(x) = score(x) − offset, a row is an anomaly where h < 0. Its margin is

    min ‖δ‖   such that   h(x + δ) ≥ 0,

found from above. In a ball of radius r, projected gradient ascent on h (Madry et al.,
arXiv:1706.06083, equation 1),

    δ ← Π_r(δ + t ∇h/‖∇h‖₂)   (l2),        δ ← Π_r(δ + t sign ∇h)   (linf),

looks for a place with h ≥ 0; r grows from the linear estimate |h|/‖∇h‖* until there is one, which
is drawn back along its line to the edge h = 0; r is then bisected between the smallest success and
the largest failure. For a linear h = w·x + b the margin is |h|/‖w‖₂ (l2), |h|/‖w‖₁ (linf).
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skhep_anomaly._random import seed_sequence, torch_generator
from skhep_anomaly._validation import Interval, StrOptions, iter_slices, validate_params
from skhep_anomaly.ope.classifier import OPEClassifier

__all__ = ["AdversarialMargins", "adversarial_margin"]

_CHUNK_ROWS = 4096
_GROWTH = 2.0
_PRECISION = 0.005  # of the margin, where bisection ends
_BISECTIONS = 12
_LINE_STEPS = 6
_LAST_LINE_STEPS = 24
_SMALLEST = 1e-6  # first radius, in units of the largest first one
_ROUNDING = 64.0  # in units of the dtype's precision: a score moves so little with its neighbours
_STRETCHES = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)


@dataclass(frozen=True)
class AdversarialMargins:
    """What `adversarial_margin` found.

    Attributes
    ----------
    margins : ndarray of shape (n_samples,)
        Norm of the smallest change found: 0 for rows called normal as they are, infinity where none
        was found within the budget.
    rows : ndarray of the shape of X
        The changed rows, in the units of X; rows of margin 0 or infinity as they were.
    hidden_share : float
        Of the rows called anomalies, the share that a change within the budget turns normal; NaN
        where no row is called an anomaly.
    """

    margins: NDArray[np.float64]
    rows: NDArray[Any]
    hidden_share: float


@validate_params(
    {
        "est": "no_validation",
        "X": "no_validation",
        "norm": [StrOptions({"l2", "linf"})],
        "budget": [Interval(Real, 0, None, closed="neither")],
        "units": [StrOptions({"standard", "data"})],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "n_restarts": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state", np.random.Generator, np.random.SeedSequence],
    },
    prefer_skip_nested_validation=True,
)
def adversarial_margin(
    est: Any,
    X: Any,
    *,
    norm: str = "l2",
    budget: float = 4.0,
    units: str = "standard",
    n_steps: int = 20,
    n_restarts: int = 1,
    random_state: Any = None,
) -> AdversarialMargins:
    """Give the smallest change of each row that makes an anomaly pass for normal.

    Found by projected gradient ascent on the score in balls of growing, then bisected radius: an
    upper bound of the true margin, exact for a score that is linear.

    Parameters
    ----------
    est : OPEClassifier
        Fitted, with a net (built-in or ``module=``) and ``preprocessing`` "standard" or None; a
        reference correction is part of the score that is attacked. ``offset_`` is the edge: bring
        estimators that are compared to the same false positive rate first (``set_threshold``).
    X : array-like of shape (n_samples, n_features)
        Rows; the anomalies are of interest.
    norm : {"l2", "linf"}, default="l2"
        Size of a change: Euclidean, or the largest over features.
    budget : float > 0, default=4.0
        Largest change of interest, in `units`. Larger budgets find more and leave what smaller ones
        found as it is.
    units : {"standard", "data"}, default="standard"
        Units of a change: "standard", the preprocessed coordinates of the net, which are standard
        deviations of the normal rows for ``preprocessing="standard"``; "data", those of `X`.
    n_steps : int ≥ 1, default=20
        Gradient steps in a ball. More find smaller margins where the score bends.
    n_restarts : int ≥ 0, default=1
        Random places in a ball that the ascent starts from as well; it always starts from the row
        and from the best place known.
    random_state : int, RandomState, Generator or None, default=None
        Seed of these places.

    Returns
    -------
    AdversarialMargins
        ``margins``, ``rows`` (really called normal by ``est.predict``) and ``hidden_share``.

    Raises
    ------
    TypeError
        If `est` is no OPEClassifier with a net and affine coordinates.
    ValueError
        If a parameter is out of range, or `X` is no table for `est`.

    Notes
    -----
    Every feature may take any value: nothing keeps a change inside the physical range, nor the
    columns of few values at their values. Values beyond the net's clipping (8 standard deviations)
    count at full distance, so that a far-out row must come back first.

    About 15 · (2 + n_restarts) · n_steps gradients of all anomalous rows.

    References
    ----------
    .. [1] A. Madry et al., "Towards deep learning models resistant to adversarial attacks",
       arXiv:1706.06083.

    Examples
    --------
    >>> from skhep_anomaly import OPEClassifier, adversarial_margin, make_moons_anomalies
    >>> moons = make_moons_anomalies(300, 30, random_state=0)
    >>> est = OPEClassifier(max_iter=300, random_state=0).fit(moons.X, moons.y)
    >>> found = adversarial_margin(est, moons.X[moons.y == 1], random_state=0)
    >>> bool((est.predict(found.rows[found.margins < 4]) == 0).all())
    True
    """
    rows = _attackable(est, X)
    generator = torch_generator(seed_sequence(random_state))
    margins = np.zeros(len(rows))
    changed = rows.copy()
    odd = np.flatnonzero(est.score_samples(rows) < est.offset_)
    for part in iter_slices(len(odd), _CHUNK_ROWS):
        chosen = odd[part]
        coordinates = _Coordinates(est, rows[chosen], units)
        attack = _Attack(coordinates, norm, int(n_steps), int(n_restarts), generator)
        change = attack.run(float(budget)).cpu().double().numpy()
        margins[chosen], changed[chosen] = coordinates.confirm(change, norm, float(budget))
    share = float(np.isfinite(margins[odd]).mean()) if len(odd) else float("nan")
    return AdversarialMargins(margins, changed, share)


def _attackable(est: Any, X: Any) -> NDArray[Any]:
    """Check that the score has a gradient in affine coordinates; give the rows as an array."""
    needs = "adversarial_margin follows the gradient of the score and takes a fitted OPEClassifier "
    if not isinstance(est, OPEClassifier):
        raise TypeError(f"{needs}only; got {type(est).__name__}.")
    check_is_fitted(est)
    if est.estimator is not None:
        raise TypeError(
            f"{needs}with a net; estimator={type(est.estimator).__name__} gives no gradient."
        )
    if est.transformers_:
        raise TypeError(
            f"{needs}with preprocessing='standard' or None and latent_transform=None; here "
            f"{type(est.transformers_[-1]).__name__} stands between rows and net."
        )
    return est._check(X, reset=False)


class _Coordinates:
    """The score of rows as a function of their change δ, which is in the units asked for."""

    def __init__(self, est: OPEClassifier, rows: NDArray[Any], units: str) -> None:
        self.est, self.rows = est, rows
        self.module: Any = est.net_.module_
        like = next(self.module.parameters())
        mean, scale = est.center_, est.scale_
        self.per_unit = scale if units == "standard" else np.ones_like(scale)  # of X
        flat = rows.reshape(len(rows), -1).astype(np.float64)
        self.start = torch.as_tensor((flat - mean) / scale).to(like)
        self.z_per_unit = torch.as_tensor(self.per_unit / scale).to(like)
        self.bound = min(self.module.standardizer.bound, torch.finfo(like.dtype).max / 4)
        slack = _ROUNDING * torch.finfo(like.dtype).eps * max(1.0, abs(est.offset_))
        self.edge = est.offset_ + slack
        self.typical = float(np.median(scale / self.per_unit))

    def __call__(self, change: Tensor) -> tuple[Tensor, Tensor]:
        """Give h and its slope with respect to the change; clipping is passed straight through."""
        z = torch.addcmul(self.start, change, self.z_per_unit).clamp_(-self.bound, self.bound)
        g, slope = self.module.value_and_grad(z)
        if self.module.n_members > 1:
            g, slope = g.mean(dim=0), slope.mean(dim=0)
        if self.est.reference_ is not None:
            sampler: Any = self.est.sampler_
            log_q, extra = sampler.log_prob_and_grad(z)
            g, slope = g + log_q, slope + extra
        return g - self.edge, slope * self.z_per_unit

    def confirm(
        self, change: NDArray[np.float64], norm: str, budget: float
    ) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Give margins and rows as ``predict`` sees them, rounded to the dtype of X."""
        margins, best = np.full(len(change), np.inf), self.rows.copy()
        for stretch in _STRETCHES:
            todo = np.flatnonzero(np.isfinite(change).all(axis=1) & np.isinf(margins))
            if not len(todo):
                break
            old = self.rows[todo]
            move = (change[todo] * (1.0 + stretch) * self.per_unit).reshape(old.shape)
            new = (old + move).astype(old.dtype)
            moved = (new.astype(np.float64) - old).reshape(len(todo), -1) / self.per_unit
            size = np.linalg.norm(moved, ord=2 if norm == "l2" else np.inf, axis=1)
            good = (self.est.score_samples(new) >= self.edge) & (size <= budget)
            margins[todo[good]], best[todo[good]] = size[good], new[good]
        return margins, best


class _Attack:
    """The search for the smallest change, for all rows side by side."""

    def __init__(
        self,
        score: _Coordinates,
        norm: str,
        n_steps: int,
        n_restarts: int,
        generator: torch.Generator,
    ) -> None:
        self.score, self.norm, self.n_steps = score, norm, n_steps
        shape = (n_restarts, *score.start.shape)
        places = torch.randn(shape, generator=generator, dtype=torch.float64)
        length = torch.rand(shape[:2], generator=generator, dtype=torch.float64)
        places *= length.unsqueeze(-1) / self.size(places).unsqueeze(-1)
        self.places = places.to(score.start)  # in the unit ball
        self.best = torch.full_like(score.start, torch.inf)

    def size(self, change: Tensor) -> Tensor:
        """Give the norm of each change."""
        return torch.linalg.vector_norm(change, ord=2 if self.norm == "l2" else torch.inf, dim=-1)

    def run(self, budget: float) -> Tensor:
        """Give the smallest changes found, infinite where there is none."""
        radius = self._first_radius()
        failed = torch.zeros_like(radius)
        while True:  # the same balls whatever the budget, up to the first that covers it
            waiting = self.best[:, 0].isinf() & (failed < budget)
            if not waiting.any():
                break
            self._search(radius, waiting)
            failed = torch.where(waiting & self.best[:, 0].isinf(), radius, failed)
            radius = radius * _GROWTH
        for _ in range(_BISECTIONS):
            size = self.size(self.best)
            open_ = size.isfinite() & (size - failed > _PRECISION * size)
            if not open_.any():
                break
            radius = torch.where(open_, (failed + size) / 2, 0.0)
            self._search(radius, open_)
            failed = torch.where(open_ & (self.size(self.best) > radius), radius, failed)
        return self._pull_back(self.best, _LAST_LINE_STEPS)

    def _first_radius(self) -> Tensor:
        """Estimate margins as if the score were linear; never more than a typical unit."""
        h, slope = self.score(torch.zeros_like(self.score.start))
        dual = torch.linalg.vector_norm(slope, ord=2 if self.norm == "l2" else 1, dim=1)
        largest = self.score.typical
        return (-h / dual).nan_to_num_(nan=largest).clamp_(_SMALLEST * largest, largest)

    def _search(self, radius: Tensor, asked: Tensor) -> None:
        """Climb inside balls from each kind of start; keep what is better than the best known."""
        r = radius.unsqueeze(-1)
        known = self.best * (r / self.size(self.best).unsqueeze(-1))
        starts = [torch.zeros_like(self.best), *(place * r for place in self.places)]
        starts.append(known.nan_to_num_(0.0, 0.0, 0.0))
        found = torch.full_like(self.best, torch.inf)
        for start in starts:
            todo = asked & found[:, 0].isinf()
            if todo.any():
                found = torch.where(todo.unsqueeze(-1), self._climb(start, r, todo), found)
        found = self._pull_back(found, _LINE_STEPS)
        better = asked & (self.size(found) < self.size(self.best))
        self.best = torch.where(better.unsqueeze(-1), found, self.best)

    def _climb(self, change: Tensor, radius: Tensor, todo: Tensor) -> Tensor:
        """Give the first place of each row's ascent with h ≥ 0, infinity where there is none."""
        found = torch.full_like(change, torch.inf)
        for step in range(self.n_steps + 1):
            h, slope = self.score(change)
            new = todo & (h >= 0)
            found = torch.where(new.unsqueeze(-1), change, found)
            todo = todo & ~new
            if not todo.any():
                break
            move = 2.0 * (1.0 - step / (self.n_steps + 1)) * radius
            change = self._project(change + move * self._direction(slope), radius)
        return found

    def _direction(self, slope: Tensor) -> Tensor:
        if self.norm == "linf":
            return slope.sign()
        return slope / self.size(slope).unsqueeze(-1).clamp_min(torch.finfo(slope.dtype).tiny)

    def _project(self, change: Tensor, radius: Tensor) -> Tensor:
        if self.norm == "linf":
            return torch.maximum(torch.minimum(change, radius), -radius)
        tiny = torch.finfo(change.dtype).tiny
        return change * (radius / self.size(change).unsqueeze(-1).clamp_min(tiny)).clamp(max=1.0)

    def _pull_back(self, change: Tensor, n_steps: int) -> Tensor:
        """Bisect the line from row to place for the edge h = 0, from the normal side."""
        there = change.isfinite().all(dim=1)
        if not there.any():
            return change
        whole = torch.where(there.unsqueeze(-1), change, 0.0)
        low, high = (whole.new_full((len(whole), 1), share) for share in (0.0, 1.0))
        for _ in range(n_steps):
            middle = (low + high) / 2
            normal = (self.score(whole * middle)[0] >= 0).unsqueeze(-1)
            low, high = torch.where(normal, low, middle), torch.where(normal, middle, high)
        return torch.where(there.unsqueeze(-1), whole * high, change)
