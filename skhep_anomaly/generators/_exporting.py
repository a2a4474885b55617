"""How a fitted generator becomes an ONNX file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sklearn.utils.validation import check_is_fitted

__all__ = ["ShowerExporting"]


class ShowerExporting:
    """Export to ONNX, for Geant4's fast-simulation hook and for `OnnxShowerGenerator`."""

    def export_onnx(
        self,
        path: str | os.PathLike[str],
        layout: str = "par04",
        quantize: str | None = None,
        window: tuple[int, int] | None = None,
    ) -> Path:
        """Write the net as an ONNX file, a description and a C++ snippet.

        The graph has one float32 input and no random operator: normal numbers are input. After
        writing, the file is run and compared with torch. Beside it lie ``<name>.conditions.json``
        (input, scales, units, geometry, noise, version, sha256 of the file) and ``<name>.cpp``, a
        fast-simulation model for Geant4 in the manner of its example Par04.

        Parameters
        ----------
        path : str or path-like
            The file, such as ``"showers.onnx"``.
        layout : {"par04", "full"}, default="par04"
            "par04": input (n, latent_dim + 5) holds z and the scaled conditions in the frame,
            output (n, wu·wv) the mean deposits of the cells around the shower axis, as fractions of
            the particle's energy; no cell noise. "full": input (n, latent_dim [+ nx·ny] + 5) holds
            z, the cells' normal numbers where there is cell noise, and px, py, pz [GeV], x, y [cm];
            output (n, nx·ny) the deposits [MeV].
        quantize : {"int8"} or None, default=None
            "int8": dense layers in eight bits, up to three times as fast on processors with 8-bit
            instructions. Cells move by a per cent; the description tells the largest difference.
        window : tuple of int or None, default=None
            For "par04" in the canonical frame: cells (wu, wv) around the axis that are given; None:
            the whole map, nx + 10 by ny + 10. Smaller is faster; what lies outside is given to the
            cells inside. The place is chosen to hold most of the mean shower.

        Returns
        -------
        Path
            The ONNX file.

        Raises
        ------
        ImportError
            If onnx or onnxruntime are not installed: they come with the extra ``onnx``.
        InvalidParameterError
            If `layout`, `quantize` or `window` is not one of these.
        RuntimeError
            If file and torch differ by more than 1e-5 of a shower's largest cell (without
            `quantize`); the file is removed.
        """
        from skhep_anomaly.generators._onnx import export_net

        check_is_fitted(self)
        net: Any = self.net_.module_.generator  # type: ignore[attr-defined]
        return export_net(
            net,
            self.conditions_,  # type: ignore[attr-defined]
            path,
            layout=layout,
            quantize=quantize,
            window=window,
        )
