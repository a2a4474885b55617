"""Images of showers: mean of a sample beside the mean of what a generator makes, or single showers.

All images share one colour scale. Under them stand the means along x and y with their errors and
the ratio to the real sample; beside them a map of where the two differ. Axes are in cm on the
calorimeter's face, the deposits in MeV.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from skhep_anomaly.metrics.shower_arrays import Geometry, read_conditions
from skhep_anomaly.plotting._image_figure import ImageFigure
from skhep_anomaly.plotting._image_panels import cell_edges, deposit_scale
from skhep_anomaly.plotting._mean_images import MeanImage, Values, compare_means
from skhep_anomaly.plotting._shower_groups import average_groups, whole_or_groups
from skhep_anomaly.plotting._shower_samples import generate, read_samples

__all__ = ["ShowerImageDisplay"]

CELL_SIZE, DEPTH = Geometry()  # cm
PANEL = 3.1  # inch
PROFILES = 3.4  # inch, height of the profiles with their ratio pads


class ShowerImageDisplay:
    """Mean images of real and generated showers, or single showers, on one colour scale.

    Use `from_images`, `from_estimator` or `from_showers`.

    Parameters
    ----------
    images : sequence of sequences of MeanImage
        One inner sequence for each sample, the real one first; in each one image for every group
        of showers: a single one for the whole sample, or one for each single shower.
    cell_size : float or None, default=2.02
        Width of a cell [cm]; None counts cells.
    centre : tuple of float, default=(0.0, 0.0)
        Centre of the image on the face [cm].

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The panel of the first image.
    axes_ : ndarray of matplotlib.axes.Axes of shape (n_samples, n_groups)
        Panels of images.
    difference_axes_ : list of matplotlib.axes.Axes
        Panels that compare a generator with the real sample, one a generator.
    profile_axes_ : list of tuples of matplotlib.axes.Axes
        Profile along x and along y, each with its ratio pad (None where there is none).
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    ShowerHistogramDisplay : Observables of showers.

    Notes
    -----
    A mean hides what single showers look like: one smeared image has the same mean as many sharp
    ones. Look at `from_showers`, too, and at the observables.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly import ShowerImageDisplay
    >>> showers = np.zeros((2, 3, 3))
    >>> showers[:, 1, 1] = 4.0, 6.0
    >>> display = ShowerImageDisplay.from_images(showers, 1.1 * showers, plot=False)
    >>> float(display.images[0][0].cells.value[1, 1])
    5.0
    >>> float(display.compare("ratio")[0].value[1, 1].round(3))
    1.1
    """

    def __init__(
        self,
        *,
        images: Sequence[Sequence[MeanImage]],
        cell_size: float | None = CELL_SIZE,
        centre: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self.images = images
        self.cell_size = cell_size
        self.centre = centre

    @classmethod
    def from_images(
        cls,
        real: Any,
        fake: Any = None,
        X: Any = None,
        *,
        groups: Any = None,
        group_name: str = "group",
        names: tuple[str, str] = ("real", "generated"),
        cell_size: float | None = CELL_SIZE,
        centre: tuple[float, float] = (0.0, 0.0),
        depth: float = DEPTH,
        plot: bool = True,
        **plot_parameters: Any,
    ) -> Self:
        """Average showers and draw the mean images.

        Parameters
        ----------
        real : array-like of shape (n, nx, ny), (n, nx, ny, 1) or (n, nx * nx)
            Deposits [MeV]; the first axis is x.
        fake : array-like, mapping of str to array-like, or None, default=None
            Generated showers, best at the same conditions; several generators with their names.
            Their number may differ from that of `real`, but not with `groups` or `X`.
        X : array-like of shape (n, 5), default=None
            Conditions (px, py, pz, x, y) [GeV, cm] of the showers, row by row; with them, groups of
            one shower are named by energy and angle, and its particle's way is drawn.
        groups : array-like of shape (n,), default=None
            One column of images for each value (a bin of energy, say), without profiles.
        group_name : str, default="group"
            Columns are called ``group_name = value``.
        names : tuple of two str, default=("real", "generated")
            Names of the real sample and of a single generator.
        cell_size : float or None, default=2.02
            Width of a cell [cm]; None: axes count cells.
        centre : tuple of float, default=(0.0, 0.0)
            Centre of the image on the face [cm].
        depth : float, default=12.0
            Depth [cm] at which the particle's axis is marked.
        plot : bool, default=True
            Draw at once.
        **plot_parameters
            Passed to `plot`.

        Returns
        -------
        display : ShowerImageDisplay
            The Display.

        Raises
        ------
        ValueError
            Images, conditions or groups have other shapes than expected, or hold numbers that no
            shower has.
        """
        samples = read_samples(real, fake, names)
        n = len(samples[names[0]])
        images = average_groups(
            samples,
            whole_or_groups(groups, n, group_name),
            None if X is None else read_conditions(X, n),
            depth,
        )
        display = cls(images=images, cell_size=cell_size, centre=centre)
        return display.plot(**plot_parameters) if plot else display

    @classmethod
    def from_showers(
        cls, real: Any, fake: Any = None, X: Any = None, *, n_showers: int = 4, **parameters: Any
    ) -> Self:
        """Draw the first few showers one by one, a column for each.

        Parameters
        ----------
        real : array-like of shape (n, nx, ny), (n, nx, ny, 1) or (n, nx * nx)
            Deposits [MeV].
        fake : array-like, mapping of str to array-like, or None, default=None
            Generated showers; row i is made from row i of `X`.
        X : array-like of shape (n, 5), default=None
            Conditions (px, py, pz, x, y) [GeV, cm].
        n_showers : int, default=4
            Number of columns.
        **parameters
            Further parameters of `from_images`.

        Returns
        -------
        display : ShowerImageDisplay
            The Display, plotted unless ``plot=False``.

        Raises
        ------
        ValueError
            As `from_images`, or `n_showers` is below one.
        """
        if n_showers < 1:
            raise ValueError(f"n_showers={n_showers} must be 1 or more.")
        n = min(n_showers, len(real))
        if isinstance(fake, Mapping):
            fake = {name: images[:n] for name, images in fake.items()}
        elif fake is not None:
            fake = fake[:n]
        rows = None if X is None else X[:n]
        each: dict[str, Any] = {"groups": np.arange(1, n + 1), "group_name": "shower"}
        return cls.from_images(real[:n], fake, rows, **each, **parameters)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        random_state: Any = None,
        names: tuple[str, str] | None = None,
        **parameters: Any,
    ) -> Self:
        """Generate one shower for each condition and draw it beside the real ones.

        Parameters
        ----------
        estimator : estimator or mapping of str to estimator
            Fitted generator with ``sample(X, random_state=…)``; several with their names.
        X : array-like of shape (n, 5)
            Conditions (px, py, pz, x, y) [GeV, cm].
        y : array-like of shape (n, nx, ny)
            Real showers of these conditions [MeV].
        random_state : int, RandomState, Generator or None, default=None
            Passed to ``sample``.
        names : tuple of two str, default=None
            Names of the real sample and of the generator; None: "real" and the class's name.
        **parameters
            Further parameters of `from_images`.

        Returns
        -------
        display : ShowerImageDisplay
            The Display, plotted unless ``plot=False``.

        Raises
        ------
        ValueError
            As `from_images`.
        """
        fake, names = generate(estimator, X, random_state, names)
        return cls.from_images(y, fake, X, names=names, **parameters)

    def compare(self, kind: str = "ratio") -> list[Values]:
        """Return how the mean image of each generator differs from the real one.

        Parameters
        ----------
        kind : {"ratio", "difference", "pull"}, default="ratio"
            generated / real, generated − real [MeV], or the difference in standard deviations.

        Returns
        -------
        values : list of Values
            One a generator, of shape (nx, ny), with errors; of the first group. NaN where the real
            mean is zero ("ratio") or nothing is known of the error ("pull").

        Raises
        ------
        ValueError
            `kind` is unknown.
        """
        real, *fakes = (row[0].cells for row in self.images)
        return [compare_means(kind, real, fake) for fake in fakes]

    @property
    def figure_size(self) -> tuple[float, float]:
        """Width and height [inch] that suit the panels."""
        return self._size("ratio", profiles=True)

    def _size(self, comparison: str | None, *, profiles: bool) -> tuple[float, float]:
        n_samples, n_groups = len(self.images), len(self.images[0])
        if n_groups > 1:
            return 2.3 * n_groups + 1.3, 2.2 * n_samples + 0.5
        if n_samples == 1:
            return (8.6 if profiles else 5.0), 3.9
        compared = comparison is not None
        columns = 2 + compared if n_samples == 2 else n_samples
        rows = 1 + (compared and n_samples > 2)
        return PANEL * columns + 1.4, PANEL * rows + PROFILES * profiles

    def plot(
        self,
        ax: Any = None,
        *,
        comparison: str | None = "ratio",
        scale: str = "log",
        deposit_limits: tuple[float, float] | None = None,
        profiles: bool = True,
        view: tuple[float, float] | None = None,
    ) -> Self:
        """Draw the images on one colour scale, their profiles, and how they differ.

        Parameters
        ----------
        ax : matplotlib Axes or Figure, default=None
            Where to draw; None opens a figure, an Axes gives its place in the grid away.
        comparison : {"ratio", "difference", "pull"} or None, default="ratio"
            What the map of each generator shows: generated / real, generated − real, or the
            difference in standard deviations. Grey cells hold too few deposits to tell, "+" and "−"
            mark those off by more than three standard deviations. Not drawn with groups.
        scale : {"log", "linear"}, default="log"
            Colours of deposits.
        deposit_limits : tuple of float, default=None
            Ends of the colours [MeV]; None: the highest cell of all images, and for "log" its
            10⁻⁵.
        profiles : bool, default=True
            Draw the mean deposit along x and along y, with errors and ratio. Not with groups.
        view : tuple of float, default=None
            Ends of both axes; None shows all cells.

        Returns
        -------
        self : ShowerImageDisplay
            With ``ax_``, ``axes_``, ``difference_axes_``, ``profile_axes_`` and ``figure_``.

        Raises
        ------
        ValueError
            A parameter is not among those allowed, or `ax` cannot hold several panels.
        """
        if comparison is not None:
            self.compare(comparison)  # an unknown one is refused before a figure is opened
        flat = [image for row in self.images for image in row]
        nx, ny = flat[0].cells.value.shape
        figure = ImageFigure(
            edges=(
                cell_edges(nx, self.cell_size, self.centre[0]),
                cell_edges(ny, self.cell_size, self.centre[1]),
            ),
            unit="cells" if self.cell_size is None else "cm",
            norm=deposit_scale(flat, scale, deposit_limits),
            view=view,
        )
        size = self._size(comparison, profiles=profiles)
        if len(self.images[0]) > 1:
            figure.draw_groups(ax, size, self.images)
        else:
            whole = [row[0] for row in self.images]
            figure.draw_whole(ax, size, whole, comparison, profiles=profiles)
        self.figure_ = figure.figure
        self.axes_ = figure.image_axes
        self.ax_ = self.axes_[0, 0]
        self.difference_axes_ = figure.difference_axes
        self.profile_axes_ = figure.profile_axes
        return self
