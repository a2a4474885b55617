"""Samplers of pseudo-anomalies, one method per file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.base import clone

from skhep_anomaly.ope.samplers._base import PseudoAnomalySampler, ValueAndGrad
from skhep_anomaly.ope.samplers.deep import DeepSampler
from skhep_anomaly.ope.samplers.flow import FlowSampler
from skhep_anomaly.ope.samplers.gaussian_mixture import GaussianMixtureSampler
from skhep_anomaly.ope.samplers.hmc import HMCSampler
from skhep_anomaly.ope.samplers.mixture import MixtureSampler
from skhep_anomaly.ope.samplers.rmsprop import RMSPropSampler
from skhep_anomaly.ope.samplers.swap import SwapSampler
from skhep_anomaly.ope.samplers.uniform import UniformSampler

__all__ = [
    "SAMPLERS",
    "DeepSampler",
    "FlowSampler",
    "GaussianMixtureSampler",
    "HMCSampler",
    "MixtureSampler",
    "PseudoAnomalySampler",
    "RMSPropSampler",
    "SwapSampler",
    "UniformSampler",
    "ValueAndGrad",
    "make_sampler",
]

SAMPLERS: dict[str, type[PseudoAnomalySampler]] = {
    "deep": DeepSampler,
    "flow": FlowSampler,
    "gmm": GaussianMixtureSampler,
    "hmc": HMCSampler,
    "mixture": MixtureSampler,
    "rmsprop": RMSPropSampler,
    "swap": SwapSampler,
    "uniform": UniformSampler,
}


def make_sampler(sampler: Any, params: Mapping[str, Any] | None = None) -> PseudoAnomalySampler:
    """Give a new, unbound sampler.

    Parameters
    ----------
    sampler : str or sampler
        Name in `SAMPLERS`, or an object, which is cloned.
    params : mapping, default=None
        Parameters of a sampler given by name.

    Returns
    -------
    sampler
        Sharing nothing with the one given.

    Raises
    ------
    ValueError
        If the name or a parameter is unknown, or an object comes with parameters.
    TypeError
        If `sampler` is neither a name nor a sampler.

    Examples
    --------
    >>> make_sampler("hmc", {"step_size": 0.2})
    HMCSampler(step_size=0.2)
    """
    if isinstance(sampler, str):
        if sampler not in SAMPLERS:
            names = ", ".join(map(repr, sorted(SAMPLERS)))
            raise ValueError(f"sampler={sampler!r} is unknown; use one of {names}, or an object.")
        return SAMPLERS[sampler]().set_params(**(params or {}))
    if not isinstance(sampler, PseudoAnomalySampler):
        raise TypeError(
            f"sampler={sampler!r} is neither a name nor a sampler; give a name such as 'uniform' "
            "or an object such as HMCSampler(), not its class."
        )
    if params:
        raise ValueError(
            f"sampler_params={dict(params)!r} go with a sampler given by name; set the parameters "
            f"of an object in the object itself: {type(sampler).__name__}(...)."
        )
    return clone(sampler)
