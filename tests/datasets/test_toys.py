"""The toys' truth: areas, distances and weights that are known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from skhep_anomaly import make_gaussian_anomalies, make_moons_anomalies
from skhep_anomaly.datasets.toys import _distance

TOYS = [make_gaussian_anomalies, make_moons_anomalies]
KINDS = ("cluster", "ring", "line", "uniform")


@pytest.mark.parametrize("distance", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_gaussian_area_is_the_optimal_one(distance, weighted):
    toy = make_gaussian_anomalies(
        20_000, 20_000, distance=distance, weighted=weighted, random_state=0
    )
    area = roc_auc_score(toy.y, toy.log_likelihood_ratio, sample_weight=toy.sample_weight)
    assert toy.auc_optimal == pytest.approx(norm.cdf(distance / np.sqrt(2)))
    assert area == pytest.approx(toy.auc_optimal, abs=0.012)


def test_gaussian_likelihood_ratio():
    toy = make_gaussian_anomalies(50, 50, n_features=3, distance=2.0, random_state=1)
    x = toy.X[:, 0]
    assert toy.X.shape == (100, 3)
    assert toy.log_likelihood_ratio == pytest.approx(norm.logpdf(x - 2) - norm.logpdf(x), abs=1e-5)


def test_gaussian_weights_undo_the_spread():
    toy = make_gaussian_anomalies(40_000, 0, weighted=True, random_state=2)
    x = toy.X[:, 0].astype(float)
    assert np.std(x) == pytest.approx(1.5, abs=0.03)
    assert toy.sample_weight.mean() == pytest.approx(1, abs=0.02)
    assert np.average(x**2, weights=toy.sample_weight) == pytest.approx(1, abs=0.03)
    assert toy.sample_weight.max() == pytest.approx(1.5, abs=1e-3)


def test_distance_to_the_moons_by_hand():
    points = [[0, 0], [0, 2], [0, 1], [-1, -1], [1, -0.5], [1, 0.5], [3, 0.5], [2, 1.5]]
    expected = [np.sqrt(1.25) - 1, 1, 0, 1, 0, np.sqrt(1.25) - 1, 1, 1]
    assert _distance(np.array(points, dtype=float)) == pytest.approx(expected, abs=1e-12)


def test_distance_to_the_moons_by_search():
    t = np.linspace(0, np.pi, 20_001)
    moons = np.concatenate(
        [np.column_stack([np.cos(t), np.sin(t)]), np.column_stack([1 - np.cos(t), 0.5 - np.sin(t)])]
    )
    toy = make_moons_anomalies(20, 60, random_state=0)
    nearest = [np.hypot(*(moons - x).T).min() for x in toy.X.astype(float)]
    assert toy.distance == pytest.approx(nearest, abs=1e-4)


def test_moons_without_noise_lie_on_the_moons():
    toy = make_moons_anomalies(500, 0, noise=0.0, random_state=0)
    assert toy.distance.max() < 1e-6
    upper = toy.X[:, 1] > 0.5
    assert upper.sum() == pytest.approx(250 * 2 / 3, abs=25)  # π/6 < t < 5π/6 on the upper one


def test_noise_of_the_moons():
    """In the middle of an arc the distance is |N(0, noise)|."""
    toy = make_moons_anomalies(20_000, 0, noise=0.05, random_state=0)
    middle = (np.abs(toy.X[:, 0]) < 0.5) & (toy.X[:, 1] > 0.6)
    assert np.sqrt(np.mean(toy.distance[middle] ** 2)) == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize(
    "kind, least", [("cluster", 0.8), ("ring", 0.8), ("line", 0.8), ("uniform", 0.35)]
)
def test_anomalies_keep_away(kind, least):
    toy = make_moons_anomalies(100, 500, kinds=[kind], random_state=0)
    assert toy.distance[toy.y == 1].min() >= least - 1e-6
    assert set(toy.kind[toy.y == 1]) == {kind}
    assert set(toy.kind[toy.y == 0]) == {"normal"}


def test_shapes_of_the_anomalies():
    toy = make_moons_anomalies(10, 4000, random_state=0)
    parts = {kind: toy.X[toy.kind == kind].astype(float) for kind in KINDS}
    assert [len(part) for part in parts.values()] == [1000] * 4
    radius = np.hypot(*(parts["ring"] - [0.5, 0.25]).T)
    assert radius.mean() == pytest.approx(3, abs=0.01)
    assert radius.std() == pytest.approx(0.05, abs=0.01)
    assert parts["line"][:, 1].std() == pytest.approx(0.03, abs=0.005)
    assert (parts["cluster"][:, 0] > 0.5).sum() == 500
    assert np.abs(parts["uniform"] - [0.5, 0.25]).max(axis=0) == pytest.approx([2.5, 2], abs=0.02)


def test_kinds_take_turns():
    toy = make_moons_anomalies(10, 11, random_state=0)
    counts = [int((toy.kind == kind).sum()) for kind in KINDS]
    assert counts == [3, 3, 3, 2]


def test_moon_weights_undo_the_tilt():
    """Drawn with density (1 + .8 cos t)/π: mean of cos t is .4; weighted it is 0 again."""
    toy = make_moons_anomalies(20_000, 100, noise=0.0, weighted=True, random_state=0)
    normal = toy.y == 0
    x, y, w = toy.X[normal, 0].astype(float), toy.X[normal, 1], toy.sample_weight[normal]
    upper = np.abs(np.hypot(x, y) - 1) < 1e-4
    upper &= y >= 0
    cos_t = np.where(upper, x, 1 - x)
    assert w == pytest.approx(1 / (1 + 0.8 * cos_t), rel=1e-3)
    assert cos_t.mean() == pytest.approx(0.4, abs=0.02)
    assert np.average(cos_t, weights=w) == pytest.approx(0, abs=0.02)
    assert np.all(toy.sample_weight[~normal] == 1)


@pytest.mark.parametrize("make", TOYS)
def test_seed(make):
    one, two, other = make(random_state=3), make(random_state=3), make(random_state=4)
    assert np.array_equal(one.X, two.X)
    assert np.array_equal(one.y, two.y)
    assert not np.array_equal(one.X, other.X)
    assert make(random_state=np.random.default_rng(0)).X.shape == (1100, 2)


@pytest.mark.parametrize("make", TOYS)
def test_order_is_random(make):
    y = make(500, 500, random_state=0).y
    assert y.sum() == 500
    assert 150 < y[:500].sum() < 350


@pytest.mark.parametrize("make", TOYS)
def test_frame(make):
    pytest.importorskip("pandas")
    toy = make(5, 5, as_frame=True, random_state=0)
    assert list(toy.X.columns) == ["x0", "x1"]
    assert np.array_equal(toy.X, make(5, 5, random_state=0).X)
    assert toy.sample_weight is None


@pytest.mark.parametrize(
    "make, parameters, message",
    [
        (TOYS[0], {"n_normal": 0}, "n_normal=0: expected a whole number of at least 1"),
        (TOYS[0], {"n_anomalies": -1}, "n_anomalies=-1: expected a whole number of at least 0"),
        (TOYS[0], {"n_features": 2.0}, "n_features=2.0: expected a whole number of at least 1"),
        (TOYS[0], {"distance": -1.0}, "distance=-1.0: expected a finite number of at least 0"),
        (TOYS[1], {"n_normal": True}, "n_normal=True: expected a whole number of at least 1"),
        (TOYS[1], {"noise": np.nan}, "noise=nan: expected a finite number of at least 0"),
        (TOYS[1], {"kinds": ["blob"]}, "expected a sequence out of 'cluster', 'ring'"),
        (TOYS[1], {"kinds": "ring"}, "kinds='ring': expected a sequence out of"),
        (TOYS[1], {"kinds": []}, "expected a sequence out of 'cluster', 'ring'"),
    ],
)
def test_wrong_parameters(make, parameters, message):
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        make(**parameters)
