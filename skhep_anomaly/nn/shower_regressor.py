"""Regressor of a shower's conditions from its image.

Targets are t = (ln |p|, px/pz, py/pz, x, y), each centred and scaled by the training rows; the
loss of a row is the mean squared error of the five, so that 1 is the loss of guessing the mean.
Only what the image tells can be learnt: its centroid is that of the axis at some depth,
x + depth·px/pz, in which place and slope are confounded.

Its guesses serve in three places: beside the image in a critic (Chekalina et al. 2018,
arXiv:1812.01319), in an auxiliary loss of the generator, and as an answer of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skhep_anomaly.nn.cell_net import CellNet
from skhep_anomaly.nn.shower_critic import log_cells
from skhep_anomaly.nn.shower_frame import PlainFrame

__all__ = ["ShowerRegressor"]

_N_TARGETS = 5
_LAST = 0.1  # training starts near the guess of the mean


class ShowerRegressor(nn.Module):
    """Guess the conditions of showers.

    Parameters
    ----------
    kind : {"mlp", "conv"}, default="mlp"
        Layers.
    shape : tuple of int, default=(30, 30)
        Cells (nx, ny) of the calorimeter.
    widths : sequence of int, default=None
        Hidden units or channels; None: 256, 256 or 32, 64, 128.

    Attributes
    ----------
    targets : PlainFrame
        Turns conditions into t; learns centre and scale from training rows.

    Examples
    --------
    >>> regressor = ShowerRegressor(shape=(4, 4), widths=(8,))
    >>> regressor.reset(torch.Generator().manual_seed(0))
    >>> tuple(regressor.predict_conditions(torch.ones(3, 16)).shape)
    (3, 5)
    """

    def __init__(
        self,
        kind: str = "mlp",
        shape: tuple[int, int] = (30, 30),
        *,
        widths: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.targets = PlainFrame(shape)
        self.net = CellNet(kind, shape, 0, _N_TARGETS, widths=widths)

    def learn(self, conditions: NDArray[np.float64], weight: NDArray[np.float64] | None) -> None:
        """Take centre and scale of the targets from training rows."""
        self.targets.learn(conditions, weight)

    def reset(self, generator: torch.Generator) -> None:
        """Draw new weights from `generator`, small ones at the end; the targets' scale stays."""
        self.net.reset(generator)
        with torch.no_grad():
            self.net.layers[-1].weight.mul_(_LAST)  # type: ignore[operator,union-attr]

    def forward(self, logs: Tensor) -> Tensor:
        """Map log-scaled cells (n, nx·ny) to guesses of t (n, 5)."""
        guess: Tensor = self.net(logs)
        return guess

    def errors(self, logs: Tensor, conditions: Tensor) -> Tensor:
        """Give guess less truth (n, 5), for conditions [GeV, cm]."""
        return self(logs) - self.targets(conditions).c  # type: ignore[no-any-return]

    def loss_per_row(self, cells: Tensor, conditions: Tensor) -> Tensor:
        """Give the mean squared error of each row (n,), for cells [MeV]."""
        return self.errors(log_cells(cells), conditions).square().mean(dim=1)

    def predict_conditions(self, cells: Tensor) -> Tensor:
        """Guess conditions.

        Parameters
        ----------
        cells : Tensor of shape (n, nx·ny)
            Deposits [MeV].

        Returns
        -------
        Tensor of shape (n, 5), float64
            px, py, pz [GeV], x, y [cm].
        """
        t = self(log_cells(cells)).double()
        log_p, tx, ty, x, y = (t * self.targets.scale + self.targets.center).unbind(1)
        pz = log_p.exp() / (1.0 + tx.square() + ty.square()).sqrt()
        return torch.stack([pz * tx, pz * ty, pz, x, y], dim=1)
