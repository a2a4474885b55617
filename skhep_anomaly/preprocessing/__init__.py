"""Transformers for what event files do to columns; they belong in front, in a Pipeline."""

from __future__ import annotations

from skhep_anomaly.preprocessing.missing import MissingSentinel

__all__ = ["MissingSentinel"]
