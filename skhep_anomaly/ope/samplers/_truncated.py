"""A density p on all of space, made one on the box Ω of volume V, with a little uniform mixed in.

A share u of the rows is uniform. The others are drawn from p; one that falls outside Ω is redrawn,
up to k tries in all, and is uniform then. With m the mass of p inside Ω,

    q(x) = (1 − u) r p(x)/m + (1 − (1 − u) r)/V,   r = 1 − (1 − m)ᵏ,

exactly, whatever m is: nearly the truncated p where m is large, nearly uniform where it is tiny.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skhep_anomaly._validation import iter_slices
from skhep_anomaly.ope.samplers._base import PseudoAnomalySampler, ValueAndGrad

__all__ = ["TruncatedSampler"]

_TRIES = 16
_MASS_DRAWS = 2**14
_FARTHEST = 1e3
_CHUNK_ELEMENTS = 2**20


class TruncatedSampler(PseudoAnomalySampler):
    """Base of the samplers that learn a density from the normal rows; not for direct use.

    Give `_fit` (learn p), `_draw_free` (draw from it) and `_log_free` (its log), and a parameter
    ``uniform_share``.

    Attributes
    ----------
    mass_ : float
        Mass m of p inside the box from N ≥ 16,384 draws, to √(m(1 − m)/N).
    scale_ : Tensor of shape (n_features,)
        Standard deviations of the normal rows; half the box where a column does not vary.
    """

    uniform_share: float
    mass_: float
    scale_: Tensor

    # ------------------------------------------------------------ for subclasses

    @abstractmethod
    def _fit(self, rows: Tensor, seed: int) -> None:
        """Learn p from the normal rows."""

    @abstractmethod
    def _draw_free(self, n: int) -> Tensor:
        """Draw `n` rows from p, outside the box too."""

    @abstractmethod
    def _log_free(self, x: Tensor) -> Tensor:
        """Give log p of a chunk of rows."""

    def _block_rule(self) -> tuple[int, bool]:
        """Give the rows that are drawn at once, and whether used ones are replaced by new ones."""
        return 2**13, True

    def _row_cost(self) -> int:
        """Give the numbers that `_log_free` holds at once for a row."""
        return len(self.low_)

    # ------------------------------------------------------------------- binding

    def _prepare(self, rows: Tensor) -> None:
        if len(rows) < 2:
            raise ValueError(
                f"{type(self).__name__} learns a density and needs at least 2 normal rows; "
                f"got {len(rows)}."
            )
        rows = rows.detach()
        spread = rows.std(dim=0, correction=0)
        varies = spread > 1e-6 * self._width
        self.scale_ = torch.where(varies, spread, 0.5 * self._width)
        seed = torch.randint(2**31 - 1, (1,), generator=self._generator, device=rows.device)
        self._fit(rows, int(seed))
        with torch.no_grad():
            size = self._block_rule()[0]
            first = self._draw_free(max(size, _MASS_DRAWS))
            self.mass_ = (int(self._inside(first).sum()) + 0.5) / (len(first) + 1)
            self._block = self._new_rows(size, first)
        self._next = 0

    # ------------------------------------------------------------------- drawing

    def _inside(self, x: Tensor) -> Tensor:
        """Tell which rows lie in the box; one with a NaN does not."""
        return torch.minimum(x - self.low_, self.high_ - x).amin(dim=-1) >= 0.0

    def _new_rows(self, n: int, drawn: Tensor | None = None) -> Tensor:
        """Draw `n` rows from q; `drawn`, n or more rows from p, saves the first try."""
        rows = self.low_.expand(n, -1).clone()
        is_uniform = self._unit_uniform(n) < self.uniform_share
        waiting = (~is_uniform).nonzero().squeeze(1)
        for _ in range(_TRIES):
            if not len(waiting):
                break
            drawn = self._draw_free(len(waiting)) if drawn is None else drawn[: len(waiting)]
            rows[waiting] = drawn
            waiting = waiting[~self._inside(drawn)]
            drawn = None
        is_uniform[waiting] = True
        left = is_uniform.nonzero().squeeze(1)
        rows[left] = self._uniform(len(left))
        return rows

    def _draw(self, n: int, value_and_grad: ValueAndGrad | None) -> Tensor:
        """Hand out the rows of the block in turn."""
        parts = []
        while n > 0:
            if self._next == len(self._block):
                self._refill()
            part = self._block[self._next : self._next + n]
            self._next += len(part)
            n -= len(part)
            parts.append(part)
        return parts[0].clone() if len(parts) == 1 else torch.cat(parts or [self._block[:0]])

    def _refill(self) -> None:
        size, renew = self._block_rule()
        if renew:
            self._block = self._new_rows(size)
        else:
            order = torch.randperm(size, generator=self._generator, device=self._block.device)
            self._block = self._block[order]
        self._next = 0

    # ------------------------------------------------------------------- density

    @torch.no_grad()
    def log_prob(self, x: Any) -> Tensor:
        """Give log q of rows in nats, in the coordinates of the net.

        Parameters
        ----------
        x : array-like of shape (n, n_features)
            Rows. A density on Ω; outside, where no row is drawn, it goes on with p as it is and
            the uniform part times exp(−½ Σ (distance to Ω / scale_)²), continuous at the edge and
            finite everywhere. Rows beyond 1,000 box widths count as being there.

        Returns
        -------
        Tensor of shape (n,)
            log q(x).
        """
        x = torch.as_tensor(x, dtype=self.low_.dtype, device=self.low_.device)
        x = x.clamp(self.low_ - _FARTHEST * self._width, self.high_ + _FARTHEST * self._width)
        chunk = max(256, _CHUNK_ELEMENTS // self._row_cost())
        parts = [self._log_q(x[rows]) for rows in iter_slices(len(x), chunk)]
        return torch.cat(parts or [x.new_zeros(0)])

    @torch.enable_grad()
    def log_prob_and_grad(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give log q and ∇ₓ log q, without a graph.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows, within 1,000 widths of the box.

        Returns
        -------
        tuple of Tensor
            Shapes (n,) and (n, n_features).
        """
        chunk = max(256, _CHUNK_ELEMENTS // self._row_cost())
        parts = []
        for rows in iter_slices(len(x), chunk):
            part = x[rows].detach().to(self.low_.device).requires_grad_()
            log_q = self._log_q(part)
            parts.append((log_q.detach(), torch.autograd.grad(log_q.sum(), part)[0]))
        values, slopes = zip(*parts, strict=True)
        return torch.cat(values).to(x.device), torch.cat(slopes).to(x.device)

    def _log_q(self, x: Tensor) -> Tensor:
        kept = (1.0 - self.uniform_share) * -math.expm1(_TRIES * math.log1p(-self.mass_))
        distance = (x - x.clamp(self.low_, self.high_)) / self.scale_
        uniform = -0.5 * distance.square().sum(dim=-1) - self._width.log().sum()
        log_free = self._log_free(x) - math.log(self.mass_)
        log_q = torch.logaddexp(log_free + _log(kept), uniform + _log(1.0 - kept))
        least = torch.finfo(x.dtype).min / 4
        return torch.nan_to_num(log_q, nan=least, neginf=least)

    def diagnostics(self) -> dict[str, float]:
        """Give the mass of the learnt density inside the box.

        Returns
        -------
        dict of str to float
            ``mass_inside``: share of the density's own draws that lie in the box; small: most rows
            are uniform.
        """
        return {"mass_inside": self.mass_}


def _log(share: float) -> float:
    return float(np.log(share)) if share > 0 else -math.inf
