"""``skhep-anomaly report``: the HTML report again from a comparison in JSON."""

from __future__ import annotations

from typing import Any

from skhep_anomaly.cli.comparing import write_page
from skhep_anomaly.cli.outputs import check_writable
from skhep_anomaly.comparison import ComparisonResult

__all__ = ["run"]


def run(options: Any) -> int:
    """Write the report; give the exit code."""
    check_writable(options.out)
    write_page(ComparisonResult.from_json(options.result), options)
    return 0
