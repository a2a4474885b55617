"""AEOutlierDetector against answers known by hand: PCA, 8-3-8, robust splits, thresholds."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import check_sample_weight_equivalence_on_dense_data
from torch import nn

from skhep_anomaly import AEOutlierDetector
from skhep_anomaly.outliers._neighbours import mean_distance
from skhep_anomaly.outliers._reconstruction import ReconstructionLoss
from skhep_anomaly.outliers._robust import PROXIMAL_STEPS
from skhep_anomaly.outliers._tail import learn_tail, log_log_tail
from skhep_anomaly.training import Context

PLAIN = {"noise": None, "n_members": 1, "score_kind": "mse", "random_state": 0}


@pytest.fixture(scope="module")
def normal():
    rng = np.random.default_rng(0)
    return rng.normal(size=(400, 4)) @ rng.normal(size=(4, 4))


def far_and_near(normal, detector):
    """AUC of points far outside against the normal rows."""
    odd = normal[:40] + 6 * normal.std(axis=0) * np.array([1, -1, 1, -1])
    score = detector.anomaly_score(np.vstack([normal, odd]))
    return roc_auc_score(np.r_[np.zeros(len(normal)), np.ones(len(odd))], score)


def test_linear_autoencoder_reaches_the_pca_residual():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(1000, 3)) @ rng.normal(size=(3, 8)) + 0.2 * rng.normal(size=(1000, 8))
    detector = AEOutlierDetector(
        (), 3, **PLAIN, max_epochs=300, batch_size=100, learning_rate=0.03
    ).fit(X)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    pca = PCA(3).fit(Z)
    want = np.mean((Z - pca.inverse_transform(pca.transform(Z))) ** 2)
    got = detector.anomaly_score(X).mean()
    assert want <= got * (1 + 1e-9)
    np.testing.assert_allclose(got, want, rtol=0.01)


@pytest.mark.parametrize("seed", range(10))
def test_one_hot_8_3_8_is_learnt(seed):
    X = np.eye(8)
    detector = AEOutlierDetector(
        (), 3, noise=None, n_members=1, score_kind="mse", random_state=seed,
        output="sigmoid", loss="bce", standardize=False, max_epochs=1000, batch_size=8,
        learning_rate=0.05, lr_schedule="constant", max_grad_norm=None,
    ).fit(X)  # fmt: skip
    assert np.array_equal(detector.reconstruct(X).round(), X)


@pytest.mark.parametrize("rule, share", [("percentile", 0.6), ("median", 0.5)])
def test_share_of_training_rows_flagged(normal, rule, share):
    detector = AEOutlierDetector((8,), 2, **PLAIN, threshold=rule, max_epochs=3).fit(normal)
    assert abs((detector.predict(normal) == -1).mean() - share) <= 1 / len(normal)


def test_mean_number_and_callable_thresholds(normal):
    settings = {**PLAIN, "max_epochs": 2}
    detector = AEOutlierDetector((8,), 2, **settings, threshold="mean").fit(normal)
    scores = detector.score_samples(normal)
    np.testing.assert_allclose(detector.offset_, scores.mean())
    assert AEOutlierDetector((8,), 2, **settings, threshold=-0.5).fit(normal).offset_ == -0.5
    lowest = AEOutlierDetector((8,), 2, **settings, threshold=np.min).fit(normal)
    assert lowest.offset_ == scores.min()
    clean = AEOutlierDetector((8,), 2, **settings, contamination="min").fit(normal)
    assert clean.offset_ == scores.min()
    assert (clean.predict(normal) == 1).all()


def test_set_threshold_moves_only_the_offset(normal):
    detector = AEOutlierDetector((8,), 2, **PLAIN, max_epochs=2).fit(normal)
    scores = detector.score_samples(normal)
    detector.set_threshold(normal, fpr=0.25)
    assert (detector.predict(normal) == -1).mean() == 0.25
    np.testing.assert_array_equal(detector.score_samples(normal), scores)
    with pytest.raises(ValueError, match=r"fpr=1\.5 is out of range"):
        detector.set_threshold(normal, fpr=1.5)
    for weight, message in [
        (np.ones(3), r"sample_weight.shape == \(3,\)"),
        (np.r_[-1.0, np.ones(len(normal) - 1)], "1 negative weights"),
        (np.zeros(len(normal)), "All sample weights are zero"),
    ]:
        with pytest.raises(ValueError, match=message):
            detector.set_threshold(normal, fpr=0.1, sample_weight=weight)


@pytest.mark.parametrize(
    "settings",
    [
        {"noise": "conditional"},
        {"noise": "conditional", "score_kind": "hybrid"},
        {"noise": 0.2, "score_kind": "per_feature_nll"},
        {"noise": 0.2, "noise_kind": "mask", "score_kind": "norm"},
        {"noise": None, "dropout": 0.1, "latent_dim": 2, "score_kind": "mse"},
        {"robust": "l1", "noise": None, "latent_dim": 2},
        {"weight_decay": 1e-3, "early_stopping": True, "lr_schedule": "constant"},
    ],
)
def test_every_option_finds_far_points(normal, settings):
    detector = AEOutlierDetector((16, 16), max_epochs=60, random_state=0)
    detector.set_params(**settings).fit(normal)
    assert far_and_near(normal, detector) > 0.95


def loss_of(noise, loss="mse", n_members=1, output="linear"):
    rng = np.random.default_rng(3)
    X = rng.uniform(size=(32, 5))
    detector = AEOutlierDetector(
        (6,), 2, noise=noise, n_members=n_members, max_epochs=1, random_state=0, loss=loss,
        output=output, standardize=loss == "mse",
    ).fit(X)  # fmt: skip
    weight = torch.from_numpy(rng.uniform(0.5, 2, 32))
    return detector.net_.module_, torch.from_numpy(X), weight


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "noise, loss, output",
    [
        (None, "mse", "linear"),
        (0.3, "mse", "linear"),
        ("conditional", "mse", "linear"),
        (None, "bce", "sigmoid"),
    ],
)
def test_gradient_by_hand_equals_autograd(noise, loss, output, weighted, n_members):
    module, X, weight = loss_of(noise, loss, n_members, output)
    found = []
    for by_hand in (True, False):
        objective = ReconstructionLoss(noise, "gaussian", loss, by_hand=by_hand)
        context = Context(torch.Generator().manual_seed(0))
        value = objective.loss_and_gradient(module, X, weight if weighted else None, context)
        found.append((value.item(), module.net.flat.grad.clone()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-10)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-9, atol=1e-12)


def test_noise_is_on_the_input_only():
    module, X, _ = loss_of(0.3)
    clean = module.standardizer(X)
    objective = ReconstructionLoss(0.3, "gaussian", "mse")
    target, noisy, _, _ = objective._inputs(module, X, Context(torch.Generator().manual_seed(0)))
    torch.testing.assert_close(target, clean)
    assert 0.2 < float((noisy - clean).std()) < 0.4
    mask = ReconstructionLoss(0.3, "mask", "mse")
    _, masked, _, _ = mask._inputs(module, X, Context(torch.Generator().manual_seed(0)))
    assert 0.15 < float((masked == 0).double().mean()) < 0.45
    assert torch.equal(masked[masked != 0], clean[masked != 0])


def test_denoising_brings_noisy_rows_back():
    rng = np.random.default_rng(0)
    clean = np.outer(rng.uniform(-2, 2, 2000), [1.0, 2.0, -1.0, 0.5])
    noisy = clean + 0.3 * clean.std(axis=0) * rng.normal(size=clean.shape)
    detector = AEOutlierDetector((32, 32), random_state=0, max_epochs=60).fit(clean)
    before = np.mean((noisy - clean) ** 2)
    after = np.mean((detector.reconstruct(noisy, noise_level=0.3) - clean) ** 2)
    assert after < 0.5 * before
    with pytest.raises(ValueError, match=r"noise_level=3 is outside \[0\.1, 1\]"):
        detector.reconstruct(noisy, noise_level=3)


def test_mahalanobis_score_of_a_constant_net_is_that_of_the_data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 3)) @ np.array([[1.0, 0.9, 0], [0, 0.5, 0], [0, 0, 1]])
    settings = {**PLAIN, "score_kind": "mahalanobis", "learning_rate": 1e-12, "max_epochs": 1}
    detector = AEOutlierDetector((4,), 1, **settings).fit(X)
    detector.net_.module_.net.flat.data.zero_()
    detector._finish(X, None)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    inverse = np.linalg.inv(np.cov(Z.T, bias=True) + 1e-2 * np.eye(3))
    want = np.einsum("ni,ij,nj->n", Z, inverse, Z)
    np.testing.assert_allclose(detector.anomaly_score(X), want, rtol=1e-8)


def test_members_are_different_nets_and_their_spread_is_reported(normal):
    detector = AEOutlierDetector((8,), 2, random_state=0, max_epochs=5).fit(normal)
    assert detector._map(detector._member_scores, normal).shape == (400, 3)
    spread = detector.score_std(normal)
    assert spread.shape == (400,)
    assert (spread > 0).all()
    single = AEOutlierDetector((8,), 2, **PLAIN, max_epochs=5).fit(normal)
    assert (single.score_std(normal) == 0).all()


def test_feature_errors_name_the_odd_feature(normal):
    detector = AEOutlierDetector((16, 16), random_state=0, max_epochs=60).fit(normal)
    row = np.zeros((1, 4))
    row[0, 2] = 12 * normal.std(axis=0)[2]
    assert detector.feature_errors(row).argmax() == 2


def test_transform_and_back(normal):
    detector = AEOutlierDetector((16,), 2, **PLAIN, max_epochs=5).fit(normal)
    Z = detector.transform(normal)
    assert Z.shape == (400, 2)
    np.testing.assert_allclose(detector.inverse_transform(Z), detector.reconstruct(normal))
    assert list(detector.get_feature_names_out()) == ["aeoutlierdetector0", "aeoutlierdetector1"]
    with pytest.raises(ValueError, match="Z has 3 features, but AEOutlierDetector has a code of 2"):
        detector.inverse_transform(normal[:, :3])
    wide = AEOutlierDetector((16, 8, 16), max_epochs=1, random_state=0).fit(normal)
    assert wide.transform(normal).shape == (400, 8)


FULL_BATCH = {"noise": None, "batch_size": 10_000, "max_epochs": 5, "random_state": 0}


@pytest.mark.global_state(reason="scikit-learn's check seeds numpy's global stream")
def test_scikit_learns_weight_check_passes_in_a_full_batch():
    detector = AEOutlierDetector((8,), 2, n_members=1, **FULL_BATCH)
    check_sample_weight_equivalence_on_dense_data("AEOutlierDetector", detector)
    assert detector.get_params()["batch_size"] == 10_000


@pytest.mark.parametrize("n_members", [1, 3])
def test_weight_k_is_k_copies_in_a_full_batch(normal, n_members):
    k = np.random.default_rng(0).integers(0, 4, len(normal))
    fits = [
        AEOutlierDetector((8,), 2, n_members=n_members, **FULL_BATCH).fit(*data)
        for data in ((normal, None, k), (np.repeat(normal, k, axis=0),))
    ]
    scores = [fit.score_samples(normal) for fit in fits]
    np.testing.assert_allclose(*scores, rtol=1e-10)
    np.testing.assert_allclose(fits[0].offset_, fits[1].offset_, rtol=1e-10)


# ---------------------------------------------------------------------------- robust


def test_proximal_steps_by_hand():
    S = np.array([[3.0, -4.0], [0.3, 0.4]])
    np.testing.assert_allclose(PROXIMAL_STEPS["l1"](S, 1.0), [[2, -3], [0, 0]])
    np.testing.assert_allclose(PROXIMAL_STEPS["l21_rows"](S, 1.0), [[2.4, -3.2], [0, 0]])
    shrink = 1 - 1 / np.linalg.norm(S, axis=0)
    np.testing.assert_allclose(PROXIMAL_STEPS["l21_columns"](S, 1.0), S * shrink)


def test_huge_lambda_leaves_nothing_sparse(normal):
    detector = AEOutlierDetector((8,), 2, **PLAIN, robust="l1", robust_lambda=1e6, max_epochs=10)
    detector.fit(normal)
    assert not detector.sparse_.any()
    np.testing.assert_array_equal(detector.low_rank_, normal)


@pytest.mark.parametrize("kind, lam", [("l1", 1.0), ("l21_rows", 1.5)])
def test_corrupted_rows_come_out_on_top_of_the_sparse_part(kind, lam):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2)) @ rng.normal(size=(2, 6)) + 0.05 * rng.normal(size=(600, 6))
    bad = rng.permutation(600)[:30]
    X[bad] += rng.choice([-1, 1], size=(30, 6)) * 3 * X.std(axis=0)
    detector = AEOutlierDetector(
        (16,), 2, **PLAIN, robust=kind, robust_lambda=lam, max_epochs=100
    ).fit(X)
    np.testing.assert_allclose(detector.low_rank_ + detector.sparse_, X)
    truth = np.isin(np.arange(600), bad)
    size = np.linalg.norm(detector.sparse_ / X.std(axis=0), axis=1)
    assert roc_auc_score(truth, size) > 0.95


# ---------------------------------------------------------------------------- hybrid


def test_mean_distance_by_hand():
    reference = np.array([[0.0], [1.0], [3.0]])
    np.testing.assert_allclose(mean_distance(np.array([[0.0]]), reference, 2), [0.5])
    own = np.array([0, 1, 2])
    np.testing.assert_allclose(mean_distance(reference, reference, 2, own), [2.0, 1.5, 2.5])
    np.testing.assert_allclose(mean_distance(reference, reference, 9, own), [2.0, 1.5, 2.5])


def test_log_log_tail_rises_and_is_the_tail_probability():
    scores = np.random.default_rng(0).exponential(size=20_000)
    tail = learn_tail(scores, None)
    at = np.array([0.1, 1.0, 2.0, 5.0, 12.0])
    np.testing.assert_allclose(np.expm1(log_log_tail(at, tail)), at, rtol=0.05, atol=0.02)
    assert (np.diff(log_log_tail(np.linspace(0, 50, 500), tail)) > 0).all()


def test_tail_takes_scores_that_differ_by_rounding_for_equal():
    scores = np.repeat(np.random.default_rng(0).exponential(size=20), 3)
    shaken = scores * (1 + 1e-15 * np.tile([-1, 0, 1], 20))
    tail, other = learn_tail(scores, None), learn_tail(shaken, None)
    np.testing.assert_allclose(
        log_log_tail(scores, other), log_log_tail(scores, tail), rtol=1e-9, atol=1e-12
    )


def test_tail_weight_k_is_k_copies():
    rng = np.random.default_rng(1)
    scores, k = rng.normal(size=300), rng.integers(1, 4, 300)
    one, two = learn_tail(scores, k.astype(float)), learn_tail(np.repeat(scores, k), None)
    at = np.linspace(-4, 6, 50)
    np.testing.assert_allclose(log_log_tail(at, one), log_log_tail(at, two), rtol=1e-10)


# ---------------------------------------------------------------------------- modules


def test_own_convolutional_modules_take_images():
    X = (load_digits().images[:300, None] / 16).astype(np.float32)
    encoder = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.SiLU(), nn.Flatten(), nn.Linear(36, 6))
    decoder = nn.Sequential(nn.Linear(6, 64), nn.Unflatten(1, (1, 8, 8)))
    detector = AEOutlierDetector(
        encoder=encoder, decoder=decoder, noise=0.1, n_members=1, random_state=0, max_epochs=5
    )
    state = torch.get_rng_state()
    detector.fit(X)
    assert torch.equal(torch.get_rng_state(), state)
    assert detector.transform(X).shape == (300, 6)
    assert detector.reconstruct(X).shape == X.shape
    noise = np.random.default_rng(0).uniform(size=(50, 1, 8, 8)).astype(np.float32)
    score = detector.anomaly_score(np.concatenate([X, noise]))
    assert roc_auc_score(np.r_[np.zeros(300), np.ones(50)], score) > 0.9
    with pytest.raises(ValueError, match=r"rows of shape \(1, 7, 8\), but AEOutlierDetector"):
        detector.score_samples(X[:, :, :7])


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"encoder": nn.Identity()}, "encoder and decoder go together"),
        (
            {"encoder": nn.Identity(), "decoder": nn.Identity()},
            "Own encoder and decoder take no noise level",
        ),
        ({"noise_kind": "mask"}, "noise_kind='mask' needs noise=None or a share below 1"),
        ({"noise": 1.5, "noise_kind": "mask"}, "noise_kind='mask' needs"),
        ({"loss": "bce"}, "loss='bce' needs output='sigmoid' and standardize=False"),
        ({"hidden_layer_sizes": ()}, r"hidden_layer_sizes=\(\) needs a latent_dim"),
        (
            {"loss": "bce", "output": "sigmoid", "standardize": False},
            r"loss='bce' needs X in \[0, 1\]; got values from",
        ),
    ],
)
def test_settings_that_do_not_go_together(normal, settings, message):
    with pytest.raises(ValueError, match=message):
        AEOutlierDetector(**settings).fit(normal)


def test_thesis_preset():
    detector = AEOutlierDetector.thesis(max_epochs=2, random_state=0)
    X = np.random.default_rng(0).normal(size=(200, 6))
    detector.fit(X)
    assert detector.net_.module_.net.sizes == (6, 50, 25, 2, 25, 50, 6)
    assert abs((detector.predict(X) == -1).mean() - 0.6) <= 1 / 200


def test_hybrid_offset_leaves_each_row_out_of_its_neighbours():
    rng = np.random.default_rng(5)
    X, fresh = rng.normal(size=(600, 3)), rng.normal(size=(2000, 3))
    settings = {"n_members": 1, "random_state": 0, "max_epochs": 20}
    detector = AEOutlierDetector((8, 8), score_kind="hybrid", **settings).fit(X)
    assert abs((detector.predict(fresh) == -1).mean() - 0.1) < 0.04
    chunked = detector.score_samples(fresh)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skhep_anomaly.outliers.autoencoder._DISTANCE_ROWS", 7)
        np.testing.assert_allclose(detector.score_samples(fresh), chunked, rtol=1e-12)


def test_robust_metric_is_learnt_from_the_clean_part():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2)) @ rng.normal(size=(2, 6)) + 0.05 * rng.normal(size=(600, 6))
    X[:30] += 20 * rng.choice([-1, 1], size=(30, 6))
    settings = {**PLAIN, "score_kind": "mahalanobis", "max_epochs": 60}
    detector = AEOutlierDetector((16,), 2, robust="l21_rows", **settings).fit(X)
    residual = detector.low_rank_ - detector.reconstruct(detector.low_rank_)
    scaled = residual / detector.net_.module_.standardizer.scale.numpy()
    got = detector.net_.module_.metric.variance.ravel().numpy()
    want = scaled.var(axis=0)
    np.testing.assert_allclose(got, want + 1e-2 * want.mean(), rtol=1e-6)


def test_hybrid_set_after_fit_is_refused(normal):
    detector = AEOutlierDetector((8,), 2, **PLAIN, max_epochs=2).fit(normal)
    detector.set_params(score_kind="hybrid")
    with pytest.raises(ValueError, match="score_kind='hybrid' was set after fit; call fit again"):
        detector.score_samples(normal)
