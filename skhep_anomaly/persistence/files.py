"""Save a fitted estimator into one file and load it again, trusting nothing in the file.

The manifest holds class and parameters, ``state.json`` the fitted attributes, the other parts
arrays and weights (`container.py`). Scores after loading are bitwise those before saving on the
same machine and library versions. What is not stored: the optimiser's state (continued training
starts it afresh) and the choice of ``set_output``.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.utils.validation import check_is_fitted

from skhep_anomaly._atomic import write_atomically
from skhep_anomaly._device import resolve_device
from skhep_anomaly.exceptions import ModelFileError
from skhep_anomaly.persistence.classes import class_to_name
from skhep_anomaly.persistence.container import FORMAT, pack, unpack
from skhep_anomaly.persistence.estimators import EstimatorReader, EstimatorWriter
from skhep_anomaly.persistence.modules import ModuleArgumentError
from skhep_anomaly.persistence.weights import tensors_from_bytes, tensors_to_bytes

__all__ = ["SaveMixin", "load", "save"]


class SaveMixin:
    """Gives an estimator ``save``."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the fitted estimator into one file, without pickle.

        The file appears whole or not at all. `skhep_anomaly.load` gives the estimator back, with
        bitwise equal scores.

        Parameters
        ----------
        path : str or path-like
            The file to write; an existing one is replaced.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If a part cannot be stored without pickle: an estimator of another package, a function,
            a class defined inside a function. The message names the part.
        OSError
            If the file cannot be written, e.g. on a full disk; an older file is then intact.
        """
        save(self, path)


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Save a fitted estimator of this package; the function behind ``estimator.save(path)``.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator of this package, or a Pipeline of such; of a Pipeline only the steps are
        stored.
    path : str or path-like
        The file to write; an existing one is replaced.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If the estimator or a part of it cannot be stored without pickle; the part is named.
    OSError
        If the file cannot be written; an older file is then intact.
    """
    check_is_fitted(estimator)
    owner = type(estimator).__name__
    if class_to_name(type(estimator)) is None:
        msg = (
            f"{owner} cannot be saved: it is no public estimator of skhep_anomaly. "
            "Use skops.io.dump (https://skops.readthedocs.io) for other estimators"
        )
        raise TypeError(msg)
    writer = EstimatorWriter(owner)
    node = writer.write_estimator(estimator)
    head = {
        "format": FORMAT,
        "written_by": f"skhep_anomaly {_versions()['skhep_anomaly']}",
        "class": node["class"],
        "versions": _versions(),
        "parameters": node["parameters"],
    }
    state = {"state": node["state"], "nets": node["nets"]}
    parts = {
        **writer.arrays,
        "weights.safetensors": tensors_to_bytes(writer.tensors),
        "state.json": json.dumps(state, allow_nan=False).encode("ascii"),
    }
    write_atomically(path, pack(head, parts))


def load(
    path: str | os.PathLike[str],
    modules: Mapping[str, Any] | None = None,
    device: str = "cpu",
) -> Any:
    """Load an estimator from a model file that ``save`` wrote.

    The file is untrusted: it is checked whole, nothing in it is unpickled or executed, and its
    class must be a public estimator of this package. It is read onto the CPU first, wherever it
    was trained.

    Parameters
    ----------
    path : str or path-like
        The model file.
    modules : dict of str to class or factory, optional
        The torch modules written by you that the estimator got as parameters, by class name, or by
        parameter name where two share a class name. A factory is a callable without arguments.
    device : str, default="cpu"
        Where the nets go; it becomes the parameter ``device`` of the estimator and of those
        inside it.

    Returns
    -------
    estimator
        The fitted estimator.

    Raises
    ------
    ModelFileError
        If the file is damaged, malformed, of a newer format or of a class that is not ours.
    TypeError
        If the file needs `modules` that are not given or do not fit.
    ValueError
        If `device` is not there.

    Warns
    -----
    UserWarning
        If the file was written with another release (major or minor) of this package or of torch.

    Examples
    --------
    >>> import skhep_anomaly
    >>> skhep_anomaly.load("no_such_model.skhep")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'no_such_model.skhep'
    """
    real_device = resolve_device(device)
    data = _read_file(path)
    try:
        manifest, parts = unpack(data)
        tensors = tensors_from_bytes(parts["weights.safetensors"])
        reader = EstimatorReader(parts, tensors, modules or {}, device, real_device)
        with _torch_stream_kept(real_device):
            estimator = reader.read_estimator({**manifest, **json.loads(parts["state.json"])})
        other = _other_releases(manifest["versions"])
    except ModuleArgumentError:
        raise
    except Exception as error:  # whatever a malformed file leads to
        reason = error if isinstance(error, ModelFileError) else f"it is malformed ({error!r:.200})"
        msg = f"{os.fspath(path)} is refused: {reason}"
        raise ModelFileError(msg) from error
    if other:
        msg = f"{os.fspath(path)} was written with {other}. Scores should agree: compare a few"
        warnings.warn(msg, UserWarning, stacklevel=2)
    return estimator


def _versions() -> dict[str, str]:
    return {
        "skhep_anomaly": sys.modules["skhep_anomaly"].__version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }


def _other_releases(written: Mapping[str, str]) -> str:
    # only these two decide about scores; a third number is a bug fix
    here = _versions()
    return ", ".join(
        f"{name} {written[name][:40]!a} (here {here[name]})"
        for name in ("skhep_anomaly", "torch")
        if written[name].split(".")[:2] != here[name].split(".")[:2]
    )


def _torch_stream_kept(device: str) -> AbstractContextManager[None]:
    # new nets draw weights before they get the stored ones
    gpus = [] if device == "cpu" else range(torch.cuda.device_count())
    return torch.random.fork_rng(devices=gpus)


def _read_file(path: str | os.PathLike[str]) -> bytes:
    path = Path(path)
    if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
        msg = f"{path} is refused: it is no regular file"
        raise ModelFileError(msg)
    return path.read_bytes()
