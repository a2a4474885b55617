"""The report on showers: what it must flag, what it must leave alone, and its forms."""

from __future__ import annotations

import json

import numpy as np
import pytest

from skhep_anomaly import classifier_auc, shower_features, shower_report
from skhep_anomaly.metrics.shower_features import spoil_showers

CELL = 2.02


def toy_conditions(n, seed):
    rng = np.random.default_rng(seed)
    energy = np.exp(rng.uniform(0, np.log(50), n))
    slope = rng.normal(0, 0.2, (n, 2))
    direction = np.column_stack([slope, np.ones(n)])
    momentum = energy[:, None] * direction / np.linalg.norm(direction, axis=1)[:, None]
    return np.hstack([momentum, rng.uniform(-0.5, 0.5, (n, 2))])


def toy_showers(X, seed):
    """Poisson showers of a Gaussian profile about the axis; the conditions rule them wholly."""
    axis = X[:, 3:] + 12 * X[:, :2] / X[:, 2:3]
    energy = np.linalg.norm(X[:, :3], axis=1)
    c = (np.arange(30) - 14.5) * CELL
    radius = (c[None, :, None] - axis[:, :1, None]) ** 2 + (c[None, None] - axis[:, 1:, None]) ** 2
    profile = np.exp(-radius / (2 * 3.0**2)) * energy[:, None, None] * 40
    return np.random.default_rng(seed).poisson(profile).astype(np.float32)


@pytest.fixture(scope="module")
def toys():
    X, X_2 = toy_conditions(600, 0), toy_conditions(600, 1)
    return toy_showers(X, 2), X, toy_showers(X, 3), toy_showers(X_2, 4), X_2


def test_a_perfect_generator_is_at_the_floor(toys):
    real, X, again, more, X_2 = toys
    report = shower_report(real, again, X, real_2=more, X_2=X_2, random_state=0)
    assert report.flags == ()
    for row in report.rows:
        if row.ideal == 0.5:
            assert abs(row.value - 0.5) < 5 * row.std
    assert report["PRD-AUC"].value > 0.95
    assert abs(report["FPD"].value) < 5 * report["FPD"].std
    assert report["W1/sd mean"].value < 1.5 * report["W1/sd mean"].floor
    assert report.sizes == {"real": 600, "fake": 600, "floor": 600}


def test_wrong_conditions_are_flagged(toys):
    """Showers of the neighbour in energy: every marginal right, every condition wrong."""
    real, X, again, *_ = toys
    order = np.argsort(np.linalg.norm(X[:, :3], axis=1))
    other = np.empty_like(order)
    other[order] = np.roll(order, -1)
    report = shower_report(real, again[other], X, random_state=0)
    assert report["HIGH"].value > 0.95
    assert report["MARGINAL"].value < 0.55
    assert any(flag.startswith("wrong conditions: HIGH reads") for flag in report.flags)
    table = report.observables
    centroid = table.w1[table.names.index("centroid_x")]
    assert centroid > 10 * table.floor[table.names.index("centroid_x")]
    assert table.w1[table.names.index("f25")] < 0.1


@pytest.mark.needs_data
def test_neighbours_in_energy_of_real_showers(data_file):
    with np.load(data_file("calo/e_406.npz")) as data:
        images, momentum = data["EnergyDeposit"], data["ParticleMomentum"]
        X = np.hstack([momentum, data["ParticlePoint"]])
    order = np.argsort(np.linalg.norm(momentum, axis=1))
    other = np.empty_like(order)
    other[order] = np.roll(order, -1)
    features = shower_features(images, X), shower_features(images[other], X)
    groups = np.arange(len(X))
    assert classifier_auc(*features, groups=groups, random_state=0).auc > 0.97
    marginal = [shower_features(i, X, "marginal") for i in (images, images[other])]
    assert classifier_auc(*marginal, groups=groups, random_state=0).auc < 0.5  # never turned round


def test_repeated_real_showers_are_flagged_as_copies(toys):
    real, X, *_ = toys
    order = np.random.default_rng(0).permutation(len(real))
    report = shower_report(real, real[order], X, random_state=0)
    assert any(flag.startswith("copies: MARGINAL reads 0.") for flag in report.flags)


def test_low_level_and_its_control(toys):
    real, X, again, more, X_2 = toys
    few = slice(None, None, 2)
    report = shower_report(
        real[few], again[few], X[few], real_2=more[few], X_2=X_2[few], level="low", random_state=0
    )
    assert [row.name for row in report.rows] == ["LOW trees", "LOW MLP", "LOW MLP control"]
    assert abs(report["LOW MLP"].value - 0.5) < 5 * report["LOW MLP"].std
    assert report["LOW MLP control"].value > 0.8
    assert report.observables is None
    assert report.to_dict()["rows"][2]["floor"] is None
    assert "–" in str(report)


@pytest.mark.slow
@pytest.mark.needs_data
def test_control_of_real_showers(data_file):
    """Smeared cells under shuffled conditions, 3,000 against 3,000: the network reads ≥ .9."""
    samples = []
    for names in (("e_406", "e_407"), ("e_101", "e_102")):
        parts = [np.load(data_file(f"calo/{name}.npz")) for name in names]
        images = np.concatenate([part["EnergyDeposit"] for part in parts])
        conditions = [np.hstack([p["ParticleMomentum"], p["ParticlePoint"]]) for p in parts]
        samples.append((images, np.concatenate(conditions)))
        for part in parts:
            part.close()
    real = shower_features(*samples[0], "cells")
    spoilt = shower_features(*spoil_showers(*samples[1], random_state=0), "cells")
    assert classifier_auc(real, spoilt, model="mlp", random_state=0).auc > 0.9
    floor = classifier_auc(real, shower_features(*samples[1], "cells"), model="mlp", random_state=0)
    assert abs(floor.auc - 0.5) < 5 * floor.std


def test_blind_control_is_flagged():
    """Showers without any deposit tell the network nothing, and the report says so."""
    dark = np.zeros((300, 30, 30))
    X = np.tile([0.0, 0.0, 5.0, 0.0, 0.0], (300, 1))
    report = shower_report(dark, dark, X, level="low", random_state=0)
    assert [flag.split(":")[0] for flag in report.flags] == ["blind control"]
    assert report["LOW trees"].value == 0.5


def test_text_json_and_seed(toys):
    real, X, again, *_ = toys
    report, same = (
        shower_report(real[:240], again[:240], X[:240], random_state=1) for _ in range(2)
    )
    assert report.to_dict() == same.to_dict()
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["sizes"] == {"real": 240, "fake": 240, "floor": 120}
    assert len(plain["observables"]["w1"]) == 15
    lines = str(report).splitlines()
    assert "floor: 120 against 120 real ones" in lines[0]
    assert lines[3].startswith("MARGINAL")
    with pytest.raises(KeyError, match="'LOW' is not among the rows"):
        report["LOW"]


def test_bad_reports(toys):
    real, X, again, more, _ = toys
    with pytest.raises(ValueError, match="level='deep' is not known"):
        shower_report(real, again, X, level="deep")
    with pytest.raises(ValueError, match=r"fake.shape == \(5, 30, 30\); generate one shower"):
        shower_report(real, again[:5], X)
    with pytest.raises(ValueError, match="5 showers tell nothing: at least 200"):
        shower_report(real[:5], again[:5], X[:5])
    with pytest.raises(ValueError, match="real_2 and X_2 belong together"):
        shower_report(real, again, X, real_2=more)
    with pytest.raises(ValueError, match="fake holds NaN"):
        shower_report(real, again * np.nan, X)
    with pytest.raises(ValueError, match="kind='deep' is not known"):
        shower_features(real, X, "deep")
