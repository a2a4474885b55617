"""Reference sampler: a Gaussian mixture of the normal rows, made wider, with a uniform share.

    p(x) = Σⱼ wⱼ N(x; μⱼ, widen·Σⱼ)

Against this q a classifier learns log p₊/q; adding log q back gives log p₊ where the box is too
empty for uniform pseudo-anomalies to say anything.
"""

from __future__ import annotations

import math
import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from skhep_anomaly._validation import Interval
from skhep_anomaly.ope.samplers._truncated import TruncatedSampler

__all__ = ["GaussianMixtureSampler"]

_ROWS_PER_COMPONENT = 10
_FEWEST_HELD = 2.5
_MOST_ROWS = 2**14


class GaussianMixtureSampler(TruncatedSampler):
    """Pseudo-anomalies from a widened Gaussian mixture of the normal rows.

    Parameters
    ----------
    n_components : int, default=10
        Gaussians; at most one for 10 normal rows.
    reg_covar : float, default=1e-2
        Added to each variance, in units of the column's.
    widen : float, default=1.5
        Factor on the covariances; 1 gives the fitted mixture, more reaches further out.
    uniform_share : float in [0, 1], default=0.1
        Share of rows from the uniform density on the box.
    max_iter : int, default=100
        Most steps of expectation-maximisation.

    Attributes
    ----------
    means_ : Tensor of shape (n_components, n_features)
        Centres μⱼ.
    chol_ : Tensor of shape (n_components, n_features, n_features)
        Lower Cholesky factors of the widened covariances.
    whiten_ : Tensor of shape (n_components, n_features, n_features)
        Their inverses.
    log_weights_ : Tensor of shape (n_components,)
        Log of the weights wⱼ.
    mass_ : float
        Mass m of the mixture inside the box from 16,384 draws, to √(m(1 − m)/16384).
    scale_ : Tensor of shape (n_features,)
        Standard deviations of the normal rows.

    Notes
    -----
    Of more than 16,384 normal rows that many are fitted, chosen at random. Rows come from blocks of
    8,192 that are drawn at once and used up; none is handed out twice. Costs O(k n d²) an iteration
    for k Gaussians on n rows, and k d² numbers of memory.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly.ope.samplers.gaussian_mixture import GaussianMixtureSampler
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> sampler = GaussianMixtureSampler().bind([-4, -4], [4, 4], X, random_state=0)
    >>> sampler.sample(3).shape
    torch.Size([3, 2])
    >>> near, far = sampler.log_prob([[0.0, 0.0], [4.0, 4.0]])
    >>> bool(near > far)
    True
    """

    kind: ClassVar[str] = "reference"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "reg_covar": [Interval(Real, 0, None, closed="neither")],
        "widen": [Interval(Real, 0, None, closed="neither")],
        "uniform_share": [Interval(Real, 0, 1, closed="both")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int = 10,
        *,
        reg_covar: float = 1e-2,
        widen: float = 1.5,
        uniform_share: float = 0.1,
        max_iter: int = 100,
    ) -> None:
        self.n_components = n_components
        self.reg_covar = reg_covar
        self.widen = widen
        self.uniform_share = uniform_share
        self.max_iter = max_iter

    def _fit(self, rows: Tensor, seed: int) -> None:
        X = rows.cpu().double().numpy()
        centre, scale = X.mean(axis=0), self.scale_.cpu().double().numpy()
        fitted = self._fit_unit((X - centre) / scale, seed)
        chol = np.linalg.cholesky(self.widen * fitted.covariances_)
        whiten = np.linalg.solve(chol, np.broadcast_to(np.eye(X.shape[1]), chol.shape))
        self.means_ = torch.as_tensor(centre + scale * fitted.means_, **self._like)
        self.chol_ = torch.as_tensor(scale[:, None] * chol, **self._like)
        self.whiten_ = torch.as_tensor(whiten / scale, **self._like)
        # a Gaussian that holds hardly any row is an outlier's own, where log q would call it normal
        share = fitted.weights_
        held = share * min(len(X), _MOST_ROWS) >= _FEWEST_HELD
        share = np.where(held, share, 0.0) if held.any() else share
        with np.errstate(divide="ignore"):
            self.log_weights_ = torch.as_tensor(np.log(share / share.sum()), **self._like)

    def _fit_unit(self, X: Any, seed: int) -> GaussianMixture:
        """Fit rows of unit scale."""
        if len(X) > _MOST_ROWS:
            X = np.random.default_rng(seed).choice(X, _MOST_ROWS, replace=False)
        mixture = GaussianMixture(
            max(1, min(self.n_components, len(X) // _ROWS_PER_COMPONENT)),
            reg_covar=self.reg_covar,
            max_iter=self.max_iter,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return mixture.fit(X)

    def _draw_free(self, n: int) -> Tensor:
        chosen = torch.multinomial(
            self.log_weights_.exp(), n, replacement=True, generator=self._generator
        )
        rows = self._normal(n, self.means_.shape[1])
        for k, (mean, chol) in enumerate(zip(self.means_, self.chol_, strict=True)):
            own = (chosen == k).nonzero().squeeze(1)
            rows[own] = torch.addmm(mean, rows[own], chol.T)
        return rows

    def _log_free(self, x: Tensor) -> Tensor:
        away = x - self.means_[:, None]  # (k, n, d)
        square = torch.bmm(away, self.whiten_.mT).square().sum(dim=-1)
        log_det = self.whiten_.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
        constant = log_det + self.log_weights_ - 0.5 * x.shape[1] * math.log(2.0 * math.pi)
        return torch.logsumexp(constant[:, None] - 0.5 * square, dim=0)

    def _row_cost(self) -> int:
        return 2 * self.means_.numel()
