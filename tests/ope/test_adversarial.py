"""Adversarial margins against linear scores, a score that bends, and their own definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from torch import nn

from skhep_anomaly import AEOutlierDetector, OPEClassifier, adversarial_margin, make_moons_anomalies
from skhep_anomaly.ope.samplers.flow import FlowSampler
from skhep_anomaly.ope.samplers.gaussian_mixture import GaussianMixtureSampler

NORMS = {"l2": 2, "linf": np.inf}
DUAL = {"l2": 2, "linf": 1}


def table(n=300, d=4, seed=0):
    """Rows of different scales whose anomalies lie along one direction."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = (X @ np.linspace(1, -2, d) + rng.normal(size=n) > 2).astype(int)
    return X * np.geomspace(0.1, 100, d) + 5, y


@pytest.fixture(scope="module")
def linear():
    X, y = table()
    est = OPEClassifier(1, hidden_layer_sizes=(), max_iter=300, random_state=0).fit(X, y)
    return est.set_threshold(X[y == 0], fpr=0.2), X


@pytest.fixture(scope="module")
def bent():
    moons = make_moons_anomalies(500, 60, random_state=0)
    X = moons.X.astype(np.float64)
    return OPEClassifier(max_iter=500, random_state=0).fit(X, moons.y), X[moons.y == 1]


def size(change, norm):
    return np.linalg.norm(change.reshape(len(change), -1), ord=NORMS[norm], axis=1)


# ------------------------------------------------------------------------------ oracles


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("units", ["standard", "data"])
def test_margin_of_a_linear_score_is_its_distance_to_the_edge(linear, norm, units):
    est, X = linear
    found = adversarial_margin(est, X, norm=norm, units=units, budget=1e4, random_state=0)
    slope = est.net_.module_.net.flat.detach().numpy()[0, : X.shape[1]]
    if units == "data":
        slope = slope / est.scale_
    gap = np.maximum(est.offset_ - est.score_samples(X), 0)
    np.testing.assert_allclose(found.margins, gap / np.linalg.norm(slope, DUAL[norm]), rtol=0.01)
    assert (found.margins > 0).sum() > 50
    assert found.hidden_share == 1.0


class Hill(nn.Module):
    """g = 1 − |z|²: normal inside the unit sphere, whose nearest point lies straight inwards."""

    def __init__(self):
        super().__init__()
        self.top = nn.Parameter(torch.ones(1))

    def forward(self, z):
        return self.top - z.flatten(1).square().sum(dim=1)


def hill(shape=(3,)):
    X = np.random.default_rng(1).normal(size=(50, *shape))
    est = OPEClassifier(
        sampler="uniform", module=Hill(), preprocessing=None, reference=None, max_iter=1,
        learning_rate=1e-12, weight_decay=0.0, random_state=0,
    )  # fmt: skip
    with pytest.warns(match="has not converged"):
        est.fit(X)
    est.offset_ = 0.0
    return est, X


@pytest.mark.parametrize("shape", [(3,), (1, 2, 3)])
def test_margin_of_a_hill_is_the_way_to_its_sphere(shape):
    est, X = hill(shape)
    found = adversarial_margin(est, X, random_state=0)
    radius = size(X, "l2")
    np.testing.assert_allclose(found.margins, np.maximum(radius - 1, 0), rtol=0.01, atol=1e-6)
    odd = radius > 1
    inwards = X[odd] / radius[odd].reshape(-1, *(1 for _ in shape))
    np.testing.assert_allclose(found.rows[odd], inwards, atol=0.02)
    assert found.rows.shape == X.shape


def test_far_out_rows_come_back_from_beyond_the_clipping():
    X, y = table(d=1)
    net = {"hidden_layer_sizes": (), "learning_rate": 0.05}
    est = OPEClassifier(1, **net, max_iter=300, random_state=0).fit(X, y)
    side = -np.sign(float(est.net_.module_.net.flat.detach()[0, 0]))
    places = est.center_ + side * est.scale_ * np.array([[7.5], [9.5], [20.0]])
    near, *out = adversarial_margin(est, places, budget=100, random_state=0).margins
    assert 0 < near < 7.5
    np.testing.assert_allclose(out, [near + 2, near + 12.5], rtol=0.01)


# ----------------------------------------------------------------------- its definition


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("units", ["standard", "data"])
def test_rows_are_normal_and_as_far_as_the_margin_says(bent, norm, units):
    est, odd = bent
    found = adversarial_margin(est, odd, norm=norm, units=units, budget=10, random_state=0)
    assert np.isfinite(found.margins).all()
    assert (est.predict(found.rows) == 0).all()
    unit = est.scale_ if units == "standard" else 1.0
    np.testing.assert_allclose(size((found.rows - odd) / unit, norm), found.margins, rtol=1e-9)


def test_normal_rows_have_margin_zero_and_stay(bent):
    est, odd = bent
    X = np.vstack([odd, [[0.0, 1.0], [1.0, -0.5]]])
    found = adversarial_margin(est, X, random_state=0)
    is_normal = est.predict(X) == 0
    assert is_normal[-2:].all()
    np.testing.assert_array_equal(found.margins == 0, is_normal)
    np.testing.assert_array_equal(found.rows[is_normal], X[is_normal])
    assert math.isnan(adversarial_margin(est, X[-2:]).hidden_share)


def test_larger_budgets_find_more_and_the_same(bent):
    est, odd = bent
    small, large = (adversarial_margin(est, odd, budget=b, random_state=0) for b in (0.8, 5))
    within = large.margins <= 0.8
    assert 0 < within.sum() < len(odd)
    np.testing.assert_allclose(small.margins[within], large.margins[within], rtol=1e-9)
    assert np.isinf(small.margins[~within]).all()
    np.testing.assert_array_equal(small.rows[~within], odd[~within])
    is_odd = est.predict(odd) == 1
    assert small.hidden_share == pytest.approx(within[is_odd].mean())
    assert small.hidden_share < large.hidden_share == 1.0


def test_no_smaller_change_is_found_by_chance(bent):
    est, odd = bent
    odd = odd[est.predict(odd) == 1]
    margins = adversarial_margin(est, odd, random_state=0).margins
    ring = np.random.default_rng(0).normal(size=(2000, 2))
    ring /= np.linalg.norm(ring, axis=1, keepdims=True)
    worst = [
        est.score_samples(row + 0.97 * margin * ring * est.scale_).max()
        for row, margin in zip(odd, margins, strict=True)
    ]
    assert np.mean(np.array(worst) < est.offset_) > 0.9


def test_margins_in_the_largest_feature_are_smaller(bent):
    est, odd = bent
    l2, linf = (adversarial_margin(est, odd, norm=n, random_state=0).margins for n in NORMS)
    assert (linf <= 1.01 * l2).all()
    assert (l2 <= 1.01 * np.sqrt(2) * linf).mean() > 0.95


def test_the_same_seed_gives_the_same_margins(bent):
    est, odd = bent
    first, second = (adversarial_margin(est, odd, n_restarts=2, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(first.margins, second.margins)
    np.testing.assert_array_equal(first.rows, second.rows)


def test_more_steps_and_restarts_find_smaller_margins(bent):
    est, odd = bent
    few, many = (
        adversarial_margin(est, odd, n_steps=s, n_restarts=r, random_state=0).margins.mean()
        for s, r in ((1, 0), (40, 3))
    )
    assert many < few


def test_estimator_is_left_as_it_was(bent):
    est, odd = bent
    before = [p.detach().clone() for p in est.net_.module_.parameters()]
    adversarial_margin(est, odd, random_state=0)
    for old, now in zip(before, est.net_.module_.parameters(), strict=True):
        assert torch.equal(old, now)
        assert now.requires_grad


@pytest.mark.parametrize("n_members", [1, 3])
def test_members_are_averaged_in_float32(n_members):
    X, y = (a.astype(t) for a, t in zip(table(), (np.float32, int), strict=True))
    est = OPEClassifier(max_iter=400, n_members=n_members, random_state=0).fit(X, y)
    found = adversarial_margin(est, X, budget=20, random_state=0)
    assert found.rows.dtype == np.float32
    hidden = np.isfinite(found.margins)
    assert hidden.mean() > 0.95
    assert (est.predict(found.rows[hidden]) == 0).all()


def test_reference_correction_is_part_of_the_score():
    moons = make_moons_anomalies(300, 0, random_state=0)
    est = OPEClassifier(max_iter=200, random_state=0).fit(moons.X)
    assert est.reference_ == "gmm"
    odd = make_moons_anomalies(1, 40, random_state=1).X
    found = adversarial_margin(est, odd, random_state=0)
    hidden = np.isfinite(found.margins)
    assert hidden.mean() > 0.95
    assert (est.predict(found.rows[hidden]) == 1).all()


@pytest.mark.parametrize("sampler", [GaussianMixtureSampler(3), FlowSampler(max_epochs=2)])
def test_slope_of_the_reference_density(sampler):
    rows = np.random.default_rng(0).normal(size=(200, 3))
    sampler.bind([-4] * 3, [4] * 3, rows, random_state=0)
    x = torch.as_tensor(rows[:5] * 2)  # outside the box as well
    value, slope = sampler.log_prob_and_grad(x)
    torch.testing.assert_close(value, sampler.log_prob(x))
    assert not slope.requires_grad
    for k in range(3):
        step = torch.zeros(3, dtype=x.dtype)
        step[k] = 1e-5
        numeric = (sampler.log_prob(x + step) - sampler.log_prob(x - step)) / 2e-5
        torch.testing.assert_close(slope[:, k], numeric, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------- faults


def test_what_gives_no_gradient_is_refused():
    X, y = table(100)
    with pytest.raises(TypeError, match="takes a fitted OPEClassifier only; got AEOutlierDetector"):
        adversarial_margin(AEOutlierDetector(), X)
    with pytest.raises(NotFittedError):
        adversarial_margin(OPEClassifier(), X)
    trees = GradientBoostingClassifier(n_estimators=2)
    est = OPEClassifier(estimator=trees, random_state=0).fit(X, y)
    with pytest.raises(TypeError, match="estimator=GradientBoostingClassifier gives no gradient"):
        adversarial_margin(est, X)


def test_other_coordinates_are_refused():
    X, y = table(100)
    est = OPEClassifier(preprocessing="quantile", max_iter=20, random_state=0, eps=1).fit(X, y)
    with pytest.raises(TypeError, match="QuantileTransformer stands between rows and net"):
        adversarial_margin(est, X)


@pytest.mark.parametrize("wrong", [{"norm": "l1"}, {"budget": 0}, {"units": "GeV"}, {"n_steps": 0}])
def test_parameters_are_checked(linear, wrong):
    est, X = linear
    with pytest.raises(ValueError, match=f"The '{next(iter(wrong))}' parameter of adversarial_m"):
        adversarial_margin(est, X, **wrong)


def test_rows_are_checked(linear):
    est, X = linear
    with pytest.raises(ValueError, match="features"):
        adversarial_margin(est, X[:, :2])
