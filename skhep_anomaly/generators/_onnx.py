"""Writing a shower generator as an ONNX file, with what its user must know beside it.

- layout "par04", the layout that fast-simulation hooks of Geant4 know: input [z, c], output mean
  deposits as fractions of E in a window of cells that moves with the shower axis, no cell noise;
- layout "full": input [z, ε, px, py, pz, x, y], output the cells of the calorimeter [MeV].

Both have one float32 input and no random operator: normal numbers are the caller's. The file is
read back and compared with torch; then follow a description (`<name>.conditions.json`) and a C++
snippet (`<name>.cpp`).
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skhep_anomaly._atomic import write_atomically
from skhep_anomaly._validation import InvalidParameterError
from skhep_anomaly.generators._onnx_description import describe
from skhep_anomaly.generators._onnx_graph import Graph, float32, import_onnx
from skhep_anomaly.generators._onnx_net import add_frame, add_noise, add_response, add_trunk
from skhep_anomaly.generators._onnx_snippet import snippet
from skhep_anomaly.nn.shower_frame import ShowerFrame
from skhep_anomaly.nn.shower_net import MLPTrunk, ShowerNet

__all__ = ["LAYOUTS", "export_net", "open_session"]

LAYOUTS = ("par04", "full")
_MEV = 1000.0
_CHECKED = 64  # showers compared with torch
_TYPICAL = 4096  # showers from which ranges of activations are taken
_TOLERANCE = 1e-5  # largest difference, as a share of the shower's largest cell


@dataclass(frozen=True)
class Export:
    """A net and what is to be written of it.

    Attributes
    ----------
    net : ShowerNet
        On the CPU, in evaluation mode.
    layout : str
        One of `LAYOUTS`.
    first : tuple of int
        First cell (u, v) of the window on the map.
    window : tuple of int
        Cells (wu, wv) of the window.
    typical : Tensor or None
        Typical [z, c], where dense layers are written in eight bits.
    """

    net: ShowerNet
    layout: str
    first: tuple[int, int]
    window: tuple[int, int]
    typical: Tensor | None = None

    @property
    def places(self) -> NDArray[np.int64]:
        """Places of the window on the flattened map."""
        u, v = (np.arange(low, low + n) for low, n in zip(self.first, self.window, strict=True))
        return (u[:, None] * self.net.frame.map_shape[1] + v).ravel()

    def model(self) -> Any:
        """Give the ONNX model."""
        n_eps = self.net.n_cells if self.net.noise is not None else 0
        n_inputs = self.net.latent_dim + 5 + (n_eps if self.layout == "full" else 0)
        graph = Graph(n_inputs)
        output, n_outputs = self._par04(graph) if self.layout == "par04" else self._full(graph)
        return graph.model(output, n_outputs, "skhep_anomaly", _version())

    def _par04(self, graph: Graph) -> tuple[str, int]:
        logits = add_trunk(graph, self.net, graph.INPUT, self.places, self.typical)
        response = add_response(graph, self.net, graph.INPUT, self.typical)
        fractions = graph.op("Mul", graph.op("Softmax", logits, axis=1), response)
        return fractions, len(self.places)

    def _full(self, graph: Graph) -> tuple[str, int]:
        net, noisy = self.net, self.net.noise is not None
        widths = [net.latent_dim, net.n_cells, 5] if noisy else [net.latent_dim, 5]
        z, *eps, conditions = graph.ops("Split", len(widths), graph.INPUT, widths, axis=1)
        placed = add_frame(graph, net, conditions)
        joined = graph.op("Concat", z, placed.c, axis=1)
        visible = add_response(graph, net, joined, self.typical)
        total = graph.op("Mul", graph.op("Mul", placed.energy, np.float32(_MEV)), visible)
        logits = add_trunk(graph, net, joined, self.places, self.typical)
        chosen = graph.op("GatherElements", logits, placed.cells, axis=1)
        log_share = graph.op("LogSoftmax", chosen, axis=1)
        log_mean = graph.op("Add", log_share, graph.op("Log", total))
        if not noisy:
            return graph.op("Exp", log_mean), net.n_cells
        cells = add_noise(graph, net, log_mean, eps[0], placed.cells, total, placed.energy)
        return cells, net.n_cells

    def rows(self, conditions: NDArray[np.float32], n: int) -> tuple[Tensor, Tensor]:
        """Give inputs for `n` of the conditions, and what torch makes of them."""
        rows = torch.from_numpy(np.resize(conditions, (n, 5)))
        generator = torch.Generator().manual_seed(0)
        z, eps = self.net.draw_noise(n, generator)
        if self.layout == "full":
            parts = [z, rows] if eps is None else [z, eps, rows]
            return torch.cat(parts, dim=1), self.net.make(rows, z, eps)
        c, energy, _ = self.net.frame(rows)
        logits = self.net.trunk(c, z) + self.net.log_profile
        share = torch.softmax(logits[:, torch.from_numpy(self.places)], dim=1)
        total = self.net.total(c, z, energy) / (energy[:, None] * _MEV)
        return torch.cat([z, c], dim=1), share * total


def export_net(
    net: ShowerNet,
    conditions: NDArray[np.float32],
    path: str | os.PathLike[str],
    *,
    layout: str = "par04",
    quantize: str | None = None,
    window: tuple[int, int] | None = None,
) -> Path:
    """Write a net and check the file; the parameters are those of `CaloGANGenerator.export_onnx`.

    Parameters
    ----------
    net : ShowerNet
        Trained net.
    conditions : ndarray of shape (n, 5)
        Typical conditions, px, py, pz [GeV], x, y [cm].
    path : str or path-like
        The file.
    layout : {"par04", "full"}, default="par04"
        Input and output of the graph.
    quantize : {"int8"} or None, default=None
        Dense layers in eight bits.
    window : tuple of int or None, default=None
        Cells of the window of "par04".

    Returns
    -------
    Path
        The file.
    """
    export = _prepared(net, conditions, layout, quantize, window)
    target = Path(path)
    data = export.model().SerializeToString()
    write_atomically(target, data)
    difference = _difference(export, target, conditions)
    if quantize is None and not difference <= _TOLERANCE:
        target.unlink()
        raise RuntimeError(
            f"The ONNX file differs from torch by {difference:.2g} of a shower's largest cell, "
            f"more than {_TOLERANCE:g}; it was removed. Please report this with the versions of "
            "torch, onnx and onnxruntime."
        )
    about = describe(export)
    about["file"] = {"name": target.name, "sha256": hashlib.sha256(data).hexdigest()}
    about["quantize"], about["largest_difference_to_torch"] = quantize, difference
    about["skhep_anomaly"] = _version()
    text = json.dumps(about, indent=1)
    write_atomically(target.with_suffix(".conditions.json"), (text + "\n").encode())
    write_atomically(target.with_suffix(".cpp"), snippet(about).encode())
    return target


def _prepared(
    net: ShowerNet, conditions: NDArray[np.float32], layout: str, quantize: Any, window: Any
) -> Export:
    if layout not in LAYOUTS:
        raise InvalidParameterError(f"layout={layout!r} must be one of {list(LAYOUTS)}.")
    if quantize not in (None, "int8"):
        raise InvalidParameterError(f"quantize={quantize!r} must be 'int8' or None.")
    if quantize is not None and not isinstance(net.trunk, MLPTrunk):
        raise InvalidParameterError(
            "quantize='int8' is for dense layers; this generator has deconvolutions: use "
            "quantize=None or architecture='mlp'."
        )
    net = copy.deepcopy(net).cpu().eval().requires_grad_(False)
    first, cells = _window(net, layout, window)
    export = Export(net, layout, first, cells)
    if quantize is None:
        return export
    typical, _ = Export(net, "par04", first, cells).rows(conditions, _TYPICAL)
    return Export(net, layout, first, cells, typical)


def _window(net: ShowerNet, layout: str, window: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Give first cell and size of the window of this size that holds most of the mean map."""
    mu, mv = net.frame.map_shape
    if window is None:
        return (0, 0), (mu, mv)
    if layout != "par04" or not isinstance(net.frame, ShowerFrame):
        raise InvalidParameterError(
            f"window={window!r} is for layout='par04' and frame='canonical'; use window=None."
        )
    numbers = isinstance(window, tuple | list) and len(window) == 2
    if not numbers or not all(
        isinstance(n, int | np.integer) and 1 <= n <= most
        for n, most in zip(window, (mu, mv), strict=True)
    ):
        raise InvalidParameterError(
            f"window={window!r} must be two ints (wu, wv) from 1 to the map's {mu} and {mv} cells."
        )
    share = np.exp(float32(net.log_profile).astype(np.float64)).reshape(mu, mv)
    held = np.lib.stride_tricks.sliding_window_view(share, tuple(window)).sum(axis=(2, 3))
    u, v = np.unravel_index(held.argmax(), held.shape)
    return (int(u), int(v)), (int(window[0]), int(window[1]))


def _difference(export: Export, path: Path, conditions: NDArray[np.float32]) -> float:
    """Give the largest difference between file and torch, in units of a shower's largest cell."""
    with torch.inference_mode():
        given, expected = export.rows(conditions, _CHECKED)
    made = open_session(path).run(None, {Graph.INPUT: given.numpy()})[0]
    largest = expected.amax(dim=1, keepdim=True).clamp_min(1e-12).numpy()
    return float((np.abs(made - expected.numpy()) / largest).max())


def open_session(path: str | os.PathLike[str]) -> Any:
    """Open an ONNX file for one thread of the CPU."""
    runtime = import_onnx("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return runtime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])


def _version() -> str:
    return str(sys.modules["skhep_anomaly"].__version__)
