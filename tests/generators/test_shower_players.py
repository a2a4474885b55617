"""Games on showers: losses with closed forms, a toy that each of them learns, schedules, seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from skhep_anomaly.generators._games import Cramer, Hinge, LeastSquares, Wasserstein
from skhep_anomaly.generators._parts import ShowerParts
from skhep_anomaly.generators._players import (
    SIDES,
    CriticLoss,
    GeneratorLoss,
    make_critic,
    make_players,
    regressor_loss,
)
from skhep_anomaly.nn.cramer import cramer_critic, cramer_rows
from skhep_anomaly.nn.energy_score import energy_score
from skhep_anomaly.nn.shower_deconv import DeconvTrunk
from skhep_anomaly.nn.shower_frame import PlainFrame, ShowerFrame
from skhep_anomaly.nn.shower_net import MLPTrunk, ResponseHead, ShowerNet
from skhep_anomaly.nn.shower_regressor import ShowerRegressor
from skhep_anomaly.nn.shower_turn import Turn
from skhep_anomaly.training import AdversarialNet, Context, Objective, Rows

SHAPE = (4, 4)
LOSSES = sorted(SIDES)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def context(seed=0):
    return Context(seeded(seed))


# ---------------------------------------------------------------- a toy with a known answer


def toy_conditions(n, seed=0):
    """Normal incidence of p in 1–10 GeV, x in the inner cells."""
    rng = np.random.default_rng(seed)
    pz = np.exp(rng.uniform(0, np.log(10), n))
    zero = np.zeros(n)
    return np.stack([zero, zero, pz, rng.uniform(-2, 2, n), zero], axis=1).astype(np.float32)


def toy_cells(conditions, seed=1):
    """Sum 100·p·(1 ± 10 %) MeV, of which the half x > 0 holds the share σ(x)."""
    rng = np.random.default_rng(seed)
    total = 100 * conditions[:, 2] * (1 + 0.1 * rng.standard_normal(len(conditions)))
    upper = 1 / (1 + np.exp(-conditions[:, 3]))
    rows = np.where(np.arange(4) >= 2, upper[:, None], 1 - upper[:, None]) / 2  # by ix
    return (total[:, None, None] * rows[:, :, None] / 4 * np.ones((1, 1, 4))).reshape(-1, 16)


def toy_rows(n, seed=0):
    conditions = toy_conditions(n, seed)
    return np.hstack([conditions, toy_cells(conditions, seed + 1)]).astype(np.float32)


def draw(module, conditions, generator):
    net = module.generator
    return net(conditions, *net.draw_noise(len(conditions), generator))


class CellScore(Objective):
    """Energy score of log-scaled cells."""

    def per_row(self, module, x, context):
        c, y = x[:, :5], x[:, 5:].log1p()
        draws = [draw(module, c, context.generator).log1p() for _ in "ab"]
        return energy_score(*draws, y)


def make_generator(seed=0, deconv=False, frame=None):
    frame = frame or PlainFrame(SHAPE)
    frame.learn(toy_conditions(500), None)
    n_map = frame.map_shape[0] * frame.map_shape[1]
    trunk = DeconvTrunk(5, 4, frame.map_shape, 16) if deconv else MLPTrunk(4, (24,), n_map)
    net = ShowerNet(frame, trunk, 4, noise=None, response=ResponseHead(4))
    net.fraction.fill_(0.085)  # to be corrected by the response
    for part in (trunk, net.response):
        part.reset(seeded(seed))
    return net


def make_game(loss, seed=0, error_weight=0.0, regressor=False, kind="mlp", **options):
    generator = make_generator(seed, **options)
    widths = (32, 32) if kind == "mlp" else None
    shape = generator.frame.map_shape
    critic = make_critic(loss, kind, shape, widths=widths, error_weight=error_weight)
    others = {} if critic is None else {"critic": critic}
    if regressor or error_weight:
        others["regressor"] = ShowerRegressor("mlp", SHAPE, widths=(24,))
        others["regressor"].learn(toy_conditions(500), None)
    for part in others.values():
        part.reset(seeded(seed + 1))
    return ShowerParts(generator, None, **others)


def make_net(loss, game=None, seed=3, max_epochs=1, lr=1.5e-3, **options):
    game = make_game(loss) if game is None else game
    score = CellScore() if SIDES[loss].has_objective else None
    players = make_players(
        loss, **{"objective": score, "learning_rate": lr, "n_critic": 2, **options}
    )
    return AdversarialNet(
        game,
        CellScore(),
        players=players,
        seeds=np.random.SeedSequence(seed),
        lr=lr,
        batch_size=64,
        max_epochs=max_epochs,
    ).initialize()


def generated(game, conditions, seed=5):
    game.eval()
    with torch.no_grad():
        return draw(game, torch.from_numpy(conditions), seeded(seed)).numpy()


# ------------------------------------------------------------------------- losses by hand


def mean_distance(mean, variance):
    """E|N(m, s²)|."""
    s = math.sqrt(variance)
    return s * math.sqrt(2 / math.pi) * math.exp(-(mean**2) / (2 * variance)) + mean * math.erf(
        mean / (s * math.sqrt(2))
    )


@pytest.mark.parametrize("m, s", [(0.0, 1.0), (1.5, 1.0), (-0.5, 2.0)])
def test_cramer_loss_is_the_energy_distance_of_two_normals(m, s):
    """In identity features: 2E|X − Y| − E|X − X′| − E|Y − Y′| in closed form."""
    x, g, h = torch.randn(3, 400_000, 1, generator=seeded(), dtype=torch.float64)
    loss = cramer_rows(x, m + s * g, m + s * h).mean().item() - mean_distance(0, 2)
    exact = 2 * mean_distance(m, 1 + s * s) - mean_distance(0, 2) - mean_distance(0, 2 * s * s)
    assert loss == pytest.approx(exact, abs=0.01)
    assert exact == pytest.approx(0.0, abs=1e-12) if (m, s) == (0.0, 1.0) else exact > 0.1


def test_cramer_critic_by_hand():
    h, other = torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.tensor([[0.0, 0.0], [0.0, -1.0]])
    np.testing.assert_allclose(cramer_critic(h, other), [0.0, 1.0], atol=1e-5)


class FixedTurn:
    """A turn whose critic is given: D = w·x."""

    def __init__(self, weight):
        self.weight = weight

    def judge(self, maps):
        return maps @ self.weight


@pytest.mark.parametrize("norm, drift", [(1.0, 0.0), (3.0, 0.0), (0.5, 0.2)])
def test_wasserstein_of_a_linear_critic(norm, drift):
    """w·(g − x) + λ(‖w‖ − 1)² + δ(w·x)²."""
    w = torch.tensor([[3.0], [4.0]]) / 5 * norm
    x, g = torch.randn(2, 6, 2, generator=seeded())
    game, turn = Wasserstein(10.0, drift), FixedTurn(w)
    rows = game.critic(turn, x, [g], seeded())
    on_x, on_g = (x @ w)[:, 0], (g @ w)[:, 0]
    by_hand = on_g - on_x + 10 * (norm - 1) ** 2 + drift * on_x**2
    torch.testing.assert_close(rows, by_hand, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(game.generator(turn, x, [g]), -on_g)


def test_cramer_game_in_identity_features():
    """f has slope |±1 ∓ 1| or |±1 ± 1| in one dimension: between h(g′) and 0 it is 2, else 0."""
    x, g, other = (
        torch.tensor([[3.0], [1.0]]),
        torch.tensor([[2.5], [1.5]]),
        torch.full((2, 1), 2.0),
    )
    turn = FixedTurn(torch.ones(1, 1))
    rows = Cramer(10.0).critic(turn, x, [g, other], seeded())
    # f(g) − f(x) = (.5 − 2.5) − (1 − 3) and (.5 − 1.5) − (1 − 1); slopes 0 and 2
    np.testing.assert_allclose(rows.detach(), [10.0, 9.0], atol=1e-3)
    np.testing.assert_allclose(
        Cramer().generator(turn, x, [g, other]), [0.5 + 1.0 - 0.5, 0.5 + 1.0 - 0.5], atol=1e-5
    )


def test_hinge_and_least_squares_by_hand():
    turn, x, g = (
        FixedTurn(torch.ones(1, 1)),
        torch.tensor([[0.25], [2.0]]),
        torch.tensor([[0.5], [-3]]),
    )
    np.testing.assert_allclose(Hinge().critic(turn, x, [g], seeded()), [0.75 + 1.5, 0.0])
    np.testing.assert_allclose(Hinge().generator(turn, x, [g]), [-0.5, 3.0])
    squares = LeastSquares().critic(turn, x, [g], seeded())
    np.testing.assert_allclose(squares, [(0.75**2 + 0.25) / 2, (1 + 9) / 2])
    np.testing.assert_allclose(LeastSquares().generator(turn, x, [g]), [0.125, 8.0])


# ------------------------------------------------------------------------ what is looked at


def test_maps_are_log_cells_in_their_places():
    game = make_game("wgan_gp", frame=ShowerFrame(SHAPE, max_shift=2))
    conditions = torch.tensor([[-0.2, 0.1, 1.0, 0.4, 0.3], [0.0, 0.0, 2.0, 3.0, 0.0]])
    cells = torch.rand(2, 16, generator=seeded()) * 100
    turn = Turn.of(game, conditions)
    maps = turn.maps(cells)
    assert maps.shape == (2, 64)
    torch.testing.assert_close(maps.gather(1, turn.framed.cells), cells.log1p())
    torch.testing.assert_close(maps.sum(dim=1), cells.log1p().sum(dim=1))


def test_mirrored_showers_are_judged_alike():
    """In the canonical frame the critic is exactly as symmetric as the generator."""
    game = make_game("wgan_gp", frame=ShowerFrame(SHAPE, max_shift=2))
    conditions = torch.tensor([[0.2, 0.1, 1.0, 0.4, 0.3]])
    mirrored = torch.tensor([[-0.2, 0.1, 1.0, -0.4, 0.3]])
    image = torch.rand(1, 4, 4, generator=seeded())
    score = [
        turn.judge(turn.maps(cells.flatten(1)))
        for turn, cells in (
            (Turn.of(game, conditions), image),
            (Turn.of(game, mirrored), image.flip(1)),
        )
    ]
    torch.testing.assert_close(*score)


def test_the_critic_sees_the_response():
    """ρ = 10 ln(Σ/(E·f)): 10 % more than E·f is about 1, nothing at all is finite."""
    game = make_game("wgan_gp")
    conditions = torch.from_numpy(toy_conditions(3))
    energy = conditions[:, 2] * 1000 * game.generator.fraction
    share = torch.tensor([1.0, 1.1, 0.0])
    turn = Turn.of(game, conditions)
    maps = turn.maps((energy * share)[:, None].expand(-1, 16) / 16)
    rho = turn.response(maps)[:, 0]
    np.testing.assert_allclose(rho[:2], [0.0, 10 * math.log(1.1)], atol=1e-4)
    assert torch.isfinite(rho).all()
    before = turn.judge(maps)
    with torch.no_grad():
        for layer in game.critic.net.layers:
            layer.shift[:, 5] = 0.0
    assert (before - turn.judge(maps)).abs()[1] > 1e-4  # it has a say


def test_the_regressor_has_a_say_in_the_critic():
    """Its errors enter by λ: a critic that reads one of them alone gives λ(t̂ − t)."""
    game = make_game("wgan_gp", error_weight=0.5)
    x = torch.from_numpy(toy_rows(8))
    turn = Turn.of(game, x[:, :5])
    maps = turn.maps(x[:, 5:])
    guess, truth = game.regressor(x[:, 5:].log1p()), game.regressor.targets(x[:, :5]).c
    game.critic.net.layers = nn.ModuleList([game.critic.net.layers[0]])
    (layer,) = game.critic.net.layers
    with torch.no_grad():
        layer.weight.zero_()
        layer.shift.zero_()
        layer.shift[0, 6] = 1.0
    torch.testing.assert_close(turn.judge(maps)[:, 0], 0.5 * (guess - truth)[:, 0])


def test_weights_count_as_copies():
    """A weight of two is a row given twice, for losses without draws that differ by place."""
    x = torch.from_numpy(toy_rows(6))
    weight = torch.tensor([2.0, 1, 1, 1, 1, 0])
    turn = FixedTurn(torch.ones(16, 1))
    maps = x[:, 5:].log1p()
    rows = Hinge().critic(turn, maps, [maps.flip(1) * 0.9], seeded())
    copies = torch.cat([rows[:1], rows[:5]]).mean()
    torch.testing.assert_close((rows * weight).mean(), copies)


@pytest.mark.parametrize("loss", ["wgan_gp", "cramer", "lsgan", "energy_score+critic"])
def test_a_row_of_weight_zero_is_absent(loss):
    """In both players' losses: its cells change nothing."""
    game = make_game(loss, regressor=True).eval()  # a spectral norm in training moves by itself
    x = torch.from_numpy(toy_rows(6))
    other = x.clone()
    other[5, 5:] *= 3
    weight = torch.tensor([1.2, 1.2, 1.2, 1.2, 1.2, 0.0])
    for player in make_players(loss, objective=CellScore(), regressor=True, regressor_weight=0.3):
        value, same = (player.loss(game, rows, weight, context()).item() for rows in (x, other))
        unweighted = player.loss(game, other, None, context()).item()
        assert value == pytest.approx(same, rel=1e-6)
        assert value != pytest.approx(unweighted, rel=1e-4)


def test_objective_critic_and_regressor_add_up():
    game, x = make_game("energy_score+critic").eval(), torch.from_numpy(toy_rows(32))
    parts = {
        "objective": GeneratorLoss(None, objective=CellScore()),
        "critic": GeneratorLoss(Hinge(), critic_weight=0.7),
    }
    score = parts["objective"](game, x, None, context()).item()
    assert score == pytest.approx(CellScore().per_row(game, x, context()).mean().item(), rel=1e-6)
    generator = context().generator
    both = GeneratorLoss(Hinge(), objective=CellScore(), critic_weight=0.7)
    CellScore().per_row(game, x, Context(generator))  # the draws that come first
    pushed = parts["critic"](game, x, None, Context(generator)).item()
    assert both(game, x, None, context()).item() == pytest.approx(score + pushed, rel=1e-5)


def test_the_regressors_term_is_an_energy_score_of_guesses():
    """Generated as the data are: E‖r − r′‖/2 of the guesses; never rewarded for standing still."""
    game, x = make_game("energy_score", regressor=True), torch.from_numpy(toy_rows(64))
    term = GeneratorLoss(None, regressor_weight=2.0)(game, x, None, context())
    generator = seeded()
    draws = [draw(game, x[:, :5], generator) for _ in "ab"]
    guesses = [game.regressor(cells.log1p()) for cells in (*draws, x[:, 5:])]
    torch.testing.assert_close(term, 2 * energy_score(*guesses).mean())


def test_regressor_learns_from_real_showers_alone():
    game, x = make_game("wgan_gp", regressor=True), torch.from_numpy(toy_rows(16))
    loss = regressor_loss(game, x, None, context())
    torch.testing.assert_close(loss, game.regressor.loss_per_row(x[:, 5:], x[:, :5]).mean())


# ------------------------------------------------------------------------------- training


@pytest.mark.parametrize("loss", LOSSES)
def test_moves_are_counted(loss):
    """Twelve batches, n_critic=3: every third batch, or three steps on each beside a score."""
    net = make_net(loss, make_game(loss, regressor=True), regressor=True, n_critic=3)
    counted = {}

    def count(player, batch, context):
        counted[player.name] = counted.get(player.name, 0) + 1
        return torch.zeros(())

    net._move = count
    net.partial_fit(Rows(toy_rows(12 * 64)))
    expected = {
        "energy_score": {"regressor": 12, "generator": 12},
        "energy_score+critic": {"regressor": 12, "critic": 36, "generator": 12},
    }
    assert counted == expected.get(loss, {"regressor": 12, "critic": 12, "generator": 4})


def test_rates_and_betas():
    players = {p.name: p for p in make_players("wgan_gp", learning_rate=1e-3, ema=0.9)}
    side = SIDES["wgan_gp"]
    assert players["critic"].learning_rate == pytest.approx(1e-3 * side.critic_rate)
    assert players["generator"].learning_rate == pytest.approx(1e-3 * side.rate)
    assert players["generator"].options["betas"] == side.betas
    assert (players["generator"].ema_decay, players["critic"].ema_decay) == (0.9, None)
    light = make_players("energy_score+critic", objective=CellScore())[-1]
    assert light.options["betas"] == (0.9, 0.99)


@pytest.mark.parametrize("loss", LOSSES)
def test_same_seed_same_game(loss):
    states = []
    for seed in (3, 3, 4):
        net = make_net(loss, seed=seed)
        before = torch.get_rng_state()
        net.partial_fit(Rows(toy_rows(256)))
        assert torch.equal(torch.get_rng_state(), before)
        states.append(net.module_.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])


# how far each loss gets in a few seconds, with its learning rate; measured, with some room
ROOM = {
    "wgan_gp": (0.1, 0.04, 4e-3, 15),
    "cramer": (0.05, 0.04, 4e-3, 15),
    "lsgan": (0.15, 0.04, 4e-3, 20),
    "energy_score+critic": (0.03, 0.03, 3e-3, 6),
    "energy_score": (0.03, 0.03, 3e-3, 6),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_learns_the_toy(loss):
    """Response .1 of the energy and the share σ(x) of the half x > 0, at four conditions."""
    response, share, lr, epochs = ROOM[loss]
    net = make_net(loss, lr=lr, max_epochs=epochs, ema=0.98)
    net.partial_fit(Rows(toy_rows(2048)))
    for pz, x in [(2.0, -1.5), (2.0, 1.5), (8.0, -0.5), (8.0, 1.0)]:
        c = np.tile(np.float32([[0, 0, pz, x, 0]]), (500, 1))
        cells = generated(net.module_, c).reshape(-1, 4, 4)
        upper = cells[:, 2:].sum(axis=(1, 2)) / cells.sum(axis=(1, 2))
        assert cells.sum(axis=(1, 2)).mean() / (100 * pz) == pytest.approx(1.0, abs=response)
        assert upper.mean() == pytest.approx(1 / (1 + np.exp(-x)), abs=share)


def test_showers_drawn_do_not_move_the_moments_of_the_deconvolution():
    game = make_game("wgan_gp", deconv=True, kind="conv")
    net = make_net("wgan_gp", game)
    net.partial_fit(Rows(toy_rows(256)))
    trunk = net.module_.generator.trunk
    assert not torch.equal(trunk.layers[0].running_mean, torch.zeros(16))
    before = {name: value.clone() for name, value in net.module_.state_dict().items()}
    c = toy_conditions(6)
    one = np.concatenate([generated(net.module_, c[k : k + 1]) for k in range(2)])
    generated(net.module_, c)
    after = net.module_.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    np.testing.assert_allclose(one[0], generated(net.module_, c[:1])[0], rtol=1e-5)


def test_regressor_learns_beside_the_game():
    net = make_net(
        "energy_score",
        make_game("energy_score", regressor=True),
        regressor=True,
        regressor_weight=0.1,
        lr=1e-2,
        max_epochs=20,
    )
    net.partial_fit(Rows(toy_rows(2048)))
    rows = toy_rows(500, seed=20)
    with torch.no_grad():
        guess = net.module_.regressor.predict_conditions(torch.from_numpy(rows[:, 5:])).numpy()
    relative = guess[:, 2] / rows[:, 2]
    assert np.median(relative) == pytest.approx(1.0, abs=0.03)
    assert relative.std() == pytest.approx(0.1, abs=0.05)  # the toy's own resolution
    assert np.abs(guess[:, 3] - rows[:, 3]).mean() < 0.15
    assert "loss_regressor" in net.history[-1]


# --------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    "options, message",
    [
        ({"loss": "gan"}, "loss='gan' is unknown; use one of"),
        ({"loss": "energy_score"}, "loss='energy_score' needs objective="),
        ({"loss": "wgan_gp", "regressor_weight": 0.5}, "needs regressor=True"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make_players(**options)


def test_critic_loss_leaves_the_generator_alone():
    game, x = make_game("wgan_gp"), torch.from_numpy(toy_rows(16))
    CriticLoss(Wasserstein())(game, x, None, context()).backward()
    assert all(p.grad is None for p in game.generator.parameters())
    assert any(p.grad is not None for p in game.critic.parameters())
