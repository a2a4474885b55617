"""Every loss of the history is drawn at its epoch."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skhep_anomaly.plotting import TrainingCurveDisplay, drawn_figure

HISTORY = [
    {"epoch": 1, "train_loss": 3.0, "valid_loss": 3.5, "dur": 0.1},
    {"epoch": 2, "train_loss": 2.0, "valid_loss": 2.5, "dur": 0.1},
    {"epoch": 3, "train_loss": 1.0, "valid_loss": 2.75, "dur": 0.1},
]


class Recorder(BaseEstimator):
    def fit(self, X, y=None):
        self.history_ = HISTORY
        return self


class Silent(BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self


def lines(display, **parameters):
    """Label -> points of every line."""
    drawn = drawn_figure(display, **parameters).axes[0].get_lines()
    return {line.get_label(): np.transpose(line.get_data()) for line in drawn}


def test_losses_by_epoch():
    display = TrainingCurveDisplay.from_history(HISTORY, plot=False)
    drawn = lines(display)
    np.testing.assert_array_equal(drawn["training"], [[1, 3], [2, 2], [3, 1]])
    np.testing.assert_array_equal(drawn["validation"], [[1, 3.5], [2, 2.5], [3, 2.75]])
    assert display.best_epoch_ == 2
    np.testing.assert_array_equal(drawn["lowest validation loss: epoch 2"][:, 0], [2, 2])


def test_without_validation_no_epoch_is_best():
    display = TrainingCurveDisplay.from_history(
        [{"train_loss": 2.0}, {"train_loss": 1.0}], plot=False
    )
    assert display.best_epoch_ is None
    assert display.epochs.tolist() == [1, 2]
    assert list(lines(display)) == ["training"]


def test_losses_of_signal_and_background():
    display = TrainingCurveDisplay.from_history(
        HISTORY, class_losses={"signal": [5, 4, 4.5], "background": [3, 2, 1]}, plot=False
    )
    drawn = lines(display)
    assert drawn["signal"][:, 1].tolist() == [5, 4, 4.5]
    assert list(drawn)[:4] == ["training", "validation", "signal", "background"]


def test_other_losses_are_drawn_and_gaps_stay_gaps():
    history = [
        {"epoch": 5, "critic_loss": 1.0},
        {"epoch": 6, "critic_loss": float("nan"), "generator_loss": 2.0},
    ]
    drawn = lines(TrainingCurveDisplay.from_history(history, plot=False))
    np.testing.assert_array_equal(drawn["critic"], [[5, 1], [6, np.nan]])
    np.testing.assert_array_equal(drawn["generator"], [[5, np.nan], [6, 2]])


def test_from_estimator_looks_into_pipelines():
    X = np.zeros((3, 1))
    for estimator in (Recorder(), make_pipeline(StandardScaler(), Recorder())):
        display = TrainingCurveDisplay.from_estimator(estimator.fit(X), plot=False)
        assert display.losses["train"].tolist() == [3.0, 2.0, 1.0]


def test_plot_where_told():
    figure = Figure()
    ax = figure.subplots()
    display = TrainingCurveDisplay.from_history(HISTORY, loss_name="−ELBO [nats]", plot=False)
    assert display.plot(ax=ax, y_scale="log") is display
    assert display.ax_ is ax
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "−ELBO [nats]", "log")
    assert all(tick == int(tick) for tick in ax.get_xticks())


def test_wrong_input():
    with pytest.raises(ValueError, match="there is no finite loss to draw"):
        TrainingCurveDisplay.from_history([])
    with pytest.raises(ValueError, match="there is no finite loss to draw"):
        TrainingCurveDisplay.from_history([{"train_loss": float("nan")}])
    with pytest.raises(ValueError, match=r"the signal loss has shape \(2,\), expected \(3,\)"):
        TrainingCurveDisplay.from_history(HISTORY, class_losses={"signal": [1.0, 2.0]})
    with pytest.raises(TypeError, match="Silent keeps no history_; pass its losses"):
        TrainingCurveDisplay.from_estimator(Silent().fit(None))


def test_wrong_scale():
    display = TrainingCurveDisplay.from_history([{"train_loss": -1.0}], plot=False)
    assert lines(display)["training"].tolist() == [[1.0, -1.0]]
    with pytest.raises(ValueError, match="y_scale='cubic'; allowed are 'linear' and 'log'"):
        drawn_figure(display, y_scale="cubic")
    with pytest.raises(ValueError, match=r"the losses \['train'\] are not positive"):
        drawn_figure(display, y_scale="log")
