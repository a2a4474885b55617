"""(1+ε)-class classification and the samplers of its pseudo-anomalies."""
