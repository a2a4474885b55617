"""``--set``: parameters of detectors from the command line."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.pipeline import Pipeline

from skhep_anomaly.cli.columns import similar

__all__ = ["apply_setting", "apply_settings"]

PLACES = ("detector__", "detector__estimator__", "detector__detector__", "")
WORDS = {"none": None, "null": None, "true": True, "false": False}


def apply_settings(pipelines: Mapping[str, Pipeline], settings: Sequence[str]) -> None:
    """Set ``MODEL.PARAM=VALUE`` in pipelines by the models' short names.

    Parameters
    ----------
    pipelines : mapping of str to Pipeline
        Short name → pipeline; changed in place.
    settings : sequence of str
        As typed.

    Raises
    ------
    ValueError
        If a setting is malformed, or names a model or parameter that is not there.
    """
    for text in settings:
        model, dot, rest = text.partition(".")
        if not dot or "=" in model:
            raise ValueError(f"--set {text}: expected MODEL.PARAM=VALUE, such as vae.latent_dim=4")
        if model not in pipelines:
            raise ValueError(f"--set {text}: no model {model!r} is compared; {_list(pipelines)}")
        apply_setting(pipelines[model], rest)


def _list(pipelines: Mapping[str, Any]) -> str:
    return f"there are {', '.join(pipelines)}"


def apply_setting(pipeline: Pipeline, text: str) -> None:
    """Set ``PARAM=VALUE`` in the detector of a pipeline, or in the detector inside that one.

    Parameters
    ----------
    pipeline : Pipeline
        Changed in place.
    text : str
        As typed; the value is a Python literal, or else a word.

    Raises
    ------
    ValueError
        If it is malformed or the parameter is not there.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ValueError(f"--set {text}: expected PARAM=VALUE, such as latent_dim=4")
    name, known = name.strip(), pipeline.get_params(deep=True)
    for place in PLACES:
        if place + name in known:
            pipeline.set_params(**{place + name: _value(value.strip())})
            return
    short = {key.rpartition("__")[2] for key in known if key.startswith("detector__")}
    raise ValueError(f"--set {text}: no parameter {name!r}; {similar(name, sorted(short))}")


def _value(text: str) -> Any:
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
