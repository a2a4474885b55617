"""Figures become small, repeatable data addresses."""

from __future__ import annotations

import base64
import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from skhep_anomaly.plotting import RocSicDisplay
from skhep_anomaly.report import Picture
from skhep_anomaly.report.picture import data_uri


def line(n_points=20, label="x"):
    figure = Figure(figsize=(4, 3))
    ax = figure.subplots()
    ax.plot(np.random.default_rng(0).normal(size=n_points), "o")
    ax.set_xlabel(label)
    return figure


def content(uri):
    kind, _, data = uri.partition(";base64,")
    return kind, base64.b64decode(data)


def test_small_figures_are_svg():
    kind, image = content(data_uri(line(label="<script>alert(1)</script>")))
    assert kind == "data:image/svg+xml"
    assert image.startswith(b"<svg")
    assert b"<script" not in image
    assert b"<!--" not in image
    assert len(image) < 40_000


def test_large_figures_are_png():
    kind, image = content(data_uri(line(8000), dpi=100))
    assert kind == "data:image/png"
    with Image.open(io.BytesIO(image)) as picture:
        assert picture.size == (400, 300)
    assert len(image) < 60_000


def test_same_figure_same_bytes_and_settings_stay():
    before = dict(mpl.rcParams)
    assert data_uri(line()) == data_uri(line())
    assert data_uri(line(), svg_bytes=0) == data_uri(line(), svg_bytes=0)
    assert dict(mpl.rcParams) == before
    assert data_uri(line()) != data_uri(line(21))


def test_svg_coordinates_are_cut():
    _, image = content(data_uri(line()))
    path = image.decode().split('d="M ')[1].split('"')[0].split()
    assert max(len(number.partition(".")[2]) for number in path) <= 2


def test_displays_are_figures_once_plotted():
    display = RocSicDisplay.from_predictions(
        [0, 0, 1], [0.0, 1.0, 2.0], min_background_events=1, plot=False
    )
    with pytest.raises(ValueError, match="holds no matplotlib figure; call its plot method first"):
        Picture("ROC", display, alt="two curves")
    figure = Figure()
    assert Picture("ROC", display.plot(ax=figure), alt="two curves").drawn is figure
    assert len(figure.axes) == 2


def test_alt_text_is_needed():
    with pytest.raises(ValueError, match="the figure 'ROC' has no alt text"):
        Picture("ROC", line(), alt=" ")
    assert Picture("ROC", line(), alt="points").alt == "points"
