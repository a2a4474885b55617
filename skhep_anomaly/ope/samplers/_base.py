"""What a sampler of pseudo-anomalies is: bound to a box Ω, asked for rows inside it.

A *reference* sampler draws from a fixed density q; the classifier then learns p₊/q. An *energy*
sampler draws from P(x) ∝ exp(g(x)) on Ω, where the classifier itself still takes too much for
normal, by walking along ∇ₓg.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from torch import Tensor

from skhep_anomaly._random import seed_sequence, torch_generator

__all__ = ["PseudoAnomalySampler", "ValueAndGrad"]

ValueAndGrad = Callable[[Tensor], tuple[Tensor, Tensor]]
"""x (…, d) → logit g (…) and its gradient ∇ₓg (…, d), without a graph."""


class PseudoAnomalySampler(BaseEstimator):  # type: ignore[misc]
    """Base of the samplers; for samplers of your own, not for direct use.

    Give `_draw`, and `_prepare` where something is to be learnt from the normal rows.

    Attributes
    ----------
    kind : {"reference", "energy", "mixture"}
        Which term of the loss its rows belong to.
    low_, high_ : Tensor of shape (n_features,)
        Box Ω.
    """

    kind: ClassVar[str] = "reference"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    low_: Tensor
    high_: Tensor

    # ------------------------------------------------------------ for subclasses

    def _prepare(self, rows: Tensor) -> None:
        """Learn from the normal rows (n, d)."""

    @abstractmethod
    def _draw(self, n: int, value_and_grad: ValueAndGrad | None) -> Tensor:
        """Give `n` rows inside the box."""

    # -------------------------------------------------------------------- public

    def bind(
        self, low: Any, high: Any, X_normal: Any, random_state: Any = None, *, n_members: int = 1
    ) -> Self:
        """Set the box and learn from normal rows.

        Parameters
        ----------
        low, high : array-like of shape (n_features,)
            Box Ω in the coordinates of the net.
        X_normal : Tensor or ndarray of shape (n, n_features)
            Normal rows in the same coordinates.
        random_state : int, RandomState, Generator, SeedSequence or None, default=None
            Seed of all draws.
        n_members : int, default=1
            Nets that the gradients of an energy sampler come from, side by side.

        Returns
        -------
        self : sampler

        Raises
        ------
        ValueError
            If there are no rows, or if the box is empty or not finite in some feature or does not
            fit the rows.
        """
        self._validate_params()
        rows = X_normal if isinstance(X_normal, Tensor) else torch.as_tensor(np.array(X_normal))
        rows = rows if rows.is_floating_point() else rows.double()
        if rows.ndim != 2 or 0 in rows.shape:
            raise ValueError(
                "A sampler is bound to normal rows of shape (n, n_features), at least one row and "
                f"one feature; got shape {tuple(rows.shape)}."
            )
        like: dict[str, Any] = {"dtype": rows.dtype, "device": rows.device}
        self.low_, self.high_ = (torch.as_tensor(edge, **like).clone() for edge in (low, high))
        if self.low_.shape != rows.shape[1:] or self.high_.shape != rows.shape[1:]:
            raise ValueError(
                f"The box has edges of shapes {tuple(self.low_.shape)} and "
                f"{tuple(self.high_.shape)}, but a row has shape {tuple(rows.shape[1:])}."
            )
        if not bool((self.high_ > self.low_).all() & (self.high_ - self.low_).isfinite().all()):
            raise ValueError("The box of the pseudo-anomalies needs low < high, both finite.")
        self.n_members_ = int(n_members)
        self._generator = torch_generator(seed_sequence(random_state), str(rows.device))
        self._prepare(rows)
        return self

    @torch.no_grad()
    def sample(self, n: int, value_and_grad: ValueAndGrad | None = None) -> Tensor:
        """Draw pseudo-anomalies.

        Parameters
        ----------
        n : int
            Rows, for each member where an energy sampler has several.
        value_and_grad : callable, default=None
            x (…, d) → (g, ∇ₓg); needed by energy samplers.

        Returns
        -------
        Tensor of shape (n, n_features) or (n_members, n, n_features)
            Inside the box; the second shape from energy samplers bound to several members.

        Raises
        ------
        NotFittedError
            If the sampler has no box yet.
        ValueError
            If `n` is less than one, or if an energy sampler gets no gradient to follow.
        """
        owner = type(self).__name__
        self._check_bound()
        if n < 1:
            raise ValueError(f"{owner}.sample was asked for n={n} rows; it gives one or more.")
        if self.kind == "energy" and value_and_grad is None:
            raise ValueError(
                f"{owner} walks along the gradient of a net: call sample(n, value_and_grad) with "
                "value_and_grad(x) giving g and its gradient."
            )
        return self._draw(int(n), value_and_grad)

    def diagnostics(self) -> dict[str, float]:
        """Give numbers that tell how well the sampler works.

        Returns
        -------
        dict of str to float
            Empty where there is nothing to watch.
        """
        return {}

    # --------------------------------------------------------------------- state

    def _check_bound(self) -> None:
        if not hasattr(self, "_generator"):
            raise NotFittedError(
                f"This {type(self).__name__} has no box yet; call bind(low, high, X_normal). One "
                "from a model file is not bound either: the file keeps what scores need."
            )

    @property
    def _like(self) -> dict[str, Any]:
        return {"dtype": self.low_.dtype, "device": self.low_.device}

    @property
    def _width(self) -> Tensor:
        return self.high_ - self.low_

    def _unit_uniform(self, *shape: int) -> Tensor:
        """Draw from U([0, 1)), of this shape."""
        return torch.rand(shape, generator=self._generator, **self._like)

    def _normal(self, *shape: int) -> Tensor:
        """Draw from N(0, 1), of this shape."""
        return torch.randn(shape, generator=self._generator, **self._like)

    def _uniform(self, *shape: int) -> Tensor:
        """Draw from U(Ω), shape (*shape, d)."""
        # lerp stays inside where low + width · u may round up to a place beyond high
        return torch.lerp(self.low_, self.high_, self._unit_uniform(*shape, len(self.low_)))

    def __getstate__(self) -> dict[str, Any]:
        """Turn the generator, which does not pickle, into its state; put tensors on the CPU."""
        state: dict[str, Any] = dict(super().__getstate__())
        if isinstance(state.get("_generator"), torch.Generator):
            generator = state["_generator"]
            state = _moved(state, "cpu")
            state["_generator"] = (str(generator.device), generator.get_state().numpy())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Bring all back to where it was, or to the CPU where there is no GPU."""
        if isinstance(state.get("_generator"), tuple):
            device, bits = state["_generator"]
            device = device if device == "cpu" or torch.cuda.is_available() else "cpu"
            generator = torch.Generator(device=device)
            if bits.size == generator.get_state().numel():  # that of a GPU says nothing to a CPU
                generator.set_state(torch.from_numpy(bits.copy()))
            state = {**_moved(state, device), "_generator": generator}
        super().__setstate__(state)


def _moved(state: dict[str, Any], device: str) -> dict[str, Any]:
    return {k: v.to(device) if isinstance(v, Tensor) else v for k, v in state.items()}
