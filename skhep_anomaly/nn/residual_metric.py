"""How large a residual is, measured by the residuals of the training rows.

Mahalanobis: q(r) = (r − r̄)ᵀ C⁻¹ (r − r̄) with C the covariance of the training residuals, plus a
ridge of 1 % of their mean variance. Features that a model never reconstructs well then count less,
and correlated errors count once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skhep_anomaly.exceptions import TrainingDivergedError

__all__ = ["ResidualMetric", "SecondMoments"]


class SecondMoments:
    """Weighted mean and covariance of residuals, gathered chunk by chunk in float64.

    Parameters
    ----------
    n_sets : int
        Independent sets of residuals (members × noise levels).
    n_features : int
        Width of a residual.
    """

    def __init__(self, n_sets: int, n_features: int, device: torch.device | str = "cpu") -> None:
        self.weight = 0.0
        self.mean = torch.zeros(n_sets, n_features, dtype=torch.float64, device=device)
        self.scatter = torch.zeros(
            n_sets, n_features, n_features, dtype=torch.float64, device=device
        )

    def add(self, residual: Tensor, weight: Tensor | None = None) -> None:
        """Add residuals (n_sets, n, d) with weights (n,), by Chan's update: nothing cancels."""
        r = residual.double()
        w = (
            torch.ones(r.shape[1], dtype=r.dtype, device=r.device)
            if weight is None
            else weight.double()
        )
        total = float(w.sum())
        mean = torch.einsum("n,snd->sd", w, r) / total
        centred = r - mean[:, None]
        scatter = torch.bmm((centred * w[:, None]).mT, centred)
        shift = mean - self.mean
        joint = self.weight + total
        self.scatter += scatter + shift[:, :, None] * shift[:, None] * (self.weight * total / joint)
        self.mean += shift * (total / joint)
        self.weight = joint

    @property
    def covariance(self) -> Tensor:
        """Covariance matrices (n_sets, d, d)."""
        return self.scatter / self.weight


class ResidualMetric(nn.Module):
    """Mahalanobis distance of residuals, with its moments as buffers.

    Parameters
    ----------
    n_sets : int
        Independent sets of residuals (members × noise levels).
    n_features : int
        Width of a residual.
    """

    center: Tensor
    whitener: Tensor
    variance: Tensor

    def __init__(self, n_sets: int, n_features: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(n_sets, 1, n_features))
        self.register_buffer("whitener", torch.eye(n_features).repeat(n_sets, 1, 1))
        self.register_buffer("variance", torch.ones(n_sets, 1, n_features))

    @torch.no_grad()
    def learn(self, moments: SecondMoments, ridge: float = 1e-2) -> None:
        """Take mean, covariance and variances from `moments`."""
        covariance = moments.covariance
        variance = covariance.diagonal(dim1=1, dim2=2)
        floor = (
            ridge * variance.mean(dim=1, keepdim=True) + torch.finfo(self.center.dtype).tiny ** 0.5
        )
        eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
        factor, failed = torch.linalg.cholesky_ex(covariance + eye * floor[:, :, None])
        if failed.any():
            raise TrainingDivergedError(
                "The residuals of the training rows have no finite covariance: the net diverged. "
                "Lower learning_rate, or look for extreme values in X."
            )
        inverse = torch.linalg.solve_triangular(factor, eye.expand_as(factor), upper=False)
        self.center.copy_(moments.mean[:, None])
        self.whitener.copy_(inverse.mT)
        self.variance.copy_((variance + floor)[:, None])

    def forward(self, residual: Tensor) -> Tensor:
        """Give q for residuals (n_sets, n, d): shape (n_sets, n)."""
        whitened = torch.bmm(residual - self.center, self.whitener)
        return whitened.square().sum(dim=-1)

    def nll(self, residual: Tensor) -> Tensor:
        """Give −log of a Gaussian likelihood with one variance per feature: shape (n_sets, n)."""
        scaled = (residual - self.center).square() / self.variance
        return 0.5 * (scaled + torch.log(2 * torch.pi * self.variance)).sum(dim=-1)
