"""Compiled loops around a shower net in an ONNX file: frame, normal numbers, noise, placing.

The net gives the mean shares of a window of (wu, wv) cells around the shower axis, in the canonical
frame (`nn.shower_frame`). These loops do the rest shower by shower, with the formulas of
`nn.shower_frame` and `nn.cell_noise`: they bring conditions into the frame, turn 16-bit numbers
into normal ones, draw the cells, and write the window into the calorimeter, mirrored, transposed
and shifted. Only cells above the zero crossing of their quantile function, one in six, are
interpolated. Array operations would move each cell through memory thirty times.

A shower's *code* is (flags, shift along u, shift along v); flags: 1 mirrored in x, 2 in y, 4
transposed. A window's *corner* is its first cell where the shift is zero.

Places in arrays are unsigned: a signed one may count from the end, and asking each keeps a loop
from being done sixteen cells at a time. numba compiles a loop when it is first called, in seconds,
and keeps it on the disk.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

__all__ = ["add_gaussian", "normals", "place", "place_drawn", "to_frame"]

_F, _I, _U = np.float32, np.int32, np.uint32
_LOG2E, _LN2 = _F(1.4426950408889634), _F(0.6931471805599453)
_SQRT_HALF = _I(0x3F3504F3)  # bits of √½
_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": {"reassoc", "nsz", "contract", "arcp"},
    "nogil": True,
    "cache": True,
}
_loop = numba.njit(**_OPTIONS)
_inline = numba.njit(inline="always", **{**_OPTIONS, "cache": False})


def _make_bits(context: Any, value: Any) -> Any:
    """Give the bits of a float32 as an int32."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.int32))

    return types.int32(types.float32), build


def _make_number(context: Any, value: Any) -> Any:
    """Give the float32 that has the bits of an int32."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), build


_bits: Any = intrinsic(_make_bits)
_number: Any = intrinsic(_make_number)


@_inline
def _exp(x: Any) -> Any:
    """eˣ = 2ᵏ eʳ, |r| ≤ ½ ln 2, eʳ by its series: to 1e-6, without a branch."""
    y = min(max(x * _LOG2E, _F(-126.0)), _F(126.0))
    k = np.floor(y + _F(0.5))
    r = (y - k) * _LN2
    p = _F(1 / 5040)
    p = p * r + _F(1 / 720)
    p = p * r + _F(1 / 120)
    p = p * r + _F(1 / 24)
    p = p * r + _F(1 / 6)
    p = p * r + _F(0.5)
    p = p * r + _F(1.0)
    p = p * r + _F(1.0)
    return p * _number((_I(k) + _I(127)) << _I(23))


@_inline
def _log(x: Any) -> Any:
    """Give ln x = e ln 2 + 2 artanh s for x = 2ᵉ m, √½ ≤ m < √2, s = (m − 1)/(m + 1)."""
    bits = _bits(x) - _SQRT_HALF
    m = _number((bits & _I(0x7FFFFF)) + _SQRT_HALF)
    s = (m - _F(1.0)) / (m + _F(1.0))
    q = s * s
    p = _F(2 / 9)
    p = p * q + _F(2 / 7)
    p = p * q + _F(2 / 5)
    p = p * q + _F(2 / 3)
    p = p * q + _F(2.0)
    return _F(bits >> _I(23)) * _LN2 + p * s


@_loop
def normals(draws: Any, quantiles: Any, out: Any) -> None:
    """Write the normal numbers that uniform uint16 `draws` stand for."""
    n, width = out.shape
    for i in range(n):
        row, draw = out[i], draws[i]
        for k in range(width):
            row[k] = quantiles[draw[k]]


@_loop
def to_frame(
    X: Any,
    shape: Any,
    geometry: Any,
    most: Any,
    center: Any,
    scale: Any,
    c: Any,
    mev: Any,
    code: Any,
) -> None:
    """Write scaled conditions in the canonical frame, |p| [MeV] and codes of conditions X."""
    nx, ny = shape
    cell, depth, growth = geometry
    for i in range(len(X)):
        px, py, pz, u, v = X[i, 0], X[i, 1], X[i, 2], X[i, 3], X[i, 4]
        p = np.sqrt(px * px + py * py + pz * pz)
        tx, ty = px / pz, py / pz
        flags = (1 if tx < 0 else 0) | (2 if ty < 0 else 0)
        u, v, tx, ty = -u if tx < 0 else u, -v if ty < 0 else v, abs(tx), abs(ty)
        if ty > tx and nx == ny:
            tx, ty, u, v, flags = ty, tx, v, u, flags | 4
        log_p = np.log(p)
        path = (depth + growth * log_p) / np.sqrt(1.0 + tx * tx + ty * ty)
        u = (u + path * tx) / cell + 0.5 * (nx % 2)
        v = (v + path * ty) / cell + 0.5 * (ny % 2)
        su, sv = min(max(np.floor(u), -most), most), min(max(np.floor(v), -most), most)
        numbers = (log_p, tx, ty, u - su - 0.5, v - sv - 0.5)
        for k in range(5):
            c[i, k] = (numbers[k] - center[k]) / scale[k]
        mev[i] = p * 1000.0
        code[i, 0], code[i, 1], code[i, 2] = flags, su, sv


@_inline
def _inside(first: Any, width: Any, n: Any) -> Any:
    """Give the range of a window's cells that lie in 0…n−1."""
    return max(0, -first), min(width, n - first)


@_inline
def _sum(cells: Any) -> Any:
    total = _F(0.0)
    for k in range(len(cells)):
        total += cells[k]
    return total


@_inline
def _share_inside(window: Any, rows: Any, columns: Any) -> Any:
    """Give the share of a window that lies in these rows and columns; 1 where it is 0."""
    wu, wv = window.shape
    if (rows[1] - rows[0]) * (columns[1] - columns[0]) == wu * wv:
        return _F(1.0)
    inside = _F(0.0)
    for a in range(rows[0], rows[1]):
        inside += _sum(window[a, columns[0] : columns[1]])
    return inside / _sum(window.ravel()) if inside > 0 else _F(1.0)


@_inline
def _copy_row(source: Any, target: Any, scale: Any, mirrored: Any) -> None:
    last = len(source) - 1
    if mirrored:
        for b in range(len(source)):
            target[_U(last - b)] = source[b] * scale
    else:
        for b in range(len(source)):
            target[b] = source[b] * scale


@_loop
def place(window: Any, mev: Any, code: Any, corner: Any, images: Any) -> None:
    """Write windows (n, wu, wv) of shares into images (n, nx, ny) [MeV].

    What lies outside of the calorimeter is given to the cells inside, as the net's softmax does.
    """
    n, wu, wv = window.shape
    nx, ny = images.shape[1], images.shape[2]
    turned = np.empty((wv, wu), np.float32)
    for i in range(n):
        image, w = images[i], window[i]
        image[:] = _F(0.0)
        x0, y0 = corner[0] + code[i, 1], corner[1] + code[i, 2]
        if code[i, 0] & 4:
            for a in range(wu):
                for b in range(wv):
                    turned[b, a] = w[a, b]
            x0, y0, w = y0, x0, turned
        rows, columns = _inside(x0, w.shape[0], nx), _inside(y0, w.shape[1], ny)
        width = columns[1] - columns[0]
        if width <= 0:
            continue
        scale = _F(mev[i]) / _share_inside(w, rows, columns)
        mirrored = code[i, 0] & 2
        first = ny - y0 - columns[1] if mirrored else y0 + columns[0]
        for a in range(rows[0], rows[1]):
            x = nx - 1 - x0 - a if code[i, 0] & 1 else x0 + a
            source = w[a, columns[0] : columns[1]]
            _copy_row(source, image[x, first : first + width], scale, mirrored)


@_inline
def _read_normals(draw: Any, quantiles: Any, u0: Any, v0: Any, shape: Any, eps: Any) -> None:
    """Write the ε of a window with a rim, zero where it lies outside of the calorimeter."""
    flat = eps.ravel()
    for k in range(len(flat)):
        flat[k] = quantiles[draw[k]]
    for a in range(eps.shape[0]):
        if not 0 <= u0 + a - 1 < shape[0]:
            eps[a, :] = _F(0.0)
    for b in range(eps.shape[1]):
        if not 0 <= v0 + b - 1 < shape[1]:
            eps[:, b] = _F(0.0)


@_inline
def _coordinates(w: Any, eps: Any, lift: Any, noise: Any, row: Any, column: Any) -> None:
    """Write the coordinates in the table of ln λ and of the mixed ε."""
    first, step_l, last_l, low_e, step_e, last_e = noise[1]
    cell_scale, near_thick, near_thin, far_thick, far_thin, start, slope = noise[4]
    for k in range(len(row)):
        row[k] = min(max((_log(max(w[k], _F(1e-30))) + lift - first) * step_l, _F(0.0)), last_l)
    wu, wv = cell_scale.shape
    for a in range(wu):
        up, here, down = eps[a], eps[a + 1], eps[a + 2]
        scale, thick = cell_scale[a], near_thick[a]
        line, at = row[a * wv : (a + 1) * wv], column[a * wv : (a + 1) * wv]
        for b in range(wv):
            thin = min(max(start - slope * line[b], _F(0.0)), _F(1.0))
            near, far = thick[b] + near_thin * thin, far_thick + far_thin * thin
            adjacent = up[b + 1] + down[b + 1] + here[b] + here[b + 2]
            diagonal = up[b] + up[b + 2] + down[b] + down[b + 2]
            norm = scale[b] / np.sqrt(_F(1.0) + _F(4.0) * (near * near + far * far))
            mixed = norm * (here[b + 1] + near * adjacent + far * diagonal)
            at[b] = min(max((mixed - low_e) * step_e, _F(0.0)), last_e)


@_inline
def _find_hits(
    row: Any, column: Any, crossing: Any, wv: Any, rows: Any, columns: Any, above: Any, hit: Any
) -> Any:
    """Write which of the cells in these rows and columns may hold a deposit; give how many."""
    for k in range(len(row)):
        above[k] = column[k] - crossing[_U(row[k])]
    n_hit: Any = 0
    for a in range(rows[0], rows[1]):
        line = above[a * wv + columns[0] : a * wv + columns[1]]
        some = _I(0)
        for b in range(len(line)):
            some += _I(line[b] > 0)
        if some == 0:  # as are most lines far from the axis
            continue
        first = a * wv + columns[0]
        for b in range(len(line)):
            hit[n_hit] = first + b
            n_hit += _I(line[b] > 0)
    return n_hit


@_inline
def _interpolate(row: Any, column: Any, hit: Any, n_hit: Any, noise: Any, t: Any) -> Any:
    """Write the deposits of the cells that are hit, and give their sum."""
    threshold, table = noise[0], noise[2]
    n_columns, flat = _U(table.shape[1]), table.ravel()
    for j in range(n_hit):
        k = hit[j]
        i, e = _U(row[k]), _U(column[k])
        fa, fb = row[k] - _F(i), column[k] - _F(e)
        q = _U(i * n_columns + e)
        low = flat[q] + fb * (flat[_U(q + 1)] - flat[q])
        q = _U(q + n_columns)
        high = flat[q] + fb * (flat[_U(q + 1)] - flat[q])
        t[j] = low + fa * (high - low)
    total = _F(0.0)
    for j in range(n_hit):
        t[j] = (_exp(max(t[j], _F(0.0))) - _F(1.0)) * threshold
        total += t[j]
    return total


@_inline
def _scatter(t: Any, hit: Any, n_hit: Any, wv: Any, flags: Any, corner: Any, image: Any) -> None:
    """Write deposits to the calorimeter."""
    nx, ny = image.shape
    flat = image.ravel()
    x0, y0 = (corner[1], corner[0]) if flags & 4 else corner
    along_x, along_y = (-ny if flags & 1 else ny), (-1 if flags & 2 else 1)
    first = (nx - 1 - x0 if flags & 1 else x0) * ny + (ny - 1 - y0 if flags & 2 else y0)
    along_u, along_v = (along_y, along_x) if flags & 4 else (along_x, along_y)
    for j in range(n_hit):
        k = hit[j]
        a = k // _U(wv)
        flat[_U(first + _I(a) * along_u + _I(k - a * _U(wv)) * along_v)] = t[j]


@_inline
def _lift(measured: Any, wanted: Any, mev: Any, pull: Any) -> Any:
    """Give (R·E·f / Σ)^β, 1 for an empty shower."""
    if measured <= 0:
        return _F(1.0)
    beta = 1.0 / (1.0 + np.exp(-pull[0] - pull[1] * np.log(mev / 1000.0)))
    return _F((wanted / measured) ** beta)


@_inline
def _put_right(t: Any, n: Any, low: Any, which: Any) -> None:
    """Map deposits below the limit; `which` is work space."""
    limit, lowest, per_unit, last, empty, after = low
    n_low: Any = 0
    for j in range(n):
        which[n_low] = j
        n_low += _I(t[j] < limit) & _I(t[j] > 0)
    for i in range(n_low):
        j = which[i]
        place = min(max((_log(t[j]) - lowest) * per_unit, _F(0.0)), last)
        left = _U(place)
        mapped = _exp(after[left] + (place - _F(left)) * (after[_U(left + 1)] - after[left]))
        t[j] = mapped * _F(mapped >= empty)


@_loop
def place_drawn(
    window: Any, draws: Any, quantiles: Any, mev: Any, code: Any, corner: Any, noise: Any, out: Any
) -> None:
    """Draw deposits from windows of shares by the table of quantiles, into images (n, nx, ny).

    `draws` (n, ≥ (wu + 2)(wv + 2)) choose the normal numbers of the window with a rim. `noise`
    holds threshold, knots, table, crossings, weights of ε, pull and smallest deposits.
    """
    n, wu, wv = window.shape
    shape = out.shape[1:]
    row, column = np.empty(wu * wv, np.float32), np.empty(wu * wv, np.float32)
    t, hit = np.empty(wu * wv, np.float32), np.empty(wu * wv + 1, np.uint32)
    which = np.empty_like(hit)
    eps = np.empty((wu + 2, wv + 2), np.float32)
    for i in range(n):
        u0, v0 = corner[0] + code[i, 1], corner[1] + code[i, 2]
        # with a transposition the shape is square
        rows, columns = _inside(u0, wu, shape[0]), _inside(v0, wv, shape[1])
        scale = mev[i] / _share_inside(window[i], rows, columns)
        flat = window[i].ravel()
        _read_normals(draws[i], quantiles, u0, v0, shape, eps)
        _coordinates(flat, eps, _F(np.log(scale)), noise, row, column)
        n_hit = _find_hits(row, column, noise[3], wv, rows, columns, t, hit)
        measured = _interpolate(row, column, hit, n_hit, noise, t)
        lift = _lift(measured, _sum(flat) * mev[i], mev[i], noise[5])
        for j in range(n_hit):
            t[j] *= lift
        _put_right(t, n_hit, noise[6], which)
        out[i][:] = _F(0.0)
        _scatter(t, hit, n_hit, wv, code[i, 0], (u0, v0), out[i])


@_loop
def add_gaussian(images: Any, eps: Any, mev: Any, noise: Any) -> None:
    """Replace mean deposits [MeV] (n, n_cells) by λ + √(aλ + b²λ²)·ε cut off at zero."""
    a, b, pull, low = noise
    n, n_cells = images.shape
    which = np.empty(n_cells + 1, np.uint32)
    for i in range(n):
        cells, normal = images[i], eps[i]
        wanted, measured = _F(0.0), _F(0.0)
        for k in range(n_cells):
            mean = cells[k]
            wanted += mean
            t = max(mean + np.sqrt(mean * (a + b * b * mean)) * normal[k], _F(0.0))
            cells[k] = t
            measured += t
        lift = _lift(measured, wanted, mev[i], pull)
        for k in range(n_cells):
            cells[k] *= lift
        _put_right(cells, n_cells, low, which)
