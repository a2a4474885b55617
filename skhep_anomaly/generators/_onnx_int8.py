"""Dense layers in eight bits: activations as uint8 with fixed scales, weights as int8.

A number h of a layer's input becomes q = round(h/s) + q₀ in 0…255, with (s, q₀) fixed so that the
range seen on typical conditions fits; a weight becomes w = round(W/t) in −127…127, t the largest
size in its column over 127 (one step for the whole matrix costs three times the error). The
product is a sum of integers, exact, so a row's result depends on no other row (scales taken from
each batch would make it depend). In the graph this is written as the standard pairs QuantizeLinear
→ DequantizeLinear around a product, which the runtime fuses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.generators._onnx_graph import Graph

__all__ = ["Scale", "activation_scale", "quantized_dense"]


class Scale(NamedTuple):
    """Step and zero point of uint8 numbers."""

    step: np.float32
    zero: np.uint8


def activation_scale(values: NDArray[np.float32]) -> Scale:
    """Give the scale that holds `values` and 0."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 1e-6)
    step = np.float32((high - low) / 255.0)
    return Scale(step, np.uint8(np.clip(round(-low / float(step)), 0, 255)))


def quantized_dense(
    graph: Graph, h: str, weight: NDArray[Any], bias: NDArray[Any], scale: Scale
) -> str:
    """Add h·W + b with both factors in eight bits.

    Parameters
    ----------
    graph : Graph
        Where it is added.
    h : str
        Name of the input (n, n_in), float32.
    weight : ndarray of shape (n_in, n_out)
        W.
    bias : ndarray of shape (n_out,)
        b.
    scale : Scale
        Of h.

    Returns
    -------
    str
        Name of the result, float32.
    """
    step = (np.abs(weight).max(axis=0).clip(1e-9) / 127.0).astype(np.float32)
    whole = np.rint(weight / step).clip(-127, 127).astype(np.int8)
    product = step * scale.step
    zero = np.zeros(len(step), dtype=np.int8)
    shift = np.rint(np.asarray(bias, np.float64) / product)
    shift = shift.clip(-(2**31) + 1, 2**31 - 1).astype(np.int32)
    rounded = graph.op("QuantizeLinear", h, scale.step, scale.zero)
    return graph.op(
        "Gemm",
        graph.op("DequantizeLinear", rounded, scale.step, scale.zero),
        graph.op("DequantizeLinear", whole, step, zero, axis=1),
        graph.op("DequantizeLinear", shift, product, zero.astype(np.int32), axis=0),
    )
