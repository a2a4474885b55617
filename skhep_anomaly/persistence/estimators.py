"""An estimator as data: class name, parameters, fitted attributes, weights of its nets.

What an estimator promises so that it can be stored:

- its class is listed in the ``__all__`` of a public module of this package, or it is a Pipeline of
  such (only its steps are stored: a cache folder would make ``fit`` read pickles);
- ``get_params(deep=False)`` and its fitted attributes (names that end with ``_`` and do not start
  with it, and those named in ``_extra_state`` of its class or of a base) hold only values that
  `values.py` knows, estimators of ours, and, as parameters, torch modules of the user;
- a trained net, or a list of them, lies in ``net_``; all its numbers are in the ``state_dict`` of
  ``net_.module_``; ``_make_net()`` builds the same net untrained (layers, shapes, dtype) from the
  parameters and the other fitted attributes, on the fitted ``device_`` where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from torch import nn

from skhep_anomaly.exceptions import ModelFileError
from skhep_anomaly.persistence.building import bounded_build
from skhep_anomaly.persistence.classes import class_from_name, class_to_name
from skhep_anomaly.persistence.modules import is_storable_module, user_class, user_module
from skhep_anomaly.persistence.values import ValueReader, ValueWriter

__all__ = ["EstimatorReader", "EstimatorWriter"]


def _is_fitted_name(name: str, cls: type) -> bool:
    public = name.endswith("_") and not name.startswith("_") and name.isidentifier()
    extra = (each for part in cls.__mro__ for each in vars(part).get("_extra_state", ()))
    return (public and name != "net_") or name in extra


class EstimatorWriter(ValueWriter):
    """Writes estimators of ours, and torch modules by name, beside plain values."""

    def write_object(self, value: Any, where: str) -> Any:
        """Store an estimator of ours or a torch module of the user."""
        if isinstance(value, BaseEstimator) and class_to_name(type(value)):
            return {"$": "estimator", **self.write_estimator(value, f"{where}.")}
        if is_storable_module(value):
            return self._module(value, where)
        return super().write_object(value, where)

    def write_estimator(self, estimator: Any, where: str = "") -> dict[str, Any]:
        """Give the estimator's class, parameters, state and the prefixes of its nets' weights."""
        parameters = estimator.get_params(deep=False)
        if isinstance(estimator, Pipeline):
            parameters = {"steps": [tuple(step) for step in estimator.steps]}
        state = {
            name: value
            for name, value in vars(estimator).items()
            if name not in parameters and _is_fitted_name(name, type(estimator))
        }
        return {
            "class": class_to_name(type(estimator)),
            "parameters": {name: self.write(v, f"{where}{name}") for name, v in parameters.items()},
            "state": {name: self.write(v, f"{where}{name}") for name, v in state.items()},
            "nets": self._nets(getattr(estimator, "net_", None), f"{where}net_"),
        }

    def _nets(self, net: Any, where: str) -> Any:
        if net is None:
            return None
        if isinstance(net, list):
            return [self._nets(one, f"{where}[{i}]") for i, one in enumerate(net)]
        return self._weights(net.module_, f"{where}.")

    def _weights(self, module: nn.Module, prefix: str) -> str:
        for name, tensor in module.state_dict().items():
            if isinstance(tensor, torch.Tensor):
                self.add_tensor(prefix + name, tensor)
            else:  # what a module's own get_extra_state gives
                super().write_object(tensor, prefix + name)
        return prefix

    def _module(self, value: Any, where: str) -> Any:
        if isinstance(value, type):
            return {"$": "module_class", "module": value.__name__, "where": where}
        prefix = self._weights(value, f"{where}.")
        name = type(value).__name__
        return {"$": "module", "module": name, "where": where, "weights": prefix}


class EstimatorReader(ValueReader):
    """Rebuilds what an `EstimatorWriter` wrote.

    `device` replaces every stored parameter ``device``, `real_device` (never "auto") every fitted
    ``device_``, before the nets are built.
    """

    def __init__(
        self,
        parts: Mapping[str, bytes],
        tensors: Mapping[str, torch.Tensor],
        modules: Mapping[str, Any],
        device: str,
        real_device: str,
    ) -> None:
        super().__init__(parts, tensors)
        self.modules = modules
        self.device = device
        self.real_device = real_device

    def read_object(self, node: Mapping[str, Any]) -> Any:
        """Read an estimator of ours or a torch module of the user."""
        if node["$"] == "estimator":
            return self.read_estimator(node)
        if node["$"] == "module_class":
            return user_class(self.modules, node["module"], node["where"])
        if node["$"] == "module":
            weights = self._weights(node["weights"])
            return user_module(self.modules, node["module"], node["where"], weights)
        return super().read_object(node)

    def read_estimator(self, node: Mapping[str, Any]) -> Any:
        """Give a new estimator with the stored parameters, state and nets."""
        cls = class_from_name(node["class"])
        parameters = {name: self.read(value) for name, value in node["parameters"].items()}
        if "device" in parameters:
            parameters["device"] = self.device
        if cls is Pipeline:
            _check_steps(parameters)
        estimator = cls(**parameters)
        self._set_state(estimator, node["state"])
        if node["nets"] is not None:
            estimator.net_ = self._nets(estimator, node["nets"])
        return estimator

    def _set_state(self, estimator: Any, state: Mapping[str, Any]) -> None:
        for name, value in state.items():
            if not _is_fitted_name(name, type(estimator)):
                msg = f"it sets {name[:80]!a}, which is no fitted attribute"
                raise ModelFileError(msg)
            setattr(estimator, name, self.read(value))
        if "device_" in state:
            estimator.device_ = self.real_device

    def _nets(self, estimator: Any, prefixes: Any) -> Any:
        weights = [self._weights(prefix) for prefix in _flat(prefixes)]
        with bounded_build(tensor for each in weights for tensor in each.values()):
            nets = estimator._make_net()
        if len(_flat(nets)) != len(weights) or isinstance(nets, list) != isinstance(prefixes, list):
            msg = f"it holds weights of {len(weights)} nets, its parameters make another number"
            raise ModelFileError(msg)
        for net, tensors in zip(_flat(nets), weights, strict=True):
            _fill(net.module_, tensors)
        return nets

    def _weights(self, prefix: str) -> dict[str, torch.Tensor]:
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }


def _check_steps(parameters: Mapping[str, Any]) -> None:
    """Refuse a pipeline that is more than named estimators of ours."""
    steps = parameters.get("steps")
    named = isinstance(steps, list) and all(
        isinstance(step, tuple)
        and len(step) == 2
        and isinstance(step[0], str)
        and (isinstance(step[1], BaseEstimator) or step[1] == "passthrough")
        for step in steps
    )
    if not (named and steps and set(parameters) == {"steps"}):
        msg = "its pipeline is no list of named estimators"
        raise ModelFileError(msg)


def _flat(nets: Any) -> list[Any]:
    return nets if isinstance(nets, list) else [nets]


def _fill(module: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    # load_state_dict alone would round float64 weights into a float32 module
    own = module.state_dict()
    if _dtypes(own.items()) != _dtypes(tensors.items()):
        msg = "its weights have other names or dtypes than the net that its parameters make"
        raise ModelFileError(msg)
    module.load_state_dict(tensors, strict=True)
    module.eval()


def _dtypes(items: Iterable[tuple[str, torch.Tensor]]) -> dict[str, torch.dtype]:
    return {name: tensor.dtype for name, tensor in items}
