"""GAN detector: what can be known of it beforehand, each option's effect, faults."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import check_estimator
from skorch.callbacks import Callback

from skhep_anomaly import GANOutlierDetector, ModeCollapseWarning, load
from skhep_anomaly.nn.gan import Critic, Generator
from skhep_anomaly.outliers._gan_players import CriticLoss, EnergyScore, GeneratorLoss
from skhep_anomaly.training import Context

SMALL = {"max_epochs": 3, "batch_size": 64, "random_state": 0}


def small(**params):
    return GANOutlierDetector(**{**SMALL, **params})


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(200, 3)) * [1.0, 10.0, 0.1] + [0.0, 50.0, -3.0]).astype(np.float32)


def weights(detector):
    return [p.detach().numpy().copy() for p in detector.net_.module_.parameters()]


# -------------------------------------------------------------------- oracles


def test_far_points_have_low_logits():
    """At 10 σ around a 2-D Gaussian (clipped at 8 σ inside)."""
    rng = np.random.default_rng(3)
    X, inliers = (rng.normal(size=(n, 2)).astype(np.float32) for n in (1000, 300))
    angle = rng.uniform(0, 2 * np.pi, 300)
    far = 10 * np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    detector = GANOutlierDetector(
        score_kind="logit", n_members=8, max_epochs=60, random_state=3
    ).fit(X)
    scores = detector.anomaly_score(np.concatenate([inliers, far]))
    assert roc_auc_score(np.repeat([0, 1], 300), scores) > 0.9


def ring(n, rng, width=0.05):
    """Eight Gaussians on a circle of radius 2, 1.5 apart, and their centres."""
    angle = 2 * np.pi * np.arange(8) / 8
    centers = 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    X = centers[rng.integers(0, 8, n)] + width * rng.normal(size=(n, 2))
    return X.astype(np.float32), centers.astype(np.float32)


@pytest.mark.parametrize("seed", [1, *(pytest.param(k, marks=pytest.mark.slow) for k in (0, 2, 3))])
def test_generator_reaches_the_modes_of_a_ring(seed):
    X, centers = ring(2000, np.random.default_rng(seed), width=0.15)
    detector = GANOutlierDetector(random_state=seed).fit(X)
    assert detector.mode_coverage(X, centers) >= 7 / 8
    assert detector.mode_coverage(X) >= 7 / 8  # centres of k-means


def test_modes_of_a_ring_are_counted():
    """Without a net: rows drawn from some of the modes hit those."""
    from skhep_anomaly.outliers._modes import covered_share, find_modes

    X, centers = ring(800, np.random.default_rng(0))
    X, centers = X.astype(float), centers.astype(float)
    known = find_modes(X, centers, 8, 0)
    np.testing.assert_allclose(known.size, 0.05 * np.sqrt(2), rtol=0.15)
    for k in (0, 3, 8):
        near = np.argmin(np.linalg.norm(X[:, None] - centers, axis=2), axis=1)
        rows = np.concatenate([X[near < k], [[0.0, 0.0]]])
        assert covered_share(known, rows, 2.0) == k / 8
    found = find_modes(X, None, 8, 0)
    gap = np.linalg.norm(found.centers[:, None] - centers, axis=2).min(axis=0)
    assert gap.max() < 0.02
    # a tenth of a mode's share of .125 is the least
    for hits, covered in ((12, 0.0), (13, 1 / 8)):
        rows = np.concatenate([np.repeat(centers[:1], hits, axis=0), np.zeros((1000 - hits, 2))])
        assert covered_share(known, rows, 2.0) == covered


def test_critic_loss_is_that_of_the_parts(X):
    """bce on a critic that says 0: log 2 for real and for generated rows, whatever the targets."""
    detector = small(label_noise=0.3).fit(X)
    module = detector.net_.module_
    module.critic.net.flat.data.zero_()
    x = torch.from_numpy(X[:10])
    context = Context(torch.Generator().manual_seed(0))
    weight = torch.tensor([3.0] + [7 / 9] * 9)
    two_logs = 2 * np.log(2)
    for loss, expected in [("bce", two_logs), ("lsgan", 0.5), ("wgan_gp", 10.0)]:
        value = CriticLoss(loss)(module, x, weight, context).item()
        assert value == pytest.approx(expected, rel=1e-4)
    assert CriticLoss("bce", 0.1, 0.3)(module, x, weight, context).item() == pytest.approx(two_logs)
    assert GeneratorLoss("bce")(module, x, weight, context).item() == pytest.approx(np.log(2))
    assert GeneratorLoss("lsgan")(module, x, None, context).item() == pytest.approx(0.5)
    assert GeneratorLoss("wgan_gp")(module, x, None, context).item() == pytest.approx(0.0)


def test_critic_loss_weighs_real_rows(X):
    detector = small().fit(X)
    module, x = detector.net_.module_, torch.from_numpy(X[:2])
    with torch.no_grad():
        c = module.critic(module.standardizer(x))[0]

    def value(weight):
        context = Context(torch.Generator().manual_seed(0))
        return CriticLoss("lsgan")(module, x, weight, context).item()

    shift = value(torch.tensor([1.5, 0.5])) - value(None)
    rows = 0.5 * (c - 1).square()
    assert shift == pytest.approx(float(0.25 * (rows[0] - rows[1])), abs=1e-6)


def test_energy_score_of_a_constant_generator(X):
    """All draws at g: the score of x is |x − g|."""
    detector = small().fit(X)
    module = detector.net_.module_
    net = module.generator.net
    with torch.no_grad():
        net.flat.zero_()
        net._split()[2 * net._n_layers - 1].copy_(torch.tensor([[1.0, 2.0, 2.0]]))
    x = module.standardizer.mean[None] * torch.ones(2, 1)
    value = EnergyScore().per_row(module, x, Context(torch.Generator().manual_seed(0)))
    np.testing.assert_allclose(value.detach(), [[3.0, 3.0]], atol=1e-5)


def test_two_sided_threshold_is_the_rule_of_the_thesis(X):
    """Outlier if D > 1 − t or D < t."""
    detector = small(threshold="two_sided", t=0.48, max_epochs=20).fit(X)
    wide = np.concatenate([X, X * 3 - 5])
    z = detector.net_.module_.standardizer(torch.from_numpy(wide))
    D = torch.sigmoid(detector.critic_(z)[0].double()).detach().numpy()
    odd = (D > 1 - 0.48) | (D < 0.48)
    assert 0 < odd.sum() < len(wide)
    np.testing.assert_array_equal(detector.predict(wide) == -1, odd)
    assert detector.offset_ == pytest.approx(-0.02)


def test_score_kinds(X):
    """Each is a known function of the critic's output, or of its features."""
    scores = {}
    for kind in ("logit", "discriminator", "two_sided", "feature_matching"):
        detector = small(score_kind=kind).fit(X)
        scores[kind] = detector.anomaly_score(X)
        assert np.isfinite(scores[kind]).all()
        assert scores[kind].dtype == np.float64
    D = 1 / (1 + np.exp(scores["logit"]))
    np.testing.assert_allclose(scores["discriminator"], -D, rtol=1e-6)
    np.testing.assert_allclose(scores["two_sided"], np.abs(D - 0.5), atol=1e-7)
    assert (scores["feature_matching"] >= 0).all()
    # mean Mahalanobis distance of the training rows: their dimension, less what the ridge takes
    assert 1 < scores["feature_matching"].mean() <= 5.001
    c = small(score_kind="logit", loss="lsgan").fit(X).score_samples(X)
    d = small(score_kind="two_sided", loss="lsgan").fit(X).anomaly_score(X)
    np.testing.assert_allclose(d, np.abs(c - 0.5), atol=1e-7)


def test_critic_is_the_mean_of_the_last_epochs(X):
    class Ends(Callback):
        def __init__(self):
            self.critics = []

        def on_epoch_end(self, net, **kwargs):
            self.critics.append(net.module_.critic.net.flat.detach().numpy().copy())

    ends = Ends()
    detector = small(max_epochs=5, checkpoint_average=3, callbacks=[ends]).fit(X)
    mean = np.mean(ends.critics[-3:], axis=0)
    np.testing.assert_allclose(detector.critic_.net.flat.detach(), mean, atol=1e-7)
    last = small(max_epochs=5, checkpoint_average=1).fit(X)
    np.testing.assert_array_equal(last.critic_.net.flat.detach(), ends.critics[-1])


# -------------------------------------------------------------------- options

OPTIONS = [
    {"loss": "lsgan"},
    {"loss": "wgan_gp", "score_kind": "logit"},
    {"label_smoothing": 0.0},
    {"label_noise": 0.2},
    {"instance_noise": 0.5},
    {"batch_norm": False},
    {"critic_optimizer": "sgd"},
    {"critic_learning_rate": 1e-2},
    {"critic_dropout": 0.3},
    {"generator_dropout": 0.3},
    {"generator_noise": 0.3},
    {"output": "tanh"},
    {"n_critic": 2},
    {"checkpoint_average": 1},
    {"n_members": 2},
    {"latent_dim": 2},
    {"generator_layer_sizes": (7,)},
    {"critic_layer_sizes": (7,)},
    {"weight_decay": 0.1},
    {"lr_schedule": "cosine"},
    {"max_grad_norm": 0.01},
    {"standardize": False},
    {"early_stopping": True},
]


@pytest.fixture(scope="module")
def plain(X):
    return small(score_kind="logit").fit(X)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_each_option_works_and_changes_the_result(X, plain, options):
    options = {"score_kind": "logit", **options}
    first, again = small(**options).fit(X), small(**options).fit(X)
    for one, other in zip(weights(first), weights(again), strict=True):
        np.testing.assert_array_equal(one, other)
    scores = first.score_samples(X)
    np.testing.assert_array_equal(scores, again.score_samples(X))
    assert np.isfinite(scores).all()
    assert not np.allclose(scores, plain.score_samples(X), rtol=1e-4)
    assert first.sample(5, random_state=0).shape == (5, 3)


def test_all_tricks_at_once(X):
    detector = small(
        score_kind="discriminator",
        output="tanh",
        critic_optimizer="sgd",
        critic_dropout=0.2,
        label_noise=0.05,
        generator_noise=0.1,
        generator_dropout=0.1,
        dropout_at_sampling=True,
        instance_noise=0.1,
        n_critic=2,
        n_members=2,
    ).fit(X)
    scores = detector.score_samples(X)
    assert scores.min() >= 0
    assert scores.max() <= 1


def test_tanh_keeps_to_the_range_of_the_data(X):
    detector = small(output="tanh").fit(X)
    z = detector.net_.module_.standardizer(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(z.min(axis=0), -1, atol=1e-5)
    np.testing.assert_allclose(z.max(axis=0), 1, atol=1e-5)
    rows = detector.sample(500, random_state=0)
    slack = 1e-5 * np.ptp(X, axis=0)
    assert (rows >= X.min(axis=0) - slack).all()
    assert (rows <= X.max(axis=0) + slack).all()


def test_generator_moves_on_every_fifth_batch_only(X):
    detector = small(n_critic=5, max_epochs=1).fit(X)  # four batches
    assert "loss_generator" not in detector.history_[0]
    assert detector.history_[0]["loss_critic"] > 0
    detector.partial_fit(X)
    assert "loss_generator" in detector.history_[1]


def test_early_stopping_looks_at_the_energy_score(X):
    detector = small(early_stopping=True, n_iter_no_change=2, tol=10.0, max_epochs=9).fit(X)
    assert detector.n_iter_ == 3  # an improvement of 10 never comes after the first epoch
    assert all(row["valid_loss"] > 0 for row in detector.history_)


def test_weights_of_zero_are_absent(X):
    weight = np.r_[np.ones(150), np.zeros(50)]
    with_zeros = small().fit(X, sample_weight=weight)
    without = small().fit(X[:150])
    np.testing.assert_array_equal(with_zeros.score_samples(X), without.score_samples(X))
    heavy = small().fit(X, sample_weight=np.r_[np.ones(150), np.full(50, 9.0)])
    assert np.abs(heavy.score_samples(X) - small().fit(X).score_samples(X)).max() > 1e-4


# -------------------------------------------------------------------- samples


def test_sample(X):
    detector = small(n_members=2).fit(X)
    rows = detector.sample(7, random_state=1)
    np.testing.assert_array_equal(rows, detector.sample(7, random_state=1))
    assert np.abs(rows - detector.sample(7, random_state=2)).min() > 0
    assert np.abs(rows - detector.sample(7)).min() > 0
    assert rows.shape == (7, 3)
    assert rows.dtype == np.float32
    many = detector.sample(40_001, random_state=1)  # several chunks
    assert many.shape == (40_001, 3)
    assert len(np.unique(many, axis=0)) == 40_001
    # in the units of X: centres at 0, 50, −3 within the wide start
    assert np.abs(many.mean(axis=0) - X.mean(axis=0)).max() < 40
    np.testing.assert_array_equal(detector.score_samples(X), detector.score_samples(X))


def test_dropout_at_sampling(X):
    off, on = (
        small(generator_dropout=0.5, dropout_at_sampling=flag).fit(X) for flag in (False, True)
    )
    for one, other in zip(weights(off), weights(on), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.abs(off.sample(50, 0) - on.sample(50, 0)).max() > 1e-3
    np.testing.assert_array_equal(on.sample(50, 0), on.sample(50, 0))
    assert on.generator_.net.dropout.generator is None


@pytest.mark.parametrize("n", [0, -1, 2.5, "3"])
def test_refused_sample_sizes(X, plain, n):
    with pytest.raises(ValueError, match="rows cannot be drawn: an integer of at least 1"):
        plain.sample(n)


def test_mode_coverage(X, plain):
    share = plain.mode_coverage(X, n_modes=4, radius=50.0)
    assert share == plain.mode_coverage(X, n_modes=4, radius=50.0)
    assert 0 < share <= 1
    assert plain.mode_coverage(X, X[:3], radius=1e-6) == 0
    with pytest.raises(ValueError, match="n_modes=201 must lie between 1 and the 200 rows of X"):
        plain.mode_coverage(X, n_modes=201)
    with pytest.raises(ValueError, match=r"centers\[1\] is nearest to no row of X"):
        plain.mode_coverage(X, np.array([X.mean(axis=0), X.mean(axis=0) + 1e3]))


def test_collapse_is_told(X):
    """A generator that is held at zero weights gives one point for every latent vector."""

    class Collapsed(GANOutlierDetector):
        def _finish(self, X, weight):
            self.net_.module_.generator.net.flat.data.zero_()
            super()._finish(X, weight)

    with pytest.warns(ModeCollapseWarning, match="rows spread by 0 where the data spread"):
        Collapsed(**SMALL).fit(X)


def test_collapse_of_one_member_is_told_and_little_spread_is_not(X):
    class Narrow(GANOutlierDetector):
        factor = 1.0

        def _finish(self, X, weight):
            net = self.net_.module_.generator.net
            net.output_weight().data[1].mul_(self.factor)
            super()._finish(X, weight)

    detector = Narrow(**SMALL, n_members=2)
    detector.factor = 0.05
    detector.fit(X)
    detector.factor = 1e-4
    with pytest.warns(ModeCollapseWarning, match="of Narrow has collapsed"):
        detector.fit(X)
    assert detector.n_iter_ == 3


def test_equal_rows_are_no_collapse():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All rows of X are equal")
        detector = small().fit(np.ones((20, 2)))
    assert np.isfinite(detector.score_samples(np.ones((3, 2)))).all()


# -------------------------------------------------------------------- conventions

STOCHASTIC = "trained in shuffled minibatches with noise: weights count as copies in distribution"
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": STOCHASTIC,
    "check_sample_weight_equivalence_on_sparse_data": STOCHASTIC,
}


@pytest.mark.global_state("scikit-learn's checks seed numpy's global stream")
def test_scikit_learns_checks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(
            GANOutlierDetector(max_epochs=2), expected_failed_checks=EXPECTED, on_fail=None
        )
    failed = [r["check_name"] for r in results if r["status"] == "failed"]
    assert failed == []
    assert len(results) > 40


def test_properties_are_those_of_the_net(plain):
    assert isinstance(plain.generator_, Generator)
    assert isinstance(plain.critic_, Critic)
    assert plain.critic_ is plain.net_.module_.critic
    assert [row["epoch"] for row in plain.history_] == [1, 2, 3]
    row = plain.history_[0]
    assert row["train_loss"] == pytest.approx(row["loss_critic"] + row["loss_generator"], rel=0.05)


@pytest.mark.parametrize(
    "options", [{"score_kind": "feature_matching", "n_members": 2}, {"output": "tanh"}], ids=str
)
def test_files_and_pickles_give_the_same_scores(X, tmp_path, options):
    detector = small(**options).fit(X)
    detector.save(tmp_path / "gan")
    for again in (load(tmp_path / "gan"), pickle.loads(pickle.dumps(detector))):
        np.testing.assert_array_equal(again.score_samples(X), detector.score_samples(X))
        np.testing.assert_array_equal(again.sample(9, 3), detector.sample(9, 3))
        assert again.offset_ == detector.offset_
        again.partial_fit(X)
        assert np.abs(again.score_samples(X) - detector.score_samples(X)).max() > 0


def test_warm_start_goes_on(X):
    detector = small(warm_start=True).fit(X)
    before = weights(detector)
    detector.fit(X)
    assert detector.n_iter_ == 6
    assert np.abs(weights(detector)[0] - before[0]).max() < 0.5
    fresh = clone(detector).fit(X)
    np.testing.assert_array_equal(weights(fresh)[0], before[0])


@pytest.mark.parametrize(
    "options, told",
    [
        ({"loss": "wgan_gp"}, "score_kind='two_sided' needs a probability D"),
        ({"loss": "wgan_gp", "score_kind": "discriminator"}, "use score_kind='logit' or 'feature"),
        (
            {"loss": "wgan_gp", "score_kind": "logit", "label_noise": 0.1},
            "label_noise=0.1 needs labels, and loss='wgan_gp' has none",
        ),
        (
            {"threshold": "two_sided", "score_kind": "logit"},
            "threshold='two_sided' needs score_kind='two_sided'; got score_kind='logit'",
        ),
        ({"output": "tanh", "standardize": False}, r"needs X in \[−1, 1\]; got values from -"),
        ({"t": 0.5}, "The 't' parameter of GANOutlierDetector must be a float in the range"),
        ({"threshold": "sideways"}, "The 'threshold' parameter of GANOutlierDetector must be"),
    ],
)
def test_refused_settings(X, options, told):
    with pytest.raises(ValueError, match=told):
        small(**options).fit(X)


def test_tanh_without_standardisation(X):
    inside = np.random.default_rng(0).uniform(-1, 1, size=(60, 2))
    detector = small(output="tanh", standardize=False).fit(inside)
    assert np.abs(detector.sample(100, 0)).max() < 1
