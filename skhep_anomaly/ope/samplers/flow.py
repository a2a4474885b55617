"""Reference sampler: a normalising flow of the normal rows, drawn in its tails if wanted.

The flow u = f(x) makes normal rows standard normal. With base noise u ~ N(0, T²) instead,

    p_T(x) = N(f(x); 0, T²) · |det ∂f/∂x|

is still exact; T > 1 puts rows around the normal ones (tails of the base distribution: Ryzhikov et
al., "NFAD", arXiv:1912.09323, section 3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import Tensor

from skhep_anomaly._validation import Interval, StrOptions
from skhep_anomaly.nn import FLOW_KINDS
from skhep_anomaly.ope.samplers._truncated import TruncatedSampler
from skhep_anomaly.outliers import FlowOutlierDetector
from skhep_anomaly.outliers._density import level_code

__all__ = ["FlowSampler"]


class FlowSampler(TruncatedSampler):
    """Pseudo-anomalies from a normalising flow of the normal rows.

    Parameters
    ----------
    flow : {"realnvp", "maf", "nsf"}, default="realnvp"
        Affine couplings; masked autoregressive affine maps; the same with splines. "realnvp" draws
        in one pass, the others in as many as there are features.
    n_transforms : int, default=4
        Maps after each other; more bend further.
    hidden_layer_sizes : tuple of int, default=(48,)
        Hidden layers of the net in each map.
    temperature : float, default=1.0
        Standard deviation T of the base noise; above 1 rows spread into the tails.
    smoothing : float in [0.03, 0.6], default=0.1
        The density is that of normal rows with Gaussian noise of so many standard deviations on
        each feature, so that mass points and thin sheets stay finite.
    uniform_share : float in [0, 1], default=0.0
        Share of rows from the uniform density on the box.
    max_epochs : int or None, default=None
        Of the flow's training; None: as many as make 1,600 steps (200 for more than 200 features).
    learning_rate : float, default=3e-3
        Of Adam, in the flow's training.
    batch_size : int, default=256
        Rows per step of the flow's training.

    Attributes
    ----------
    flow_ : FlowOutlierDetector
        The trained flow.
    mass_ : float
        Mass m of the flow's density inside the box from N ≥ 16,384 draws, to √(m(1 − m)/N).
    scale_ : Tensor of shape (n_features,)
        Standard deviations of the normal rows.

    Notes
    -----
    Differs from NFAD in that rows beyond a density level are not chosen: the temperature keeps the
    density of the pseudo-anomalies known. Drawing from a flow costs more than a step of a small
    classifier: 65,536 rows (16,384 for "maf" and "nsf") are drawn once, handed out until all are
    used, then again in another order.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly.ope.samplers.flow import FlowSampler
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> sampler = FlowSampler(max_epochs=5).bind([-4, -4], [4, 4], X, random_state=0)
    >>> sampler.sample(3).shape
    torch.Size([3, 2])
    """

    kind: ClassVar[str] = "reference"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "flow": [StrOptions(set(FLOW_KINDS))],
        "n_transforms": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like"],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "smoothing": [Interval(Real, 0.03, 0.6, closed="both")],
        "uniform_share": [Interval(Real, 0, 1, closed="both")],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        flow: str = "realnvp",
        n_transforms: int = 4,
        *,
        hidden_layer_sizes: Sequence[int] = (48,),
        temperature: float = 1.0,
        smoothing: float = 0.1,
        uniform_share: float = 0.0,
        max_epochs: int | None = None,
        learning_rate: float = 3e-3,
        batch_size: int = 256,
    ) -> None:
        self.flow = flow
        self.n_transforms = n_transforms
        self.hidden_layer_sizes = hidden_layer_sizes
        self.temperature = temperature
        self.smoothing = smoothing
        self.uniform_share = uniform_share
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size

    def _fit(self, rows: Tensor, seed: int) -> None:
        self.flow_ = FlowOutlierDetector(
            self.flow,
            self.n_transforms,
            hidden_layer_sizes=self.hidden_layer_sizes,
            score_kind="log_density",
            dequantize=False,
            max_epochs=self.max_epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            device=str(rows.device),
            random_state=seed,
        ).fit(rows.cpu().numpy())

    def _block_rule(self) -> tuple[int, bool]:
        return (2**16 if self.flow == "realnvp" else 2**14), False

    def _context(self, z: Tensor) -> Tensor:
        return z.new_full((len(z), 1), level_code(self.smoothing))

    def _draw_free(self, n: int) -> Tensor:
        module = self.flow_.net_.module_
        u = self.temperature * self._normal(n, len(self.low_))
        parts = [module.flow.from_base(part, self._context(part)) for part in u.split(2**13)]
        rows: Tensor = module.standardizer.inverse(torch.cat(parts))
        return rows

    def _log_free(self, x: Tensor) -> Tensor:
        module = self.flow_.net_.module_
        mean, scale = module.standardizer.mean, module.standardizer.scale
        z = (x.to(mean.device) - mean) / scale  # a loaded flow may be on a GPU, the box not
        u, log_det = module.flow.to_base(z, self._context(z))
        d, temperature = x.shape[1], float(self.temperature)
        log_base = -0.5 * (u / temperature).square().sum(dim=-1)
        constant = d * (0.5 * math.log(2.0 * math.pi) + math.log(temperature))
        log_p: Tensor = log_base + log_det - scale.log().sum() - constant
        return log_p.to(x.device)

    def _row_cost(self) -> int:
        return 8 * (len(self.low_) + sum(self.hidden_layer_sizes))
