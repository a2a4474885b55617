"""A shower net as a graph: trunk and response, cell noise, canonical frame.

Each function adds the nodes of one formula of `nn.shower_net`, `nn.cell_noise` and
`nn.shower_frame`, whose letters it uses. What is constant is folded: the mean map into the last
bias, batch norms into their kernels, the order of the input's columns into the first weights.
Nothing is drawn in the graph: z and ε are input.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from skhep_anomaly.generators._onnx_graph import Graph, float32
from skhep_anomaly.generators._onnx_int8 import activation_scale, quantized_dense
from skhep_anomaly.nn.cell_noise import E_GRID, L_GRID, THICK, THIN, THRESHOLD, TableNoise
from skhep_anomaly.nn.low_deposits import EMPTY, LIMIT, LOWEST, STEP
from skhep_anomaly.nn.mlp import MLP
from skhep_anomaly.nn.shower_deconv import DeconvTrunk
from skhep_anomaly.nn.shower_frame import N_CONDITIONS, ShowerFrame
from skhep_anomaly.nn.shower_net import MLPTrunk, ShowerNet

__all__ = ["add_frame", "add_noise", "add_response", "add_trunk"]

_THINNING = THICK - THIN  # of ln λ
# adjacent and diagonal neighbours of a cell
_NEIGHBOURS = np.array(
    [[[0, 1, 0], [1, 0, 1], [0, 1, 0]], [[1, 0, 1], [0, 0, 0], [1, 0, 1]]], dtype=np.float32
)


# ---------------------------------------------------------------- trunk, response


def add_trunk(
    graph: Graph, net: ShowerNet, joined: str, places: NDArray[Any], typical: Any = None
) -> str:
    """Add the logits of some places of the map.

    Parameters
    ----------
    graph : Graph
        Where they are added.
    net : ShowerNet
        Its trunk and mean map are read.
    joined : str
        Name of [z, c] (n, latent_dim + 5).
    places : ndarray of int
        Places on the flattened map.
    typical : Tensor of shape (n, latent_dim + 5), default=None
        Typical [z, c]; with them the dense layers are written in eight bits.

    Returns
    -------
    str
        Name of the logits (n, len(places)).
    """
    profile = float32(net.log_profile)
    if isinstance(net.trunk, MLPTrunk):
        layers = _layers(net.trunk.net, _reading(net.latent_dim, net.latent_dim))
        weight, bias = layers[-1]
        layers[-1] = weight[:, places], (bias + profile)[places]
        return _add_dense(graph, layers, joined, typical)
    logits = _add_deconvolutions(graph, net.trunk, joined, net.latent_dim)  # type: ignore[arg-type]
    logits = graph.op("Add", logits, profile)
    everything = np.array_equal(places, np.arange(len(profile)))
    return logits if everything else graph.op("Gather", logits, places, axis=1)


def add_response(graph: Graph, net: ShowerNet, joined: str, typical: Any = None) -> str:
    """Add R·f (n, 1), the visible share of the energy; a constant where there is no head."""
    fraction = float32(net.fraction)
    if net.response is None:
        return graph.const(fraction)
    layers = _layers(net.response.net, _reading(net.latent_dim, net.response.n_read))  # type: ignore[union-attr,arg-type]
    weight, bias = layers[-1]  # R·f is linear in the last layer
    layers[-1] = 0.05 * fraction * weight, (fraction * (1.0 + 0.05 * bias)).astype(np.float32)
    visible = _add_dense(graph, layers, joined, typical)
    return graph.op("Max", visible, np.float32(1e-3) * fraction)


def _reading(latent_dim: int, n_read: int) -> NDArray[np.int64]:
    """Give for each column of [c, z₁…] its column in [z, c]."""
    return np.concatenate([latent_dim + np.arange(N_CONDITIONS), np.arange(n_read)])


def _layers(net: MLP, reading: NDArray[np.int64]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Give weights and biases, the first weights with rows for all columns of [z, c]."""
    layers = [(float32(w), float32(b).ravel()) for w, b in net.layers()]
    weight, bias = layers[0]
    n_joined = int(reading[:N_CONDITIONS].max()) + 1
    spread = np.zeros((n_joined, weight.shape[1]), dtype=np.float32)
    spread[reading] = weight
    return [(spread, bias), *layers[1:]]


def _add_dense(graph: Graph, layers: list[Any], h: str, typical: Any) -> str:
    """Add dense layers with SiLU between them."""
    seen = None if typical is None else float32(typical)
    for index, (weight, bias) in enumerate(layers):
        if seen is None:
            a = graph.op("Gemm", h, weight, bias)
        else:
            a = quantized_dense(graph, h, weight, bias, activation_scale(seen))
            seen = seen @ weight + bias
            seen = seen * expit(seen)
        last = index == len(layers) - 1
        h = a if last else graph.op("Mul", a, graph.op("Sigmoid", a))
    return h


def _add_deconvolutions(graph: Graph, trunk: DeconvTrunk, joined: str, latent_dim: int) -> str:
    """Add transposed convolutions with their batch norms folded in, cut to the map."""
    h = graph.op("Unsqueeze", joined, [2, 3])
    for index, layer in enumerate(trunk.layers):
        weight, bias = _folded(layer)
        if index == 0:
            weight = np.roll(weight, latent_dim, axis=0)  # [c, z] -> [z, c]
        strides, pads = [layer.stride] * 2, [layer.padding] * 4
        h = graph.op("ConvTranspose", h, weight, bias, strides=strides, pads=pads)
        if index < len(trunk.layers) - 1:
            h = graph.op("LeakyRelu", h, alpha=0.2)
    return graph.op("Reshape", _cut(graph, trunk, h), [-1, int(np.prod(trunk.map_shape))])


def _folded(layer: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    if not layer.normalised:
        return float32(layer.weight), float32(layer.bias)
    gain = layer.gain * torch.rsqrt(layer.running_var + 1e-5)
    shift = layer.bias - gain * layer.running_mean
    return float32(layer.weight * gain[None, :, None, None]), float32(shift)


def _cut(graph: Graph, trunk: DeconvTrunk, h: str) -> str:
    """Take the middle of the image."""
    sides = [start * 2 ** (len(trunk.layers) - 1) for start in trunk.start_shape]
    low = [(side - want) // 2 for side, want in zip(sides, trunk.map_shape, strict=True)]
    high = [first + want for first, want in zip(low, trunk.map_shape, strict=True)]
    return graph.op("Slice", h, low, high, [2, 3])


# ------------------------------------------------------------------------- noise


def add_noise(
    graph: Graph, net: ShowerNet, log_mean: str, eps: str, cells: str, total: str, energy: str
) -> str:
    """Add deposits [MeV] from ln λ, ε (n, n_cells), R·E·f [MeV] and E [GeV] (n, 1)."""
    if isinstance(net.noise, TableNoise):
        deposits = _table_noise(graph, net, log_mean, eps, cells)
    else:
        deposits = _gaussian_noise(graph, net, log_mean, eps)
    measured = graph.op("ReduceSum", deposits, [1], keepdims=1)
    some = graph.op("Greater", measured, np.float32(0.0))
    ratio = graph.op("Div", total, graph.op("Max", measured, np.float32(1e-12)))
    ratio = graph.op("Where", some, ratio, np.float32(1.0))
    pull = float32(net.pull)
    steep = graph.op("Mul", graph.op("Log", energy), pull[1])
    beta = graph.op("Sigmoid", graph.op("Add", steep, pull[0]))
    return _low_put_right(graph, net, graph.op("Mul", deposits, graph.op("Pow", ratio, beta)))


def _low_put_right(graph: Graph, net: ShowerNet, cells: str) -> str:
    """Add the map of the smallest deposits."""
    after = float32(net.low.after)
    log_t = graph.op("Log", graph.op("Max", cells, np.float32(1e-30)))
    left, way = _knot(graph, log_t, LOWEST, STEP, len(after))
    mapped = graph.op("Exp", _lerp(graph, after, left, 0, way))
    filled = graph.op("Less", np.float32(EMPTY), mapped)
    mapped = graph.op("Where", filled, mapped, np.float32(0.0))
    is_low = graph.op(
        "And",
        graph.op("Less", cells, np.float32(LIMIT)),
        graph.op("Greater", cells, np.float32(0.0)),
    )
    return graph.op("Where", is_low, mapped, cells)


def _table_noise(graph: Graph, net: ShowerNet, log_mean: str, eps: str, cells: str) -> str:
    table = float32(net.noise.table)  # type: ignore[union-attr]
    mixed = _mixed_noise(graph, net, log_mean, eps, cells)
    row, fa = _knot(graph, log_mean, np.log(THRESHOLD) + L_GRID[0], L_GRID[1], table.shape[0])
    column, fb = _knot(graph, mixed, E_GRID[0], E_GRID[1], table.shape[1])
    first = graph.op("Add", graph.op("Mul", row, table.shape[1]), column)
    low, high = (_lerp(graph, table, first, shift, fb) for shift in (0, table.shape[1]))
    v = graph.op("Add", low, graph.op("Mul", fa, graph.op("Sub", high, low)))
    grown = graph.op("Sub", graph.op("Exp", graph.op("Relu", v)), np.float32(1.0))
    return graph.op("Mul", grown, np.float32(THRESHOLD))


def _mixed_noise(graph: Graph, net: ShowerNet, log_mean: str, eps: str, cells: str) -> str:
    """Add ε mixed with its neighbours'."""
    scale, near, far, *thin = (float32(weight) for weight in net.noise.weights())  # type: ignore[union-attr,operator]
    thinness = graph.op("Div", graph.op("Sub", np.float32(THICK), log_mean), np.float32(_THINNING))
    thinness = graph.op("Clip", thinness, np.float32(0.0), np.float32(1.0))
    image = graph.op("Reshape", eps, [-1, 1, *net.shape])
    mixed = eps
    squares: Any = np.float32(1.0)
    for thick, more, kernel in zip((near, far), thin, _NEIGHBOURS, strict=True):
        weight = graph.op("Gather", thick, cells) if thick.ndim else thick
        weight = graph.op("Add", graph.op("Mul", thinness, more), weight)
        beside = graph.op("Conv", image, kernel[None, None], pads=[1, 1, 1, 1])
        beside = graph.op("Reshape", beside, [-1, net.n_cells])
        mixed = graph.op("Add", mixed, graph.op("Mul", weight, beside))
        square = graph.op("Mul", graph.op("Mul", weight, weight), np.float32(4.0))
        squares = graph.op("Add", square, squares)
    mixed = graph.op("Div", mixed, graph.op("Sqrt", squares))
    return graph.op("Mul", graph.op("Gather", scale, cells), mixed)


def _knot(graph: Graph, value: str, first: float, step: float, n: int) -> tuple[str, str]:
    """Add the knot below a value, int64, and the way to the next one, in 0…1."""
    at = graph.op("Div", graph.op("Sub", value, np.float32(first)), np.float32(step))
    at = graph.op("Clip", at, np.float32(0.0), np.float32(n - 1.001))
    knot = graph.cast(at, "INT64")
    return knot, graph.op("Sub", at, graph.cast(knot, "FLOAT"))


def _lerp(graph: Graph, table: NDArray[Any], first: str, shift: int, way: str) -> str:
    """Add the value between two neighbouring columns of a row."""
    left, right = (
        graph.op("Gather", table.ravel(), graph.op("Add", first, shift + k)) for k in (0, 1)
    )
    return graph.op("Add", left, graph.op("Mul", way, graph.op("Sub", right, left)))


def _gaussian_noise(graph: Graph, net: ShowerNet, log_mean: str, eps: str) -> str:
    a, b = (np.exp(float32(log)) for log in (net.noise.log_a, net.noise.log_b))  # type: ignore[union-attr]
    mean = graph.op("Exp", log_mean)
    wide = graph.op("Mul", mean, b)
    variance = graph.op("Add", graph.op("Mul", mean, a), graph.op("Mul", wide, wide))
    shift = graph.op("Mul", graph.op("Sqrt", variance), eps)
    return graph.op("Relu", graph.op("Add", mean, shift))


# ------------------------------------------------------------------------- frame


class Placed(NamedTuple):
    """Names of c (n, 5), E [GeV] (n, 1) and places of the cells (n, n_cells)."""

    c: str
    energy: str
    cells: str


def add_frame(graph: Graph, net: ShowerNet, conditions: str) -> Placed:
    """Add scaled conditions, energy and places of px, py, pz, x, y, in double precision."""
    wide = graph.cast(conditions, "DOUBLE")
    px, py, pz, x, y = graph.ops("Split", 5, wide, axis=1)
    squares = [graph.op("Mul", p, p) for p in (px, py, pz)]
    p = graph.op("Sqrt", graph.op("Add", graph.op("Add", *squares[:2]), squares[2]))
    tx, ty = graph.op("Div", px, pz), graph.op("Div", py, pz)
    if isinstance(net.frame, ShowerFrame):
        numbers, cells = _canonical(graph, net.frame, graph.op("Log", p), tx, ty, x, y)
    else:
        rows = graph.op("Slice", graph.op("Shape", conditions), [0], [1])
        cells = graph.op(
            "Expand", np.arange(net.n_cells)[None], graph.op("Concat", rows, [1], axis=0)
        )
        numbers = [tx, ty, x, y]
    u = graph.op("Concat", graph.op("Log", p), *numbers, axis=1)
    centre, scale = (value.cpu().numpy() for value in (net.frame.center, net.frame.scale))
    c = graph.op("Div", graph.op("Sub", u, centre), scale)
    return Placed(graph.cast(c, "FLOAT"), graph.cast(p, "FLOAT"), cells)


def _canonical(
    graph: Graph, frame: ShowerFrame, log_p: str, tx: str, ty: str, x: str, y: str
) -> tuple[list[str], str]:
    mirror = [graph.op("Less", slope, np.float64(0.0)) for slope in (tx, ty)]
    u, v = (
        graph.op("Where", turned, graph.op("Neg", at), at)
        for turned, at in zip(mirror, (x, y), strict=True)
    )
    tx, ty = graph.op("Abs", tx), graph.op("Abs", ty)
    swap = graph.op("And", graph.op("Greater", ty, tx), np.array(frame.shape[0] == frame.shape[1]))
    tx, ty = graph.op("Where", swap, ty, tx), graph.op("Where", swap, tx, ty)
    u, v = graph.op("Where", swap, v, u), graph.op("Where", swap, u, v)
    path = _path(graph, frame, log_p, tx, ty)
    placed = [
        _shift(graph, frame, graph.op("Add", at, graph.op("Mul", path, slope)), n)
        for at, slope, n in zip((u, v), (tx, ty), frame.shape, strict=True)
    ]
    numbers = [tx, ty, placed[0][1], placed[1][1]]
    return numbers, _places(graph, frame, mirror, swap, [shift for shift, _ in placed])


def _path(graph: Graph, frame: ShowerFrame, log_p: str, tx: str, ty: str) -> str:
    """Add the way along z [cm] to the centre of gravity, d/√(1 + tx² + ty²)."""
    start, slope = frame.depth.cpu().numpy()
    depth = graph.op("Add", graph.op("Mul", log_p, slope), start)
    squares = graph.op("Add", graph.op("Mul", tx, tx), graph.op("Mul", ty, ty))
    return graph.op("Div", depth, graph.op("Sqrt", graph.op("Add", squares, np.float64(1.0))))


def _shift(graph: Graph, frame: ShowerFrame, at: str, n: int) -> tuple[str, str]:
    """Add the shift [cells], int64, that centres the axis, and what is left of it."""
    at = graph.op("Div", at, np.float64(frame.cell))
    at = graph.op("Add", at, np.float64(0.5 if n % 2 else 0.0))
    most = np.float64(frame.max_shift)
    shift = graph.op("Min", graph.op("Max", graph.op("Floor", at), -most), most)
    left = graph.op("Sub", graph.op("Sub", at, shift), np.float64(0.5))
    return graph.cast(shift, "INT64"), left


def _places(
    graph: Graph, frame: ShowerFrame, mirror: list[str], swap: str, shifts: list[str]
) -> str:
    """Add the places of the cells on the map, row by row."""
    stride = np.int64(frame.map_shape[1])
    index = [
        graph.op("Where", turned, np.arange(n)[::-1][None], np.arange(n)[None])
        for turned, n in zip(mirror, frame.shape, strict=True)
    ]
    along = []
    for k, cells in enumerate(index):
        # along u or, where the axes are swapped, along v; u is the slow coordinate of the map
        places = [
            graph.op("Sub", graph.op("Add", cells, np.int64(frame.max_shift)), shift)
            for shift in shifts
        ]
        places[0] = graph.op("Mul", places[0], stride)
        straight, turned = places if k == 0 else places[::-1]
        along.append(graph.op("Where", swap, turned, straight))
    rows, columns = graph.op("Unsqueeze", along[0], [2]), graph.op("Unsqueeze", along[1], [1])
    n_cells = frame.shape[0] * frame.shape[1]
    return graph.op("Reshape", graph.op("Add", rows, columns), [-1, n_cells])
