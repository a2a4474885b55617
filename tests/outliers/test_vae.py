"""The VAE detector finds the likelihood of a linear model, and every option does something."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import skhep_anomaly
from skhep_anomaly import VAEOutlierDetector
from skhep_anomaly.nn import FlowPrior
from skhep_anomaly.outliers._elbo import SIGMA_FLOOR, ElboLoss
from skhep_anomaly.outliers._latent_priors import LatentNll
from skhep_anomaly.training import Context, Objective

SCORES = ["elbo+mahalanobis", "elbo", "iwae", "reconstruction", "kl", "radius", "mse"]
DECODERS = [
    {},
    {"sigma": "learned"},
    {"decoder": "gaussian_shared"},
    {"decoder": "gaussian_shared", "sigma": "learned"},
    {"decoder": "fixed", "sigma": 0.5},
    {"loss": "mse_kl"},
    {"loss": "mse+kl"},
    {"decoder": "bernoulli", "sigma": None, "standardize": False},
]


def rows(n=80, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def quick(**params):
    options = {"hidden_layer_sizes": (7,), "latent_dim": 2, "max_epochs": 2, "random_state": 0}
    return VAEOutlierDetector(**(options | params))


def linear_gaussian(n=4000, d=6, k=2, sigma=0.5):
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(d, k))
    return rng.normal(size=(n, k)) @ loadings.T + sigma * rng.normal(size=(n, d))


def ppca_log_likelihood(X, k):
    """Mean log p of the rows under the best probabilistic PCA (Tipping & Bishop 1999, eq. 7, 8)."""
    S = np.cov(X.T, bias=True)
    values, vectors = np.linalg.eigh(S)
    noise = values[:-k].mean()
    W = vectors[:, -k:] * np.sqrt(values[-k:] - noise)
    C = W @ W.T + noise * np.eye(len(S))
    log_det = np.linalg.slogdet(2 * np.pi * C)[1]
    return -0.5 * (log_det + np.trace(np.linalg.solve(C, S)))


EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "latent noise: equal in distribution only",
}


@pytest.fixture
def short_flow(monkeypatch):
    """Train the flow prior only a little."""
    monkeypatch.setattr("skhep_anomaly.outliers._latent_priors._FLOW_STEPS", 20)


@pytest.mark.global_state("scikit-learn's checks draw from numpy's global stream")
@parametrize_with_checks(
    [VAEOutlierDetector(max_epochs=3)], expected_failed_checks=lambda estimator: EXPECTED
)
def test_scikit_learn(estimator, check):
    check(estimator)


# ------------------------------------------------------------------ oracles


@pytest.fixture(scope="module")
def linear_fit():
    X = linear_gaussian()
    detector = VAEOutlierDetector(
        hidden_layer_sizes=(),
        latent_dim=2,
        decoder="gaussian_shared",
        sigma="learned",
        kl_warmup=0,
        learning_rate=2e-2,
        standardize=False,
        dtype="float32",
        random_state=0,
    )
    return detector.fit(X), X


def test_linear_gaussian_bounds(linear_fit):
    detector, X = linear_fit
    exact = ppca_log_likelihood(X, 2)
    elbo, iwae = detector.elbo(X).mean(), detector.log_likelihood(X, n_draws=100).mean()
    assert elbo <= iwae <= exact + 1e-6
    assert exact - elbo < 0.05
    np.testing.assert_allclose(detector.log_likelihood(X, "elbo"), detector.elbo(X))
    np.testing.assert_allclose(
        -detector.set_params(score_kind="elbo").anomaly_score(X).mean(), elbo
    )
    sigma = np.exp(0.5 * detector.net_.module_.log_var.item())
    np.testing.assert_allclose(sigma, 0.5, atol=0.02)


def test_samples_of_a_linear_fit_have_the_datas_moments(linear_fit):
    detector, X = linear_fit
    drawn = detector.sample(50_000, random_state=1)
    np.testing.assert_allclose(drawn.mean(axis=0), X.mean(axis=0), atol=0.08)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(X.T), atol=0.15)
    np.testing.assert_array_equal(drawn[:5], detector.sample(50_000, random_state=1)[:5])
    assert detector.active_units_ == 2
    assert detector.kl_per_dim_.shape == (2,)


def test_units_of_the_density():
    X = linear_gaussian(300) * 10
    standard = quick(score_kind="elbo").fit(X)
    data = quick(score_kind="elbo", log_prob_units="data").fit(X)
    shift = np.log(X.std(axis=0)).sum()
    np.testing.assert_allclose(standard.elbo(X) - data.elbo(X), shift)
    np.testing.assert_allclose(standard.score_samples(X) - data.score_samples(X), shift)
    np.testing.assert_allclose(standard.log_likelihood(X) - data.log_likelihood(X), shift)


@pytest.mark.parametrize("prior", ["normal", "gmm", "flow"])
def test_draws_follow_the_data_with_every_prior(prior, monkeypatch):
    monkeypatch.setattr("skhep_anomaly.outliers._latent_priors._FLOW_STEPS", 200)
    rng = np.random.default_rng(0)
    X = np.repeat([[-2.0, 1.0], [2.0, -1.0]], 400, axis=0) + 0.3 * rng.normal(size=(800, 2))
    detector = VAEOutlierDetector(
        (16,), 2, prior=prior, score_kind="elbo", max_epochs=40, learning_rate=1e-2, random_state=0
    ).fit(X)
    drawn = detector.sample(4000, random_state=0)
    np.testing.assert_allclose(drawn.mean(axis=0), X.mean(axis=0), atol=0.35)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(X.T), atol=0.8)
    gap = detector.elbo(X).mean() - detector.elbo(-X[:, ::-1] * [1, 1.5]).mean()
    assert gap > 0.3 if prior == "normal" else gap > 0.0


def test_fitted_priors_raise_the_elbo_of_clustered_latents(monkeypatch):
    monkeypatch.setattr("skhep_anomaly.outliers._latent_priors._FLOW_STEPS", 200)
    rng = np.random.default_rng(0)
    X = rng.choice([-1.0, 0.0, 1.0], size=(1500, 1)) + 0.05 * rng.normal(size=(1500, 1))
    options = {"sigma": 0.1, "decoder": "fixed", "max_epochs": 40, "random_state": 0}
    elbo = {
        prior: VAEOutlierDetector((16,), 1, prior=prior, **options).fit(X).elbo(X).mean()
        for prior in ("normal", "gmm", "flow")
    }
    assert elbo["gmm"] > elbo["normal"] + 0.02
    assert elbo["flow"] > elbo["normal"] + 0.02


# --------------------------------------------------------------------- loss


@pytest.mark.parametrize("n_draws", [1, 3])
@pytest.mark.parametrize("n_members", [1, 2])
@pytest.mark.parametrize("options", DECODERS, ids=str)
def test_gradient_by_hand_equals_autograd(options, n_members, n_draws):
    X = rows()
    X = 1 / (1 + np.exp(-X)) if options.get("decoder") == "bernoulli" else X
    weight = np.random.default_rng(1).integers(1, 4, len(X)).astype(float)
    detector = quick(n_members=n_members, n_draws_train=n_draws, **options)
    module = detector.fit(X, sample_weight=weight).net_.module_
    x, w = torch.from_numpy(X), torch.from_numpy(weight / weight.mean())
    losses, gradients = [], []
    for by_hand in (True, False):
        loss = ElboLoss(detector.loss, 0.7, 0.5, n_draws, detector.sigma == "optimal", by_hand)
        context = Context(torch.Generator().manual_seed(3), 0.25)
        losses.append(loss.loss_and_gradient(module, x, w, context))
        gradients.append([p.grad.clone() for p in module.parameters()])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


def step(loss, module, progress=1.0, weight=None, x=None):
    x = torch.from_numpy(rows()) if x is None else x
    value = loss.loss_and_gradient(
        module, x, weight, Context(torch.Generator().manual_seed(0), progress)
    )
    return float(value), module.encoder.flat.grad.clone()


@pytest.mark.parametrize("kind", ["elbo", "mse_kl", "mse+kl"])
def test_beta_changes_the_loss_and_its_gradient(kind):
    module = quick(decoder="fixed", sigma=0.5).fit(rows()).net_.module_
    low, g_low = step(ElboLoss(kind, 0.2, 0.0, 1, False), module)
    high, g_high = step(ElboLoss(kind, 0.8, 0.0, 1, False), module)
    kl = step(ElboLoss("elbo", 1.0, 0.0, 1, False), module)[0]
    kl -= step(ElboLoss("elbo", 0.0, 0.0, 1, False), module)[0]
    mse = step(ElboLoss("mse+kl", 0.0, 0.0, 1, False), module)[0]
    want = 0.6 * kl - (0.6 * mse if kind == "mse_kl" else 0.0)
    np.testing.assert_allclose(high - low, want, rtol=1e-9)
    assert not torch.allclose(g_low, g_high)


def test_beta_none_is_the_losses_own():
    for kind, beta in [("elbo", 1.0), ("mse_kl", 0.01), ("mse+kl", 1.0)]:
        assert quick(loss=kind).fit(rows()).net_.criterion_.beta == beta


def test_kl_warmup_raises_beta_with_the_steps():
    loss = ElboLoss("elbo", 2.0, 0.4, 1, False)
    np.testing.assert_allclose(
        [loss.factors(p)[1] for p in (0.0, 0.1, 0.4, 1.0)], [0.0, 0.5, 2.0, 2.0]
    )


@pytest.mark.parametrize("n_members", [1, 2])
def test_flow_priors_gradient_equals_autograd(n_members):
    prior = FlowPrior(2, n_members).double()
    prior.flow.reset(torch.Generator().manual_seed(0))
    prior.center += 0.3
    prior.scale *= 1.7
    x = torch.from_numpy(rows(9, 4 * n_members) ** 2)
    losses, gradients = [], []
    for kind in (LatentNll, Objective):
        context = Context(torch.Generator().manual_seed(1))
        loss = LatentNll()
        losses.append(kind.loss_and_gradient(loss, prior, x, None, context))
        gradients.append([p.grad.clone() for p in prior.parameters() if p.grad is not None])
    constant = n_members * 2 * np.log(1.7)
    np.testing.assert_allclose(losses[1] - losses[0], constant, rtol=1e-9)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)


def test_larger_beta_silences_the_latents():
    X = linear_gaussian(500)
    kl = [quick(beta=b, max_epochs=60).fit(X).kl_per_dim_.sum() for b in (0.1, 50.0)]
    assert kl[0] > 1.0
    assert kl[1] < 0.05


def test_weights_count_as_copies_in_the_loss_with_equal_noise():
    module = quick(decoder="fixed", sigma=0.5).fit(rows()).net_.module_
    x = torch.from_numpy(rows(6))
    loss = ElboLoss("elbo", 1.0, 0.0, 1, False)
    silent = torch.zeros(1, 6, 2, dtype=torch.float64)
    loss._noise = lambda mu, context: (
        silent.expand(1, len(mu), 2) if len(mu) == 6 else silent[:, :1]
    )
    copies = torch.tensor([0, 0, 1, 2, 2, 2])
    weight = torch.tensor([2.0, 1.0, 3.0], dtype=torch.float64)
    many, g_many = step(loss, module, x=x[copies])
    weighted, g_weighted = step(loss, module, weight=weight / 2, x=x[:3])
    np.testing.assert_allclose(weighted, many, rtol=1e-12)
    torch.testing.assert_close(g_weighted, g_many, rtol=1e-10, atol=1e-12)


def test_weights_count_as_copies_in_what_is_learnt_after_training():
    X, weight = rows(40), np.random.default_rng(0).integers(1, 4, 40)
    detector = quick().fit(X)
    module = detector.net_.module_
    learnt = []
    for data, w in [(X, weight / weight.mean()), (np.repeat(X, weight, axis=0), None)]:
        detector._finish(data, w)
        learnt.append((module.log_var.clone(), module.metric.whitener.clone()))
        learnt[-1] += (torch.from_numpy(detector.kl_per_dim_),)
    for a, b in zip(*learnt, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_optimal_sigma_is_the_mean_squared_error():
    X = rows(300)
    module = quick().fit(X).net_.module_
    z = module.standardizer(torch.from_numpy(X))
    with torch.no_grad():
        out = module.decode(module.draw(*module.encode(z), module.score_noise))
        want = (out - z.repeat(16, 1)).square().mean(dim=0)
    torch.testing.assert_close(module.log_var[0].exp(), want, rtol=1e-9, atol=1e-12)
    X[:, 0] = 3.0
    longer = quick(max_epochs=100, learning_rate=0.03).fit(X).net_.module_
    np.testing.assert_allclose(np.exp(0.5 * longer.log_var[0, 0].item()), SIGMA_FLOOR)


# ------------------------------------------------------------------- scores


@pytest.mark.parametrize("kind", SCORES)
def test_every_score_puts_far_points_out(kind):
    X = linear_gaussian(600)
    far = 3 * X[:60] if kind in ("kl", "radius") else X[:60] + 3 * rows(60, 6, seed=1)
    detector = VAEOutlierDetector(
        (16,), 2, score_kind=kind, max_epochs=60, random_state=0, n_members=2
    ).fit(X)
    score = detector.anomaly_score(np.vstack([X[60:], far]))
    assert roc_auc_score(np.repeat([0, 1], [540, 60]), score) > (
        0.8 if kind in ("kl", "radius") else 0.9
    )
    np.testing.assert_array_equal(score, detector.anomaly_score(np.vstack([X[60:], far])))


def test_default_score_is_the_sum_of_its_parts():
    X = rows()
    detector = quick().fit(X)
    module = detector.net_.module_
    z = module.standardizer(torch.from_numpy(X))
    with torch.no_grad():
        size = module.metric((module(z) - z)[None])[0].numpy()
    np.testing.assert_allclose(detector.anomaly_score(X), 0.5 * size - detector.elbo(X))
    parts = [quick(score_kind=k).fit(X).anomaly_score(X) for k in ("reconstruction", "kl", "elbo")]
    np.testing.assert_allclose(parts[0] + parts[1], parts[2])


def test_members_are_averaged_and_spread():
    X = rows()
    detector = quick(n_members=3, score_kind="elbo").fit(X)
    np.testing.assert_allclose(detector.score_samples(X), detector.elbo(X))
    assert detector.score_std(X).min() > 0
    np.testing.assert_array_equal(quick().fit(X).score_std(X), 0)
    assert detector.sample(7, random_state=0).shape == (7, 5)


def test_rows_do_not_see_each_other():
    X = rows(500)
    detector = quick(prior="gmm").fit(X)
    whole = detector.score_samples(X)
    np.testing.assert_allclose(detector.score_samples(X[::-1])[::-1], whole, rtol=1e-10)
    np.testing.assert_allclose(detector.score_samples(X[7:8]), whole[7:8], rtol=1e-10)


@pytest.mark.parametrize("sigma", ["optimal", "learned"])
def test_mass_points_and_copies_of_columns_stay_finite(sigma):
    X = rows(200)
    X[:, 1] = X[:, 0]
    X[:, 2] = np.where(X[:, 2] > 0, 1.0, 0.0)
    X[:, 3] = 7.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector = quick(sigma=sigma, max_epochs=100, learning_rate=0.03, prior="gmm").fit(X)
    assert np.isfinite(detector.score_samples(X)).all()
    assert detector.net_.module_.log_var.min() >= -6.0


# -------------------------------------------------------------- latent space


def test_latents_and_back():
    X = linear_gaussian(300)
    detector = quick(n_members=2, max_epochs=5).fit(X)
    mu, sigma = detector.encode(X)
    assert mu.shape == sigma.shape == (300, 2)
    assert sigma.min() > 0
    np.testing.assert_array_equal(detector.transform(X), mu)
    single = quick(max_epochs=5).fit(X)
    np.testing.assert_allclose(
        single.reconstruct(X), single.inverse_transform(single.transform(X)), rtol=1e-10
    )
    assert list(detector.get_feature_names_out()) == ["vaeoutlierdetector0", "vaeoutlierdetector1"]
    framed = detector.set_output(transform="pandas").transform(X)
    np.testing.assert_array_equal(framed.to_numpy(), mu)


def test_reconstruction_is_in_the_units_of_the_rows():
    X = 100 + 5 * linear_gaussian(2000)
    detector = VAEOutlierDetector((), 2, learning_rate=0.02, random_state=0).fit(X)
    error = np.square(detector.reconstruct(X) - X).sum() / np.square(X - X.mean(axis=0)).sum()
    values = np.linalg.eigvalsh(np.cov(X.T))
    assert error < 1.3 * values[:-2].sum() / values.sum()


# ------------------------------------------------------ promises of the base


def test_same_seed_same_fit(short_flow):
    X = rows()
    for options in ({}, {"prior": "flow"}, {"prior": "gmm"}):
        first, again = (quick(**options).fit(X).score_samples(X) for _ in range(2))
        np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, quick(random_state=1).fit(X).score_samples(X))


@pytest.mark.parametrize(
    "options", [{}, {"sigma": "learned"}, {"prior": "gmm"}, {"prior": "flow"}, {"n_members": 2}]
)
def test_files_and_pickles_keep_every_bit(options, tmp_path, short_flow):
    X = rows()
    detector = quick(**options).fit(X)
    want = detector.score_samples(X)
    detector.save(tmp_path / "vae.skhep")
    for other in (
        skhep_anomaly.load(tmp_path / "vae.skhep"),
        pickle.loads(pickle.dumps(detector)),
    ):
        np.testing.assert_array_equal(other.score_samples(X), want)
        np.testing.assert_array_equal(other.sample(3, 0), detector.sample(3, 0))
        np.testing.assert_array_equal(other.elbo(X, n_draws=5), detector.elbo(X, n_draws=5))


@pytest.mark.parametrize("options", [{}, {"prior": "flow"}, {"dropout": 0.3}])
def test_further_training(options, short_flow):
    X = rows()
    detector = quick(warm_start=True, **options).fit(X)
    assert detector.fit(X).n_iter_ == 4
    assert detector.partial_fit(X).n_iter_ == 5
    early = quick(early_stopping=True, max_epochs=500, n_iter_no_change=2, **options).fit(X)
    assert early.n_iter_ < 500
    assert np.isfinite([row["valid_loss"] for row in early.history_]).all()


def test_thesis_settings():
    detector = VAEOutlierDetector.thesis(max_epochs=2, random_state=0).fit(rows())
    assert detector.encode(rows())[0].shape == (80, 2)
    assert (detector.learning_rate, detector.batch_size, detector.sigma) == (1e-4, 512, "learned")
    flagged = (detector.predict(rows()) == -1).mean()
    np.testing.assert_allclose(flagged, 0.6, atol=1 / 80)


# ----------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": 0.5}, "goes with sigma = learned or optimal"),
        ({"decoder": "fixed"}, "goes with sigma = a float"),
        ({"decoder": "gaussian_shared", "sigma": None}, "got sigma=None"),
        ({"decoder": "bernoulli"}, "goes with sigma = None"),
        ({"decoder": "bernoulli", "sigma": None}, "needs standardize=False"),
        (
            {"decoder": "bernoulli", "sigma": None, "standardize": False},
            "needs X in .0, 1.; got values from",
        ),
        ({"loss": "mse_kl", "beta": 1.0}, "needs 0 < beta < 1; got beta=1.0"),
        ({"loss": "mse+kl", "sigma": "learned"}, "has no likelihood to learn sigma by"),
        ({"log_var_bounds": (2, -2)}, "is no pair of rising numbers"),
        ({"log_var_bounds": (1,)}, "is no pair of rising numbers"),
        ({"kl_warmup": 2.0}, "The 'kl_warmup' parameter of VAEOutlierDetector"),
    ],
)
def test_settings_that_do_not_go_together(options, message):
    with pytest.raises(ValueError, match=message):
        quick(**options).fit(rows())


def test_calls_out_of_range():
    X = rows()
    detector = quick().fit(X)
    with pytest.raises(ValueError, match="n_draws=0 is out of range"):
        detector.elbo(X, n_draws=0)
    with pytest.raises(ValueError, match="method='mcmc' is unknown; use 'iwae' or 'elbo'"):
        detector.log_likelihood(X, method="mcmc")
    with pytest.raises(ValueError, match="n=0 is no number of rows"):
        detector.sample(0)
    with pytest.raises(ValueError, match="Z has 3 columns, but VAEOutlierDetector has 2 latents"):
        detector.inverse_transform(np.zeros((2, 3)))
    np.testing.assert_allclose(detector.inverse_transform(np.zeros((2, 2))).shape, (2, 5))
