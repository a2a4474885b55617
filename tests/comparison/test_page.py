"""Tables, figures and page of a comparison."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from skhep_anomaly import AEOutlierDetector, compare_detectors
from skhep_anomaly.comparison import write_comparison_report
from skhep_anomaly.comparison.figures import all_pictures
from skhep_anomaly.comparison.page import summary_notes
from skhep_anomaly.comparison.sketches import (
    ROC_GRID,
    sketch_history,
    sketch_latent,
    sketch_roc,
    sketch_scores,
)
from skhep_anomaly.comparison.tables import difference_table, main_table, seed_table


def test_main_table(result):
    table = main_table(result)
    assert table.column("model") == ["right", "wrong"]
    assert table.column("weighted AUC")[0] == result.estimate("right", "weighted_auc")
    assert "780 background events alone, tested on 420 other background and 400 signal" in (
        table.caption
    )
    assert "chance gives 0.488" in " ".join(table.notes)
    assert table.best_rows("weighted AUC") == {0}


def test_tiny_errors_are_rounded_up(result):
    runs = [
        dataclasses.replace(run, errors=dict.fromkeys(run.errors, 0.0)) for run in result.runs[:1]
    ]
    one = dataclasses.replace(result, runs=runs)
    assert main_table(one).column("weighted AUC")[0][1] == 0.001


def test_other_tables(result):
    differences = difference_table(result).column("weighted AUC − best")
    assert differences[0] is None
    assert differences[1] == pytest.approx(result.difference("wrong", "right"))
    seeds = seed_table(result)
    assert list(seeds.columns) == ["model", "seed 0", "seed 1"]
    values = [run.values["weighted_auc"] for run in result.runs_of("right")]
    assert seeds.rows[0][1:] == values


def test_who_is_close_is_said(result):
    notes = summary_notes(result)
    assert notes[0].startswith("right has the highest weighted AUC, 0.9")
    assert notes[1].startswith("The next, wrong, is 0.8")
    assert any("bad, seed 0 failed" in note for note in notes)


def test_page(result, tmp_path):
    path = write_comparison_report(result, tmp_path / "r.html", command="repeat <me>", date="today")
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 1_000_000
    assert "repeat</span> <span>&lt;me&gt;" in text
    assert text.count("<figure>") == len(all_pictures(result)) >= 3


def test_texts_of_others_are_escaped(gaussian_events, first_column, tmp_path):
    X, y, _ = gaussian_events
    name = "<script>alert(1)</script>$x"
    detectors = {name: first_column(), "broken": first_column(fault="raise")}
    result = compare_detectors(
        detectors, X, y, groups=X[:, 1], seeds=1, n_bootstrap=5, data={"group": "<b>$"}
    )
    text = write_comparison_report(result, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "<b>broke</b>" not in text
    assert text.count("&lt;script&gt;alert(1)") >= 3


def test_pictures_of_nets(gaussian_events):
    X, y, _ = gaussian_events
    result = compare_detectors(
        {"AE": AEOutlierDetector(max_epochs=3, n_members=1)}, X, y, seeds=1, n_bootstrap=0
    )
    captions = [picture.caption for picture in all_pictures(result)]
    assert len(captions) == 3
    assert captions[2].startswith("Loss against the epoch")


def test_damaged_sketches_are_told(result, tmp_path):
    runs = [dataclasses.replace(run, sketches={}) for run in result.runs]
    with pytest.raises(ValueError, match="the comparison holds damaged data"):
        write_comparison_report(dataclasses.replace(result, runs=runs), tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []


def test_roc_sketch_keeps_the_area():
    rng = np.random.default_rng(0)
    signal = rng.random(4000) < 0.5
    score = rng.normal(size=4000) + signal
    sketch = sketch_roc(signal, score, np.ones(4000))
    area = np.trapezoid(sketch["signal_efficiency"], ROC_GRID)
    assert area == pytest.approx(0.7602, abs=0.015)
    assert 25 / 2200 < sketch["sic_start"] < 25 / 1800
    few = sketch_roc(signal[:20], score[:20], np.ones(20))
    assert few["sic_start"] == 1.0


def test_score_sketch_loses_no_event():
    rng = np.random.default_rng(0)
    signal = np.r_[np.zeros(60, bool), np.ones(40, bool)]
    weight = np.ones(100)
    groups = np.r_[np.zeros(50), np.ones(50)]  # group 1 has both classes, group 0 background only
    samples = signal, rng.normal(size=100), weight, rng.normal(size=70), np.ones(70)
    (panel,) = sketch_scores(*samples)
    assert [sum(each["counts"]) for each in panel["histograms"]] == [60, 40, 70]
    assert sketch_scores(*samples, groups, np.zeros(70)) == []
    mixed = np.arange(100) % 2
    assert len(sketch_scores(*samples, mixed, np.arange(70) % 2)) == 2


def test_history_and_latent_sketches():
    rows = [{"epoch": i, "train_loss": 1.0, "dur": 0.1, "valid_loss": np.nan} for i in range(900)]
    kept = sketch_history(rows)
    assert len(kept) == 300
    assert kept[1] == {"epoch": 3.0, "train_loss": 1.0}
    signal = np.arange(4000) % 2 == 0
    latent = np.random.default_rng(0).normal(size=(4000, 3))
    sketch = sketch_latent(signal, latent, np.ones(4000), 0)
    assert len(sketch["latent"]) == 3000
    assert sketch["n_latent"] == 3
    assert sketch_latent(signal, latent[:, :1], np.ones(4000), 0) == {}
