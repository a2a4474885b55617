"""Critic of showers: log-scaled cells and scaled conditions to a score, or to features.

Cells enter as ln(1 + cell/MeV), so that the halo of a shower weighs beside its core; conditions
c enter every layer. One output is the critic of a Wasserstein, least-squares or hinge loss, k
outputs are the features h of the Cramér loss. Further numbers may stand beside the conditions: the
response, which a critic of logarithms is slow to see, and, as in Chekalina et al. (2018),
arXiv:1812.01319, the errors of a regressor's guess of the conditions.
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
    sees_response : bool, default=False
        Expect the response of each shower beside its conditions.
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
        sees_response: bool = False,
        error_weight: float = 0.0,
        widths: Sequence[int] | None = None,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        self.sees_response, self.error_weight = bool(sees_response), float(error_weight)
        n_beside = int(self.sees_response) + (n_conditions if error_weight else 0)
        self.net = CellNet(
            kind,
            shape,
            n_conditions + n_beside,
            n_features,
            widths=widths,
            spectral_norm=spectral_norm,
        )

    def reset(self, generator: torch.Generator) -> None:
        """Draw new weights from `generator`."""
        self.net.reset(generator)

    def forward(self, logs: Tensor, c: Tensor, beside: Tensor | None = None) -> Tensor:
        """Judge images.

        Parameters
        ----------
        logs : Tensor of shape (n, nx·ny)
            Log-scaled cells.
        c : Tensor of shape (n, n_conditions)
            Scaled conditions.
        beside : Tensor of shape (n, k), default=None
            Response, and λ times the regressor's guess less the truth, where they are expected.

        Returns
        -------
        Tensor of shape (n, n_features)
        """
        out: Tensor = self.net(logs, c if beside is None else torch.cat([c, beside], dim=1))
        return out
