"""A small writer of ONNX graphs: operators by name, constants kept once.

`Graph.op("Mul", a, b)` adds a node and gives the name of its output; arrays among the inputs become
constants. Written on `onnx.helper` alone, so that what stands in the file is what stands in the
code, and no tracer or its version decides. Opset 17 runs wherever ONNX Runtime 1.13 or later does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.datasets._extras import require

__all__ = ["Graph", "import_onnx"]

_OPSET, _IR_VERSION = 17, 8


def import_onnx(module: str = "onnx") -> Any:
    """Import onnx or onnxruntime, or say which extra brings them."""
    return require(module, "onnx", "to write and run ONNX files")


class Graph:
    """Nodes and constants of a graph with one input and one output of float32 rows.

    Parameters
    ----------
    n_inputs : int
        Columns of the input, whose name is `Graph.INPUT`.
    """

    INPUT, OUTPUT = "input", "output"

    def __init__(self, n_inputs: int) -> None:
        self.n_inputs = n_inputs
        self._onnx = import_onnx()
        self._nodes: list[Any] = []
        self._constants: dict[tuple[Any, ...], Any] = {}

    def const(self, value: Any, dtype: Any = None) -> str:
        """Give the name of a constant; lists of ints become int64."""
        array = np.ascontiguousarray(value, dtype=dtype).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"c{len(self._constants)}"
            self._constants[key] = self._onnx.numpy_helper.from_array(array, name)
        return str(self._constants[key].name)

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node with one output and give the output's name."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, n_outputs: int, *inputs: Any, **attributes: Any) -> list[str]:
        """Add a node with several outputs and give their names."""
        names = [i if isinstance(i, str) else self.const(i) for i in inputs]
        outputs = [f"{kind}{len(self._nodes)}_{k}" for k in range(n_outputs)]
        self._nodes.append(self._onnx.helper.make_node(kind, names, outputs, **attributes))
        return outputs

    def cast(self, name: str, dtype: str) -> str:
        """Cast to "FLOAT", "DOUBLE" or "INT64"."""
        return self.op("Cast", name, to=getattr(self._onnx.TensorProto, dtype))

    def model(self, output: str, n_outputs: int, producer: str, version: str) -> Any:
        """Give the checked model whose result is the value named `output`."""
        helper, kind = self._onnx.helper, self._onnx.TensorProto.FLOAT
        end = helper.make_node("Identity", [output], [self.OUTPUT])
        graph = helper.make_graph(
            [*self._nodes, end],
            "showers",
            [helper.make_tensor_value_info(self.INPUT, kind, ["n", self.n_inputs])],
            [helper.make_tensor_value_info(self.OUTPUT, kind, ["n", n_outputs])],
            list(self._constants.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name=producer,
            producer_version=version,
        )
        self._onnx.checker.check_model(model, full_check=True)
        return model


def float32(value: Any) -> NDArray[np.float32]:
    """Give a torch tensor or number as a float32 array."""
    value = value.detach().cpu().numpy() if hasattr(value, "detach") else value
    array: NDArray[np.float32] = np.asarray(value, dtype=np.float32)
    return array
