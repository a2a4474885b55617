"""Critic of showers: log-scaled cells and scaled conditions to a score, or to features.

Cells enter as ln(1 + cell/MeV), so that the halo of a shower weighs beside its core; conditions
c enter every layer. One output is the critic of a Wasserstein, least-squares or hinge loss, k
outputs are the features h of the Cramér loss. As in Chekalina et al. (2018), arXiv:1812.01319, a
regressor's guess of the conditions may enter as well, by its difference from the true ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from skhep_anomaly.nn.cell_net import CellNet

__all__ = ["ShowerCritic", "log_cells"]


def log_cells(cells: Tensor) -> Tensor:
    """Give ln(1 + cell/MeV) of deposits [MeV] ≥ 0."""
    return torch.log1p(cells)


class ShowerCritic(nn.Module):
    """Judge showers under their conditions.

    Parameters
    ----------
    kind : {"mlp", "conv"}, default="mlp"
        Dense layers, fast, or strided convolutions, as published.
    shape : tuple of int, default=(30, 30)
        Cells of an image, or of the map of the canonical frame.
    n_conditions : int, default=5
        Width of the scaled conditions c.
    n_features : int, default=1
        Outputs: 1 for a score (higher = more like the data), more for the Cramér loss.
    error_weight : float, default=0.0
        λ of the errors of a regressor of the conditions; 0: it has no say.
    widths : sequence of int, default=None
        Hidden units or channels; None: 256, 256 or 32, 64, 128.
    spectral_norm : bool, default=False
        Bound the slope of each layer by 1.

    Examples
    --------
    >>> critic = ShowerCritic(shape=(4, 4), widths=(8,))
    >>> critic.reset(torch.Generator().manual_seed(0))
    >>> tuple(critic(torch.zeros(3, 16), torch.zeros(3, 5)).shape)
    (3, 1)
    """

    def __init__(
        self,
        kind: str = "mlp",
        shape: tuple[int, int] = (30, 30),
        n_conditions: int = 5,
        n_features: int = 1,
        *,
        error_weight: float = 0.0,
        widths: Sequence[int] | None = None,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        self.error_weight = float(error_weight)
        self.net = CellNet(
            kind,
            shape,
            n_conditions * (2 if error_weight else 1),
            n_features,
            widths=widths,
            spectral_norm=spectral_norm,
        )

    def reset(self, generator: torch.Generator) -> None:
        """Draw new weights from `generator`."""
        self.net.reset(generator)

    def forward(self, logs: Tensor, c: Tensor, errors: Tensor | None = None) -> Tensor:
        """Judge images.

        Parameters
        ----------
        logs : Tensor of shape (n, nx·ny)
            Log-scaled cells.
        c : Tensor of shape (n, n_conditions)
            Scaled conditions.
        errors : Tensor of shape (n, n_conditions), default=None
            λ times the regressor's guess less the truth, where it has a say.

        Returns
        -------
        Tensor of shape (n, n_features)
        """
        out: Tensor = self.net(logs, c if errors is None else torch.cat([c, errors], dim=1))
        return out
