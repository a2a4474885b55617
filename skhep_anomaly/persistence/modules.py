"""User-written torch modules in model files: their names, never their code.

A parameter that is a module class is stored as its name; a module instance as its name and
weights. ``load(path, modules={"Name": class or factory})`` gives the code back. Where two modules
share a class name (two ``Sequential``), the parameter's name serves as the key instead:
``modules={"encoder": ..., "decoder": ...}``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

__all__ = ["ModuleArgumentError", "is_storable_module", "user_class", "user_module"]


class ModuleArgumentError(TypeError):
    """The caller's ``modules=`` does not serve the file; the file itself is whole."""


def is_storable_module(value: object) -> bool:
    """Whether a value is a torch module (class or instance) that can be named from outside."""
    cls = value if isinstance(value, type) else type(value)
    return issubclass(cls, nn.Module) and "<locals>" not in cls.__qualname__


def user_class(modules: Mapping[str, Any], name: str, where: str) -> Any:
    """Give the caller's class or factory for a stored module."""
    for key in (where, name):
        if key in modules:
            return modules[key]
    msg = (
        f"the file needs the module class {name[:80]!a} for its parameter {where[:80]!a}: "
        f"load(path, modules={{{name[:80]!a}: cls}}); modules has {sorted(modules)}"
    )
    raise ModuleArgumentError(msg)


def user_module(
    modules: Mapping[str, Any], name: str, where: str, weights: dict[str, torch.Tensor]
) -> nn.Module:
    """Give an instance of the caller's class with the stored weights."""
    given = user_class(modules, name, where)
    try:
        module = copy.deepcopy(given) if isinstance(given, nn.Module) else given()
    except Exception as error:
        msg = (
            f"modules[{name[:80]!a}] could not be called without arguments: pass a factory, e.g. "
            f"modules={{{name[:80]!a}: lambda: {name[:80]}(...)}}"
        )
        raise ModuleArgumentError(msg) from error
    if not isinstance(module, nn.Module):
        msg = f"modules[{name[:80]!a}] gave a {type(module).__name__}, not a torch module"
        raise ModuleArgumentError(msg)
    try:
        module.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        msg = f"modules[{name[:80]!a}] gave a module that the stored weights do not fit: {error}"
        raise ModuleArgumentError(msg) from error
    return module
