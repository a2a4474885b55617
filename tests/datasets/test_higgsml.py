"""HiggsML: the embedded sample, the user's files in their original layouts, weights, faults."""

from __future__ import annotations

import gzip
import os

import numpy as np
import pytest

from skhep_anomaly import load_higgsml
from skhep_anomaly.datasets._embedded import EMBEDDED_FILE, decode, encode, read_embedded

DEV = "higgsml/higgsml_dev.parquet"
SUM_S, SUM_B = 691.988608, 410_999.847
FULL_SIGNAL = [82_853, 90_202, 84_221, 22_284]  # published counts by jet number
FULL_BACKGROUND = [244_518, 162_680, 80_806, 50_674]
PHI = {f"PRI_{name}_phi" for name in ("tau", "lep", "met", "jet_leading", "jet_subleading")}


@pytest.fixture(scope="module")
def sample():
    return load_higgsml()


@pytest.fixture(scope="module")
def rows():
    """Forty events of the sample as a frame in the layout of the portal's file."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({name: values[:40] for name, values in read_embedded().items()})
    frame["PRI_jet_num"] = frame["PRI_jet_num"].astype(int)
    frame["KaggleSet"] = ["t", "b", "v", "u"] * 10
    features = [name for name in frame if name.startswith(("DER_", "PRI_"))]
    frame[features] = frame[features].astype(float).round(3)
    return frame


@pytest.fixture
def write(tmp_path, rows):
    def to(name, frame=None):
        path = tmp_path / name
        frame = rows if frame is None else frame
        if name.endswith("parquet"):
            frame.to_parquet(path)
        elif name.endswith("root"):
            uproot = pytest.importorskip("uproot")
            with uproot.recreate(path) as file:
                columns = {n: frame[n].to_numpy() for n in frame}
                texts = {n: v.astype(str) for n, v in columns.items() if v.dtype == object}
                file.mkrntuple("events", columns | texts)
        else:
            frame.to_csv(path, index=False)
        return path

    return to


def jet_numbers(events):
    return events.X[:, events.feature_names.index("PRI_jet_num")].astype(int)


def test_embedded_counts_by_jet_number(sample):
    """Counted in the development file with pandas; they sum to 6,285 and 12,026."""
    jets = jet_numbers(sample)
    assert np.bincount(jets[sample.y == 1]).tolist() == [1872, 2032, 1872, 509]
    assert np.bincount(jets[sample.y == 0]).tolist() == [5383, 3649, 1877, 1117]


@pytest.mark.parametrize("label, full", [(1, FULL_SIGNAL), (0, FULL_BACKGROUND)])
def test_embedded_jet_numbers_are_those_of_the_full_file(sample, label, full):
    """A random part: counts within four standard deviations of the published ones, scaled."""
    jets = jet_numbers(sample)[sample.y == label]
    p = np.array(full) / sum(full)
    pull = (np.bincount(jets) - len(jets) * p) / np.sqrt(len(jets) * p * (1 - p))
    assert np.abs(pull).max() < 4


def test_embedded_undefined_mass(sample):
    """DER_mass_MMC is undefined as often as in the full file (signal 3 %, background 21 %)."""
    undefined = sample.X[:, sample.feature_names.index("DER_mass_MMC")] == -999
    assert np.mean(undefined[sample.y == 1]) == pytest.approx(9_189 / 279_560, abs=0.005)
    assert np.mean(undefined[sample.y == 0]) == pytest.approx(115_413 / 538_678, abs=0.01)


def test_undefined_features_follow_from_the_jet_number(sample):
    jets = jet_numbers(sample)
    names = np.array(sample.feature_names)
    assert [(sample.X[jets == k] == -999).all(axis=0).sum() for k in range(4)] == [10, 7, 0, 0]
    two_jets = ["DER_mass_jet_jet", "PRI_jet_subleading_pt", "DER_lep_eta_centrality"]
    assert np.isin(two_jets, names[(sample.X[jets == 1] == -999).all(axis=0)]).all()


def test_columns_left_per_jet_number_without_phi():
    """The thesis's 15, 18, 24, 24 columns for 0, 1, 2, 3 jets."""
    events = load_higgsml(drop_phi=True)
    jets = jet_numbers(events)
    spread = [np.ptp(events.X[jets == k], axis=0) for k in range(4)]
    assert [int((s > 0).sum()) for s in spread] == [15, 18, 24, 24]
    assert set(load_higgsml().feature_names) - set(events.feature_names) == PHI


@pytest.mark.needs_data
def test_embedded_equals_the_parquet_file(data_file):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(data_file(DEV))
    embedded = read_embedded()
    assert list(embedded) == list(frame.columns)
    assert len(frame) == 18_311
    for name in frame.columns:
        assert np.array_equal(embedded[name], frame[name].to_numpy()), name


@pytest.mark.needs_data
def test_file_and_embedded_load_alike(data_file, sample):
    pytest.importorskip("pandas")
    events = load_higgsml(data_file(DEV))
    assert np.array_equal(events.X, sample.X)
    assert np.array_equal(events.sample_weight, sample.sample_weight)
    assert events.feature_names == sample.feature_names
    assert set(events) == set(sample)


@pytest.mark.needs_data
def test_embedded_weights_are_those_of_the_full_set(data_file, sample):
    """The full set's weights in EventId order: the ids of the sample pick their own."""
    with np.load(data_file("higgsml/weights_labels_250k.npz"), allow_pickle=False) as full:
        weight, signal = full["KaggleWeight"], full["is_signal"].astype(bool)
    place = sample.ids - 100_000
    assert np.array_equal(weight[place], load_higgsml(weights="kaggle").sample_weight)
    assert np.array_equal(signal[place], sample.y == 1)
    assert weight[signal].sum() == pytest.approx(SUM_S, abs=1e-6)
    assert weight[~signal].sum() == pytest.approx(SUM_B, abs=1e-3)


def test_embedded_file_is_small_and_plain():
    assert EMBEDDED_FILE.stat().st_size <= 2_000_000
    with np.load(EMBEDDED_FILE, allow_pickle=False) as file:
        assert all(file[name].dtype.kind in "uifU" for name in file.files)
    assert "CC0" in (EMBEDDED_FILE.parent / "README.md").read_text("utf-8")


def test_ids_of_the_embedded_sample(sample):
    expected = [i for i in range(100_000, 122_889) if i % 5]
    assert np.array_equal(sample.ids, expected)
    assert set(sample.subset) == {"t"}


def test_coding_is_exact_for_three_decimals():
    """Every thousandth from −999 to 4000 that float32 can hold apart, and the undefined value."""
    thousandths = np.arange(-9_000, 4_000_000, 37)
    values = np.append((thousandths / 1000).astype(np.float32), np.float32(-999))
    n = len(values)
    columns = {
        "EventId": np.arange(n) * 3 + 7,
        "DER_a": values,
        "Weight": np.linspace(0, 1, n),
        "Label": np.where(np.arange(n) % 3 == 0, "s", "b"),
        "KaggleSet": np.array(["t", "b"])[np.arange(n) % 2],
        "KaggleWeight": np.linspace(1, 2, n),
    }
    back = decode(encode(columns, ["DER_a"]))
    assert list(back) == list(columns)
    for name in columns:
        assert np.array_equal(back[name], columns[name]), name


def test_bunch_form(sample):
    assert sample.X.dtype == np.float32
    assert sample.X.flags.c_contiguous
    assert sample.y.dtype == np.int64
    assert sample.sample_weight.dtype == np.float64
    assert sample.units["DER_mass_MMC"] == "GeV"
    assert sample.units["PRI_tau_phi"] == "rad"
    assert sample.units["PRI_tau_eta"] == "1"
    assert sample.source["doi"] == "10.7483/OPENDATA.ATLAS.ZBP2.M5T8"


def test_class_sums_are_those_of_the_full_set(sample):
    assert sample.sample_weight[sample.y == 1].sum() == pytest.approx(SUM_S, rel=1e-12)
    assert sample.sample_weight[sample.y == 0].sum() == pytest.approx(SUM_B, rel=1e-12)


def test_class_sums_scale_each_class_by_one_factor(sample):
    kaggle = load_higgsml(weights="kaggle").sample_weight
    ratio = sample.sample_weight / kaggle
    assert np.ptp(ratio[sample.y == 1]) < 1e-12 * ratio.max()
    assert ratio[sample.y == 1][0] == pytest.approx(SUM_S / 52.06423706261742, rel=1e-12)
    assert ratio[sample.y == 0][0] == pytest.approx(SUM_B / 29819.065054321814, rel=1e-12)


def test_original_weights(sample):
    events = load_higgsml(weights="original")
    assert events.sample_weight.sum() == pytest.approx(15.982029686115634 + 9092.12659760485)


def test_nrows_takes_the_first_and_keeps_the_sums():
    events = load_higgsml(nrows=100)
    assert events.X.shape == (100, 30)
    assert events.ids[0] == 100_001
    assert events.sample_weight.sum() == pytest.approx(SUM_S + SUM_B)


def test_one_class_alone_is_scaled():
    """The first event of the sample is background: there is no signal to scale."""
    events = load_higgsml(nrows=1)
    assert events.y.tolist() == [0]
    assert events.sample_weight == pytest.approx([SUM_B])


def test_frame(sample):
    pytest.importorskip("pandas")
    frame = load_higgsml(as_frame=True).X
    assert list(frame.columns) == sample.feature_names
    assert set(frame.dtypes) == {np.dtype(np.float32)}
    assert np.array_equal(frame.to_numpy(), sample.X)


def test_loads_are_independent():
    load_higgsml().X[:] = 0
    assert load_higgsml().X.any()
    assert load_higgsml().sample_weight.min() > 0


@pytest.mark.parametrize("name", ["v2.csv", "v2.csv.gz", "v2.parquet", "v2.root"])
def test_file_in_the_portals_layout(write, rows, sample, name):
    events = load_higgsml(write(name), weights="kaggle")
    assert np.array_equal(events.X, sample.X[:40])
    assert np.array_equal(events.ids, rows["EventId"])
    assert np.array_equal(events.y, (rows["Label"] == "s").astype(int))
    assert np.array_equal(events.sample_weight, rows["KaggleWeight"])
    assert events.subset.tolist() == ["t", "b", "v", "u"] * 10


def test_file_in_kaggles_layout(write, rows, sample):
    """training.csv has one weight, normalised as KaggleWeight is, and no sets."""
    kaggle = rows.drop(columns=["KaggleSet", "KaggleWeight"])
    path = write("training.csv", kaggle)
    events = load_higgsml(path, weights="kaggle", drop_phi=True)
    assert events.X.shape == (40, 25)
    assert np.array_equal(events.sample_weight, rows["Weight"])
    assert events.subset is None
    assert load_higgsml(path).sample_weight.sum() == pytest.approx(SUM_S + SUM_B)


def test_column_order_of_the_file_does_not_matter(write, rows, sample):
    events = load_higgsml(write("v2.csv", rows[rows.columns[::-1]]))
    assert np.array_equal(events.X, sample.X[:40])
    assert events.feature_names == sample.feature_names


@pytest.mark.parametrize(
    "subset, start", [("t", [0]), ("b", [1]), ("tv", [0, 2]), (("t", "v"), [0, 2])]
)
def test_subset(write, rows, subset, start):
    events = load_higgsml(write("v2.csv"), subset=subset)
    expected = rows["EventId"][[i for i in range(40) if i % 4 in start]]
    assert np.array_equal(events.ids, expected)
    assert events.sample_weight.sum() == pytest.approx(SUM_S + SUM_B)


def test_nrows_counts_events_of_the_subset(write, rows):
    events = load_higgsml(write("v2.csv"), subset="v", nrows=3)
    assert np.array_equal(events.ids, rows["EventId"][[2, 6, 10]])


def test_embedded_has_only_set_t():
    assert len(load_higgsml(subset="t").y) == 18_311
    with pytest.raises(ValueError, match="no event has column 'KaggleSet' in subset='b'"):
        load_higgsml(subset="b")


def test_subset_of_a_file_without_sets(write, rows):
    path = write("training.csv", rows.drop(columns=["KaggleSet", "KaggleWeight"]))
    with pytest.raises(ValueError, match="needs the column 'KaggleSet', which this file lacks"):
        load_higgsml(path, subset="t")


@pytest.mark.parametrize("column", ["EventId", "Weight", "Label", "PRI_met"])
def test_missing_column(write, rows, column):
    path = write("training.csv", rows.drop(columns=column))
    with pytest.raises(ValueError, match=f"training.csv: no column '{column}'; the file has"):
        load_higgsml(path)


def test_label_of_another_kind(write, rows):
    path = write("training.csv", rows.assign(Label="x"))
    with pytest.raises(ValueError, match="column 'Label' holds 'x'; expected 's' or 'b'"):
        load_higgsml(path)


def test_text_in_a_feature(write, rows):
    path = write("training.csv", rows.assign(PRI_met="high"))
    with pytest.raises(ValueError, match="training.csv: column 'PRI_met' is not numeric"):
        load_higgsml(path)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"weights": "none"}, "weights='none': expected one of 'class_sums', 'kaggle', 'original'"),
        ({"subset": "x"}, "subset='x': expected letters out of"),
        ({"subset": ""}, "subset='': expected letters out of"),
        ({"subset": ["tv"]}, "expected letters out of 't', 'b', 'v', 'u'"),
        ({"nrows": 0}, "nrows=0: expected a positive whole number"),
        ({"nrows": 1.5}, "nrows=1.5: expected a positive whole number"),
    ],
)
def test_wrong_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        load_higgsml(**parameters)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="training.csv: no such file"):
        load_higgsml(tmp_path / "training.csv")


def test_cut_gzip(write):
    path = write("v2.csv.gz")
    whole = path.read_bytes()
    assert len(whole) > 500
    path.write_bytes(whole[:-200])
    with pytest.raises(ValueError, match="v2.csv.gz: no readable csv file"):
        load_higgsml(path)
    path.write_bytes(gzip.compress(b"")[:8])
    with pytest.raises(ValueError, match="v2.csv.gz: no readable csv file"):
        load_higgsml(path)


def test_full_file_by_jet_number():
    """The published counts of all 818,238 events, where SKHEP_ANOMALY_HIGGSML names the file."""
    path = os.environ.get("SKHEP_ANOMALY_HIGGSML")
    if not path:
        pytest.skip("SKHEP_ANOMALY_HIGGSML does not name atlas-higgs-challenge-2014-v2.csv(.gz)")
    events = load_higgsml(path)
    jets = jet_numbers(events)
    undefined = events.X[:, events.feature_names.index("DER_mass_MMC")] == -999
    assert np.bincount(jets[events.y == 1]).tolist() == FULL_SIGNAL
    assert np.bincount(jets[events.y == 0]).tolist() == FULL_BACKGROUND
    assert np.bincount(events.y[undefined]).tolist() == [115_413, 9_189]
    assert np.bincount(events.y[~undefined]).tolist() == [423_265, 270_371]
