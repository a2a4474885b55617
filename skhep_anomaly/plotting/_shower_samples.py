"""Reads what a user calls showers: images of one or several samples, and their conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from skhep_anomaly.metrics.shower_arrays import read_images
from skhep_anomaly.plotting._scores import estimator_name

__all__ = ["generate", "named_samples", "read_samples"]


def named_samples(fake: Any, names: tuple[str, str]) -> dict[str, Any]:
    """Return generated samples by name; none may have the name of the real one.

    Raises
    ------
    ValueError
        Two samples have one name.
    """
    given = {} if fake is None else dict(fake) if isinstance(fake, Mapping) else {names[1]: fake}
    if names[0] in given:
        raise ValueError(f"Two samples are called {names[0]!r}; pass other names=.")
    return given


def read_samples(real: Any, fake: Any, names: tuple[str, str]) -> dict[str, NDArray[Any]]:
    """Return the real images and those of each generator, all of one shape.

    Parameters
    ----------
    real : array-like
        Images.
    fake : array-like, mapping of str to array-like, or None
        Generated images, or those of several generators with their names.
    names : tuple of two str
        Names of the real sample and of a single generator.

    Returns
    -------
    samples : dict of str to ndarray of shape (n, nx, ny)
        The real sample first.

    Raises
    ------
    ValueError
        Images are not as they must be, or of unlike shapes, or two samples have one name.
    """
    samples = {names[0]: read_images(real, f"images of {names[0]!r}")}
    for name, images in named_samples(fake, names).items():
        samples[name] = read_images(images, f"images of {name!r}")
        if samples[name].shape[1:] != samples[names[0]].shape[1:]:
            raise ValueError(
                f"images of {name!r} have {samples[name].shape[1:]} cells, "
                f"expected {samples[names[0]].shape[1:]} as in {names[0]!r}."
            )
    return samples


def generate(
    estimator: Any, X: Any, random_state: Any, names: tuple[str, str] | None
) -> tuple[dict[str, Any], tuple[str, str]]:
    """Return one shower a condition from each generator, and the names of the samples.

    Parameters
    ----------
    estimator : estimator or mapping of str to estimator
        Has ``sample(X, random_state=…)``.
    X : array-like of shape (n, 5)
        Conditions.
    random_state : object
        Passed on.
    names : tuple of two str or None
        Names of the real sample and of a single generator; None: "real" and its class's name.

    Returns
    -------
    fake : dict of str to ndarray
        Generated showers of each generator.
    names : tuple of two str
        As given, or the default.
    """
    if isinstance(estimator, Mapping):
        names = names or ("real", "")
        models = {str(name): model for name, model in estimator.items()}
    else:
        names = names or ("real", estimator_name(estimator))
        models = {names[1]: estimator}
    return {name: m.sample(X, random_state=random_state) for name, m in models.items()}, names
