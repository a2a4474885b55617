"""Losses of (1+ε)-class classification, each with its slope dL/dg.

With g the logit of "normal" and f = σ(g) = P(normal),

    L   = L⁺ + γ L⁻ + (1 − ε) L⁰,
    L⁺  = −E₊ log f = E₊ softplus(−g)           normal rows,
    L⁻  = −E₋ log(1 − f) = E₋ softplus(g)        known anomalies,
    L⁰  = −E_q log(1 − f) = E_q softplus(g)      pseudo-anomalies of density q,

ε = 0 is one-class, ε = 1 two-class classification (Borisyak et al., arXiv:1906.06096). For fixed q
the optimum is g* = log[p₊ / (γ p₋ + (1 − ε) q)].

Energy samplers draw from P(x) = U(x) e^g / Z on the box, Z = E_U[e^g], and replace L⁰ by a bound:

    "logz"     log Z          with gradient E_P[∇g],
    "log1pz"   log(1 + Z)     with gradient Z / (1 + Z) · E_P[∇g].

By Jensen's inequality log(1 + Z) ≥ E_U log(1 + e^g), the loss of uniform pseudo-anomalies; log Z is
below it by less than log(1 + 1/Z). The published identity for L⁰ has the opposite sign and
∫_Ω e^g in place of Z; with log Z alone the optimum obeys e^g (1 + e^g) = p₊ Z / ((1 − ε) U), so
that E₊ f = ε exactly where no anomalies are known, and ε = 0 has no finite optimum: g runs to −∞.
log(1 + Z) has no such defect.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "ENERGY_LOSSES",
    "cross_entropy",
    "energy_loss_value",
    "energy_weight",
    "log_mean_exp",
]

ENERGY_LOSSES = ("log1pz", "logz")


def cross_entropy(g: Tensor, sign: Tensor) -> tuple[Tensor, Tensor]:
    """Give softplus(s g) and its slope s σ(s g), with s = −1 for normal rows, 1 for anomalies."""
    t = g * sign
    return functional.softplus(t), torch.sigmoid(t).mul_(sign)


def log_mean_exp(g: Tensor) -> Tensor:
    """Give log of the mean of e^g over the last axis: log Z for uniform rows."""
    return torch.logsumexp(g, dim=-1) - math.log(g.shape[-1])


def energy_loss_value(log_z: Tensor, kind: str) -> Tensor:
    """Give log Z ("logz") or log(1 + Z) ("log1pz")."""
    return log_z if kind == "logz" else functional.softplus(log_z)


def energy_weight(log_z: Tensor, kind: str) -> Tensor:
    """Give the factor of E_P[∇g] in the gradient: 1, or Z / (1 + Z)."""
    return torch.ones_like(log_z) if kind == "logz" else torch.sigmoid(log_z)
