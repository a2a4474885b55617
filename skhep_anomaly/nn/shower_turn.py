"""How a critic sees a shower: on the map of the generator's frame.

There ln(1 + cell/MeV) of each cell is put in its place, zeros elsewhere, beside the conditions in
the frame, so that a critic is as symmetric as the generator. It may see two things more, which
say whether a shower fits its conditions: the response ρ = 10 ln(Σ cells / (E·f)), about 1 wide,
and the errors of a regressor times λ; critic(map, [c, ρ, λ(t̂(cells) − t)]).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from skhep_anomaly.nn.shower_critic import log_cells
from skhep_anomaly.nn.shower_frame import Framed

__all__ = ["Turn"]

_MEV = 1000.0  # per GeV
_WIDTHS = 10.0  # one over the usual width of the response
_TINY = 1e-3  # MeV


@dataclass(frozen=True)
class Turn:
    """One batch of conditions, under which real and generated showers are compared.

    Attributes
    ----------
    module : Module
        Has ``generator``, a `ShowerNet`, and ``critic`` and ``regressor`` where they are asked.
    conditions : Tensor of shape (n, 5)
        [GeV, cm].
    framed : Framed
        The same in the frame, with the places of the cells.
    """

    module: Any
    conditions: Tensor
    framed: Framed

    @classmethod
    def of(cls, module: Any, conditions: Tensor) -> Turn:
        """Bring conditions into the frame of the generator."""
        return cls(module, conditions, module.generator.frame(conditions))

    def draw(self, generator: torch.Generator) -> Tensor:
        """Generate one shower per condition, as maps (n, n_map)."""
        maker = self.module.generator
        cells = maker(self.conditions, *maker.draw_noise(len(self.conditions), generator))
        return self.maps(cells)

    def maps(self, cells: Tensor) -> Tensor:
        """Put log-scaled cells (n, n_cells) in their places on the map (n, n_map)."""
        mx, my = self.module.generator.frame.map_shape
        logs = log_cells(cells)
        return logs.new_zeros(len(logs), mx * my).scatter(1, self.framed.cells, logs)

    def judge(self, maps: Tensor) -> Tensor:
        """Give the critic's outputs (n, n_features) on maps."""
        critic = self.module.critic
        beside = []
        if critic.sees_response:
            beside.append(self.response(maps))
        if critic.error_weight:
            beside.append(critic.error_weight * (self.guesses(maps) - self.truth()))
        out: Tensor = critic(maps, self.framed.c, torch.cat(beside, dim=1) if beside else None)
        return out

    def response(self, maps: Tensor) -> Tensor:
        """Give ρ (n, 1)."""
        wanted = _MEV * self.framed.energy * self.module.generator.fraction
        total = maps.expm1().sum(dim=1).clamp_min(_TINY)
        return _WIDTHS * (total / wanted).log()[:, None]

    def guesses(self, maps: Tensor) -> Tensor:
        """Give the regressor's guesses of its targets (n, 5)."""
        out: Tensor = self.module.regressor(maps.gather(1, self.framed.cells))
        return out

    def truth(self) -> Tensor:
        """Give the regressor's targets (n, 5)."""
        out: Tensor = self.module.regressor.targets(self.conditions).c
        return out
