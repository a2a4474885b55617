"""Energy sampler with a generator net that is trained beside the classifier (Deep EOPE).

The generator G takes the place of chains on P(x) ∝ exp(g(x)): it minimises

    KL(G ‖ P) = −E[g(G(z))] − H(G) + log Z

with the entropy H of its batch-normalised layers (method 4 of arXiv:1906.06096; entropy: Kim &
Bengio, arXiv:1606.03439, section 3.2). No optimiser is stepped here: `players` says what one of
the training engine has to make small.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.exceptions import NotFittedError
from torch import Tensor

from skhep_anomaly._validation import Interval, InvalidParameterError, StrOptions
from skhep_anomaly.nn.pseudo_generator import ENTROPIES, PseudoGenerator
from skhep_anomaly.ope.samplers._base import PseudoAnomalySampler, ValueAndGrad
from skhep_anomaly.training import Context, Player

__all__ = ["DeepSampler", "PseudoGeneratorLoss"]

_PART = "generator"
_EDGE = 0.01


@dataclass(frozen=True)
class PseudoGeneratorLoss:
    """Make KL(G ‖ P) small but for log Z: −mean g(G(z)) − entropy_weight · H, over members summed.

    The net's parameters take no part: g and ∇ₓg come from ``module.value_and_grad``, and only the
    rows carry a graph.
    """

    part: str = _PART
    entropy_weight: float = 1.0
    entropy: str = "spacing"

    def __call__(self, module: Any, x: Tensor, weight: Tensor | None, context: Context) -> Tensor:
        """Give the loss on as many generated rows as the batch has."""
        maker = module.get_submodule(self.part)
        if self.entropy == "spacing":
            value, gradient = maker.climb(
                len(x), context.generator, module.value_and_grad, self.entropy_weight
            )
            tangent = torch.dot(maker.flat.view(-1), gradient.view(-1))
            return value.sum() + (tangent - tangent.detach())
        fake, entropy = maker.draw_with_entropy(len(x), context.generator, self.entropy)
        g, slope = module.value_and_grad(fake.detach())
        climb = -(slope.detach() * fake).sum(dim=-1).mean(dim=-1).sum()
        loss: Tensor = climb - self.entropy_weight * entropy.sum()
        # the value is that of −g, the gradient that of its tangent
        return loss + (-g.detach().mean(dim=-1).sum() - climb.detach())


class DeepSampler(PseudoAnomalySampler):
    """Pseudo-anomalies from a generator net that follows the classifier's energy.

    Parameters
    ----------
    latent_dim : int or None, default=None
        Width of the latent vectors; None: that of a row, at least 8.
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Hidden layers of the generator.
    learning_rate : float, default=3e-3
        Of Adam, for the generator.
    betas : tuple of two floats in [0, 1), default=(0.5, 0.99)
        Decay of Adam's moments.
    entropy_weight : float, default=1.0
        Factor on the entropy. 1 aims at exp(g); less draws rows together where g is highest, more
        spreads them.
    entropy : {"spacing", "batch_norm"}, default="spacing"
        "spacing": entropy of each feature from the gaps between sorted values of the batch, plus
        ½ log det of the batch's correlations. "batch_norm": of the published method, that of the
        gains of the batch-normalised layers.

    Attributes
    ----------
    low_, high_ : Tensor of shape (n_features,)
        Box Ω.

    Notes
    -----
    How to use it: `bind`, put ``make_generator(n_features)`` into the classifier's module as its
    submodule ``generator``, give `players` to ``AdversarialNet``, and `attach` the module. Rows are
    drawn with the batch's own moments, in training and afterwards alike.

    The published entropy, an upper bound, sees neither dependence between units nor the shape of
    their distribution. Measured with a fixed normal energy in 20 dimensions (covariance with
    eigenvalues .08 to 2.8, entropy 23.2 nats): "batch_norm" pulls the rows onto a line (.002 to 34)
    while it counts 472 nats; "spacing" gives .07 to 4.3 and 22.0 nats. Two modes with equal weight
    get .86 and .14, against .55 and .45. Hence the other default. 1,000 steps at the default rate
    get within 10 % of standard deviations of (1, .5); at the published rate of 1e-3 the second is
    still .8 after 1,500 steps.

    References
    ----------
    .. [1] T. Kim, Y. Bengio, "Deep Directed Generative Models with Energy-Based Probability
       Estimation", arXiv:1606.03439, section 3.2.
    .. [2] M. Borisyak et al., "(1+ε)-class classification", arXiv:1906.06096.
    .. [3] O. Vasicek, "A test for normality based on sample entropy", J. R. Stat. Soc. B 38 (1976)
       54: entropy from gaps.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly.ope.samplers.deep import DeepSampler
    >>> sampler = DeepSampler().bind([-4, -4], [4, 4], np.zeros((1, 2)), random_state=0)
    >>> sampler.make_generator(2).latent_dim
    8
    >>> sampler.players("generator").name
    'generator'
    """

    kind: ClassVar[str] = "energy"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "latent_dim": [Interval(Integral, 1, None, closed="left"), None],
        "hidden_layer_sizes": ["array-like"],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "betas": ["array-like"],
        "entropy_weight": [Interval(Real, 0, None, closed="left")],
        "entropy": [StrOptions(set(ENTROPIES))],
    }

    def __init__(
        self,
        latent_dim: int | None = None,
        *,
        hidden_layer_sizes: Sequence[int] = (64, 64),
        learning_rate: float = 3e-3,
        betas: tuple[float, float] = (0.5, 0.99),
        entropy_weight: float = 1.0,
        entropy: str = "spacing",
    ) -> None:
        self.latent_dim = latent_dim
        self.hidden_layer_sizes = hidden_layer_sizes
        self.learning_rate = learning_rate
        self.betas = betas
        self.entropy_weight = entropy_weight
        self.entropy = entropy

    def _validate_params(self) -> None:
        """Check each parameter, and sequences number by number."""
        super()._validate_params()
        sizes: Any = self.hidden_layer_sizes
        betas: Any = self.betas
        whole = (isinstance(size, Integral) and not isinstance(size, bool) for size in sizes)
        if not (all(whole) and all(size >= 1 for size in sizes)):
            raise InvalidParameterError(
                f"The 'hidden_layer_sizes' parameter of {type(self).__name__} must be a sequence "
                f"of ints in the range [1, inf). Got {sizes!r} instead."
            )
        if len(betas) != 2 or not all(isinstance(b, Real) and 0 <= float(b) < 1 for b in betas):
            raise InvalidParameterError(
                f"The 'betas' parameter of {type(self).__name__} must be two floats in the range "
                f"[0, 1). Got {betas!r} instead."
            )

    # --------------------------------------------------------- parts of the training

    def make_generator(self, n_features: int) -> PseudoGenerator:
        """Build the generator, untrained; `reset` it before use.

        Parameters
        ----------
        n_features : int
            Width of a row, as in `bind`.

        Returns
        -------
        PseudoGenerator
            For as many members as the sampler is bound to.

        Raises
        ------
        NotFittedError
            If the sampler has no box yet.
        ValueError
            If the box has another number of features.
        """
        if not hasattr(self, "low_"):
            raise NotFittedError("This DeepSampler has no box yet; call bind(low, high, X_normal).")
        if n_features != len(self.low_):
            raise ValueError(
                f"A generator of n_features={n_features} was asked for, but the box of the "
                f"DeepSampler has {len(self.low_)}."
            )
        latent_dim = max(n_features, 8) if self.latent_dim is None else self.latent_dim
        sizes = tuple(self.hidden_layer_sizes)
        return PseudoGenerator(self.low_, self.high_, latent_dim, sizes, self.n_members_)

    def players(self, part: str = _PART) -> Player:
        """Give the generator's side of the game.

        Parameters
        ----------
        part : str, default="generator"
            Name of the generator in the module, whose method ``value_and_grad`` gives g and ∇ₓg.

        Returns
        -------
        Player
            For ``AdversarialNet``.
        """
        return Player(
            part,
            (part,),
            PseudoGeneratorLoss(part, float(self.entropy_weight), self.entropy),
            learning_rate=float(self.learning_rate),
            options={"betas": tuple(self.betas)},
        )

    def attach(self, module: Any, part: str = _PART) -> DeepSampler:
        """Draw from the generator of this module from now on.

        Parameters
        ----------
        module : Module
            Holds the generator, and gives g and ∇ₓg as ``value_and_grad``.
        part : str, default="generator"
            Name of the generator in it.

        Returns
        -------
        self : DeepSampler
            Attached.
        """
        module.get_submodule(part)  # torch names what is missing
        self._module, self._part = module, part
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Put the module on the CPU, as all else."""
        state = super().__getstate__()
        if "_module" in state and self.low_.device.type != "cpu":
            state["_module"] = copy.deepcopy(state["_module"]).cpu()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Bring the module back to where the box is."""
        super().__setstate__(state)
        if hasattr(self, "_module") and hasattr(self, "low_"):
            self._module.to(self.low_.device)

    # ------------------------------------------------------------------------- draws

    def _source(self) -> Any:
        if not hasattr(self, "_module"):
            raise RuntimeError(
                "DeepSampler draws from the generator that is trained beside the net: call "
                "attach(module) first."
            )
        return self._module.get_submodule(self._part)

    def _draw(self, n: int, value_and_grad: ValueAndGrad | None) -> Tensor:
        rows: Tensor = self._source().draw(n, self._generator)
        self._last = rows
        return rows if self.n_members_ > 1 else rows[0]

    @torch.no_grad()
    def diagnostics(self) -> dict[str, float]:
        """Give numbers that tell how far the generator is spread.

        Returns
        -------
        dict of str to float
            ``entropy`` in nats, of 4,096 rows; and of the rows last given (none before the first)
            ``g_chains`` (mean g), ``std_share`` (mean over the features of standard deviation over
            width of the box; uniform: .29) and ``boundary_fraction`` (share of the rows within 1 %
            of the box's width from a wall in some feature). Means over the members.

        Raises
        ------
        NotFittedError
            If the sampler is not bound, as one from a model file.
        """
        self._check_bound()
        state = self._generator.get_state()  # looking changes nothing
        _, entropy = self._source().draw_with_entropy(4096, self._generator, self.entropy)
        self._generator.set_state(state)
        found = {"entropy": float(entropy.mean())}
        if hasattr(self, "_last"):
            rows = self._last
            place = (rows - self.low_) / self._width
            near = (torch.minimum(place, 1.0 - place) < _EDGE).any(dim=-1)
            g, _ = self._module.value_and_grad(rows)
            found["g_chains"] = float(g.mean())
            found["std_share"] = float(place.std(dim=1, correction=0).mean())
            found["boundary_fraction"] = float(near.double().mean())
        return found
