"""The classifier two-sample test: known AUCs, folds by group, weights, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier

from skhep_anomaly import classifier_auc
from skhep_anomaly.metrics.two_sample_models import FlooredScaler, make_classifier


def gaussians(n, shift, columns=1, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, columns)), rng.normal(size=(n, columns)) + shift


@pytest.mark.parametrize("model", ["trees", "mlp", "logistic"])
def test_shifted_gaussians_read_phi(model):
    for shift in (0.0, 1.0):
        test = classifier_auc(*gaussians(1500, shift), model=model, n_splits=2, random_state=0)
        expected = stats.norm.cdf(shift / np.sqrt(2))
        assert test.auc == pytest.approx(expected, abs=4 * test.std)
        assert test.std == pytest.approx(0.0105 if shift == 0 else 0.0087, rel=0.15)


def test_below_one_half_is_not_turned_round():
    """Real rows repeated as generated ones: in another fold they carry the other label."""
    real = np.random.default_rng(0).normal(size=(600, 3))
    nearest = KNeighborsClassifier(1)
    apart = classifier_auc(real, real, model=nearest, random_state=0)
    assert apart.auc < 0.3
    together = classifier_auc(real, real, model=nearest, groups=np.arange(600), random_state=0)
    assert together.auc == pytest.approx(0.5, abs=0.06)


def test_mirrored_copies_leak_unless_grouped():
    """Each real row comes with its mirror image; without groups the copies are recognised."""
    rng = np.random.default_rng(1)
    real, fake = rng.normal(size=(400, 6)), rng.normal(size=(400, 6))
    twice = [np.vstack([np.abs(sample)] * 4) for sample in (real, fake)]
    nearest = KNeighborsClassifier(1)
    leaked = classifier_auc(*twice, model=nearest, random_state=0)
    assert leaked.auc > 0.9
    groups = (np.tile(np.arange(400), 4), np.tile(np.arange(400) + 400, 4))
    honest = classifier_auc(*twice, model=nearest, groups=groups, random_state=0)
    assert honest.auc == pytest.approx(0.5, abs=0.06)


def test_groups_share_a_fold():
    real, fake = gaussians(200, 0.0)
    marks = []

    class Spy(RidgeClassifier):
        def fit(self, X, y, sample_weight=None):
            marks.append(set(np.round(X[:, 0], 12)))
            return super().fit(X, y, sample_weight)

    groups = np.arange(200) // 4
    columns = np.column_stack([groups, real[:, 0]]), np.column_stack([groups, fake[:, 0]])
    classifier_auc(*columns, model=Spy(), groups=groups, random_state=0)
    assert [len(mark) for mark in marks] == [40] * 5
    assert len(set.intersection(*marks)) == 0


def test_seed_decides_all():
    real, fake = gaussians(200, 0.5, columns=3)
    first, again, other = (
        classifier_auc(real, fake, model="mlp", n_splits=2, random_state=seed) for seed in (3, 3, 4)
    )
    assert first.auc == again.auc
    assert first.auc != other.auc
    assert (first.score_fake == again.score_fake).all()
    assert first.folds.mean() == pytest.approx(first.auc)


def test_weights_replace_rows():
    """Weight 0 is absence: half of the generated rows, shifted away, count for nothing."""
    real, fake = gaussians(1000, 0.0)
    fake[::2] += 5.0
    options = {"n_splits": 2, "random_state": 0}
    test = classifier_auc(real, fake, weight_fake=np.arange(1000) % 2, **options)
    assert test.auc == pytest.approx(0.5, abs=4 * test.std)
    plain = classifier_auc(real, fake, **options)
    assert plain.auc > 0.7
    assert classifier_auc(real, fake, weight_fake=np.full(1000, 7.0), **options).auc == plain.auc


def test_small_samples_flatter():
    """A difference in one of 60 columns: found with 1,500 rows, lost with 100."""
    few, many = (
        classifier_auc(*gaussians(n, np.r_[1.0, np.zeros(59)], 60), n_splits=2, random_state=0).auc
        for n in (100, 1500)
    )
    assert many > few + 0.02


def test_many_columns_and_constant_ones():
    real, fake = gaussians(400, np.r_[2.0, np.zeros(149)], 150)
    real[:, 50:] = fake[:, 50:] = 0.0
    for model in ("trees", "mlp"):
        assert classifier_auc(real, fake, model=model, n_splits=2, random_state=0).auc > 0.85
    nothing = classifier_auc(np.ones((20, 3)), np.ones((20, 3)), random_state=0)
    assert nothing.auc == 0.5


def test_rare_columns_are_not_blown_up():
    rare = np.zeros((1000, 2))
    rare[0, 0], rare[:, 1] = 1.0, np.random.default_rng(0).normal(size=1000)
    scaled = FlooredScaler().fit(rare).transform(rare)
    assert scaled[0, 0] == 10.0  # 32 without the clip, and that of a spread of .03
    assert scaled[:, 1].std() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("model", ["forest", RidgeClassifier, 3, object()])
def test_unknown_model(model):
    with pytest.raises(ValueError, match="is not known; use one of .'trees', 'mlp', 'logistic'."):
        make_classifier(model, 0)


def test_own_classifier_needs_no_probabilities():
    test = classifier_auc(*gaussians(1000, 1.0), model=RidgeClassifier(), random_state=0)
    assert test.auc == pytest.approx(0.7602, abs=4 * test.std)


def test_groups_and_folds_must_fit():
    real, fake = gaussians(20, 0.0)
    with pytest.raises(ValueError, match="groups holds 2 different groups, fewer than n_splits=5"):
        classifier_auc(real, fake, groups=np.arange(20) // 10)
    with pytest.raises(ValueError, match="a fold gets 1 rows of a sample"):
        classifier_auc(real, fake, n_splits=20)
    with pytest.raises(ValueError, match=r"groups has the shapes .*; give a pair"):
        classifier_auc(real, fake[:10], groups=np.arange(20))
    with pytest.raises(ValueError, match="n_splits=1 must be a whole number of at least 2"):
        classifier_auc(real, fake, n_splits=1)


@pytest.mark.parametrize(
    "real, fake, weights, message",
    [
        (np.ones((3, 2)), np.ones((3, 4)), {}, "real has 2 columns and fake has 4"),
        (np.ones((1, 2)), np.ones((3, 2)), {}, r"real.shape == \(1, 2\): at least 2 rows"),
        (np.ones((3, 2)), np.full((3, 2), np.nan), {}, "fake holds NaN or infinity in 3 of 3"),
        (np.ones(3), np.ones(3), {"weight_real": [1.0]}, r"weight_real.shape == \(1,\), expected"),
        (np.ones(3), np.ones(3), {"weight_fake": [1, -1, 1]}, "weight_fake must be finite and >= "),
        (np.ones(3), np.ones(3), {"weight_fake": [0, 0, 0]}, "with a positive sum"),
    ],
)
def test_samples_must_fit(real, fake, weights, message):
    with pytest.raises(ValueError, match=message):
        classifier_auc(real, fake, **weights)
