"""``skhep-anomaly fit`` and ``score``: model files, ids, chunks, mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from skhep_anomaly import MissingSentinel, load
from skhep_anomaly.datasets import read_table
from skhep_anomaly.persistence import save

TINY = ["--set", "max_epochs=2", "--set", "n_members=1"]
ROLES = ["--id", "event", "--exclude", "kind,is_signal,w"]


@pytest.fixture
def model(command, write, frame):
    """A model file fitted on the background of the table."""
    words = ["--data", write("train.csv"), "--label", "is_signal", "--id", "event"]
    words += ["--exclude", "kind,w", "--model", "ae", *TINY, "--out", "ae.skhep"]
    code, out, err = command("fit", *words)
    assert (code, out) == (0, "")
    n_background = (frame["is_signal"] == 0).sum()
    assert f"AEOutlierDetector fitted on {n_background} background rows × 3 features" in err
    return "ae.skhep"


def test_the_file_holds_sentinel_and_detector(model, frame):
    pipeline = load(model)
    assert isinstance(pipeline, Pipeline)
    assert pipeline.feature_names_in_.tolist() == ["met", "ht", "n_jets"]
    background = frame[frame["is_signal"] == 0]
    defined = background["ht"][background["ht"] != -999].astype(np.float32)
    assert pipeline[0].fill_values_[1] == pytest.approx(
        np.quantile(defined, 0.5, method="averaged_inverted_cdf")
    )
    assert pipeline[-1].max_epochs == 2


def test_scores_are_those_of_the_model(command, model, write, frame):
    code, out, err = command(
        "score", "--model", model, "--data", write("e.parquet"), "--id", "event", "--out", "s.csv"
    )
    assert (code, out) == (0, "")
    scored = read_table("s.csv")
    assert scored.columns.tolist() == ["event", "score", "anomaly_score", "outlier"]
    assert scored["event"].tolist() == frame["event"].tolist()
    pipeline = load(model)
    rows = frame[["met", "ht", "n_jets"]].astype(np.float32)
    assert np.allclose(scored["score"], pipeline.score_samples(rows), rtol=1e-5)
    assert (scored["anomaly_score"] == -scored["score"]).all()
    assert (scored["outlier"] == (pipeline.predict(rows) == -1)).mean() > 0.99
    assert f"400 rows scored, {scored['outlier'].sum()} of them outliers: s.csv" in err


def test_chunks_change_nothing(command, model, write):
    path, found = write("e.root"), []
    for chunk in (37, 1000):
        command(
            "score",
            "-q",
            "--model",
            model,
            "--data",
            path,
            "--chunk",
            chunk,
            "--id",
            "event,n_jets",
            "--out",
            "s.parquet",
        )
        found.append(read_table("s.parquet"))
    assert found[0].columns.tolist()[:2] == ["event", "n_jets"]
    assert found[0][["event", "n_jets", "outlier"]].equals(found[1][["event", "n_jets", "outlier"]])
    assert np.allclose(found[0]["score"], found[1]["score"], rtol=1e-5)


def test_rows_are_counted_where_there_is_no_id(command, model, write):
    command(
        "score", "-q", "--model", model, "--data", write("e.csv"), "--chunk", 150, "--out", "s.csv"
    )
    assert read_table("s.csv")["row"].tolist() == list(range(400))


def test_columns_in_another_order_score_alike(command, model, write, frame):
    found = []
    for table in (frame, frame[frame.columns[::-1]]):
        command("score", "-q", "--model", model, "--data", write("e.csv", table), "--out", "s.csv")
        found.append(read_table("s.csv")["score"].to_numpy())
    assert np.array_equal(*found)


def test_the_same_seed_gives_the_same_file_of_scores(command, write):
    path, found = write("e.csv"), []
    for seed in (4, 4, 5):
        command(
            "fit",
            "-q",
            "--data",
            path,
            *ROLES,
            "--model",
            "ae",
            *TINY,
            "--seed",
            seed,
            "--out",
            "m.skhep",
        )
        command("score", "-q", "--model", "m.skhep", "--data", path, "--out", "s.csv")
        found.append(read_table("s.csv")["score"].tolist())
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_without_labels_all_rows_train(command, write):
    code, _, err = command(
        "fit",
        "--data",
        write("e.csv"),
        *ROLES,
        "--model",
        "ae",
        *TINY,
        "--out",
        "m.skhep",
        "--max-rows",
        100,
    )
    assert code == 0
    assert "fitted on 100 rows" in err


def test_group_wise_models(command, write):
    path = write("e.csv")
    code, _, err = command(
        "fit",
        "--data",
        path,
        *ROLES,
        "--model",
        "groupwise",
        *TINY,
        "--group",
        "n_jets",
        "--out",
        "g.skhep",
    )
    assert code == 0, err
    pipeline = load("g.skhep")
    assert sorted(pipeline[-1].estimators_) == [0, 1]
    code, _, err = command("score", "-q", "--model", "g.skhep", "--data", path, "--out", "s.csv")
    assert (code, err) == (0, "")
    assert 0.02 < read_table("s.csv")["outlier"].mean() < 0.3


OPE = ["--model", "ope", "--set", "max_iter=100", "--out", "o.skhep"]


def test_a_classifier_learns_from_labelled_signal(command, refused, write, frame):
    words = ["fit", "--data", write("e.csv"), "--label", "is_signal", "--id", "event"]
    words += ["--weight", "w", "--exclude", "kind", *OPE]
    n_signal, scores = int(frame["is_signal"].sum()), {}
    for known in ("all", 9, 0):
        code, _, err = command(*words, *([] if known == "all" else ["--known", known]))
        assert code == 0, err
        n_known = n_signal if known == "all" else known
        told = f"{400 - n_signal} background rows" + f" and {n_known} known signal rows" * bool(
            n_known
        )
        assert f"OPEClassifier fitted on {told} × 3 features" in err
        assert load("o.skhep")[-1].classes_.tolist() == ([0, 1] if n_known else [-1, 1])
        command("score", "-q", "--model", "o.skhep", "--data", write("e.csv"), "--out", "s.csv")
        scores[known] = read_table("s.csv")
    signal = frame["is_signal"].to_numpy() == 1
    for scored in scores.values():  # odd is odd, whatever is known
        assert scored["anomaly_score"][signal].mean() > scored["anomaly_score"][~signal].mean()
    flagged = scores["all"]["outlier"]
    assert flagged[signal].mean() > 0.8 > 0.2 > flagged[~signal].mean()
    text = refused(*words, "--known", n_signal + 1)
    assert f"--known {n_signal + 1}: there are {n_signal} labelled signal rows" in text


def test_without_labels_a_classifier_is_one_class(command, write):
    code, _, err = command("fit", "--data", write("e.csv"), *ROLES, *OPE)
    assert code == 0
    assert "fitted on 400 rows × 3 features" in err
    assert load("o.skhep")[-1].reference_ == "gmm"


def test_detectors_learn_from_background_alone(refused, command, write):
    words = ["fit", "-q", "--data", write("e.csv"), "--label", "is_signal", "--exclude", "kind,w"]
    words += ["--model", "ae", *TINY, "--out", "m.skhep"]
    assert "--known 5: ae learns from background alone" in refused(*words, "--known", 5)
    assert command(*words, "--known", 0)[0] == 0


def test_weights_reach_the_fit(command, write, frame):
    path = write("e.csv", frame.assign(w=(frame["met"] < 50).astype(float)))
    command(
        "fit",
        "-q",
        "--data",
        path,
        "--id",
        "event",
        "--exclude",
        "kind,is_signal",
        "--weight",
        "w",
        "--model",
        "ae",
        *TINY,
        "--out",
        "m.skhep",
    )
    mean = load("m.skhep")[-1].net_.module_.standardizer.mean[0]
    assert float(mean) == pytest.approx(frame["met"][frame["met"] < 50].mean(), rel=1e-4)


def test_negative_weights_are_refused_by_the_fit(refused, write, frame):
    path = write("e.csv", frame.assign(w=-frame["w"]))
    text = refused(
        "fit",
        "-q",
        "--data",
        path,
        "--exclude",
        "kind",
        "--weight",
        "w",
        "--model",
        "ae",
        "--out",
        "m.skhep",
    )
    assert "400 negative weights of 400" in text


def test_embedded_background(command):
    code, _, err = command("fit", "--model", "ae", *TINY, "--max-rows", 600, "--out", "m.skhep")
    assert code == 0
    assert "background rows × 25 features" in err


@pytest.mark.parametrize(
    "words, message",
    [
        (["--id", "evnt"], "has no column 'evnt': did you mean 'event'?"),
        (["--out", "s.txt"], "unknown suffix"),
        (["--out", "s.root"], "written as csv or parquet"),
        (["--model", "train.csv"], "train.csv is refused"),
        (["--model", "none.skhep"], "No such file"),
        (["--device", "nowhere"], "device='nowhere' is not a device"),
    ],
)
def test_mistakes_in_score(refused, model, write, words, message, tmp_path):
    assert message in refused(
        "score", "-q", "--model", model, "--data", write("train.csv"), "--out", "s.csv", *words
    )
    assert not (tmp_path / "s.csv").exists()


def test_features_that_the_file_lacks(refused, model, write, frame):
    path = write("e.csv", frame.rename(columns={"met": "MET"}))
    text = refused("score", "--model", model, "--data", path, "--out", "s.csv")
    assert "has no column 'met': did you mean 'MET'?" in text


def test_ids_must_not_hide_scores(refused, model, write, frame):
    path = write("e.csv", frame.assign(score=1))
    text = refused("score", "--model", model, "--data", path, "--id", "score", "--out", "s.csv")
    assert "the output has a column of that name already" in text


def test_models_without_names(refused, write, frame):
    save(MissingSentinel().fit(frame[["met", "ht"]].to_numpy()), "m.skhep")
    text = refused("score", "--model", "m.skhep", "--data", write("e.csv"), "--out", "s.csv")
    assert "the model does not know its columns' names; fit it on a frame" in text


def test_baselines_cannot_be_saved(refused):
    text = refused("fit", "--model", "iforest", "--out", "m.skhep")
    assert "invalid choice: 'iforest'" in text


def test_divergence_is_one_line(refused, write):
    words = ["fit", "-q", "--data", write("e.csv"), *ROLES, "--model", "ae", "--out", "m.skhep"]
    rate = ["learning_rate=1e300", "max_grad_norm=none", "lr_schedule=constant", "max_epochs=1"]
    text = refused(*words, *(word for one in rate for word in ("--set", one)))
    assert "Lower learning_rate" in text


def test_wrong_settings(refused, write):
    words = ["fit", "-q", "--data", write("e.csv"), *ROLES, "--model", "ae", "--out", "m.skhep"]
    assert "did you mean 'max_epochs'?" in refused(*words, "--set", "maxepochs=3")
    assert "expected PARAM=VALUE" in refused(*words, "--set", "max_epochs")
    text = refused(*words, "--set", "max_epochs=0")
    assert "The 'max_epochs' parameter of AEOutlierDetector must be an int" in text
