"""Critic and regressor of a shower generator: which ones its parameters ask for, their answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skhep_anomaly._validation import InvalidParameterError, iter_slices
from skhep_anomaly.generators._images import check_images
from skhep_anomaly.generators._parts import EnergyScoreLoss
from skhep_anomaly.generators._players import SIDES, make_critic, make_players
from skhep_anomaly.nn.shower_regressor import ShowerRegressor
from skhep_anomaly.training import Player

__all__ = ["LAYERS", "ShowerAdversaries"]

LAYERS = {"mlp": "mlp", "deconv": "conv"}  # architecture -> layers of critic and regressor
_CHUNK = 4096


def _has_regressor(estimator: Any) -> bool:
    """Tell whether a regressor trains beside the generator."""
    if estimator.regressor_weight > 0:
        return True
    raise AttributeError(
        f"predict_conditions of {type(estimator).__name__} needs a regressor; set "
        f"regressor_weight above 0 before fit (got {estimator.regressor_weight!r})."
    )


class ShowerAdversaries:
    """What stands beside the generator of showers."""

    loss: Any
    regressor_weight: Any
    regressor_role: Any
    architecture: Any
    shape: Any
    net_: Any

    def _check_adversaries(self) -> None:
        if (
            self.regressor_weight
            and self.regressor_role == "critic"
            and self.loss == "energy_score"
        ):
            raise InvalidParameterError(
                "regressor_role='critic' needs a loss with a critic; got loss='energy_score'. Set "
                "regressor_role='auxiliary', or another loss."
            )

    def _error_weight(self) -> float:
        """Give λ of the regressor's errors in the critic."""
        return float(self.regressor_weight) if self.regressor_role == "critic" else 0.0

    def _make_adversaries(self, map_shape: tuple[int, int]) -> dict[str, nn.Module]:
        """Build critic and regressor, where there are any."""
        kind = LAYERS[self.architecture]
        critic = make_critic(self.loss, kind, map_shape, error_weight=self._error_weight())
        made: dict[str, nn.Module] = {} if critic is None else {"critic": critic}
        if self.regressor_weight > 0:
            nx, ny = self.shape
            made["regressor"] = ShowerRegressor(kind, (int(nx), int(ny)))
        return made

    def _players(self) -> list[Player]:
        auxiliary = self.regressor_weight if self.regressor_role == "auxiliary" else 0.0
        options = {
            name: getattr(self, name)
            for name in ("n_critic", "gradient_penalty", "critic_weight", "learning_rate", "ema")
        }
        return make_players(
            self.loss,
            objective=EnergyScoreLoss() if SIDES[self.loss].has_objective else None,
            regressor=self.regressor_weight > 0,
            regressor_weight=auxiliary,
            weight_decay=self.weight_decay,  # type: ignore[attr-defined]
            **options,
        )

    def _adversaries(self) -> list[Any]:
        parts = (getattr(self.net_.module_, name, None) for name in ("critic", "regressor"))
        return [part for part in parts if part is not None]

    @available_if(_has_regressor)
    def predict_conditions(self, images: Any) -> NDArray[np.float64]:
        """Guess the conditions of showers by the regressor.

        Parameters
        ----------
        images : array-like of shape (n, nx, ny), (n, nx, ny, 1) or (n, nx·ny)
            Deposits [MeV], real or generated.

        Returns
        -------
        ndarray of shape (n, 5)
            px, py, pz [GeV], x, y [cm].

        Notes
        -----
        Only there with ``regressor_weight`` above 0. Place and slope move a shower alike, so the
        image tells little of either by itself; the momentum is known to the energy resolution.
        """
        check_is_fitted(self)
        cells = check_images(images, self.shape, type(self).__name__)
        module, guesses = self.net_.module_.eval(), []
        with torch.inference_mode():
            for rows in iter_slices(len(cells), _CHUNK):
                part = torch.from_numpy(cells[rows]).to(self.device_)  # type: ignore[attr-defined]
                guesses.append(module.regressor.predict_conditions(part).cpu().numpy())
        return np.concatenate(guesses)
