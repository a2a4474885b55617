"""AUC against ε: what a (1+ε)-class classifier gains on known anomalies and loses on unseen ones.

At every ε a model is fitted with several seeds, and test anomalies are judged in two groups, each
against all normal rows: the kinds that `fit` has seen, and those it has not. ε = 0 is one-class,
ε = 1 two-class classification (Borisyak et al., arXiv:1906.06096).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly.metrics.labels import anomaly_flags
from skhep_anomaly.metrics.roc import weighted_roc_auc
from skhep_anomaly.metrics.selection import read_weights
from skhep_anomaly.plotting._axes import SMALL_SIZE, decorate, open_panels, plain_text
from skhep_anomaly.plotting._epsilon_fits import check_eps, fit_scores
from skhep_anomaly.plotting._palette import DASHES, GUIDE, SERIES
from skhep_anomaly.plotting._scores import check_labels

__all__ = ["EpsilonScanDisplay"]

EPS = tuple(i / 10 for i in range(11))
MARKERS = "os^Dv"
KNOWN, UNSEEN, ALL = "known kinds", "unseen kinds", "all anomalies"


class EpsilonScanDisplay:
    """Area under the ROC curve against ε, by group of anomalies.

    Use `from_estimator` or `from_predictions`.

    Parameters
    ----------
    eps : array-like of shape (n_eps,)
        Values of ε in [0, 1], increasing.
    roc_auc : mapping of str to array-like of shape (n_eps,) or (n_eps, n_seeds)
        Group of anomalies → areas, of one fit or several at each ε.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ValueError
        `eps` is not increasing within [0, 1], there is no group, or an area is not in [0, 1] or
        missing.

    Examples
    --------
    >>> from skhep_anomaly.plotting import EpsilonScanDisplay
    >>> scan = EpsilonScanDisplay(
    ...     eps=[0, 0.5, 1], roc_auc={"known kinds": [[0.8, 0.9], [0.9, 0.9], [0.9, 1.0]]})
    >>> scan.mean["known kinds"].round(3).tolist(), scan.std["known kinds"].round(3).tolist()
    ([0.85, 0.9, 0.95], [0.071, 0.0, 0.071])
    """

    def __init__(self, *, eps: Any, roc_auc: Mapping[str, Any]) -> None:
        self.eps = check_eps(eps)
        if not roc_auc:
            raise ValueError("roc_auc is empty; give the areas of at least one group.")
        self.roc_auc = {
            str(group): _check_areas(str(group), areas, len(self.eps))
            for group, areas in roc_auc.items()
        }

    @property
    def mean(self) -> dict[str, NDArray[np.float64]]:
        """Each group's mean over the seeds."""
        return {group: areas.mean(axis=1) for group, areas in self.roc_auc.items()}

    @property
    def std(self) -> dict[str, NDArray[np.float64]]:
        """Each group's standard deviation over the seeds (n − 1); NaN for one seed."""
        return {
            group: areas.std(axis=1, ddof=1) if areas.shape[1] > 1 else np.full(len(areas), np.nan)
            for group, areas in self.roc_auc.items()
        }

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        X_test: Any,
        y_test: Any,
        *,
        kind_test: Any = None,
        known_kinds: Any = None,
        eps: Any = EPS,
        eps_name: str | None = None,
        seeds: Any = 3,
        sample_weight: Any = None,
        sample_weight_test: Any = None,
        anomaly_label: Any = None,
        n_jobs: int | None = None,
        plot: bool = True,
        **plot_parameters: Any,
    ) -> Self:
        """Fit clones along ε and draw how well they find test anomalies.

        Parameters
        ----------
        estimator : estimator
            An `OPEClassifier`, or anything with one parameter ``eps`` or ``name__eps``: a Pipeline.
            It is cloned, never fitted itself.
        X : array-like of shape (n_samples, n_features)
            Rows to fit, known anomalies among them.
        y : array-like of shape (n_samples,)
            Their labels, as the estimator wants them. None: no known anomalies; ε = 1 must then be
            left out of `eps`.
        X_test : array-like of shape (n_test, n_features)
            Rows to judge by.
        y_test : array-like of shape (n_test,)
            1 (or True, or `anomaly_label`) is an anomaly; with labels −1 and +1, −1 is.
        kind_test : array-like of shape (n_test,), default=None
            Kind of each test anomaly; those of normal rows are not looked at. None: one line for
            all anomalies.
        known_kinds : str or collection of str, default=None
            The kinds that anomalies in `X` are of; needed with `kind_test`.
        eps : array-like of shape (n_eps,), default=(0, 0.1, ..., 1)
            Values of ε in [0, 1], increasing.
        eps_name : str, default=None
            Name of the parameter, where several are called eps.
        seeds : int or sequence of int, default=3
            Fits at each ε: seeds 0, 1, ..., or seeds of your own. Each is put into every
            ``random_state`` of the estimator; without one, there is a single fit.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights for `fit`.
        sample_weight_test : array-like of shape (n_test,), default=None
            Weights for the areas.
        anomaly_label : object, default=None
            The label of anomalies, where it is not one of the above.
        n_jobs : int, default=None
            Fits at a time, by joblib; the result does not depend on it.
        plot : bool, default=True
            Draw at once.
        **plot_parameters
            Passed to `plot`.

        Returns
        -------
        display : EpsilonScanDisplay
            The Display.

        Raises
        ------
        ValueError
            ε, its name, seeds, labels or kinds are not as they must be.
        """
        values = check_eps(eps)
        _read_groups(y_test, kind_test, known_kinds, anomaly_label)  # before hours of fits
        if y is None and values[-1] == 1:
            raise ValueError("y=None: ε = 1 needs known anomalies; leave it out of eps.")
        scores = fit_scores(
            estimator,
            X,
            y,
            X_test,
            eps=values,
            eps_name=eps_name,
            seeds=seeds,
            sample_weight=sample_weight,
            anomaly_label=anomaly_label,
            n_jobs=n_jobs,
        )
        return cls.from_predictions(
            y_test,
            scores,
            eps=values,
            kind=kind_test,
            known_kinds=known_kinds,
            sample_weight=sample_weight_test,
            anomaly_label=anomaly_label,
            plot=plot,
            **plot_parameters,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_score: Any,
        *,
        eps: Any,
        kind: Any = None,
        known_kinds: Any = None,
        sample_weight: Any = None,
        anomaly_label: Any = None,
        plot: bool = True,
        **plot_parameters: Any,
    ) -> Self:
        """Draw the areas of given anomaly scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            1 (or True, or `anomaly_label`) is an anomaly; with labels −1 and +1, −1 is.
        y_score : array-like of shape (n_eps, n_samples) or (n_eps, n_seeds, n_samples)
            Anomaly scores at each ε, higher = more anomalous.
        eps : array-like of shape (n_eps,)
            Values of ε in [0, 1], increasing.
        kind : array-like of shape (n_samples,), default=None
            Kind of each anomaly; those of normal rows are not looked at.
        known_kinds : str or collection of str, default=None
            The kinds that were known in training; needed with `kind`.
        sample_weight : array-like of shape (n_samples,), default=None
            Event weights.
        anomaly_label : object, default=None
            The label of anomalies.
        plot : bool, default=True
            Draw at once.
        **plot_parameters
            Passed to `plot`.

        Returns
        -------
        display : EpsilonScanDisplay
            The Display.

        Raises
        ------
        ValueError
            Shapes differ, a class is missing, scores are not finite, or kinds are unknown.
        """
        values = check_eps(eps)
        groups = _read_groups(y_true, kind, known_kinds, anomaly_label)
        scores = _check_scores(y_score, len(values), len(next(iter(groups.values()))[0]))
        weight = read_weights(sample_weight, scores.shape[-1])
        areas = {
            group: [
                [weighted_roc_auc(signal[rows], score[rows], weight[rows]) for score in fits]
                for fits in scores
            ]
            for group, (rows, signal) in groups.items()
        }
        display = cls(eps=values, roc_auc=areas)
        return display.plot(**plot_parameters) if plot else display

    @property
    def figure_size(self) -> tuple[float, float]:
        """Width and height [inch] that suit the figure."""
        return 6.0, 4.0

    def plot(self, ax: Any = None) -> Self:
        """Draw the mean of each group, with a band of one standard deviation over the seeds.

        Parameters
        ----------
        ax : matplotlib Axes or Figure, default=None
            Where to draw; None opens a figure.

        Returns
        -------
        self : EpsilonScanDisplay
            With ``ax_`` and ``figure_``.
        """
        self.figure_, (self.ax_,) = open_panels(ax, 1, n_columns=1, panel_size=self.figure_size)
        for i, group in enumerate(self.roc_auc):
            self._draw_group(group, i)
        decorate(self.ax_, r"$\varepsilon$", "area under the ROC curve")
        self._set_range()
        legend = self.ax_.legend(frameon=False, fontsize=SMALL_SIZE + 0.5, loc="best")
        n_fits = {areas.shape[1] for areas in self.roc_auc.values()}
        if n_fits != {1}:
            number = f"{n_fits.pop()} " if len(n_fits) == 1 else ""
            legend.set_title(f"mean ± std of {number}fits")
            legend.get_title().set_fontsize(SMALL_SIZE)
        return self

    def _draw_group(self, group: str, i: int) -> None:
        mean, std = self.mean[group], self.std[group]
        colour = SERIES[i % len(SERIES)]
        self.ax_.plot(
            self.eps,
            mean,
            color=colour,
            linestyle=DASHES[i % len(DASHES)],
            marker=MARKERS[i % len(MARKERS)],
            markersize=4.5,
            linewidth=1.6,
            label=plain_text(group),
            clip_on=False,
            zorder=3,
        )
        if np.isfinite(std).all():
            self.ax_.fill_between(
                self.eps, mean - std, mean + std, color=colour, alpha=0.18, linewidth=0
            )

    def _set_range(self) -> None:
        """Leave room around the bands, name the ends, and show a coin's ½ where it is near."""
        spread = {group: np.nan_to_num(std) for group, std in self.std.items()}
        low = min(float((mean - spread[group]).min()) for group, mean in self.mean.items())
        top = 1.0
        low = max(0.0, low - 0.08 * max(top - low, 0.02))
        self.ax_.set(xlim=(0, 1), ylim=(low, top + 0.02 * (top - low)))
        if low < 0.5:
            self.ax_.axhline(0.5, color=GUIDE, linewidth=0.9, linestyle=":", zorder=1)
            self.ax_.text(0.5, 0.5, "random", color=GUIDE, fontsize=SMALL_SIZE, va="bottom")
        for x, text, side in ((0.0, "one-class", "left"), (1.0, "two-class", "right")):
            self.ax_.text(
                x,
                1.01,
                text,
                transform=self.ax_.transAxes,
                color=GUIDE,
                fontsize=SMALL_SIZE,
                ha=side,
                va="bottom",
            )


def _check_areas(group: str, areas: Any, n_eps: int) -> NDArray[np.float64]:
    values = np.asarray(areas, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != n_eps or not values.size:
        raise ValueError(
            f"roc_auc[{group!r}] has shape {np.shape(areas)}, expected ({n_eps},) or "
            f"({n_eps}, n_seeds): a row for each ε."
        )
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"roc_auc[{group!r}] holds areas outside [0, 1], or NaN.")
    return values


def _check_scores(y_score: Any, n_eps: int, n_rows: int) -> NDArray[np.float64]:
    scores = np.asarray(y_score, dtype=np.float64)
    scores = scores[:, None] if scores.ndim == 2 else scores
    if scores.ndim != 3 or scores.shape[::2] != (n_eps, n_rows):
        raise ValueError(
            f"y_score has shape {np.shape(y_score)}, expected ({n_eps}, {n_rows}) or "
            f"({n_eps}, n_seeds, {n_rows}): values of ε first, rows last."
        )
    return scores


def _read_groups(
    y_true: Any, kind: Any, known_kinds: Any, anomaly_label: Any
) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return, for each group of anomalies, its rows with all normal ones, and who is anomalous."""
    signal = anomaly_flags(y_true, anomaly_label, name="y_true")
    if (kind is None) != (known_kinds is None):
        missing = "known_kinds" if known_kinds is None else "the kind of each test row"
        raise ValueError(f"kinds need both: {missing} is missing; leave both out for one line.")
    if kind is None:
        return {ALL: (np.ones(len(signal), dtype=bool), signal)}
    kinds = check_labels(kind, len(signal), "kind")
    single = isinstance(known_kinds, str) or not hasattr(known_kinds, "__iter__")
    names = {known_kinds} if single else set(known_kinds)
    known = signal & np.isin(kinds, list(names))
    found = np.unique(kinds[signal]).tolist()
    if not names or not names < set(found):
        raise ValueError(
            f"known_kinds={known_kinds!r} must be some, not all, of the test anomalies' kinds "
            f"{found}; leave kinds out for one line."
        )
    return {KNOWN: (known | ~signal, signal), UNSEEN: ((signal & ~known) | ~signal, signal)}
