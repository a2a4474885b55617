"""Mean images of samples of showers, and what compares two of them.

The mean deposit of a cell has the error s/√n, with s the standard deviation over n showers. A row's
or a column's is made from the sums of each shower, for neighbouring cells are not independent.
Where shower i of two samples comes from the same particle, their means share most of that error
(they are high or low together, with the energies drawn): the covariance c of the means, summed over
such pairs, gives the difference f − r the error √(σ_f² + σ_r² − 2c), several times smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._validation import iter_slices

__all__ = ["MeanImage", "Track", "Values", "compare_means", "mean_image"]

CHUNK_ROWS = 1024


class Values(NamedTuple):
    """Numbers with their errors, and their covariance with those of the real sample if known."""

    value: NDArray[np.float64]
    error: NDArray[np.float64]
    covariance: NDArray[np.float64] | None = None


class Track(NamedTuple):
    """Where the particle enters the face and where its axis is at a depth; (x, y) in cm."""

    entry: tuple[float, float]
    deep: tuple[float, float]


@dataclass(frozen=True)
class MeanImage:
    """The mean of some showers of one sample.

    Parameters
    ----------
    sample : str
        Name of the sample: "Geant4", a generator's name.
    cells : Values of shape (nx, ny)
        Mean deposit of each cell [MeV].
    profiles : tuple of two Values of shapes (nx,) and (ny,)
        Mean deposit of each column x (summed over y) and of each row y (summed over x) [MeV].
    n_showers : int
        Number of showers; with one, errors are NaN.
    title : str
        What the showers have in common; empty where they are the whole sample.
    energies : tuple of float or None
        Lowest and highest energy of the particles [GeV].
    track : Track or None
        Of a single shower: where its particle goes.
    """

    sample: str
    cells: Values
    profiles: tuple[Values, Values]
    n_showers: int
    title: str = ""
    energies: tuple[float, float] | None = None
    track: Track | None = None

    @property
    def caption(self) -> str:
        """Number of showers, and their energies where these are known."""
        number = f"{self.n_showers:,} shower{'s' if self.n_showers > 1 else ''}"
        if self.energies is None:
            return number
        low, high = (f"{energy:.3g}" for energy in self.energies)
        return f"{number}, {low} GeV" if low == high else f"{number}, {low}–{high} GeV"


def mean_image(
    sample: str, images: NDArray[Any], paired: NDArray[Any] | None = None, **about: Any
) -> MeanImage:
    """Return the mean of `images` with errors, reading them in chunks.

    Parameters
    ----------
    sample : str
        Name of the sample.
    images : ndarray of shape (n_showers, nx, ny)
        Deposits [MeV]; may be a memmap.
    paired : ndarray of shape (n_showers, nx, ny), default=None
        Real showers of the same particles.
    **about
        ``title``, ``energies``, ``track`` of the `MeanImage`.

    Returns
    -------
    image : MeanImage
        Mean image and mean profiles.
    """
    sums: list[Any] = [0.0, 0.0, 0.0]
    for rows in iter_slices(len(images), CHUNK_ROWS):
        others = None if paired is None else _projections(paired[rows])
        for i, own in enumerate(_projections(images[rows])):
            other = own if others is None else others[i]
            terms = [own, other, own**2, other**2, own * other]
            sums[i] = sums[i] + np.stack([term.sum(axis=0) for term in terms])
    of_cells, *profiles = (_values(part, len(images), paired is not None) for part in sums)
    return MeanImage(sample, of_cells, (profiles[0], profiles[1]), len(images), **about)


def _projections(images: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Return cells, columns and rows of each shower."""
    cells = np.asarray(images, dtype=np.float64)
    return [cells, cells.sum(axis=2), cells.sum(axis=1)]


def _values(sums: NDArray[np.float64], n: int, paired: bool) -> Values:
    """Return mean, error and covariance from sums of a, b, a², b², ab over n showers."""
    mean, other = sums[:2] / n
    if n == 1:
        return Values(mean, np.full_like(mean, np.nan))
    error = np.sqrt((sums[2] - n * mean**2).clip(min=0) / (n - 1) / n)
    if not paired:
        return Values(mean, error)
    return Values(mean, error, (sums[4] - n * mean * other) / (n - 1) / n)


def compare_means(kind: str, real: Values, fake: Values) -> Values:
    """Return how `fake` differs from `real`, with the error of the difference.

    Parameters
    ----------
    kind : {"ratio", "difference", "pull"}
        fake / real, fake − real, or (fake − real)/σ.
    real, fake : Values
        Means with errors; with their covariance in `fake`, where it is known.

    Returns
    -------
    values : Values
        NaN where `real` is zero (ratio), or where both errors are (pull).

    Raises
    ------
    ValueError
        `kind` is unknown.
    """
    if kind not in ("ratio", "difference", "pull"):
        raise ValueError(
            f"comparison={kind!r}; allowed are 'ratio', 'difference', 'pull' and None."
        )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if kind == "ratio":
            ratio = np.where(real.value > 0, fake.value / real.value, np.nan)
            return Values(ratio, _error_of_difference(fake, real, ratio) / real.value)
        difference = fake.value - real.value
        error = _error_of_difference(fake, real, np.ones_like(difference))
        if kind == "difference":
            return Values(difference, error)
        pull = np.where(error > 0, difference / error, np.nan)
        return Values(pull, np.ones_like(pull))


def _error_of_difference(
    fake: Values, real: Values, factor: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the error of fake − factor · real."""
    shared = 0.0 if fake.covariance is None else 2 * factor * fake.covariance
    return np.sqrt((fake.error**2 + (factor * real.error) ** 2 - shared).clip(min=0))
