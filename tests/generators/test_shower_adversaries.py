"""CaloGANGenerator under every loss: fit, sample, score, save, regressor, published preset."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

import skhep_anomaly
from skhep_anomaly import CaloGANGenerator
from skhep_anomaly._validation import InvalidParameterError
from skhep_anomaly.nn.cell_net import CellNet
from skhep_anomaly.nn.shower_deconv import DeconvTrunk

LOSSES = ["wgan_gp", "cramer", "lsgan", "energy_score+critic", "energy_score"]
SHAPE = (8, 8)


def conditions(n, seed=0):
    rng = np.random.default_rng(seed)
    pz = np.exp(rng.uniform(0, 3, n))
    slopes, places = rng.normal(0, 0.2, (2, n)), rng.uniform(-0.5, 0.5, (2, n))
    return np.column_stack([*(pz * slopes), pz, *places])


def showers(X, seed=1):
    """Gaussian blobs of width 1.5 cells around the centre, 17 % of the energy ± 8 %/√E."""
    rng = np.random.default_rng(seed)
    at = (np.arange(8) - 3.5) * 2.02
    energy = np.linalg.norm(X[:, :3], axis=1)
    total = 170 * energy * (1 + 0.08 * rng.standard_normal(len(X)) / np.sqrt(energy))
    axis = X[:, 3:] + 12 * X[:, :2] / X[:, 2:3]
    blob = [np.exp(-((at - axis[:, [k]]) ** 2) / 18) for k in (0, 1)]
    image = blob[0][:, :, None] * blob[1][:, None, :]
    image *= rng.gamma(4.0, 0.25, image.shape)
    return (image / image.sum(axis=(1, 2), keepdims=True) * total[:, None, None]).astype(np.float32)


X = conditions(300)
Y = showers(X)


def made(loss, **options):
    small = {"shape": SHAPE, "hidden_layer_sizes": (24,), "latent_dim": 6, "max_epochs": 2}
    return CaloGANGenerator(loss, **{**small, "random_state": 0, "batch_size": 64, **options})


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_makes_showers_and_is_repeatable(loss):
    first = made(loss).fit(X, Y)
    showers = first.sample(X[:20], random_state=1)
    assert showers.shape == (20, *SHAPE)
    assert np.isfinite(showers).all()
    assert showers.min() >= 0
    np.testing.assert_array_equal(made(loss).fit(X, Y).sample(X[:20], random_state=1), showers)
    assert np.isfinite(first.score(X, Y))
    has_critic = loss != "energy_score"
    assert hasattr(first.net_.module_, "critic") == has_critic
    assert ("loss_critic" in first.history_[-1]) == has_critic


@pytest.mark.parametrize("loss", ["wgan_gp", "energy_score+critic"])
@pytest.mark.parametrize("architecture", ["mlp", "deconv"])
def test_saved_and_loaded(loss, architecture, tmp_path):
    options = {"architecture": architecture, "regressor_weight": 0.1, "max_epochs": 1}
    generator = made(loss, **options).fit(X[:128], Y[:128])
    generator.save(tmp_path / "g.skhep")
    again = skhep_anomaly.load(tmp_path / "g.skhep")
    for name in ("sample", "predict_conditions"):
        argument = X[:5] if name == "sample" else Y[:5]
        seed = {"random_state": 3} if name == "sample" else {}
        values = (getattr(g, name)(argument, **seed) for g in (generator, again))
        np.testing.assert_array_equal(*values)


def test_parameters_reach_the_game():
    players = {p.name: p for p in made("wgan_gp", n_critic=5, gradient_penalty=2.0)._players()}
    assert players["generator"].every == 5
    assert players["critic"].loss.game.penalty == 2.0
    players = made("energy_score+critic", n_critic=2, critic_weight=0.3)._players()
    assert {p.name: p for p in players}["critic"].steps == 2
    assert players[-1].loss.critic_weight == 0.3
    assert made("energy_score", regressor_weight=0.4)._players()[-1].loss.regressor_weight == 0.4


def test_the_regressors_role():
    auxiliary = made("wgan_gp", regressor_weight=0.5)
    in_critic = made("wgan_gp", regressor_weight=0.5, regressor_role="critic")
    assert auxiliary._players()[-1].loss.regressor_weight == 0.5
    assert in_critic._players()[-1].loss.regressor_weight == 0.0
    weights = [g._make_adversaries(SHAPE)["critic"].error_weight for g in (auxiliary, in_critic)]
    assert weights == [0.0, 0.5]
    with pytest.raises(InvalidParameterError, match="regressor_role='critic' needs a loss with a"):
        made("energy_score", regressor_weight=0.5, regressor_role="critic").fit(X, Y)


def test_predict_conditions():
    """Energies over a factor of twenty, from 300 showers: half the error of guessing the mean."""
    generator = made("wgan_gp", regressor_weight=0.1, max_epochs=25, n_critic=25).fit(X, Y)
    fresh = conditions(200, seed=5)
    guess = generator.predict_conditions(showers(fresh, seed=6))
    ratio = np.linalg.norm(guess[:, :3], axis=1) / np.linalg.norm(fresh[:, :3], axis=1)
    assert np.median(ratio) == pytest.approx(1.0, abs=0.1)
    log_p = np.log(np.linalg.norm(fresh[:, :3], axis=1))
    of_the_mean = np.median(np.abs(log_p - log_p.mean()))
    assert np.median(np.abs(np.log(ratio))) < 0.5 * of_the_mean


def test_no_regressor_no_guesses():
    generator = made("wgan_gp")
    assert not hasattr(generator, "predict_conditions")
    with pytest.raises(AttributeError) as caught:
        generator.predict_conditions(Y)
    assert "needs a regressor; set regressor_weight above 0" in str(caught.value.__cause__)


def test_the_critic_draws_last():
    """Critic and regressor leave the first weights of the generator as they are."""
    alone, opposed = made("energy_score"), made("wgan_gp", regressor_weight=0.1)
    for generator in (alone, opposed):
        generator.set_params(learning_rate=1e-12, max_epochs=1, ema=None)
        generator.fit(X, Y)
    ours, theirs = (g.net_.module_.generator.trunk.state_dict() for g in (alone, opposed))
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], atol=1e-6)


def test_a_further_fit_takes_the_new_rate():
    generator = made("wgan_gp", warm_start=True, learning_rate=1e-3).fit(X, Y)
    before = generator.net_.module_.generator.trunk.net.flat.detach().clone()
    generator.set_params(learning_rate=1e-12, ema=None, max_epochs=1).fit(X, Y)
    after = generator.net_.module_.generator.trunk.net.flat.detach()
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_published_preset():
    """Latent 512, deconvolutions, Wasserstein, regressor in the critic; as much as told."""
    preset = CaloGANGenerator.paper_preset(random_state=3)
    wanted = {
        "loss": "wgan_gp",
        "latent_dim": 512,
        "architecture": "deconv",
        "frame": None,
        "cell_noise": None,
        "regressor_role": "critic",
        "random_state": 3,
    }
    assert {name: preset.get_params()[name] for name in wanted} == wanted
    assert preset.regressor_weight > 0
    assert clone(preset).get_params() == preset.get_params()
    net = preset._make_generator()
    assert isinstance(net.trunk, DeconvTrunk)
    assert net.trunk.start_shape == (4, 4)
    others = preset._make_adversaries(net.frame.map_shape)
    kinds = [
        part.kind
        for other in others.values()
        for part in other.modules()
        if isinstance(part, CellNet)
    ]
    assert kinds == ["conv", "conv"]


def test_published_preset_trains():
    preset = CaloGANGenerator.paper_preset(
        shape=SHAPE, latent_dim=8, max_epochs=1, batch_size=64, random_state=0
    )
    showers = preset.fit(X[:128], Y[:128]).sample(X[:4], random_state=0)
    assert showers.shape == (4, *SHAPE)
    one = preset.sample(X[2:3], random_state=0)
    assert np.isfinite(one).all()
    assert preset.predict_conditions(showers).shape == (4, 5)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "gan"},
        {"architecture": "dense"},
        {"n_critic": 0},
        {"gradient_penalty": -1.0},
        {"critic_weight": -0.1},
        {"regressor_weight": -0.1},
        {"regressor_role": "judge"},
    ],
)
def test_parameters_out_of_range(options):
    (name,) = options
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of CaloGANGenerator"):
        made(**{"loss": "wgan_gp", **options}).fit(X, Y)
