"""Generator of calorimeter showers: a mean map in the canonical frame, cell noise, response.

    λ = softmax over the cells (trunk(c, z) + m) · R·E·f,   R = 1 + 0.05·head(c, z₁…z₈)
    t = noise(λ, ε)                                     (`cell_noise`, or none)
    cells = t · (R·E·f / Σt)^β,   β = σ(b₀ + b₁ ln E)

with z, ε standard normal, E the energy [MeV], f the visible fraction, m the logarithm of the mean
map and c the conditions in the frame. Without noise the cells add up to R·E·f exactly; with it β
says how much of the noise's own fluctuation of the sum is taken back.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from skhep_anomaly.nn.low_deposits import LowDeposits
from skhep_anomaly.nn.mlp import MLP
from skhep_anomaly.nn.shower_frame import N_CONDITIONS, PlainFrame

__all__ = ["GaussianNoise", "MLPTrunk", "ResponseHead", "ShowerNet"]

_MEV = 1000.0  # per GeV
_RESPONSE_SCALE = 0.05
_TINY = 1e-12
_FLOOR = 1e-7  # of a cell's mean share


class MLPTrunk(nn.Module):
    """Perceptron from conditions and latent vector to the logits of the map.

    Parameters
    ----------
    latent_dim : int
        Width of z.
    hidden_layer_sizes : sequence of int
        Hidden layers.
    n_map : int
        Cells of the map.
    """

    def __init__(self, latent_dim: int, hidden_layer_sizes: Any, n_map: int) -> None:
        super().__init__()
        sizes = [N_CONDITIONS + latent_dim, *hidden_layer_sizes, n_map]
        self.net = MLP(sizes, ["silu"] * len(hidden_layer_sizes) + ["linear"])

    def reset(self, generator: torch.Generator) -> None:
        """Draw first weights."""
        self.net.reset(generator)

    def forward(self, c: Tensor, z: Tensor) -> Tensor:
        """Give logits (n, n_map)."""
        out: Tensor = self.net(torch.cat([c, z], dim=1))
        return out


class ResponseHead(nn.Module):
    """Fluctuation of the summed deposit: R = 1 + 0.05·net(c, z₁…z₈).

    Parameters
    ----------
    latent_dim : int
        Width of z, of which the first eight are read.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.n_read = min(8, latent_dim)
        self.net = MLP([N_CONDITIONS + self.n_read, 64, 64, 1], ["silu", "silu", "linear"])

    def reset(self, generator: torch.Generator) -> None:
        """Draw first weights."""
        self.net.reset(generator)

    def forward(self, c: Tensor, z: Tensor) -> Tensor:
        """Give R (n, 1)."""
        raw: Tensor = self.net(torch.cat([c, z[:, : self.n_read]], dim=1))
        return 1.0 + _RESPONSE_SCALE * raw


class GaussianNoise(nn.Module):
    """Deposits λ + σ(λ)·ε cut off at zero, σ² = a·λ + (bλ)² with learnt a [MeV] and b."""

    def __init__(self) -> None:
        super().__init__()
        self.log_a = nn.Parameter(torch.tensor(0.3))
        self.log_b = nn.Parameter(torch.tensor(-5.0))

    def forward(self, log_mean: Tensor, eps: Tensor, cells: Tensor, shape: Any) -> Tensor:
        """Draw deposits [MeV] ≥ 0; `cells` and `shape` are not read."""
        mean = log_mean.exp()
        variance = self.log_a.exp() * mean + (self.log_b.exp() * mean).square()
        return torch.relu(mean + variance.sqrt() * eps)


class ShowerNet(nn.Module):
    """Showers from conditions and normal numbers.

    Parameters
    ----------
    frame : PlainFrame or ShowerFrame
        Where the map lies.
    trunk : Module
        (c, z) → logits of the map.
    latent_dim : int
        Width of z.
    noise : Module or None
        (ln λ, ε, cells, shape) → deposits; None: the deposits are λ.
    response : Module or None
        (c, z) → R; None: R = 1.
    """

    fraction: Tensor
    log_profile: Tensor

    def __init__(
        self,
        frame: PlainFrame,
        trunk: nn.Module,
        latent_dim: int,
        *,
        noise: nn.Module | None,
        response: nn.Module | None,
    ) -> None:
        super().__init__()
        self.frame, self.trunk, self.latent_dim = frame, trunk, latent_dim
        self.noise, self.response = noise, response
        self.register_buffer("fraction", torch.tensor(1.0))
        self.register_buffer("log_profile", torch.zeros(frame.map_shape).flatten())
        if noise is not None:
            self.pull = nn.Parameter(torch.tensor([0.0, 0.0]))
            self.low = LowDeposits()

    @torch.no_grad()
    def learn(self, conditions: Tensor, images: Tensor, weight: Tensor | None = None) -> None:
        """Take visible fraction and mean map from real showers, (n, 5) and (n, n_cells).

        The trunk then learns departures from the mean map.
        """
        _, energy, cells = self.frame(conditions)
        w = torch.ones_like(energy) if weight is None else weight
        total = images.sum(dim=1)
        self.fraction.copy_((w * total / (energy * _MEV)).sum() / w.sum())
        share = images * (w / total.clamp_min(_TINY))[:, None]
        seen = torch.zeros_like(self.log_profile)
        profile = seen.scatter_add(0, cells.flatten(), share.flatten())
        seen = seen.scatter_add(0, cells.flatten(), w[:, None].expand_as(share).flatten())
        self.log_profile.copy_((profile / seen.clamp_min(_TINY) + _FLOOR).log())

    @property
    def shape(self) -> tuple[int, int]:
        """Cells (nx, ny) of the calorimeter."""
        return self.frame.shape

    @property
    def n_cells(self) -> int:
        """Cells of the calorimeter."""
        return self.frame.n_cells

    def draw_noise(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Draw z (n, latent_dim) and ε (n, n_cells), None without cell noise."""
        z = torch.randn(n, self.latent_dim, generator=generator, device=generator.device)
        if self.noise is None:
            return z, None
        return z, torch.randn(n, self.n_cells, generator=generator, device=generator.device)

    def forward(self, conditions: Tensor, z: Tensor, eps: Tensor | None = None) -> Tensor:
        """Generate showers.

        Parameters
        ----------
        conditions : Tensor of shape (n, 5)
            px, py, pz [GeV], x, y [cm].
        z : Tensor of shape (n, latent_dim)
            Standard normal numbers.
        eps : Tensor of shape (n, n_cells), default=None
            Standard normal numbers of the cells, where there is cell noise.

        Returns
        -------
        Tensor of shape (n, n_cells)
            Deposits [MeV] ≥ 0.
        """
        c, energy, cells = self.frame(conditions)
        total = self.total(c, z, energy)
        log_mean = self.log_share(c, z, cells) + total.log()
        if self.noise is None:
            return log_mean.exp()
        deposits = self.noise(log_mean, eps, cells, self.shape)
        measured = deposits.sum(dim=1, keepdim=True)
        # 1 where nothing was deposited: an empty shower stays empty
        wanted = torch.where(measured > 0, total / measured.clamp_min(_TINY), 1.0)
        beta = torch.sigmoid(self.pull[0] + self.pull[1] * energy.log())[:, None]
        out: Tensor = deposits * wanted.pow(beta)
        return out

    @torch.no_grad()
    def make(self, conditions: Tensor, z: Tensor, eps: Tensor | None = None) -> Tensor:
        """Generate showers as `forward` does, with the smallest deposits put right."""
        cells = self(conditions, z, eps)
        return cells if self.noise is None else self.low(cells)  # type: ignore[no-any-return]

    def total(self, c: Tensor, z: Tensor, energy: Tensor) -> Tensor:
        """Give R·E·f [MeV], shape (n, 1)."""
        mean = energy[:, None] * (_MEV * self.fraction)
        return mean if self.response is None else mean * self.response(c, z).clamp_min(1e-3)

    def log_share(self, c: Tensor, z: Tensor, cells: Tensor) -> Tensor:
        """Give the logarithm of each cell's share of the total, shape (n, n_cells)."""
        logits = self.trunk(c, z) + self.log_profile
        return torch.log_softmax(logits.gather(1, cells), dim=1)
