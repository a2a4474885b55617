"""Pseudo-anomalies close to the data: a normal row with some features redrawn.

x = (1 − m) ∘ x₊ + m ∘ x′ with m_j ~ Bernoulli(share), at least one m_j = 1, and x′ from the box or,
feature by feature, from the normal rows. Where there are many features, almost all of the box is
empty and far from the data, and uniform rows teach little; these stay near and still break the
dependence between features. (Redrawing features from their marginals is the corruption of
SCARF, arXiv:2106.15147; as pseudo-anomalies of a (1+ε)-class classifier it is ours.)
"""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from skhep_anomaly._validation import Interval, StrOptions
from skhep_anomaly.ope.samplers._base import PseudoAnomalySampler, ValueAndGrad
from skhep_anomaly.ope.samplers._columns import find_few, redraw

__all__ = ["SwapSampler"]


class SwapSampler(PseudoAnomalySampler):
    """Draw normal rows and redraw a random share of their features.

    Parameters
    ----------
    share : float in (0, 1], default=0.3
        Chance of each feature to be redrawn; where chance picks none, one is picked, so that of d
        features share + (1 − share)ᵈ/d are redrawn on average. Larger is farther from the data.
    values : {"box", "rows"}, default="box"
        Where new values come from: uniformly from the box, or from the same column of other normal
        rows, which leaves every feature alone looking normal.
    discrete : bool, default=True
        With values="box": draw columns of few values (2 to 12, each at least twice in the normal
        rows) over the values seen, not over the interval.

    Attributes
    ----------
    low_, high_ : Tensor of shape (n_features,)
        Box Ω.
    columns_ : Tensor of int, shape (k,)
        The columns of few values.
    values_ : Tensor of shape (k, 12)
        Their values, then NaN.

    Notes
    -----
    A new value may equal the old one (in a column of flags half of them do), so some rows are
    normal rows unchanged. The density has no closed form: there is no ``log_prob``.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly.ope.samplers import SwapSampler
    >>> rows = np.zeros((4, 10))
    >>> sampler = SwapSampler(share=0.2).bind([-1] * 10, [1] * 10, rows, random_state=0)
    >>> (sampler.sample(3) != 0).sum(dim=1)
    tensor([4, 1, 1])
    """

    kind = "reference"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "share": [Interval(Real, 0, 1, closed="right")],
        "values": [StrOptions({"box", "rows"})],
        "discrete": ["boolean"],
    }

    def __init__(
        self, share: float = 0.3, values: Literal["box", "rows"] = "box", *, discrete: bool = True
    ) -> None:
        self.share = share
        self.values = values
        self.discrete = discrete

    def _prepare(self, rows: Tensor) -> None:
        looked_at = rows if self.discrete and self.values == "box" else rows[:0]
        self.columns_, self.values_ = find_few(looked_at, self.low_, self.high_)
        self._rows = torch.clamp(rows, self.low_, self.high_)

    def _draw(self, n: int, value_and_grad: ValueAndGrad | None) -> Tensor:
        u = self._unit_uniform(n, len(self.low_))
        # the smallest u of a row is always below the threshold: at least one feature
        swapped = u <= u.amin(dim=1, keepdim=True).clamp(min=self.share)
        return torch.where(swapped, self._new_values(n), self._rows[self._pick(n)])

    def _new_values(self, n: int) -> Tensor:
        if self.values == "rows":
            return self._rows.gather(0, self._pick(n, len(self.low_)))
        u = self._unit_uniform(n, len(self.low_))
        return redraw(torch.lerp(self.low_, self.high_, u), u, self.columns_, self.values_)

    def _pick(self, *shape: int) -> Tensor:
        """Draw places of normal rows."""
        rows = self._rows
        return torch.randint(len(rows), shape, generator=self._generator, device=rows.device)
