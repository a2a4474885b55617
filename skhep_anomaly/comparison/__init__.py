"""The main job: fit several detectors on background, several seeds each, and compare them fairly.

Every detector sees the same training background and the same test events: held-out background and
signal. Classifiers learn from some known signal as well, which then tests nobody.
`compare_detectors` gives the numbers, `ComparisonResult` keeps them (as a frame, as JSON, as a
report), `comparison_detectors` the ready-made detectors.
"""

from __future__ import annotations

from skhep_anomaly.comparison.compare import compare_detectors
from skhep_anomaly.comparison.detectors import comparison_detectors
from skhep_anomaly.comparison.page import write_comparison_report
from skhep_anomaly.comparison.result import ComparisonResult

__all__ = [
    "ComparisonResult",
    "compare_detectors",
    "comparison_detectors",
    "write_comparison_report",
]
