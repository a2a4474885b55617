"""The published ROC AUC of (1+ε)-class classification, for orientation beside our own sets.

Source: Borisyak et al., arXiv:1906.06096. Columns: number of known anomalies; None: not defined.
Their HIGGS and SUSY are the whole UCI files; the sets here are smaller or simulated anew.
"""

from __future__ import annotations

from typing import NamedTuple


class Table(NamedTuple):
    columns: tuple[str, ...]
    rows: dict[str, tuple[float | None, ...]]


COLUMNS = ("0", "100", "1k", "10k", "1M")
PUBLISHED: dict[str, Table] = {
    "HIGGS": Table(
        COLUMNS,
        {
            "RobustAE": (0.530,) * 5,
            "DeepSVDD": (0.497,) * 5,
            "cross-entropy": (None, 0.496, 0.529, 0.566, 0.858),
            "semi-supervised": (None, 0.498, 0.522, 0.603, 0.745),
            "brute-force OPE": (0.499, 0.500, 0.520, 0.572, 0.859),
            "HMC EOPE": (0.491, 0.523, 0.567, 0.648, 0.848),
            "RMSProp EOPE": (0.498, 0.494, 0.531, 0.593, 0.861),
            "Deep EOPE": (0.531, 0.537, 0.560, 0.628, 0.860),
        },
    ),
    "SUSY": Table(
        COLUMNS,
        {
            "RobustAE": (0.394,) * 5,
            "DeepSVDD": (0.541,) * 5,
            "cross-entropy": (None, 0.658, 0.736, 0.757, 0.871),
            "semi-supervised": (None, 0.715, 0.766, 0.847, 0.876),
            "brute-force OPE": (0.648, 0.678, 0.729, 0.757, 0.871),
            "HMC EOPE": (0.472, 0.738, 0.770, 0.816, 0.877),
            "RMSProp EOPE": (0.443, 0.714, 0.760, 0.807, 0.877),
            "Deep EOPE": (0.468, 0.670, 0.746, 0.813, 0.878),
        },
    ),
}
SPREAD = {
    "HIGGS": "their spread over runs ≤ .017",
    "SUSY": "their spread over runs ≤ .12 at 0, ≤ .05 else",
}
