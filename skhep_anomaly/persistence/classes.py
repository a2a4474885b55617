"""The name under which a class of ours is stored, and the way back.

A class is ours if a public module of this package lists it in its ``__all__``. The shortest such
module names it: ``skhep_anomaly.AEOutlierDetector`` rather than
``skhep_anomaly.outliers.autoencoder.AEOutlierDetector``, so that files survive a move between
modules. Nothing is registered; a name from a file is looked up when the file is read, and it can
only ever lead to a public estimator of this package, or to scikit-learn's Pipeline of such.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from skhep_anomaly.exceptions import ModelFileError

__all__ = ["class_from_name", "class_to_name"]

_PACKAGE = __name__.partition(".")[0]
_PIPELINE = "sklearn.pipeline.Pipeline"
_CLASS_NAME = re.compile(rf"({_PACKAGE}(?:\.[a-z][a-z0-9_]*)*)\.([A-Z]\w*)", re.ASCII)


def class_to_name(cls: type) -> str | None:
    """Give the public name of an estimator class, or None if it is not one of ours."""
    if cls is Pipeline:
        return _PIPELINE
    path = cls.__module__.split(".")
    if path[0] != _PACKAGE or not issubclass(cls, BaseEstimator):
        return None
    for length in range(1, len(path) + 1):
        module = ".".join(path[:length])
        name = f"{module}.{cls.__name__}"
        if _CLASS_NAME.fullmatch(name) and _public(sys.modules.get(module), cls.__name__) is cls:
            return name
    return None


def class_from_name(name: object) -> type[Any]:
    """Give the estimator class of a public name; anything else is refused."""
    if name == _PIPELINE:
        return Pipeline
    found = _CLASS_NAME.fullmatch(name) if isinstance(name, str) else None
    cls = None
    if found:
        try:
            cls = _public(import_module(found[1]), found[2])
        except ModuleNotFoundError:
            cls = None
    if not (isinstance(cls, type) and issubclass(cls, BaseEstimator)):
        msg = f"its class {str(name)[:80]!a} is no public estimator of {_PACKAGE}"
        raise ModelFileError(msg)
    return cls


def _public(module: Any, name: str) -> Any:
    return getattr(module, name, None) if name in getattr(module, "__all__", ()) else None
