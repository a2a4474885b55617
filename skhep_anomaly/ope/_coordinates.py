"""From a user's rows to the coordinates of net and box, learnt from normal rows.

rows → latent_transform → flat → preprocessing → z. The standardisation is no step here but part of
the net (its buffers), so that no second table is held; any other preprocessing is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import QuantileTransformer

from skhep_anomaly._random import seeded_clone
from skhep_anomaly._validation import iter_slices

__all__ = ["Coordinates"]

_CHUNK_ROWS = 65_536


class Coordinates:
    """Fitted transformers, applied chunk by chunk.

    Parameters
    ----------
    steps : list of transformer
        Fitted, in their order; may be empty.
    keeps_shape : bool, default=False
        Show the first step rows as the user gives them, images say; otherwise flat ones.
    """

    def __init__(self, steps: list[Any], *, keeps_shape: bool = False) -> None:
        self.steps, self.keeps_shape = steps, keeps_shape

    @classmethod
    def learn(
        cls,
        X: NDArray[Any],
        normal: NDArray[np.intp],
        *,
        latent_transform: Any,
        preprocessing: Any,
        seed: int,
    ) -> Coordinates:
        """Fit what is to be fitted on the rows at positions `normal`, with `seed` unless seeded."""
        steps: list[Any] = []
        keeps_shape = latent_transform is not None
        for maker in (latent_transform, preprocessing):
            if maker is None or (isinstance(maker, str) and maker == "standard"):
                continue
            rows = X[normal]
            if steps or not keeps_shape:
                rows = cls(steps, keeps_shape=keeps_shape)(rows)
            if isinstance(maker, str):
                transformer: Any = QuantileTransformer(
                    output_distribution="normal",
                    n_quantiles=min(1000, len(rows)),
                    subsample=100_000,
                    random_state=seed,
                )
            else:
                transformer = seeded_clone(maker, seed)
            steps.append(transformer.fit(rows))
        return cls(steps, keeps_shape=keeps_shape)

    def __call__(self, X: NDArray[Any]) -> NDArray[Any]:
        """Give flat rows (n, d); without steps they are the caller's own memory."""
        if not self.keeps_shape:
            X = X.reshape(len(X), -1)
        if not self.steps:
            return X
        return np.concatenate([self._apply(X[part]) for part in iter_slices(len(X), _CHUNK_ROWS)])

    def _apply(self, rows: NDArray[Any]) -> NDArray[Any]:
        kind = rows.dtype
        for step in self.steps:
            rows = np.asarray(step.transform(rows))
            rows = rows.reshape(len(rows), -1)
        if not np.isfinite(rows).all():
            raise ValueError(
                f"{type(self.steps[-1]).__name__} gives NaN or infinity; latent_transform and "
                "preprocessing must give finite numbers."
            )
        return np.ascontiguousarray(rows, dtype=kind)
