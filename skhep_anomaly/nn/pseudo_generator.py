"""Generator of pseudo-anomalies inside a box, with its entropy.

Each layer is h ← φ(γ·norm(h W) + b): leaky ReLU of slope .2 inside, and at the end
x = low + (high − low) σ(a). norm makes each unit of a batch mean 0 and variance 1. Entropy by

- "batch_norm": a unit has standard deviation γ; units as independent normals give Σ ½ log(2πe γ²)
  (Kim & Bengio, arXiv:1606.03439, section 3.2), and a change of variables in the last layer adds
  E[Σ log dx/da], without which rows gain by going to the walls;
- "spacing": each feature's, from the gaps between its sorted values x₍ᵢ₎ in the batch,
  mean log(x₍ᵢ₊ₘ₎ − x₍ᵢ₎)(n + 1)/m with m = √n (Vasicek, J. R. Stat. Soc. B 38 (1976) 54), plus
  ½ log det of the batch's correlations, what normals lose by depending on each other.

The gradient of a training step with the second entropy is written out by hand (`climb`): the net is
so small that autograd's own work took longer than the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ENTROPIES", "PseudoGenerator"]

ENTROPIES = ("spacing", "batch_norm")

_SLOPE, _EPS = 0.2, 1e-5
_UNIFORM = 1.7
_LEAST_BATCH = 128
_LEAST_GAP = 1e-3
_RIDGE = 1e-3


class PseudoGenerator(nn.Module):
    """Map Gaussian latent vectors to rows in a box, several members side by side.

    Parameters
    ----------
    low, high : Tensor of shape (n_features,)
        The box; gives dtype and device.
    latent_dim : int
        Width k of the latent vectors.
    hidden_layer_sizes : sequence of int
        Hidden layers.
    n_members : int, default=1
        Independent copies; the weights of one are one row of ``flat``.

    Notes
    -----
    Every batch is normalised by its own moments, in evaluation mode too: rows so drawn have the
    standard deviations that the entropy counts. Less than 128 rows are cut from a batch of 128.
    """

    low: Tensor
    high: Tensor

    def __init__(
        self,
        low: Tensor,
        high: Tensor,
        latent_dim: int,
        hidden_layer_sizes: Sequence[int],
        n_members: int = 1,
    ) -> None:
        super().__init__()
        self.latent_dim, self.n_members = int(latent_dim), int(n_members)
        self.register_buffer("low", low.clone())
        self.register_buffer("high", high.clone())
        sizes = [self.latent_dim, *map(int, hidden_layer_sizes), len(low)]
        self._shapes = [s for i, o in pairwise(sizes) for s in ((i, o), (1, o), (1, o))]
        n_weights = sum(a * b for a, b in self._shapes)
        self.flat = nn.Parameter(low.new_zeros(self.n_members, n_weights))

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw Xavier uniform weights; gains that fill the box about uniformly."""
        layers = self._layers()
        for weight, log_gain, shift in layers:
            bound = (6.0 / (weight.shape[1] + weight.shape[2])) ** 0.5
            draw = torch.rand(weight.shape, generator=generator, dtype=torch.float64)
            weight.copy_((2.0 * draw - 1.0) * bound)
            log_gain.zero_()
            shift.zero_()
        layers[-1][1].fill_(math.log(_UNIFORM))

    def _layers(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Cut the buffer into weights, log γ and b of each layer."""
        parts = self.flat.split([a * b for a, b in self._shapes], dim=1)
        pieces = [p.view(-1, *shape) for p, shape in zip(parts, self._shapes, strict=True)]
        return list(zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True))

    def activation(self, latent: Tensor) -> Tensor:
        """Map latent (n_members, n, k) to a (n_members, n, d), before it is put into the box."""
        *hidden, last = self._layers()
        h = latent
        for layer in hidden:
            h = functional.leaky_relu(_affine(h, *layer), _SLOPE)
        return _affine(h, *last)

    def put_into_box(self, a: Tensor) -> Tensor:
        """Map a to rows: low + (high − low) σ(a)."""
        return torch.lerp(self.low, self.high, torch.sigmoid(a))

    def forward(self, latent: Tensor) -> Tensor:
        """Map latent (n_members, n, k) to rows (n_members, n, d)."""
        return self.put_into_box(self.activation(latent))

    def _latent(self, n: int, generator: torch.Generator) -> Tensor:
        shape = (self.n_members, max(n, _LEAST_BATCH), self.latent_dim)
        latent = torch.empty(shape, dtype=self.flat.dtype, device=self.flat.device)
        return latent.normal_(generator=generator)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw `n` rows per member, shape (n_members, n, d)."""
        rows: Tensor = self(self._latent(n, generator))
        return rows[:, :n]

    def draw_with_entropy(
        self, n: int, generator: torch.Generator, kind: str
    ) -> tuple[Tensor, Tensor]:
        """Draw `n` rows per member, and give the entropy of each member in nats, (n_members,)."""
        a = self.activation(self._latent(n, generator))
        rows = self.put_into_box(a)
        entropy = self._layer_entropy(a) if kind == "batch_norm" else _row_entropy(rows)
        return rows[:, :n], entropy

    @torch.no_grad()
    def climb(
        self,
        n: int,
        generator: torch.Generator,
        value_and_grad: Callable[[Tensor], tuple[Tensor, Tensor]],
        entropy_weight: float,
    ) -> tuple[Tensor, Tensor]:
        """Give −mean g − `entropy_weight` · H of `n` new rows, and its gradient, by hand.

        Parameters
        ----------
        n : int
            Rows per member.
        generator : torch.Generator
            Of the latent vectors.
        value_and_grad : callable
            Rows (n_members, n, d) → (g, ∇g).
        entropy_weight : float
            Factor on the entropy "spacing".

        Returns
        -------
        value : Tensor of shape (n_members,)
            Kullback-Leibler divergence from exp(g), but for log Z, where the factor is 1.
        gradient : Tensor of the shape of ``flat``
            Of each member's value.
        """
        a, kept = self._tape(self._latent(n, generator))
        share = torch.sigmoid(a)
        x = torch.lerp(self.low, self.high, share)
        g, slope = value_and_grad(x[:, :n])
        entropy, pull = _row_entropy_and_slope(x)
        pull.mul_(-entropy_weight)
        pull[:, :n].sub_(slope, alpha=1 / n)
        pull = torch.ops.aten.sigmoid_backward(pull * (self.high - self.low), share)
        value = -(g.mean(dim=-1) + entropy_weight * entropy)
        return value, self._pull_back(kept, pull)

    def _tape(self, latent: Tensor) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        """Give `activation` of latent vectors, and of each layer what its gradient needs."""
        h = latent
        kept: list[tuple[Tensor, ...]] = []
        layers = self._layers()
        for index, (weight, log_gain, shift) in enumerate(layers):
            units, gain = _side_by_side(torch.bmm(h, weight)), log_gain.exp().view(-1)
            out, mean, scale = torch.native_batch_norm(
                units, gain, shift.reshape(-1), None, None, True, 0.0, _EPS
            )
            kept.append((h, weight, units, gain, mean, scale, out))
            if index < len(layers) - 1:
                functional.leaky_relu_(out, _SLOPE)
            h = _member_first(out, self.n_members)
        return h, kept

    def _pull_back(self, kept: list[tuple[Tensor, ...]], slope: Tensor) -> Tensor:
        """Turn dL/da of the last layer into dL/dflat."""
        parts: list[Tensor] = []
        for index in range(len(kept) - 1, -1, -1):
            h, weight, units, gain, mean, scale, out = kept[index]
            d_out = _side_by_side(slope)
            if index < len(kept) - 1:
                d_out = torch.ops.aten.leaky_relu_backward(d_out, out, _SLOPE, True)
            d_units, d_gain, d_shift = torch.ops.aten.native_batch_norm_backward(
                d_out, units, gain, None, None, mean, scale, True, _EPS, [True, True, True]
            )
            d_affine = _member_first(d_units, self.n_members)
            parts += [d_shift, d_gain * gain, torch.bmm(h.mT, d_affine)]
            if index:
                slope = torch.bmm(d_affine, weight.mT)
        members = self.n_members
        return torch.cat([part.reshape(members, -1) for part in reversed(parts)], dim=1)

    def _layer_entropy(self, a: Tensor) -> Tensor:
        """Give Σ ½ log(2πe γ²) + E[Σ log dx/da]."""
        log_gains = torch.cat([log_gain for _, log_gain, _ in self._layers()], dim=2)
        of_units = (log_gains + 0.5 * math.log(2.0 * math.pi * math.e)).sum(dim=(1, 2))
        slopes = functional.logsigmoid(a) + functional.logsigmoid(-a)
        widths = (self.high - self.low).log().sum()
        return of_units + slopes.sum(dim=2).mean(dim=1) + widths


def _side_by_side(h: Tensor) -> Tensor:
    """Put the units of all members (n_members, n, k) next to each other: (n, n_members · k)."""
    members, n, width = h.shape
    return h.transpose(0, 1).reshape(n, members * width)


def _member_first(units: Tensor, n_members: int) -> Tensor:
    """Undo `_side_by_side`."""
    return units.view(len(units), n_members, -1).transpose(0, 1)


def _affine(h: Tensor, weight: Tensor, log_gain: Tensor, shift: Tensor) -> Tensor:
    """Give γ·norm(h W) + b, the units of all members side by side in one batch normalisation."""
    units = _side_by_side(torch.bmm(h, weight))
    gain = log_gain.exp().view(-1)
    units = functional.batch_norm(units, None, None, gain, shift.reshape(-1), True, eps=_EPS)
    return _member_first(units, len(weight))


def _row_entropy(x: Tensor) -> Tensor:
    """Give the entropy of the features one by one, less what they lose by being correlated."""
    return _spacing_entropy(x).sum(dim=1) + _log_det_correlation(x)


def _spacing_entropy(x: Tensor) -> Tensor:
    """Give each feature's entropy from the gaps between every m-th of its n sorted values."""
    n = x.shape[1]
    m = round(n**0.5)
    ordered = x.sort(dim=1).values
    gaps = ordered[:, m:] - ordered[:, :-m]
    return (
        (gaps * ((n + 1) / m) + _LEAST_GAP * (ordered[:, -1:] - ordered[:, :1])).log().mean(dim=1)
    )


def _log_det_correlation(x: Tensor) -> Tensor:
    """Give ½ log det of the batch's correlation matrix.

    Shrunk by (n − d − 1)/n, the bias of the inverse of a matrix estimated from n rows.
    """
    n, d = x.shape[1:]
    unit = x - x.mean(dim=1, keepdim=True)
    unit = unit / (unit.square().mean(dim=1, keepdim=True).sqrt() + _EPS)
    correlation = torch.bmm(unit.mT, unit) / n
    ridge = _RIDGE * torch.eye(d, dtype=x.dtype, device=x.device)
    return _half_log_det(torch.linalg.cholesky(correlation + ridge)) * _shrink(n, d)


def _half_log_det(root: Tensor) -> Tensor:
    return root.diagonal(dim1=1, dim2=2).log().sum(dim=1)


def _shrink(n: int, d: int) -> float:
    return max(n - d - 1, 0) / n


# ------------------------------------------------------------------- slopes, by hand


def _row_entropy_and_slope(x: Tensor) -> tuple[Tensor, Tensor]:
    """Give `_row_entropy` of rows (n_members, n, d), and its gradient."""
    spacing, slope = _spacing_and_slope(x.mT.contiguous())
    log_det, d_rows = _log_det_and_slope(x)
    return spacing.sum(dim=1).add_(log_det), d_rows.add_(slope.mT)


def _spacing_and_slope(x: Tensor) -> tuple[Tensor, Tensor]:
    """Give `_spacing_entropy` of features (n_members, d, n), and its gradient."""
    n = x.shape[2]
    m = round(n**0.5)
    order = _order(x)
    ordered = x.gather(2, order)
    per_gap = (n + 1) / m
    gaps = (ordered[..., m:] - ordered[..., :-m]).mul_(per_gap)
    gaps.add_(ordered[..., -1:] - ordered[..., :1], alpha=_LEAST_GAP)
    inverse = (gaps * (n - m)).reciprocal_()
    slope = torch.zeros_like(x)
    slope[..., m:].add_(inverse, alpha=per_gap)
    slope[..., :-m].sub_(inverse, alpha=per_gap)
    ends = inverse.sum(dim=2)
    slope[..., -1].add_(ends, alpha=_LEAST_GAP)
    slope[..., 0].sub_(ends, alpha=_LEAST_GAP)
    return gaps.log_().mean(dim=2), torch.empty_like(x).scatter_(2, order, slope)


def _order(x: Tensor) -> Tensor:
    """Give the order of values along the last axis; NumPy's sort is four times torch's here."""
    if x.device.type == "cpu":
        return torch.from_numpy(np.argsort(x.numpy(), axis=-1))
    return x.argsort(dim=-1)


def _log_det_and_slope(x: Tensor) -> tuple[Tensor, Tensor]:
    """Give `_log_det_correlation` and its gradient.

    With unit rows U of columns of size s and C = UᵀU/n + ρ, dH/dU = U C⁻¹/n; what a column loses
    by being divided by its own size is U (1 − ρ C⁻¹ⱼⱼ)/n.
    """
    n, d = x.shape[1:]
    unit = x - x.mean(dim=1, keepdim=True)
    size = torch.linalg.vector_norm(unit, dim=1, keepdim=True).div_(n**0.5)
    unit.div_(size + _EPS)
    correlation = torch.bmm(unit.mT, unit).div_(n)
    correlation.diagonal(dim1=1, dim2=2).add_(_RIDGE)
    root = torch.linalg.cholesky(correlation)
    inverse = torch.cholesky_inverse(root)
    own = (1 - _RIDGE * inverse.diagonal(dim1=1, dim2=2)) / size[:, 0].clamp_(min=_EPS)
    inverse.div_(size + _EPS)
    inverse.diagonal(dim1=1, dim2=2).sub_(own)
    factor = _shrink(n, d)
    return _half_log_det(root) * factor, torch.bmm(unit, inverse).mul_(factor / n)
