"""Samplers of pseudo-anomalies, one method per file."""
