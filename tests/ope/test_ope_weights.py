"""A weight of k is k copies of the row: exactly in a full batch, else in distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from skhep_anomaly import OPEClassifier
from skhep_anomaly.ope._rows import TrainingRows
from skhep_anomaly.ope.samplers import UniformSampler

pytestmark = pytest.mark.filterwarnings("ignore:.*has not converged")


@pytest.fixture(scope="module")
def events():
    """Rows, labels and whole-number weights; the same as copies."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)) * [1, 20, 0.1] + [0, 5, 1], np.repeat([0, 1], [48, 12])
    X[y == 1, 0] += 3
    weight = rng.integers(1, 5, 60)
    return X, y, weight, np.repeat(X, weight, axis=0), np.repeat(y, weight)


def full_batch(**params):
    """No shuffle, no draw that depends on the number of rows."""
    defaults = {"max_iter": 40, "batch_size": 1000, "activation": "tanh", "random_state": 0}
    return OPEClassifier(**{**defaults, **params})


PLAIN = UniformSampler(discrete=False)


@pytest.mark.parametrize(
    "params",
    [
        {"sampler": PLAIN},
        {"sampler": PLAIN, "n_members": 2, "contamination": 0.2},
        {"eps": 1.0, "contamination": 0.3},
        {"sampler": PLAIN, "preprocessing": None, "gamma": 2.0},
    ],
)
def test_full_batch_fits_are_equal(events, params):
    X, y, weight, copies, copied = events
    one = full_batch(**params).fit(X, y, sample_weight=weight)
    two = full_batch(**params).fit(copies, copied)
    np.testing.assert_allclose(one.center_, two.center_, rtol=1e-12)
    np.testing.assert_allclose(one.scale_, two.scale_, rtol=1e-12)
    np.testing.assert_allclose(one.box_, two.box_, rtol=1e-12)
    np.testing.assert_allclose(one.score_samples(X), two.score_samples(X), rtol=1e-7, atol=1e-9)
    assert one.offset_ == pytest.approx(two.offset_, rel=1e-8, abs=1e-10)
    losses = [est.history_[0]["train_loss"] for est in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_one_class_full_batch_fits_are_equal(events):
    X, _, weight, copies, _ = events
    one = full_batch(sampler=PLAIN, reference=None).fit(X, sample_weight=weight)
    two = full_batch(sampler=PLAIN, reference=None).fit(copies)
    np.testing.assert_allclose(one.score_samples(X), two.score_samples(X), rtol=1e-7, atol=1e-9)
    assert one.offset_ == pytest.approx(two.offset_, rel=1e-8)


@pytest.mark.parametrize("sampler", ["uniform", "hmc", "swap"])
def test_minibatch_fits_agree_in_distribution(events, sampler):
    """Weights move the fit as copies do, beyond the spread of the seeds."""
    X, y, _, _, _ = events
    weight = np.where(X[:, 1] > 5, 8, 1)
    copies = np.repeat(X, weight, axis=0), np.repeat(y, weight)

    def mean_score(rows, labels, weights=None):
        fits = [
            OPEClassifier(sampler=sampler, max_iter=150, batch_size=32, random_state=seed)
            .fit(rows, labels, sample_weight=weights)
            .score_samples(X)
            for seed in range(3)
        ]
        return np.mean(fits, axis=0)

    plain = mean_score(X, y)
    weighted, copied = mean_score(X, y, weight), mean_score(*copies)
    gap = np.sqrt(np.mean((weighted - copied) ** 2))
    assert gap < 0.5 * np.sqrt(np.mean((plain - copied) ** 2))
    assert spearmanr(weighted, copied).statistic > 0.95


def test_the_pool_follows_the_weights():
    X = np.arange(40.0)[:, None]
    flags = np.arange(40) >= 30
    weight = np.where(np.arange(40) < 10, 3.0, 1.0)
    pool = TrainingRows(X, flags, weight).pool(np.random.default_rng(0))
    assert pool.max() < 30
    assert np.mean(pool < 10) == pytest.approx(0.6, abs=0.01)
    plain = TrainingRows(X, flags, None).pool(np.random.default_rng(0))
    np.testing.assert_array_equal(plain[:, 0], np.arange(30))


def test_the_pool_makes_no_peak_of_a_single_row():
    """Weights near one are next to none: a row comes once or twice, in a pool of as many rows."""
    weight = np.random.default_rng(0).uniform(0.8, 1.2, 130)
    rows = TrainingRows(np.arange(130.0)[:, None], np.zeros(130, bool), weight)
    pool = rows.pool(np.random.default_rng(1))[:, 0]
    assert len(pool) == 130
    assert np.unique(pool, return_counts=True)[1].max() <= 2


def test_an_outlier_with_a_weight_is_still_the_oddest():
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(130, 3)).astype(np.float32), rng.uniform(0.8, 1.2, 130)
    X[7, 1] = 3e38
    est = OPEClassifier(max_iter=100, random_state=0).fit(X, sample_weight=weight)
    assert est.score_samples(X).argmin() == 7


def test_each_kind_is_divided_by_its_own_weights():
    rows = TrainingRows(np.zeros((4, 1)), np.array([0, 0, 1, 1], bool), np.array([1, 3, 10, 30.0]))
    np.testing.assert_allclose(rows.weight, [0.5, 1.5, 0.5, 1.5])
    assert rows.n_known == 2


def test_a_discount_of_unlabelled_rows(events):
    """Rows without a label count as normal, with a weight: at a small one they hardly matter."""
    X, y, _, _, _ = events
    unlabelled = X[y == 1] + [0, 0, 0.01]
    rows, labels = np.r_[X, unlabelled], np.r_[y, np.zeros(12, int)]
    scores = {}
    for discount in (1.0, 0.01):
        weight = np.r_[np.ones(60), np.full(12, discount)]
        est = full_batch(sampler=PLAIN, max_iter=200)
        scores[discount] = est.fit(rows, labels, sample_weight=weight).score_samples(unlabelled)
    assert scores[1.0].mean() > scores[0.01].mean() + 0.3
