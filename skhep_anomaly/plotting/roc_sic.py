"""ROC and significance-improvement curves of several models side by side.

Left: signal efficiency against background efficiency. Right: SIC = ε_S/√ε_B, the factor by which
a cut raises s/√b, against signal efficiency; it ends where too few background events are left.
Models are listed by their AUC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._random import seed_sequence
from skhep_anomaly.metrics.scorers import anomaly_scores
from skhep_anomaly.plotting._axes import SMALL_SIZE, decorate, open_panels, plain_text
from skhep_anomaly.plotting._curves import ModelCurves, model_curves
from skhep_anomaly.plotting._palette import DASHES, GUIDE, SERIES
from skhep_anomaly.plotting._scores import estimator_name

__all__ = ["RocSicDisplay"]

DRAWN_POINTS = 400  # of each curve: as fine as the print, and a tenth of the file
FEW = 3  # models whose legend fits into the ROC panel


class RocSicDisplay:
    """ROC and SIC curves of one or more models.

    Use `from_estimator` or `from_predictions`. Higher score = more anomalous.

    Parameters
    ----------
    curves : sequence of ModelCurves
        One a model.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The ROC panel.
    axes_ : ndarray of matplotlib.axes.Axes
        ROC and SIC panels.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> from skhep_anomaly.plotting import RocSicDisplay
    >>> display = RocSicDisplay.from_predictions(
    ...     [0, 0, 1, 1], {"VAE": [0.1, 0.4, 0.35, 0.8]}, min_background_events=1, plot=False)
    >>> display.roc_auc
    {'VAE': 0.75}
    """

    def __init__(self, *, curves: Sequence[ModelCurves]) -> None:
        self.curves = curves

    @property
    def roc_auc(self) -> dict[str, float]:
        """Area under each model's ROC curve."""
        return {curve.name: curve.roc_auc for curve in self.curves}

    @property
    def max_sic(self) -> dict[str, float]:
        """Each model's largest significance improvement."""
        return {curve.name: curve.max_sic for curve in self.curves}

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, anomaly_label: Any = None, **parameters: Any
    ) -> Self:
        """Score events and draw the curves.

        Parameters
        ----------
        estimator : estimator or mapping of str to estimator
            Fitted detectors or classifiers of two classes, several with their names.
        X : array-like of shape (n_samples, n_features)
            Test events.
        y : array-like of shape (n_samples,)
            1 (or True, or `anomaly_label`) is signal; with labels −1 and +1, −1 is.
        anomaly_label : object, default=None
            The label of signal.
        **parameters
            Further parameters of `from_predictions`.

        Returns
        -------
        display : RocSicDisplay
            The Display, plotted unless ``plot=False``.

        Raises
        ------
        ValueError
            As `from_predictions`.
        """
        if not isinstance(estimator, Mapping):
            estimator = {estimator_name(estimator): estimator}
        scores = {
            name: anomaly_scores(model, X, anomaly_label) for name, model in estimator.items()
        }
        return cls.from_predictions(y, scores, anomaly_label=anomaly_label, **parameters)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_score: Any,
        *,
        sample_weight: Any = None,
        name: str = "score",
        anomaly_label: Any = None,
        min_background_events: float = 25,
        n_bootstrap: int = 0,
        random_state: Any = None,
        plot: bool = True,
        **plot_parameters: Any,
    ) -> Self:
        """Draw the curves of anomaly scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            1 (or True, or `anomaly_label`) is signal; with labels −1 and +1, −1 is.
        y_score : array-like of shape (n_samples,) or mapping of str to array-like
            Anomaly scores, higher = more anomalous; of several models with their names.
        sample_weight : array-like of shape (n_samples,), default=None
            Event weights.
        name : str, default="score"
            Name of the model where `y_score` is one array.
        anomaly_label : object, default=None
            The label of signal.
        min_background_events : float, default=25
            SIC ends where fewer effective background events pass the cut.
        n_bootstrap : int, default=0
            Draws of the 68 % bands; 0: no bands.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draws; the models share the drawn events.
        plot : bool, default=True
            Draw at once.
        **plot_parameters
            Passed to `plot`.

        Returns
        -------
        display : RocSicDisplay
            The Display.

        Raises
        ------
        ValueError
            A class is missing, scores are not finite, there are too few background events, no
            model, or `n_bootstrap` is negative or 1.
        """
        scores = y_score if isinstance(y_score, Mapping) else {name: y_score}
        if not scores:
            raise ValueError("y_score is empty; give the scores of at least one model.")
        if n_bootstrap < 0 or n_bootstrap == 1:
            raise ValueError(f"n_bootstrap={n_bootstrap} must be 0 (no bands) or at least 2.")
        seed = seed_sequence(random_state)  # once: all models get the same draws
        curves = [
            model_curves(
                str(model),
                y_true,
                values,
                sample_weight,
                anomaly_label=anomaly_label,
                min_background_events=min_background_events,
                n_bootstrap=n_bootstrap,
                random_state=seed,
            )
            for model, values in scores.items()
        ]
        display = cls(curves=curves)
        return display.plot(**plot_parameters) if plot else display

    @property
    def figure_size(self) -> tuple[float, float]:
        """Width and height [inch] that suit two square panels and the legend."""
        return (9.4, 4.4) if len(self.curves) <= FEW else (10.6, 4.1)

    def plot(self, ax: Any = None) -> Self:
        """Draw the two panels.

        Parameters
        ----------
        ax : matplotlib Axes, two Axes or Figure, default=None
            Where to draw; None opens a figure, one Axes is split in two.

        Returns
        -------
        self : RocSicDisplay
            With ``ax_``, ``axes_`` and ``figure_``.

        Raises
        ------
        ValueError
            `ax` holds neither one nor two axes.
        """
        width, height = self.figure_size
        self.figure_, axes = open_panels(ax, 2, n_columns=2, panel_size=(width / 2, height))
        self.axes_ = np.array(axes, dtype=object)
        self.ax_, sic_ax = axes
        self._draw_guides(self.ax_, sic_ax)
        # Colours follow the order given, the legend follows the AUC.
        styles = [
            (SERIES[i % len(SERIES)], DASHES[i % len(DASHES)]) for i in range(len(self.curves))
        ]
        for rank in np.argsort([-curve.roc_auc for curve in self.curves], kind="stable"):
            _draw_model(self.ax_, sic_ax, self.curves[rank], *styles[rank])
        self._finish(self.ax_, sic_ax)
        return self

    def _draw_guides(self, roc_ax: Any, sic_ax: Any) -> None:
        """Draw what a score without information gives, and no cut at all."""
        line = np.linspace(0, 1, 101)
        roc_ax.plot(line, line, color=GUIDE, linewidth=0.9, linestyle=":", zorder=1)
        sic_ax.plot(line, np.sqrt(line), color=GUIDE, linewidth=0.9, linestyle=":", zorder=1)
        sic_ax.axhline(1.0, color=GUIDE, linewidth=0.9, zorder=1)
        sic_ax.text(0.02, 1.005, "no cut", color=GUIDE, fontsize=SMALL_SIZE, va="bottom")
        roc_ax.text(0.72, 0.68, "random", color=GUIDE, fontsize=SMALL_SIZE, ha="left", va="top")

    def _finish(self, roc_ax: Any, sic_ax: Any) -> None:
        decorate(
            roc_ax, r"background efficiency $\varepsilon_B$", r"signal efficiency $\varepsilon_S$"
        )
        decorate(
            sic_ax,
            r"signal efficiency $\varepsilon_S$",
            r"significance improvement  $\varepsilon_S\,/\sqrt{\varepsilon_B}$",
        )
        roc_ax.set(xlim=(0, 1), ylim=(0, 1))
        tops = [curve.max_sic for curve in self.curves]
        sic_ax.set(xlim=(0, 1), ylim=(0, 1.15 * max(tops)))
        handles, labels = roc_ax.get_legend_handles_labels()
        look: dict[str, Any] = {
            "frameon": False,
            "fontsize": SMALL_SIZE,
            "handlelength": 2.6,
            "title": "area under the ROC curve",
            "title_fontsize": SMALL_SIZE,
            "alignment": "left",
        }
        if len(self.curves) <= FEW:
            roc_ax.legend(handles, labels, loc="lower right", **look)
        else:
            sic_ax.legend(
                handles,
                labels,
                loc="upper left",
                bbox_to_anchor=(1.02, 1.0),
                borderaxespad=0.0,
                **look,
            )


def _draw_model(roc_ax: Any, sic_ax: Any, curve: ModelCurves, colour: str, dashes: Any) -> None:
    error = "" if np.isnan(curve.roc_auc_std) else f" ± {curve.roc_auc_std:.3f}"
    style = {"color": colour, "linestyle": dashes, "linewidth": 1.6}
    roc_ax.plot(
        *_thin(curve.background_efficiency, curve.signal_efficiency),
        label=f"{plain_text(curve.name)}: {curve.roc_auc:.3f}{error}",
        **style,
    )
    sic_ax.plot(*_thin(curve.sic.signal_efficiency, curve.sic.sic), **style)
    for ax, band in ((roc_ax, curve.roc_band), (sic_ax, curve.sic_band)):
        if band is not None:
            ax.fill_between(
                band.abscissa, band.low, band.high, color=colour, alpha=0.18, linewidth=0
            )


def _thin(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[Any, Any]:
    """Return points of a curve that are as far apart as the eye can tell, both ends among them."""
    path = np.cumsum(np.hypot(np.diff(x, prepend=x[0]), np.diff(y, prepend=y[0])))
    kept = np.searchsorted(path, np.linspace(0, path[-1], DRAWN_POINTS)).clip(max=len(x) - 1)
    kept = np.unique(np.concatenate([[0], kept, [len(x) - 1]]))
    return x[kept], y[kept]
