"""HIGGS and SUSY in the archive's layout and as tables with named columns."""

from __future__ import annotations

import numpy as np
import pytest

from skhep_anomaly import load_higgs, load_susy
from skhep_anomaly.datasets import uci

pd = pytest.importorskip("pandas")

DEV = "uci_higgs/higgs_uci_dev.parquet"
LOADERS = [(load_higgs, 28), (load_susy, 18)]


def write(path, n_features, n=50, scale=1.0):
    rng = np.random.default_rng(0)
    X = (scale * rng.normal(size=(n, n_features))).astype(np.float32)
    y = np.arange(n) % 3 == 0
    pd.DataFrame(np.column_stack([y, X])).to_csv(
        path, header=False, index=False, float_format="%.18e"
    )
    return X, y


@pytest.mark.parametrize("load, d", LOADERS)
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_archive_layout(tmp_path, load, d, suffix):
    path = tmp_path / f"events{suffix}"
    X, y = write(path, d)
    events = load(path)
    assert np.array_equal(events.X, X)
    assert np.array_equal(events.y, y)
    assert events.sample_weight is None
    assert len(events.feature_names) == len(set(events.feature_names)) == d


@pytest.mark.parametrize("load, d", LOADERS)
def test_nrows_and_chunks(tmp_path, monkeypatch, load, d):
    path = tmp_path / "events.csv"
    X, _ = write(path, d)
    monkeypatch.setattr(uci, "_CHUNK_ROWS", 7)
    assert np.array_equal(load(path).X, X)
    assert np.array_equal(load(path, nrows=20).X, X[:20])
    assert load(path, nrows=500).X.shape == (50, d)


def test_names_are_the_archives():
    assert uci._HIGGS[:5] == [
        "lepton_pT",
        "lepton_eta",
        "lepton_phi",
        "missing_energy_magnitude",
        "missing_energy_phi",
    ]
    assert uci._HIGGS[-7:] == ["m_jj", "m_jjj", "m_lv", "m_jlv", "m_bb", "m_wbb", "m_wwbb"]
    assert uci._SUSY[8:] == [
        *("MET_rel", "axial_MET", "M_R", "M_TR_2", "R", "MT2", "S_R"),
        *("M_Delta_R", "dPhi_r_b", "cos_theta_r1"),
    ]
    assert (len(uci._HIGGS), len(uci._SUSY)) == (28, 18)


@pytest.mark.needs_data
def test_development_file(data_file):
    path = data_file(DEV)
    frame = pd.read_parquet(path)
    events = load_higgs(path, as_frame=True)
    assert events.X.shape == (15_669, 28)
    assert np.array_equal(events.X, frame[events.feature_names])
    assert np.array_equal(events.y, frame["y"])
    assert events.y.mean() == pytest.approx(0.529389, abs=1e-6)  # 53 % in the full set


@pytest.mark.needs_data
def test_development_file_in_the_archives_layout(data_file, tmp_path):
    frame = pd.read_parquet(data_file(DEV)).head(200)
    path = tmp_path / "HIGGS.csv.gz"
    names = [name for name in frame if name not in ("y", "src")]
    frame[["y", *names]].to_csv(path, header=False, index=False)
    events = load_higgs(path)
    assert np.array_equal(events.X, frame[names].to_numpy())
    assert events.feature_names == names


def test_table_with_a_label(tmp_path):
    path = tmp_path / "susy.parquet"
    X = np.random.default_rng(1).normal(size=(9, 18))
    pd.DataFrame(X, columns=uci._SUSY).assign(label=[0, 1, 0] * 3).to_parquet(path)
    events = load_susy(path)
    assert events.y.sum() == 3
    assert np.array_equal(events.X, X.astype(np.float32))


@pytest.mark.parametrize("load, d", LOADERS)
@pytest.mark.parametrize("extra", [-1, 1])
def test_other_number_of_columns(tmp_path, load, d, extra):
    path = tmp_path / "events.csv"
    write(path, d + extra)
    with pytest.raises(ValueError, match=f"{d + extra + 1} columns in the first line; .* {d + 1}:"):
        load(path)


def test_susy_given_as_higgs(tmp_path):
    path = tmp_path / "SUSY.csv"
    write(path, 18)
    with pytest.raises(ValueError, match="the archive's HIGGS file has 29: the label, then 28"):
        load_higgs(path)


def test_header(tmp_path):
    path = tmp_path / "HIGGS.csv"
    path.write_text(",".join(["label", *uci._HIGGS]) + "\n" + ",".join(["1"] * 29) + "\n")
    with pytest.raises(ValueError, match="first line is no list of numbers; .* has no header"):
        load_higgs(path)


def test_text_in_a_column(tmp_path):
    path = tmp_path / "HIGGS.csv"
    path.write_text(",".join(["1"] * 29) + "\n" + ",".join(["1"] * 28 + ["high"]) + "\n")
    with pytest.raises(ValueError, match="HIGGS.csv: column 'm_wwbb' is not numeric"):
        load_higgs(path)


def test_longer_line(tmp_path):
    path = tmp_path / "HIGGS.csv"
    path.write_text(",".join(["1"] * 29) + "\n" + ",".join(["1"] * 31) + "\n")
    with pytest.raises(ValueError, match="HIGGS.csv: not a regular csv table"):
        load_higgs(path)


def test_other_labels(tmp_path):
    path = tmp_path / "HIGGS.csv"
    path.write_text(",".join(["2"] * 29) + "\n")
    with pytest.raises(ValueError, match=r"column 'label' holds 2; expected 1 \(signal\) or 0"):
        load_higgs(path)


def test_table_without_label(tmp_path):
    path = tmp_path / "higgs.parquet"
    pd.DataFrame(np.zeros((3, 28)), columns=uci._HIGGS).to_parquet(path)
    with pytest.raises(ValueError, match="no label column; expected one called 'label' or 'y'"):
        load_higgs(path)


@pytest.mark.parametrize("load, number", [(load_higgs, "280"), (load_susy, "279")])
def test_no_such_file(tmp_path, load, number):
    with pytest.raises(
        FileNotFoundError, match=f"can be downloaded from https://archive.*{number}"
    ):
        load(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="nrows=-1: expected a positive whole number"):
        load(tmp_path / "none.csv", nrows=-1)
