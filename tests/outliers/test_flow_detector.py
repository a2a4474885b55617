"""FlowOutlierDetector: known densities, mass points, seeds, files, the common checks."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from skhep_anomaly import FlowOutlierDetector, load
from skhep_anomaly.nn import FLOW_KINDS, Flow, FlowDensity, Standardizer
from skhep_anomaly.outliers._density import FlowLoss, level_code
from skhep_anomaly.outliers._dequantize import dequantization_widths
from skhep_anomaly.training import Context

MEAN, COVARIANCE = np.array([1.0, -20.0]), np.array([[4.0, 3.0], [3.0, 9.0]])
LOG_TWO_PI = 1.8378770664093453


def gaussian(n, seed=0):
    return np.random.default_rng(seed).multivariate_normal(MEAN, COVARIANCE, size=n)


def gaussian_log_density(X):
    r = X - MEAN
    size = np.einsum("ni,ij,nj->n", r, np.linalg.inv(COVARIANCE), r)
    return -0.5 * (size + np.log(np.linalg.det(COVARIANCE)) + 2 * LOG_TWO_PI)


def small(**kwargs):
    settings = {"hidden_layer_sizes": (8,), "n_transforms": 2, "max_epochs": 2, "random_state": 0}
    return FlowOutlierDetector(**(settings | kwargs))


@pytest.fixture(scope="module")
def on_gaussian():
    detector = FlowOutlierDetector(
        hidden_layer_sizes=(8,),
        n_transforms=1,
        noise=None,
        score_kind="log_density",
        log_prob_units="data",
        learning_rate=1e-2,
        max_epochs=5,
        random_state=0,
    )
    return detector.fit(gaussian(30_000))


def test_gaussian_log_density(on_gaussian):
    """Mean absolute difference on new rows and its mean both below .02."""
    X = gaussian(4000, seed=1)
    difference = on_gaussian.log_prob(X) - gaussian_log_density(X)
    assert abs(difference.mean()) < 0.02
    assert np.abs(difference).mean() < 0.02


def test_density_integrates_to_one_in_units_of_the_data(on_gaussian):
    step = 0.25
    x, y = np.arange(-14, 16, step), np.arange(-42, 2, step)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    assert np.exp(on_gaussian.log_prob(grid)).sum() * step**2 == pytest.approx(1.0, abs=2e-3)


def test_sample_has_the_moments_of_the_data(on_gaussian):
    drawn = on_gaussian.sample(20_000, random_state=3)
    np.testing.assert_allclose(drawn.mean(axis=0), MEAN, atol=0.15)
    np.testing.assert_allclose(np.cov(drawn.T), COVARIANCE, atol=0.5)
    assert np.array_equal(drawn, on_gaussian.sample(20_000, random_state=3))
    assert not np.array_equal(drawn[:5], on_gaussian.sample(5, random_state=4))


def test_score_is_the_log_density_within_the_clipping_bound(on_gaussian):
    X = gaussian(50, seed=2)
    np.testing.assert_allclose(on_gaussian.score_samples(X), on_gaussian.log_prob(X), rtol=1e-12)
    far = MEAN + np.array([[100.0, 0.0], [1000.0, 0.0]])
    assert np.ptp(on_gaussian.score_samples(far)) == 0.0
    near, farther = on_gaussian.log_prob(far)
    assert near > farther + 1000


def test_units_of_the_density(on_gaussian):
    X = gaussian(20, seed=2)
    in_data = on_gaussian.log_prob(X)
    standard = pickle.loads(pickle.dumps(on_gaussian)).set_params(log_prob_units="standard")
    scale = on_gaussian.net_.module_.standardizer.scale.double().numpy()
    np.testing.assert_allclose(standard.log_prob(X) - in_data, np.log(scale).sum(), rtol=1e-9)


def test_members_mix_to_one_density():
    X = gaussian(300)
    detector = small(n_members=3, noise=None, max_epochs=20, dtype="float64").fit(X)
    step = 0.5
    x, y = np.arange(-9, 9, step), np.arange(-9, 9, step)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    scale = detector.net_.module_.standardizer.scale.numpy()
    mean = detector.net_.module_.standardizer.mean.numpy()
    density = np.exp(detector.log_prob(grid * scale + mean))
    assert density.sum() * step**2 == pytest.approx(1.0, abs=5e-3)
    assert detector.sample(7, random_state=0).shape == (7, 2)
    spread = detector.score_std(X)
    assert spread.min() >= 0
    assert spread.max() > 1e-3
    assert np.all(small().fit(X).score_std(X) == 0)


@pytest.mark.parametrize("flow", FLOW_KINDS)
@pytest.mark.parametrize("score_kind", ["nll+radius", "log_density"])
def test_far_rows_score_lower(flow, score_kind):
    X = gaussian(400)
    detector = small(flow=flow, score_kind=score_kind, max_epochs=15, dtype="float32").fit(X)
    inside = detector.score_samples(gaussian(200, seed=1))
    shift = np.sqrt(np.diag(COVARIANCE)) * [4.0, -4.0]
    assert detector.score_samples(gaussian(200, seed=1) + shift).max() < np.median(inside)
    y = np.repeat([0, 1], 200)
    both = np.concatenate([gaussian(200, seed=1), gaussian(200, seed=1) + shift])
    assert roc_auc_score(y, detector.anomaly_score(both)) > 0.99


@pytest.mark.parametrize("noise", [None, "conditional"])
def test_mass_points_and_counts_keep_the_density_finite(noise):
    rng = np.random.default_rng(0)
    fill = np.where(rng.random(600) < 0.4, -999.0, rng.normal(50, 10, 600))
    X = np.column_stack([fill, rng.poisson(1.5, 600), np.full(600, 3.0), rng.normal(size=600)])
    detector = small(noise=noise, max_epochs=60, dequantize="auto").fit(X)
    width = detector.net_.module_.width.numpy()
    assert (width > 0).tolist() == [True, True, True, False]
    log_density = detector.log_prob(X)
    assert np.isfinite(log_density).all()
    # the sharpest column can give log(1/.05) = 3.0 nats, the others less
    assert log_density.max() < 8.0
    assert detector.integer_columns_.tolist() == [False, True, True, False]
    drawn = detector.sample(50, random_state=0)
    assert np.array_equal(drawn[:, 1], np.rint(drawn[:, 1]))
    assert not np.array_equal(drawn[:, 3], np.rint(drawn[:, 3]))


def test_without_dequantisation_a_constant_column_grows_sharp():
    X = np.column_stack([gaussian(300)[:, 0], np.full(300, 2.0)])
    settings = {"noise": None, "max_epochs": 80, "learning_rate": 1e-2}
    sharp = small(dequantize=False, **settings).fit(X).log_prob(X).mean()
    smooth = small(dequantize="auto", **settings).fit(X).log_prob(X).mean()
    assert np.isfinite(sharp)
    assert sharp > smooth + 0.5


def test_widths_of_the_noise():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=500), rng.integers(0, 9, 500) * 0.5, np.zeros(500)])
    widths = dequantization_widths(X, None, np.array([1.0, 2.0, 1.0]))
    np.testing.assert_allclose(widths, [0.0, 0.25, 1.0])
    every = dequantization_widths(X, None, np.ones(3), every=True)
    np.testing.assert_allclose(every, [0.05, 0.5, 1.0])
    weight = np.where(np.arange(500) < 5, 100.0, 1e-6)
    X[:5, 0] = 0.25
    assert dequantization_widths(X, weight, np.ones(3))[0] == 0.05


@pytest.mark.parametrize("conditional", [False, True])
def test_loss_by_hand_equals_autograd(conditional):
    module = FlowDensity(
        Flow(3, int(conditional), n_members=2, hidden_layer_sizes=(5,)),
        Standardizer(np.zeros(3), np.ones(3)),
    ).double()
    module.flow.reset(torch.Generator().manual_seed(0))
    module.width[0] = 0.5
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 3)))
    weight = torch.linspace(0.5, 1.5, 7, dtype=torch.float64)
    losses, gradients = [], []
    for by_hand in (True, False):
        context = Context(torch.Generator().manual_seed(1))
        objective = FlowLoss(conditional, by_hand)
        losses.append(float(objective.loss_and_gradient(module, x, weight, context)))
        gradients.append([p.grad.clone() for p in module.parameters()])
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_noise_in_training_has_the_stated_levels():
    module = FlowDensity(Flow(1, 1), Standardizer([0.0], [1.0])).double()
    x = torch.zeros(200_000, 1, dtype=torch.float64)
    z, code = FlowLoss(True)._inputs(module, x, Context(torch.Generator().manual_seed(0)))
    assert (level_code(0.03), level_code(0.6)) == pytest.approx((-1.0, 1.0))
    for low, level in [(-1.0, 0.03), (0.98, 0.6)]:
        close = ((code - low) >= 0) & ((code - low) < 0.02)
        assert float(z[close].std()) == pytest.approx(level, rel=0.08)


@pytest.mark.parametrize("flow", FLOW_KINDS)
def test_same_seed_same_bits_and_no_trace_in_torchs_stream(flow):
    X = gaussian(200)
    before = torch.get_rng_state()
    first = small(flow=flow, n_members=2).fit(X)
    drawn = first.sample(5, random_state=1)
    assert torch.equal(torch.get_rng_state(), before)
    again = clone(first).fit(X)
    assert np.array_equal(first.score_samples(X), again.score_samples(X))
    assert np.array_equal(drawn, again.sample(5, random_state=1))
    other = small(flow=flow, n_members=2, random_state=1).fit(X)
    assert not np.array_equal(first.score_samples(X), other.score_samples(X))


@pytest.mark.parametrize("flow", FLOW_KINDS)
@pytest.mark.parametrize("score_kind", ["nll+radius", "log_density"])
def test_save_load_and_pickle_are_bitwise(flow, score_kind, tmp_path):
    X = np.column_stack([gaussian(120), np.arange(120) % 3]).astype(np.float32)
    detector = small(flow=flow, score_kind=score_kind, n_members=2).fit(X)
    detector.save(tmp_path / "flow.skhep")
    for twin in (load(tmp_path / "flow.skhep"), pickle.loads(pickle.dumps(detector))):
        assert np.array_equal(twin.score_samples(X), detector.score_samples(X))
        assert np.array_equal(twin.predict(X), detector.predict(X))
        assert np.array_equal(twin.log_prob(X), detector.log_prob(X))
        assert np.array_equal(twin.sample(9, 1), detector.sample(9, 1))


def test_early_stopping_keeps_the_best_epoch():
    X = gaussian(60)
    detector = small(max_epochs=300, n_iter_no_change=5, hidden_layer_sizes=(32,)).fit(X)
    assert detector.n_iter_ < 300
    losses = [row["valid_loss"] for row in detector.history_]
    best = int(np.argmin(losses))
    assert best < detector.n_iter_ - 1
    shorter = small(
        max_epochs=300, n_iter_no_change=5, hidden_layer_sizes=(32,), early_stopping=False
    )
    assert "valid_loss" not in shorter.set_params(max_epochs=3).fit(X).history_[0]


@pytest.mark.parametrize("d, epochs", [(3, 400), (201, 50)])
def test_rule_for_the_number_of_epochs(d, epochs):
    detector = small(max_epochs=None)
    detector.n_features_in_ = d
    assert detector._n_epochs(1024) == epochs  # 4 steps an epoch: 1,600 and 200 steps


def test_partial_fit_goes_on_and_lowers_the_loss():
    X = gaussian(500)
    detector = small(lr_schedule="constant", batch_size=50, learning_rate=1e-2)
    for _ in range(15):
        detector.partial_fit(X)
    assert detector.n_iter_ == 15
    losses = [row["train_loss"] for row in detector.history_]
    assert losses[-1] < losses[0] - 0.1


def test_scores_do_not_depend_on_the_neighbours():
    X = gaussian(700)
    detector = small().fit(X)
    together = detector.score_samples(X)
    np.testing.assert_allclose(detector.score_samples(X[::-1])[::-1], together, rtol=1e-12)
    np.testing.assert_allclose(detector.score_samples(X[:1]), together[:1], rtol=1e-12)


def test_huge_and_constant_values_stay_finite():
    X = np.column_stack([gaussian(100), np.ones(100)])
    X[0, 0] = 3e38
    detector = small().fit(X)
    scores = detector.score_samples(X)
    assert np.isfinite(scores).all()
    assert scores.argmin() == 0
    assert np.isfinite(detector.log_prob(np.full((1, 3), 1e30))).all()


@pytest.mark.parametrize("n", [0, -1, 2.5, "3"])
def test_sample_refuses_what_is_no_number_of_rows(n):
    detector = small().fit(gaussian(30))
    with pytest.raises(ValueError, match="is no number of rows: an integer of at least 1"):
        detector.sample(n)
    assert len(detector.sample(np.int64(4))) == 4


STOCHASTIC = "weighted rows and copies of rows are shuffled, held out and given noise differently"


@pytest.mark.global_state("a check of scikit-learn's draws from numpy's stream")
@parametrize_with_checks(
    [small(), small(flow="realnvp", noise=None, score_kind="log_density")],
    expected_failed_checks=lambda _: {"check_sample_weight_equivalence_on_dense_data": STOCHASTIC},
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
