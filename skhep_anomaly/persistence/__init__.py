"""Model files: ``est.save(path)`` and ``load(path)``, without pickle.

One zip of plain parts (JSON, safetensors, npy) with a sha256 of the whole file behind it. What an
estimator has to be so that it can be stored is written in `estimators.py`, the file's form in
`container.py`.
"""

from __future__ import annotations

from skhep_anomaly.persistence.files import SaveMixin, load, save

__all__ = ["SaveMixin", "load", "save"]
