"""Several samplers at once: the box stays covered while chains sharpen what is learnt.

q = Σₖ wₖ qₖ with Σₖ wₖ = 1. A training loss takes the parts one by one, since rows of a reference
density and rows of chains belong to different terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor

from skhep_anomaly._random import seed_sequence
from skhep_anomaly.ope.samplers._base import PseudoAnomalySampler, ValueAndGrad
from skhep_anomaly.ope.samplers.hmc import HMCSampler
from skhep_anomaly.ope.samplers.uniform import UniformSampler

__all__ = ["MixtureSampler"]

_EXAMPLE = "samplers=[('uniform', UniformSampler()), ('hmc', HMCSampler())]"


class MixtureSampler(PseudoAnomalySampler):
    """Draw from several samplers with fixed shares.

    Parameters
    ----------
    samplers : list of (str, sampler), default=None
        Named samplers, none of them a mixture. Their parameters can be set from outside as
        ``name__parameter``. None: ``("uniform", UniformSampler())`` and ``("hmc", HMCSampler())``;
        ``hmc__step_size`` and the like can be set then, too.
    weights : array-like of shape (n_samplers,), default=None
        Share of rows of each, above zero, divided by their sum. None: equal shares.

    Attributes
    ----------
    low_, high_ : Tensor of shape (n_features,)
        Box Ω.
    parts_ : list of (float, sampler)
        Shares, which sum to one, and bound clones of the samplers.

    Notes
    -----
    Bound to several members, every part gives rows of shape (n_members, n, n_features): those of a
    reference sampler are n_members · n rows cut into members. Of n rows, a part of share w gives
    w·n, rounded up or down at random so that this is the mean.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly.ope.samplers import MixtureSampler, SwapSampler, UniformSampler
    >>> parts = [("everywhere", UniformSampler()), ("near", SwapSampler(share=0.1))]
    >>> sampler = MixtureSampler(parts, weights=[1, 3]).set_params(near__share=0.2)
    >>> sampler.bind([-1] * 10, [1] * 10, np.zeros((4, 10)), random_state=0).sample(8).shape
    torch.Size([8, 10])
    >>> sampler.parts_[1]
    (0.75, SwapSampler(share=0.2))
    """

    kind = "mixture"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "samplers": [list, tuple, None],
        "weights": ["array-like", None],
    }

    def __init__(
        self, samplers: Sequence[tuple[str, Any]] | None = None, weights: Any = None
    ) -> None:
        self.samplers = samplers
        self.weights = weights

    # -------------------------------------------------------------- parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Give the parameters.

        Parameters
        ----------
        deep : bool, default=True
            Also those of the samplers, as ``name`` and ``name__parameter``.

        Returns
        -------
        dict
            Parameter names and values.
        """
        params: dict[str, Any] = super().get_params(deep=False)
        for name, sampler in self._pairs() if deep else ():
            params[name] = sampler
            inner = sampler.get_params(deep=True)
            params.update({f"{name}__{key}": value for key, value in inner.items()})
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters.

        Parameters
        ----------
        **params
            ``samplers``, ``weights``, ``name=sampler`` in place of a part, or ``name__parameter``
            of a part; in this order, so that inner ones reach new samplers.

        Returns
        -------
        self : MixtureSampler

        Raises
        ------
        ValueError
            If there is no such parameter or part.
        """
        self.samplers = params.pop("samplers", self.samplers)
        self.weights = params.pop("weights", self.weights)
        if params:
            self._set_parts(params)
        return self

    def _set_parts(self, params: dict[str, Any]) -> None:
        pairs = dict(self._pairs())
        for key in sorted(params, key=lambda key: "__" in key):
            name, _, inner = key.partition("__")
            if name not in pairs:
                raise ValueError(
                    f"Invalid parameter {key!r} for {type(self).__name__}: it has samplers, "
                    f"weights and the parts {', '.join(map(repr, pairs))}; inner parameters are "
                    "written name__parameter."
                )
            if inner:
                pairs[name].set_params(**{inner: params[key]})
            else:
                pairs[name] = params[key]
        self.samplers = list(pairs.items())

    def _pairs(self) -> list[tuple[str, Any]]:
        """Give the named samplers, after a look at their names and kinds."""
        if self.samplers is None:
            return [("uniform", UniformSampler()), ("hmc", HMCSampler())]
        pairs = list(self.samplers)
        for pair in pairs:
            self._check_pair(pair)
        names = [name for name, _ in pairs]
        if not pairs or len(set(names)) < len(names):
            raise ValueError(
                f"samplers needs one part or more, each with a name of its own; got {names}."
            )
        return pairs

    def _check_pair(self, pair: Any) -> None:
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise ValueError(f"samplers holds {pair!r}; give named samplers: {_EXAMPLE}.")
        name, sampler = pair
        if not isinstance(sampler, PseudoAnomalySampler) or sampler.kind == "mixture":
            raise ValueError(
                f"The part {name!r} of a mixture must be a sampler that is no mixture itself; got "
                f"{sampler!r}. For example: {_EXAMPLE}."
            )
        if not name or "__" in name or name in {"samplers", "weights"}:
            raise ValueError(
                f"{name!r} cannot name a part of a mixture: names are not empty, hold no '__' and "
                "differ from 'samplers' and 'weights'."
            )

    def _shares(self, n_parts: int) -> list[float]:
        if self.weights is None:
            return [1 / n_parts] * n_parts
        weights = np.asarray(self.weights, dtype=np.float64)
        if weights.shape != (n_parts,) or not (np.isfinite(weights) & (weights > 0)).all():
            raise ValueError(
                f"weights={self.weights!r} must be {n_parts} finite numbers above zero, one for "
                "each of the samplers; leave a sampler out to give it no rows."
            )
        return [float(share) for share in weights / weights.sum()]

    # ------------------------------------------------------------------ draws

    def bind(
        self, low: Any, high: Any, X_normal: Any, random_state: Any = None, *, n_members: int = 1
    ) -> Self:
        """Set the box and learn from normal rows, each part with a seed of its own.

        Parameters
        ----------
        low, high : array-like of shape (n_features,)
            Box Ω in the coordinates of the net.
        X_normal : Tensor or ndarray of shape (n, n_features)
            Normal rows in the same coordinates.
        random_state : int, RandomState, Generator, SeedSequence or None, default=None
            Seed of all draws.
        n_members : int, default=1
            Nets that the gradients of energy samplers come from, side by side.

        Returns
        -------
        self : MixtureSampler

        Raises
        ------
        ValueError
            If the box, `samplers` or `weights` are not as they must be.
        """
        seeds = seed_sequence(random_state)
        super().bind(low, high, X_normal, seeds, n_members=n_members)
        pairs = self._pairs()
        shares = self._shares(len(pairs))
        self._names = [name for name, _ in pairs]
        self.parts_ = [
            (share, clone(part).bind(low, high, X_normal, seed, n_members=n_members))
            for share, (_, part), seed in zip(shares, pairs, seeds.spawn(len(pairs)), strict=True)
        ]
        return self

    def _draw(self, n: int, value_and_grad: ValueAndGrad | None) -> Tensor:
        counts = zip(self._counts(n), self.parts_, strict=True)
        drawn = [
            self._rows_of(part, count, value_and_grad) for count, (_, part) in counts if count > 0
        ]
        return torch.cat(drawn, dim=-2)

    def _counts(self, n: int) -> list[int]:
        """Cut n into the shares, with one random offset: means are exact, and the sum is."""
        offset = float(self._unit_uniform(1).clamp(max=1 - 1e-6))
        cuts = np.cumsum([0.0] + [share for share, _ in self.parts_])
        cuts[-1] = 1.0
        return [int(count) for count in np.diff(np.floor(cuts * n + offset))]

    def _rows_of(
        self, part: PseudoAnomalySampler, count: int, value_and_grad: ValueAndGrad | None
    ) -> Tensor:
        """Draw from one part, with an axis of members where there are several."""
        if self.n_members_ == 1 or part.kind == "energy":
            return part.sample(count, value_and_grad)
        return part.sample(self.n_members_ * count).reshape(self.n_members_, count, -1)

    def diagnostics(self) -> dict[str, float]:
        """Give the numbers of all parts.

        Returns
        -------
        dict of str to float
            As ``name__key``.

        Raises
        ------
        NotFittedError
            If the sampler is not bound, as one from a model file.
        """
        self._check_bound()
        return {
            f"{name}__{key}": value
            for name, (_, part) in zip(self._names, self.parts_, strict=True)
            for key, value in part.diagnostics().items()
        }
