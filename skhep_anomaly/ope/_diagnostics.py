"""Numbers that tell whether a (1+ε)-class fit has arrived.

At the optimum the slope of the loss with respect to a constant added to g vanishes:

    E₊ σ(−g) = γ E₋ σ(g) + (1 − ε) Σₖ sₖ wₖ,

with wₖ = E_q σ(g) for a reference sampler of share sₖ, 1 ("logz") or Z/(1 + Z) ("log1pz") for an
energy sampler.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

__all__ = ["diagnose"]

_DRAWS = 8192

Logit = Callable[[NDArray[Any]], NDArray[np.float64]]


def diagnose(
    logit: Logit,
    normal: NDArray[Any],
    known: tuple[NDArray[Any], NDArray[np.float64] | None] | None,
    sampler: Any,
    *,
    eps: float,
    gamma: float,
    energy_loss: str,
    generator: torch.Generator,
) -> dict[str, Any]:
    """Look at g on normal rows, known anomalies and pseudo-anomalies.

    Parameters
    ----------
    logit : callable
        Rows z (n, d) → g, shape (n, n_members).
    normal : ndarray of shape (n, d)
        Normal rows drawn in proportion to their weights.
    known : (ndarray, weights or None) or None
        Known anomalies.
    sampler : PseudoAnomalySampler or None
        Bound; None where ε = 1.
    eps, gamma, energy_loss
        Of the loss.
    generator : torch.Generator
        Of the uniform rows.

    Returns
    -------
    dict
        ``log_z_``, ``bias_residual_``, ``energy_scale_``, ``sampler_stats_``.
    """
    g_normal = logit(normal)
    residual = expit(-g_normal).mean(axis=0)
    stats: dict[str, float] = {"g_normal": float(g_normal.mean())}
    every, log_z = [g_normal], float("nan")
    if known is not None and gamma:
        g_known = logit(known[0])
        residual -= gamma * np.average(expit(g_known), axis=0, weights=known[1])
        stats["g_known"] = float(np.average(g_known.mean(axis=1), weights=known[1]))
    if sampler is not None:
        g_box = logit(_uniform(sampler, generator))
        per_member = logsumexp(g_box, axis=0) - np.log(len(g_box))
        log_z = float(per_member.mean())
        every.append(g_box)
        for share, part in getattr(sampler, "parts_", [(1.0, sampler)]):
            if part.kind == "reference":
                g_pseudo = logit(part.sample(_DRAWS).cpu().numpy())
                every.append(g_pseudo)
                factor = expit(g_pseudo).mean(axis=0)
                stats["g_pseudo"] = float(g_pseudo.mean())
            else:
                factor = expit(per_member) if energy_loss == "log1pz" else 1.0
            residual -= (1.0 - eps) * share * factor
        stats |= sampler.diagnostics()
    return {
        "log_z_": log_z,
        "bias_residual_": float(np.abs(residual).max()),
        "energy_scale_": float(np.concatenate(every).std()),
        "sampler_stats_": stats,
    }


def _uniform(sampler: Any, generator: torch.Generator) -> NDArray[Any]:
    low, high = sampler.low_.cpu().double(), sampler.high_.cpu().double()
    draw = torch.rand((_DRAWS, len(low)), generator=generator, dtype=torch.float64)
    rows: NDArray[Any] = (low + (high - low) * draw).to(sampler.low_.dtype).numpy()
    return rows
