"""Learn how large a residual is from the residuals of the training rows, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skhep_anomaly.nn import ResidualMetric, SecondMoments
from skhep_anomaly.training import map_rows

__all__ = ["evenly_spaced", "gather_rows", "learn_metric"]

_MOST_ROWS = 2**17


def evenly_spaced(
    X: NDArray[Any], weight: NDArray[np.float64] | None
) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """Give all rows, or 131,072 of them at even distances: enough for moments and medians."""
    if len(X) <= _MOST_ROWS:
        return X, weight
    chosen = np.linspace(0, len(X) - 1, _MOST_ROWS).astype(np.intp)
    return X[chosen], None if weight is None else weight[chosen]


def gather_rows(
    take: Callable[[Tensor, Tensor | None], None],
    X: NDArray[Any],
    weight: NDArray[np.float64] | None,
    *,
    module: nn.Module,
    chunk_rows: int | None = None,
) -> None:
    """Show `take` every chunk of rows with its weights, in order, without gradients.

    Parameters
    ----------
    take : callable
        Gets rows (n, ...) and their weights (n,) in float64, or None.
    X : ndarray of shape (n, ...)
        Rows.
    weight : ndarray of shape (n,) or None
        Row weights.
    module : Module
        Gives dtype and device, and is put into evaluation mode.
    chunk_rows : int, default=None
        Rows per chunk.
    """
    device = next(module.parameters()).device
    weights = None if weight is None else torch.from_numpy(weight).to(device)
    start = 0

    def gather(x: Tensor) -> Tensor:
        nonlocal start
        take(x, None if weights is None else weights[start : start + len(x)])
        start += len(x)
        return x[:, :0]

    map_rows(gather, X, module=module, chunk_rows=chunk_rows)


def learn_metric(
    metric: ResidualMetric,
    residuals: Callable[[Tensor], Tensor],
    X: NDArray[Any],
    weight: NDArray[np.float64] | None,
    *,
    module: nn.Module,
) -> None:
    """Set `metric` from the training rows' residuals.

    Parameters
    ----------
    metric : ResidualMetric
        Changed in place.
    residuals : callable
        Rows (n, ...) → residuals (n_sets, n, d).
    X : ndarray of shape (n, ...)
        Training rows.
    weight : ndarray of shape (n,) or None
        Row weights.
    module : Module
        The net that `residuals` asks.
    """
    n_sets, _, n_features = metric.center.shape
    moments = SecondMoments(n_sets, n_features, metric.center.device)
    gather_rows(lambda x, w: moments.add(residuals(x), w), X, weight, module=module)
    metric.learn(moments)
