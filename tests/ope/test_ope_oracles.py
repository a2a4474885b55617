"""OPEClassifier where the answer is known: a Gaussian in a box, linear classes, two moons.

For normal rows of density p and pseudo-anomalies uniform on a box of volume |Ω| the best logit is
g* = log p + log |Ω| / (1 − ε); for p = N(0, diag(1, ¼)) on [−4, 4]² that is the quadratic
−½x₁² − 2x₂² + 3.014 at ε = 0, its constant 3.371 at ε = 0.3.
"""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import norm, qmc, spearmanr
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import nn

from skhep_anomaly import OPEClassifier, make_moons_anomalies

BOX = ([-4, -4], [4, 4])
SPREAD = np.array([1.0, 0.5])


def gaussian(n, seed):
    return np.random.default_rng(seed).normal(size=(n, 2)) * SPREAD


def log_density(x):
    return -0.5 * ((x / SPREAD) ** 2).sum(axis=1)


class Quadratic(nn.Module):
    """g linear in [x₁, x₂, x₁², x₂², x₁x₂], from zero."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, z):
        a, b = z.T
        return self.linear(torch.stack([a, b, a * a, b * b, a * b], dim=1)).squeeze(1)


# ------------------------------------------------------- a Gaussian in a box (O1, O2, O6)


@pytest.mark.parametrize("eps, constant", [(0.0, 3.014), (0.3, 3.371)])
def test_quadratic_logit_of_a_gaussian(eps, constant):
    X = norm.ppf(qmc.Sobol(2, rng=0).random(2**13)) * SPREAD
    est = OPEClassifier(
        eps,
        module=Quadratic(),
        bounds=BOX,
        preprocessing=None,
        reference=None,
        weight_decay=0,
        learning_rate=0.1,
        max_iter=1200,
        batch_size=1024,
        n_pseudo=2048,
        random_state=0,
    ).fit(X)
    linear = est.net_.module_.net.linear
    weight = linear.weight.detach().numpy()[0]
    np.testing.assert_allclose(weight, [0, 0, -0.5, -2, 0], atol=0.03)
    assert linear.bias.item() == pytest.approx(constant, abs=0.04)
    assert est.bias_residual_ < 0.01
    assert np.exp(est.log_z_) == pytest.approx(1 / (1 - eps), rel=0.05)  # E_U e^g* = 1/(1 − ε)


@functools.cache
def fitted(sampler, eps=0.0, **params):
    settings = {"reference": None, "max_iter": 800, "random_state": 0} | params
    return OPEClassifier(eps, sampler, **settings).fit(gaussian(4000, 0).astype(np.float32))


def rank_correlation(est, rows):
    return spearmanr(est.score_samples(rows.astype(np.float32)), log_density(rows)).statistic


@pytest.mark.parametrize("sampler, least", [("uniform", 0.99), ("hmc", 0.98), ("rmsprop", 0.97)])
def test_scores_rank_as_the_density_does(sampler, least):
    est = fitted(sampler)
    assert rank_correlation(est, gaussian(4000, 1)) >= least
    everywhere = np.random.default_rng(2).uniform(*BOX, size=(4000, 2))
    assert rank_correlation(est, everywhere) >= least


def test_reference_correction_ranks_as_the_density_does():
    est = fitted("uniform", 0.5, reference="auto", max_iter=300)
    assert est.reference_ == "gmm"
    assert rank_correlation(est, gaussian(4000, 1)) >= 0.97


@pytest.mark.parametrize("sampler", ["uniform", "swap", "hmc", "rmsprop", "mixture"])
def test_the_bias_has_arrived(sampler):
    """E₊σ(−g) = (1 − ε) w, checked by hand for the uniform sampler."""
    est = (
        fitted(sampler)
        if sampler in ("uniform", "hmc", "rmsprop")
        else fitted(sampler, max_iter=500)
    )
    assert est.bias_residual_ < 0.05
    if sampler == "uniform":
        low, high = est.box_
        pseudo = np.random.default_rng(3).uniform(low, high, size=(20_000, 2))
        g = est.score_samples(pseudo * est.scale_ + est.center_)
        left = expit(-est.score_samples(gaussian(20_000, 4))).mean()
        assert left == pytest.approx(expit(g).mean(), abs=0.02)


@pytest.mark.parametrize("eps", [0.3, 0.7])
def test_log_z_gives_normal_rows_a_mean_f_of_eps(eps):
    """The optimum of the published loss: E₊f = ε, so that f is no probability."""
    est = fitted("hmc", eps, energy_loss="logz", energy_penalty=0)
    f = expit(est.score_samples(gaussian(4000, 1).astype(np.float32)))
    assert f.mean() == pytest.approx(eps, abs=0.03)


# ------------------------------------------------------------------ two classes (O7)


def two_classes(seed=0):
    rng = np.random.default_rng(seed)
    X = np.vstack([rng.normal(size=(300, 3)), rng.normal([1.0, -0.5, 0.0], 1.0, (40, 3))])
    return X, np.repeat([0, 1], [300, 40])


def test_eps_one_is_balanced_cross_entropy():
    """Without hidden layers: logistic regression with classes of equal weight and the same L2."""
    X, y = two_classes()
    decay = 0.01
    est = OPEClassifier(
        1.0,
        hidden_layer_sizes=(),
        weight_decay=decay,
        learning_rate=0.05,
        max_iter=800,
        batch_size=1000,
        random_state=0,
    ).fit(X, y)
    normal = X[y == 0]
    z = (X - normal.mean(axis=0)) / normal.std(axis=0)
    same = LogisticRegression(C=1 / decay, class_weight={0: 1 / 300, 1: 1 / 40}, tol=1e-10)
    want = same.fit(z, y).decision_function(z)
    np.testing.assert_allclose(est.decision_function(X), want, atol=1e-3)
    assert est.sampler_ is None
    assert est.offset_ == 0.0


@pytest.mark.parametrize("gamma", [None, 0.3])
def test_loss_of_one_full_batch_by_hand(gamma):
    """A learning rate of 1e-15 leaves the first weights, of which the loss is reported."""
    X, y = two_classes()
    est = OPEClassifier(
        1.0,
        gamma=gamma,
        hidden_layer_sizes=(6,),
        weight_decay=0.2,
        learning_rate=1e-15,
        max_iter=1,
        batch_size=1000,
        random_state=0,
    )
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        est.fit(X, y, sample_weight=weight)
    g = est.score_samples(X)
    normal = np.average(np.logaddexp(0, -g[y == 0]), weights=weight[y == 0])
    known = np.average(np.logaddexp(0, g[y == 1]), weights=weight[y == 1])
    squares = sum(float((w.detach() ** 2).sum()) for w, _ in est.net_.module_.net.layers())
    want = normal + (1.0 if gamma is None else gamma) * known + 0.5 * 0.2 * squares
    assert est.history_[0]["train_loss"] == pytest.approx(want, rel=1e-9)


# ------------------------------------------------------------------ units (O11)


@pytest.mark.parametrize("params", [{}, {"sampler": "hmc"}, {"sampler": "swap", "n_members": 2}])
def test_affine_changes_of_features_leave_scores(params):
    X, y = two_classes()
    moved = X * [2.0, 0.25, 64.0] + [8.0, 0.0, -1024.0]
    scores = [
        OPEClassifier(max_iter=150, random_state=0, **params).fit(rows, y).score_samples(rows)
        for rows in (X, moved)
    ]
    np.testing.assert_allclose(*scores, rtol=1e-5, atol=1e-6)
    assert roc_auc_score(y, -scores[0]) > 0.6


# ------------------------------------------------------------------ two moons (O12)


def moons(seed):
    """Training with 15 anomalies of one cluster; a test with kinds never seen."""
    train = make_moons_anomalies(1000, 30, kinds=["cluster"], random_state=seed)
    keep = (train.y == 0) | (train.X[:, 0] < 0)
    assert train.y[keep].sum() == 15
    unseen = make_moons_anomalies(
        1000, 800, kinds=["ring", "line", "uniform"], random_state=100 + seed
    )
    return train.X[keep].astype(np.float32), train.y[keep], unseen


def auc_on_unseen_kinds(seed, max_iter, **params):
    X, y, unseen = moons(seed)
    est = OPEClassifier(max_iter=max_iter, random_state=seed, **params).fit(X, y)
    return roc_auc_score(unseen.y, est.decision_function(unseen.X.astype(np.float32)))


def test_unseen_kinds_of_anomalies_are_found():
    plain = max(auc_on_unseen_kinds(0, 600, eps=1, weight_decay=w) for w in (3e-2, 1e-1))
    for sampler in ("uniform", "hmc"):
        assert auc_on_unseen_kinds(0, 600, sampler=sampler) >= plain + 0.25


@pytest.mark.slow
@pytest.mark.parametrize("max_iter", [800, 2000])
def test_unseen_kinds_over_seeds_and_weight_decays(max_iter):
    """Cross-entropy of the same net with whatever weight decay is best for it on the test."""

    def mean(**params):
        return np.mean([auc_on_unseen_kinds(seed, max_iter, **params) for seed in range(5)])

    plain = max(mean(eps=1, weight_decay=w) for w in (0, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1))
    for sampler in ("uniform", "hmc"):
        assert mean(sampler=sampler) >= plain + 0.25
