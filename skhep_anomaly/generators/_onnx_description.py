"""What the user of an exported shower generator must know, as plain numbers for a JSON file."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from skhep_anomaly.generators._conditions import CONDITION_NAMES
from skhep_anomaly.generators._onnx_graph import Graph, float32
from skhep_anomaly.nn.cell_noise import E_GRID, L_GRID, THICK, THIN, THRESHOLD, TableNoise
from skhep_anomaly.nn.low_deposits import EMPTY, LIMIT, LOWEST, STEP
from skhep_anomaly.nn.shower_frame import ShowerFrame
from skhep_anomaly.nn.shower_net import ShowerNet

__all__ = ["describe"]

_FRAMED_NAMES = ("ln(|p|/GeV)", "tx", "ty", "u", "v")


def describe(export: Any) -> dict[str, Any]:
    """Give input, output, geometry and noise of an export."""
    net: ShowerNet = export.net
    return {
        "format": 1,
        "layout": export.layout,
        "input": {"name": Graph.INPUT, "dtype": "float32", "columns": _columns(net, export.layout)},
        "output": _output(export),
        "geometry": _geometry(net),
        "conditions": {
            "names": list(CONDITION_NAMES),
            "units": ["GeV", "GeV", "GeV", "cm", "cm"],
            "framed_names": list(_FRAMED_NAMES),
            "center": net.frame.center.tolist(),
            "scale": net.frame.scale.tolist(),
        },
        "visible_fraction": float(net.fraction),
        "cell_noise": _noise(export),
    }


def _columns(net: ShowerNet, layout: str) -> list[dict[str, Any]]:
    normal = "independent standard normal numbers"
    columns: list[dict[str, Any]] = [{"name": "z", "size": net.latent_dim, "values": normal}]
    if layout == "par04":
        values = "(framed conditions - center) / scale"
        return [*columns, {"name": "c", "size": 5, "values": values}]
    if net.noise is not None:
        columns.append({"name": "eps", "size": net.n_cells, "values": normal})
    return [*columns, {"name": "conditions", "size": 5, "values": ", ".join(CONDITION_NAMES)}]


def _output(export: Any) -> dict[str, Any]:
    net: ShowerNet = export.net
    if export.layout == "full":
        return {"name": Graph.OUTPUT, "unit": "MeV", "shape": list(net.shape)}
    shift = getattr(net.frame, "max_shift", 0)
    axis = [n // 2 + shift for n in net.shape]
    share = torch.softmax(net.log_profile, dim=0)[torch.from_numpy(export.places)].sum()
    return {
        "name": Graph.OUTPUT,
        "unit": "fraction of the particle's energy, mean of the cell",
        "shape": list(export.window),
        "first_cell_from_axis": [int(a - b) for a, b in zip(export.first, axis, strict=True)],
        "share_of_mean_shower": round(float(share), 7),
    }


def _geometry(net: ShowerNet) -> dict[str, Any]:
    frame, shape = net.frame, {"shape": list(net.shape)}
    if not isinstance(frame, ShowerFrame):
        return {"frame": None, **shape, "max_shift": 0}
    lengths = {"cell_cm": frame.cell, "depth_cm": frame.depth.tolist()}
    return {"frame": "canonical", **shape, **lengths, "max_shift": frame.max_shift}


def _noise(export: Any) -> dict[str, Any] | None:
    """Give the parameters of the noise, of the window's cells."""
    net: ShowerNet = export.net
    if net.noise is None:
        return None
    low = {"limit_mev": LIMIT, "empty_mev": EMPTY, "log_grid": [LOWEST, STEP]}
    low["log_after"] = _rounded(net.low.after)
    both = {"pull": net.pull.tolist(), "smallest_deposits": low}
    if not isinstance(net.noise, TableNoise):
        a, b = (float(np.exp(float32(log))) for log in (net.noise.log_a, net.noise.log_b))
        return {"kind": "gaussian", "a_mev": a, "b": b, **both}
    scale, near, far, near_thin, far_thin = (float32(weight) for weight in net.noise.weights())
    return {
        "kind": "table",
        "threshold_mev": THRESHOLD,
        "l_grid": list(L_GRID),
        "eps_grid": list(E_GRID),
        "table": _rounded(net.noise.table),
        "scale": _rounded(scale[export.places]),
        "adjacent": {"thick": _rounded(near[export.places]), "thin": float(near_thin)},
        "diagonal": {"thick": float(far), "thin": float(far_thin)},
        "log_thick_thin": [THICK, THIN],
        **both,
    }


def _rounded(value: Any) -> Any:
    """Give nested lists of numbers with the digits of float32."""
    array = float32(value)
    return np.array([float(f"{x:.9g}") for x in array.ravel()]).reshape(array.shape).tolist()
