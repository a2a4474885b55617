"""``skhep-anomaly compare`` and ``report``: inputs, outputs, mistakes, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from skhep_anomaly import ComparisonResult, load_higgsml
from skhep_anomaly.cli.parser import ALL_MODELS, OUR_MODELS
from skhep_anomaly.comparison.detectors import MODELS

FAST = ["--jobs", 0, "--seeds", 1, "--bootstrap", 10, "--models", "ae,iforest"]
PAGE = [*FAST, "--set", "ae.max_epochs=2", "--set", "iforest.n_estimators=20"]
SMALL = [*PAGE, "--no-report"]
COLUMNS = ["--label", "is_signal", "--weight", "w", "--id", "event", "--exclude", "kind"]
NUMBERS = [*COLUMNS[:-1], "ki*"]


def numbers():
    return ComparisonResult.from_json("r.json")


def page(name):
    return Path(name).read_text(encoding="utf-8")


def test_embedded_events(command):
    code, out, err = command("compare", "--quick", *FAST, "--json", "r.json")
    assert code == 0
    assert "HiggsML, embedded sample: trained on" in out
    assert "weighted AUC  average precision" in out
    assert "report: report.html" in err
    result = numbers()
    assert result.data["number of features"] == 25
    assert not any("phi" in n and n.startswith("PRI") for n in result.data["features"])
    assert result.data["groups"] == [0, 1, 2, 3]
    sums = result.data["sum of signal weights"], result.data["sum of background weights"]
    assert sums == pytest.approx((691.988608, 410_999.847))  # though few rows were drawn
    assert result.data["signal events"] + result.data["background events"] == 2000
    assert 0 < os.stat("report.html").st_size < 1_000_000


@pytest.mark.parametrize("name", ["events.csv", "events.csv.gz", "events.parquet", "events.root"])
def test_own_files(command, write, frame, name):
    exclude = [] if name.endswith(".root") else ["--exclude", "kind"]
    code, out, _ = command(
        "compare", "--data", write(name), *COLUMNS[:-2], *exclude, *SMALL, "-q", "--json", "r.json"
    )
    assert code == 0
    assert name in out
    result = numbers()
    assert result.data["features"] == ["met", "ht", "n_jets"]
    weight = frame["w"][frame["is_signal"] == 1].sum()
    assert result.data["sum of signal weights"] == pytest.approx(weight)
    assert result.estimate("IsolationForest", "weighted_auc")[0] > 0.8


def test_formats_give_the_same_numbers(command, write):
    found = []
    for name in ("e.csv", "e.parquet"):
        command("compare", "--data", write(name), *COLUMNS, *SMALL, "-q", "--json", "r.json")
        found.append([run.values for run in numbers().runs])
    assert found[0] == found[1]


def test_a_file_in_higgsml_columns_is_recognised(command, write):
    pandas = pytest.importorskip("pandas")
    events = load_higgsml(nrows=600)
    table = pandas.DataFrame(events.X, columns=events.feature_names)
    table = table.assign(EventId=events.ids, Weight=events.sample_weight)
    table["Label"] = np.where(events.y == 1, "s", "b")
    code, _, _ = command(
        "compare", "--data", write("training.csv", table), *SMALL, "-q", "--json", "r.json"
    )
    assert code == 0
    assert numbers().data["number of features"] == 25
    assert numbers().data["group"] == "PRI_jet_num"


def test_quiet_leaves_the_table_alone(command, write):
    _, out, err = command("compare", "--data", write("e.csv"), *COLUMNS, *SMALL, "-q")
    assert err == ""
    assert out.count("IsolationForest") == 1
    assert not Path("report.html").exists()


def test_labels_of_many_values(command, refused, write, frame):
    words = [
        "compare",
        "--data",
        write("e.csv"),
        "--label",
        "kind",
        "--exclude",
        "is_signal,event,w",
        *SMALL,
        "-q",
    ]
    assert "which of the labels 'htt', 'top', 'ztt' is signal; say it with --signal" in refused(
        *words
    )
    assert "no row has the label 'ggh'; the labels are 'htt'" in refused(*words, "--signal", "ggh")
    code, _, _ = command(*words, "--signal", "htt", "--json", "r.json")
    assert code == 0
    assert numbers().data["signal events"] == frame["is_signal"].sum()


def test_group_wise_needs_a_group(command, refused, write):
    words = [
        "compare",
        "--data",
        write("e.csv"),
        *COLUMNS,
        "--jobs",
        0,
        "--seeds",
        1,
        "--models",
        "groupwise",
        "--set",
        "groupwise.max_epochs=1",
        "--bootstrap",
        0,
        "-q",
    ]
    assert "needs a column that tells the groups" in refused(*words)
    code, out, _ = command(*words, "--group", "n_jets")
    assert code == 0
    assert "Group-wise VAE" in out


def test_known_signal(command, refused, write, frame):
    words = ["compare", "--data", write("e.csv"), *COLUMNS, "--jobs", 0, "--seeds", 1, "-q"]
    words += ["--bootstrap", 0, "--no-report", "--json", "r.json", "--models"]
    some = ["iforest,ope,logistic", "--set", "ope.max_iter=100", "--set", "logistic.C=0.5"]
    code, out, _ = command(*words, *some, "--known", "0,15")
    assert code == 0
    assert out.count("OPE (K=15)") == 1
    result, n_signal = numbers(), int(frame["is_signal"].sum())
    assert set(result.names) == {
        "IsolationForest",
        "OPE (K=0)",
        "OPE (K=15)",
        "logistic regression (K=15)",
    }
    assert result.data["signal events"] == n_signal
    assert f"{n_signal - 15} signal events" in " ".join(out.split())
    assert result.parameters["OPE (K=15)"]["max_iter"] == 100
    assert result.parameters["logistic regression (K=15)"]["C"] == 0.5
    assert result.estimate("logistic regression (K=15)", "auc")[0] > 0.8
    assert f"of {n_signal} leave too few for the test" in refused(*words, *some, "--known", 90)
    assert "none of IsolationForest is a classifier" in refused(*words, "iforest", "--known", 9)


def test_a_small_signal_leaves_numbers_out(command, write):
    words = ["compare", "--data", write("e.csv"), *COLUMNS, "--jobs", 0, "--seeds", 1]
    words += ["--models", "trees,logistic", "--quick", "--bootstrap", 0, "--no-report"]
    code, out, err = command(*words)
    assert code == 0
    assert "warning: K = 200 known signal events of" in err
    assert "boosted trees (K=20)" in out
    assert "K=200" not in out


def test_random_rows_keep_the_sums(command, write):
    words = ["compare", "--data", write("e.csv"), *COLUMNS, *SMALL, "-q", "--json", "r.json"]
    assert command(*words, "--max-rows", 200)[0] == 0
    data = numbers().data
    assert data["signal events"] + data["background events"] == 200
    both = data["sum of signal weights"] + data["sum of background weights"]
    assert both == pytest.approx(400, rel=0.1)


def test_negative_weights(command, write, frame):
    table = frame.assign(w=np.where(np.arange(len(frame)) % 10 == 0, -1.0, 1.0) * frame["w"])
    code, _, _ = command(
        "compare", "--data", write("e.csv", table), *COLUMNS, *SMALL, "-q", "--json", "r.json"
    )
    assert code == 0
    assert numbers().data["negative weights"] == 40
    assert numbers().estimate("IsolationForest", "weighted_auc")[0] > 0.8


def test_report_again_without_a_fit(command, write):
    command("compare", "--data", write("e.csv"), *COLUMNS, *PAGE, "--json", "r.json")
    first = page("report.html")
    code, out, err = command("report", "r.json", "--out", "again.html")
    assert (code, out, err) == (0, "", "report: again.html\n")
    assert page("again.html") == first
    assert "skhep-anomaly</span> <span>compare" in first


def test_hostile_names_are_escaped(command, write, frame):
    table = frame.rename(columns={"met": "<script>x"})
    command("compare", "--data", write("e.csv", table), *COLUMNS, *PAGE, "-q")
    text = page("report.html")
    assert "<script>" not in text
    assert text.count("&lt;script&gt;x") == 1


def test_an_interrupt_is_130(command, write, monkeypatch):
    from sklearn.ensemble import IsolationForest

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(IsolationForest, "fit", stop)
    code, out, err = command("compare", "--data", write("e.csv"), *COLUMNS, *SMALL, "-q")
    assert (code, out, err) == (130, "", "interrupted\n")


def test_a_failing_detector_is_told_and_gives_code_1(command, write, monkeypatch):
    from sklearn.ensemble import IsolationForest

    def fail(*args, **kwargs):
        raise RuntimeError("no luck\ntoday")

    monkeypatch.setattr(IsolationForest, "fit", fail)
    code, out, err = command("compare", "--data", write("e.csv"), *COLUMNS, *SMALL, "-q")
    assert code == 1
    assert err == "failed: IsolationForest, seed 0: RuntimeError: no luck today\n"
    assert "AE" in out


MISTAKES = [
    (["--label", "is_sgnal"], "has no column 'is_sgnal': did you mean 'is_signal'?"),
    ([], "name the column that tells signal from background with --label"),
    (["--label", "is_signal"], "column 'kind' is not numeric"),
    (["--label", "is_signal"], "Leave it out with --exclude, or turn it into numbers."),
    ([*NUMBERS, "--features", "mett"], "has no column 'mett': did you mean 'met'?"),
    ([*NUMBERS, "--features", "w"], "column 'w' is label, weight or id and cannot be a feature"),
    ([*NUMBERS, "--exclude", "*"], "no feature is left of 7 columns"),
    ([*COLUMNS, "--group", "njets"], "--group njets: no such feature: did you mean 'n_jets'?"),
    ([*COLUMNS, "--group", "met"], "a group's column has at most 30"),
    ([*COLUMNS, "--models", "vea"], "there is no model 'vea'"),
    ([*COLUMNS, "--models", ","], "--models names no model"),
    ([*COLUMNS, "--set", "ae=3"], "expected MODEL.PARAM=VALUE"),
    ([*COLUMNS, "--set", "vae.beta=3"], "no model 'vae' is compared; there are ae, iforest"),
    ([*COLUMNS, "--set", "ae.batch=3"], "no parameter 'batch'; did you mean 'batch_size'?"),
    ([*COLUMNS, "--set", "ae.batch_size"], "expected PARAM=VALUE, such as latent_dim=4"),
    ([*COLUMNS, "--set", "ae.batch_size=x"], "The 'batch_size' parameter of AEOutlierDetector"),
    ([*COLUMNS, "--known", ","], "argument --known: no number is given"),
    ([*COLUMNS, "--known", "2,x"], "argument --known: 'x' is no whole number ≥ 0"),
    ([*COLUMNS, "--seeds", "0"], "argument --seeds: 0 is too few, give 1 or more"),
    ([*COLUMNS, "--seed", "-1"], "'-1' is no whole number ≥ 0"),
    ([*COLUMNS, "--out", "no/r.html"], "cannot write no/r.html: there is no folder no"),
    ([*COLUMNS, "--json", "."], "cannot write .: it is a folder"),
    ([*COLUMNS, "--tree", "x"], "tree='x' is for ROOT files"),
    (
        ["--label", "kind", "--weight", "kind", "--signal", "htt", "--features", "met"],
        "weight colu",
    ),
    (
        ["--label", "n_jets", "--signal", "two", "--features", "met"],
        "no row has the label 'two'; the labels are 0, 1",
    ),
    ([*COLUMNS, "--wieght", "w"], "unrecognized arguments: --wieght w"),
]


@pytest.mark.parametrize("words, message", MISTAKES)
def test_mistakes_are_one_line(refused, write, words, message):
    text = refused("compare", "--data", write("e.csv"), *FAST, "-q", *words)
    assert message in text


def test_what_only_a_data_file_has(refused):
    text = refused("compare", "--label", "Label")
    assert "--label needs --data: the embedded events know their own columns" in text


@pytest.mark.parametrize(
    "column, value, message",
    [
        ("is_signal", np.nan, "1 of 400 labels are missing"),
        ("w", np.inf, "weight column 'w' is NaN or infinite in 1 rows"),
        ("n_jets", np.nan, "--group n_jets: 1 rows have no value"),
    ],
)
def test_values_that_are_missing(refused, write, frame, column, value, message):
    table = frame.astype({column: float})
    table.loc[3, column] = value
    path = write("e.csv", table)
    assert message in refused("compare", "--data", path, *COLUMNS, *FAST, "--group", "n_jets", "-q")


def test_one_class_only(refused, write, frame):
    path = write("e.csv", frame.assign(is_signal=0))
    text = refused("compare", "--data", path, *COLUMNS, *FAST)
    assert "all 400 rows have the label 0; two are needed" in text


def test_missing_and_damaged_files(refused, tmp_path):
    assert "no.csv: no such file." in refused("compare", "--data", "no.csv", "--label", "y")
    (tmp_path / "r.json").write_text("{}")
    assert "r.json: not a comparison in JSON" in refused("report", "r.json")
    assert "No such file" in refused("report", "nothing.json")


def test_a_folder_that_may_not_be_written(refused, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "is not writable" in refused("compare", "--out", str(tmp_path / "r.html"))


def test_verbose_shows_where(command):
    with pytest.raises(ValueError, match="there is no model 'x'"):
        command("compare", "--models", "x", "-v")


def test_help_and_version(command):
    code, out, _ = command("compare", "--help")
    assert code == 0
    assert "skhep-anomaly compare --models vae,iforest" in out
    assert "examples:" in command("score", "--help")[1]
    code, out, _ = command("--version")
    assert (code, out.split()[0]) == (0, "skhep-anomaly")


def test_help_lists_the_models_that_are_there():
    assert tuple(MODELS) == ALL_MODELS
    assert tuple(name for name, model in MODELS.items() if model.storable) == OUR_MODELS


def test_no_command(refused):
    assert "the following arguments are required: COMMAND" in refused()


def start(*words, cwd):
    return subprocess.Popen(
        [sys.executable, "-m", "skhep_anomaly", *map(str, words)],
        cwd=cwd,
        text=True,
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )


def test_as_a_program_with_workers(write, tmp_path):
    words = ["compare", "--data", write("e.csv"), *SMALL, *COLUMNS, "--jobs", 2, "--json", "r.json"]
    process = start(*words, cwd=tmp_path)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "+-" in out  # the terminal knows ASCII only
    assert "2/2" in err
    content = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert content["setup"]["command"].startswith("skhep-anomaly compare --data")


def test_control_c_ends_the_workers(tmp_path):
    process = start("compare", "--models", "ae", "--jobs", 1, cwd=tmp_path)
    shown = ""
    while "compare:" not in shown:
        shown += process.stderr.read(1)
        assert process.poll() is None, shown
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert out == ""
    assert "interrupted" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
