"""Brute force: pseudo-anomalies from the uniform density on the box.

With q = 1/|Ω| the optimum of the loss is g* = log[p₊ / (γ p₋ + (1 − ε) q)]: the net learns the
normal density up to a constant (method 1 of arXiv:1906.06096).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from skhep_anomaly.ope.samplers._base import PseudoAnomalySampler, ValueAndGrad
from skhep_anomaly.ope.samplers._columns import find_few, log_chance, redraw

__all__ = ["UniformSampler"]


class UniformSampler(PseudoAnomalySampler):
    """Draw pseudo-anomalies uniformly from the box.

    Parameters
    ----------
    discrete : bool, default=True
        True: a column in which the normal rows have 2 to 12 distinct values, each at least twice,
        is drawn over those of these values that lie in the box, all alike, since a number from the
        interval is trivially told from a flag. A value that no normal row has is then never drawn
        there. False: every column over its interval.

    Attributes
    ----------
    low_, high_ : Tensor of shape (n_features,)
        Box Ω.
    columns_ : Tensor of int, shape (k,)
        The columns of few values.
    values_ : Tensor of shape (k, 12)
        Their values, then NaN.

    References
    ----------
    .. [1] M. Borisyak et al., "(1+ε)-class classification", arXiv:1906.06096.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly.ope.samplers import UniformSampler
    >>> sampler = UniformSampler().bind([-1, 0], [1, 2], np.ones((5, 2)), random_state=0)
    >>> sampler.sample(3).shape
    torch.Size([3, 2])
    >>> sampler.log_prob(sampler.sample(1)).exp()
    tensor([0.2500], dtype=torch.float64)
    """

    kind = "reference"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"discrete": ["boolean"]}

    def __init__(self, discrete: bool = True) -> None:
        self.discrete = discrete

    def _prepare(self, rows: Tensor) -> None:
        rows = rows if self.discrete else rows[:0]
        self.columns_, self.values_ = find_few(rows, self.low_, self.high_)

    def _draw(self, n: int, value_and_grad: ValueAndGrad | None) -> Tensor:
        u = self._unit_uniform(n, len(self.low_))
        return redraw(torch.lerp(self.low_, self.high_, u), u, self.columns_, self.values_)

    def log_prob(self, x: Tensor) -> Tensor:
        """Give the log density.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows in the coordinates of the box.

        Returns
        -------
        Tensor of shape (n,)
            In nats; −∞ outside. Over the columns of few values the measure is counting: such a
            column of k values brings −log k, and −∞ at a value it does not have (to 1e-6 of the
            box's width).
        """
        width = self._width
        inside = ((x >= self.low_) & (x <= self.high_)).all(dim=1)
        per_feature = -width.log()
        per_feature[self.columns_] = 0.0
        log_prob = per_feature.sum() + log_chance(x, self.columns_, self.values_, width)
        return torch.where(inside, log_prob, -torch.inf)
