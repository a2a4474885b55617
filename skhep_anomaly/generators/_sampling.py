"""How a fitted generator makes showers: in blocks of fixed size, each with a stream of its own.

Shower number i of a sample belongs to block ⌊i/256⌋, whose normal numbers come from a generator
seeded by (seed, block). The net always sees whole blocks, padded where showers are not asked for:
a matrix product of another height could differ in the last bit. So the same seed gives bitwise
the same showers whichever part of the sample is made, in whichever order, by how many workers.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skhep_anomaly._random import seed_sequence, torch_generator
from skhep_anomaly._validation import check_weights
from skhep_anomaly.exceptions import ExtrapolationWarning
from skhep_anomaly.generators._conditions import check_conditions
from skhep_anomaly.generators._images import check_images
from skhep_anomaly.generators._pretrained import ShowerPretrained
from skhep_anomaly.generators._streaming import ShowerStreaming

__all__ = ["ShowerSampling"]

_BLOCK = 256
_FAR = 0.5  # distance from the training conditions that is warned about
_SCORE_DRAWS = 8  # even: two at a time
_SCORES = 4  # which of the fit's seeds scoring draws from


class ShowerSampling(ShowerStreaming, ShowerPretrained):
    """Showers, their conditions, and the proper score of real ones."""

    def _conditions(self, X: Any) -> NDArray[np.float32]:
        """Check conditions of a fitted generator."""
        check_is_fitted(self)
        conditions = check_conditions(X, type(self).__name__)
        distance = self._distance(conditions)
        far = int((distance > _FAR).sum())
        if far:
            warnings.warn(
                f"{far} of {len(conditions)} conditions lie outside those of the training, by up "
                f"to {distance.max():.2g} standard deviations: their showers are guesses. "
                "condition_distance(X) says which.",
                ExtrapolationWarning,
                stacklevel=3,
            )
        return conditions

    def condition_distance(self, X: Any) -> NDArray[np.float64]:
        """Tell how far conditions lie outside the range of the training.

        Parameters
        ----------
        X : array-like of shape (n, 5)
            px, py, pz [GeV], x, y [cm].

        Returns
        -------
        ndarray of shape (n,)
            Largest excess of ln |p|, the slopes and the place in the cell over their range in
            training, in standard deviations of the training; 0 inside.
        """
        check_is_fitted(self)
        return self._distance(check_conditions(X, type(self).__name__))

    def _distance(self, conditions: NDArray[np.float32]) -> NDArray[np.float64]:
        excess = np.zeros(len(conditions))
        frame = self.net_.module_.generator.frame  # type: ignore[attr-defined]
        for start in range(0, len(conditions), 2**16):
            part = slice(start, start + 2**16)
            rows = torch.from_numpy(conditions[part]).to(self.device_)  # type: ignore[attr-defined]
            c = frame.scaled(rows).cpu().numpy()
            out = np.maximum(self.c_low_ - c, c - self.c_high_)  # type: ignore[attr-defined]
            excess[part] = out.max(axis=1).clip(min=0.0)
        return excess

    # ---------------------------------------------------------------- blocks

    def _block(
        self, conditions: NDArray[np.float32], first: int, block: int, seeds: Any
    ) -> NDArray[np.float32]:
        """Make those of the rows `first`, `first` + 1, … that lie in a block."""
        net = self.net_.module_.generator  # type: ignore[attr-defined]
        device = self.device_  # type: ignore[attr-defined]
        low = max(first, block * _BLOCK) - first
        high = min(first + len(conditions), (block + 1) * _BLOCK) - first
        place = first + low - block * _BLOCK
        padded = np.empty((_BLOCK, conditions.shape[1]), dtype=np.float32)
        padded[:] = conditions[low]
        padded[place : place + high - low] = conditions[low:high]
        key = np.random.SeedSequence(seeds.entropy, spawn_key=(*seeds.spawn_key, block))
        with torch.inference_mode():
            z, eps = net.draw_noise(_BLOCK, torch_generator(key, device))
            cells = net.make(torch.from_numpy(padded).to(device), z, eps)
        made: NDArray[np.float32] = cells[place : place + high - low].cpu().numpy()
        return made

    def _blocks(
        self, conditions: NDArray[np.float32], first: int, seeds: Any
    ) -> Iterator[NDArray[np.float32]]:
        """Make the showers of rows `first`, `first` + 1, … of a sample, block by block."""
        self.net_.module_.eval()  # type: ignore[attr-defined]
        last = (first + len(conditions) - 1) // _BLOCK
        for block in range(first // _BLOCK, last + 1):
            yield self._block(conditions, first, block, seeds)

    # --------------------------------------------------------------- samples

    def sample_conditions(self, n: int, random_state: Any = None) -> NDArray[np.float32]:
        """Draw conditions from those of the training, with replacement.

        Parameters
        ----------
        n : int
            How many, ≥ 1.
        random_state : int, RandomState, Generator or None, default=None
            Seed; ``sample(n, random_state=seed)`` has these conditions.

        Returns
        -------
        ndarray of shape (n, 5)
            px, py, pz [GeV], x, y [cm].

        Raises
        ------
        ValueError
            If `n` is no positive integer.
        """
        check_is_fitted(self)
        drawn = self._drawn(n, seed_sequence(random_state))
        return drawn.rows(0, len(drawn))

    # ---------------------------------------------------------------- scores

    def score_samples(self, X: Any, y: Any) -> NDArray[np.float64]:
        """Score real showers under their conditions, by the negative energy score.

        Parameters
        ----------
        X : array-like of shape (n, 5)
            Conditions px, py, pz [GeV], x, y [cm].
        y : array-like of shape (n, nx, ny), (n, nx, ny, 1) or (n, nx·ny)
            Showers [MeV].

        Returns
        -------
        ndarray of shape (n,)
            Higher is better. Not a log-likelihood: minus the conditional energy score that training
            minimises, mean of four independent pairs of generated showers, whose seed is fixed in
            ``fit``.
        """
        check_is_fitted(self)
        conditions = check_conditions(X, type(self).__name__)
        images = check_images(y, self.shape, type(self).__name__)  # type: ignore[attr-defined]
        check_consistent_length(conditions, images)
        score = np.empty(len(images))
        seeds = self._seeds[_SCORES]  # type: ignore[attr-defined]
        keys = [
            np.random.SeedSequence(seeds.entropy, spawn_key=(*seeds.spawn_key, k))
            for k in range(_SCORE_DRAWS)
        ]
        at = 0
        for draws in zip(*(self._blocks(conditions, 0, key) for key in keys), strict=True):
            rows = slice(at, at + len(draws[0]))
            score[rows] = self._score_block(conditions[rows], images[rows], draws)
            at = rows.stop
        return score

    def _score_block(
        self, conditions: NDArray[Any], images: NDArray[Any], draws: Any
    ) -> NDArray[np.float64]:
        module, device = self.net_.module_, self.device_  # type: ignore[attr-defined]
        real = torch.from_numpy(images).to(device)
        under = torch.from_numpy(conditions).to(device)
        total = torch.zeros(len(images), dtype=torch.float64, device=device)
        made = [torch.from_numpy(draw).to(device) for draw in draws]
        with torch.inference_mode():
            for first, second in zip(made[::2], made[1::2], strict=True):
                total += module.score(first, second, real, under).double()
        mean: NDArray[np.float64] = -(total / (len(made) // 2)).cpu().numpy()
        return mean

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Give the mean of `score_samples`, for searches.

        Parameters
        ----------
        X : array-like of shape (n, 5)
            Conditions px, py, pz [GeV], x, y [cm].
        y : array-like of shape (n, nx, ny), (n, nx, ny, 1) or (n, nx·ny)
            Showers [MeV].
        sample_weight : array-like of shape (n,), default=None
            Weights ≥ 0.

        Returns
        -------
        float
            Higher is better.
        """
        score = self.score_samples(X, y)
        weight = check_weights(sample_weight, score[:, None], owner=type(self).__name__)
        return float(np.average(score, weights=weight))
