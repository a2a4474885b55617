"""Results on one page: tables for the terminal and a self-contained HTML report."""

from __future__ import annotations

from skhep_anomaly.report.machine import machine_summary, package_versions
from skhep_anomaly.report.numbers import format_value
from skhep_anomaly.report.picture import Picture
from skhep_anomaly.report.table import Table, format_table
from skhep_anomaly.report.writer import write_report

__all__ = [
    "Picture",
    "Table",
    "format_table",
    "format_value",
    "machine_summary",
    "package_versions",
    "write_report",
]
