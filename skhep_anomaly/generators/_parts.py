"""The parts that a shower generator trains, in one module, and its loss."""

from __future__ import annotations

from torch import Tensor, nn

from skhep_anomaly.nn.shower_net import ShowerNet
from skhep_anomaly.nn.shower_score import ShowerScore
from skhep_anomaly.training import Context, Objective

__all__ = ["EnergyScoreLoss", "ShowerParts", "split_rows"]

_N_CONDITIONS = 5


class ShowerParts(nn.Module):
    """Generator, its proper score, and whatever else takes part in the training.

    Parameters
    ----------
    generator : ShowerNet
        Makes showers.
    score : ShowerScore
        Compares them with real ones.
    **others : Module
        Critic, regressor.
    """

    def __init__(self, generator: ShowerNet, score: ShowerScore, **others: nn.Module) -> None:
        super().__init__()
        self.generator, self.score = generator, score
        for name, part in others.items():
            self.add_module(name, part)


def split_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Give conditions (n, 5) and cells (n, n_cells) of training rows."""
    return x[:, :_N_CONDITIONS], x[:, _N_CONDITIONS:]


class EnergyScoreLoss(Objective):
    """Energy score of two showers generated under the conditions of each real one."""

    def per_row(self, module: nn.Module, x: Tensor, context: Context) -> Tensor:
        """Give the score of each row."""
        conditions, cells = split_rows(x)
        twice = conditions.repeat(2, 1)
        net: ShowerNet = module.generator  # type: ignore[assignment]
        made = net(twice, *net.draw_noise(len(twice), context.generator))
        first, second = made.unflatten(0, (2, len(x))).unbind(0)
        score: Tensor = module.score(first, second, cells, conditions, context.generator)  # type: ignore[operator]
        return score
