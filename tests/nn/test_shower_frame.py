"""The canonical frame: what is mirrored, transposed or shifted comes out so, exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skhep_anomaly.nn.cell_noise import TableNoise
from skhep_anomaly.nn.shower_frame import PlainFrame, ShowerFrame
from skhep_anomaly.nn.shower_net import MLPTrunk, ResponseHead, ShowerNet

CELL = 2.02


def conditions(n=40, seed=0):
    rng = np.random.default_rng(seed)
    energy = np.exp(rng.uniform(0, 4.6, n))
    slope = rng.normal(0, [0.35, 0.175], (n, 2))
    pz = energy / np.sqrt(1 + (slope**2).sum(axis=1))
    rows = np.column_stack([slope * pz[:, None], pz, rng.uniform(-3, 3, (n, 2))])
    return torch.from_numpy(rows.astype(np.float32))


def net(shape=(30, 30)):
    """A generator with weights of no meaning, and noise that is another one in every cell."""
    frame = ShowerFrame(shape)
    n_map = frame.map_shape[0] * frame.map_shape[1]
    noise = TableNoise(frame.map_shape)
    noise.start(np.random.default_rng(0).exponential(0.6, 500), np.random.default_rng(1))
    made = ShowerNet(
        frame, MLPTrunk(8, (16,), n_map), 8, noise=noise, response=ResponseHead(8)
    ).eval()
    generator = torch.Generator().manual_seed(0)
    made.trunk.reset(generator)
    made.response.reset(generator)
    with torch.no_grad():
        made.log_profile.copy_(torch.randn(n_map, generator=generator) * 2 - 3)
        noise.log_scale.copy_(torch.randn(n_map, generator=generator) * 0.1)
        noise.mixing.copy_(torch.randn(n_map, generator=generator) * 0.1)
    return made


def mirrored_x(rows):
    return rows * torch.tensor([-1.0, 1, 1, -1, 1])


def mirrored_y(rows):
    return rows * torch.tensor([1.0, -1, 1, 1, -1])


def transposed(rows):
    return rows[:, [1, 0, 2, 4, 3]]


SYMMETRIES = {
    "mirror x": (mirrored_x, lambda image: image.flip(1)),
    "mirror y": (mirrored_y, lambda image: image.flip(2)),
    "transpose": (transposed, lambda image: image.transpose(1, 2)),
    "rotate": (lambda r: mirrored_x(transposed(r)), lambda i: i.transpose(1, 2).flip(1)),
}


@pytest.mark.parametrize("shape", [(30, 30), (7, 7), (6, 9)], ids=str)
@pytest.mark.parametrize("name", SYMMETRIES)
def test_symmetries_of_the_square_are_exact(name, shape):
    if shape[0] != shape[1] and name in ("transpose", "rotate"):
        pytest.skip("a rectangle has no such symmetry")
    of_conditions, of_images = SYMMETRIES[name]
    made, rows = net(shape), conditions()
    generator = torch.Generator().manual_seed(1)
    z, eps = made.draw_noise(len(rows), generator)
    with torch.no_grad():
        plain = made(rows, z, eps).view(-1, *shape)
        moved = of_images(eps.view(-1, *shape)).flatten(1)
        other = made(of_conditions(rows), z, moved).view(-1, *shape)
    torch.testing.assert_close(other, of_images(plain), rtol=1e-5, atol=1e-6)
    assert (plain > 0).float().mean() > 0.05
    assert not torch.allclose(other, plain)  # the symmetry does something


@pytest.mark.parametrize("axis", [0, 1])
def test_a_shift_by_a_cell_shifts_the_mean_map(axis):
    """Up to the sum over the visible cells, which is another one at the edge."""
    made, rows = net(), conditions()
    moved = rows.clone()
    moved[:, 3 + axis] += CELL
    z, _ = made.draw_noise(len(rows), torch.Generator().manual_seed(1))
    shares = []
    for each in (rows, moved):
        c, _, cells = made.frame(each)
        with torch.no_grad():
            shares.append(made.log_share(c, z, cells).view(-1, 30, 30))
    before, after = (share.movedim(1 + axis, 1) for share in shares)
    inside = (rows[:, 3 + axis].abs() < 2) & (rows[:, axis] / rows[:, 2]).abs().lt(0.3)
    step = (after[:, 1:] - before[:, :-1])[inside].flatten(1)
    assert inside.sum() > 5
    assert float((step - step.mean(dim=1, keepdim=True)).abs().max()) < 1e-4
    assert float(step.mean(dim=1).abs().max()) < 0.5


@pytest.mark.parametrize("shape", [(30, 30), (31, 31), (5, 8), (9, 4), (2, 2)], ids=str)
def test_places_are_on_the_map_and_distinct(shape):
    frame = ShowerFrame(shape, max_shift=3)
    rows = conditions(300)
    rows[:100, 3:] *= 30  # far outside
    _, places = frame.unscaled(rows)
    assert places.shape == (300, shape[0] * shape[1])
    assert places.min() >= 0
    assert places.max() < (shape[0] + 6) * (shape[1] + 6)
    ordered = places.sort(dim=1).values
    assert (ordered[:, 1:] > ordered[:, :-1]).all()


@pytest.mark.parametrize("shape", [(30, 30), (31, 31), (12, 17)], ids=str)
def test_the_axis_is_in_the_centre_cell(shape):
    frame = ShowerFrame(shape, CELL, depth=12.0)
    rows = conditions(200)
    u, places = frame.unscaled(rows)
    path = rows[:, :2] / torch.linalg.vector_norm(rows[:, :3], dim=1, keepdim=True)
    at = (rows[:, 3:] + 12.0 * path) / CELL + torch.tensor(shape) / 2  # in cells from the edge
    hit = at.floor().long()
    middle = [n // 2 + frame.max_shift for n in shape]
    near = (at - torch.tensor(shape) / 2).abs().amax(dim=1) < 4.5
    # a mirrored axis on the border of a cell of an even grid lies in either of two cells
    on_border = (at - at.round()).abs().amin(dim=1) < 1e-4
    kept = near & ~on_border
    place = places.gather(1, (hit[:, :1] * shape[1] + hit[:, 1:]).clamp(0, places.shape[1] - 1))
    assert kept.sum() > 100
    assert (place[kept, 0] == middle[0] * frame.map_shape[1] + middle[1]).all()
    assert u[kept, 3:].abs().max() <= 0.5
    assert u[:, 1].min() >= 0
    assert u[:, 2].min() >= 0
    if shape[0] == shape[1]:
        assert (u[:, 1] >= u[:, 2]).all()


def test_what_lies_further_out_keeps_its_distance():
    frame = ShowerFrame((30, 30), CELL, depth=0.0, max_shift=5)
    rows = torch.tensor([[0.0, 0.0, 10.0, 9.5 * CELL, 0.3]])
    assert frame.unscaled(rows)[0][0, 3] == pytest.approx(9.5 - 5.5, abs=1e-6)


@pytest.mark.parametrize("frame", [PlainFrame((4, 4)), ShowerFrame((4, 4))])
def test_scaled_conditions_have_mean_0_and_spread_1(frame):
    rows = conditions(500).numpy()
    rows[:, 4] = 0.25 * (frame.map_shape == (4, 4))
    frame.learn(rows, None)
    c = frame(torch.from_numpy(rows)).c.double()
    varied = c.std(dim=0) > 1e-6
    assert varied.sum() >= 4
    np.testing.assert_allclose(c.mean(dim=0), 0, atol=1e-6)
    np.testing.assert_allclose(c.std(dim=0, correction=0)[varied], 1, rtol=1e-6)
    assert torch.equal(frame.scaled(torch.from_numpy(rows)), frame(torch.from_numpy(rows)).c)


def test_energy_is_the_momentum():
    _, energy, places = PlainFrame((3, 5))(torch.tensor([[3.0, 0, 4, 0, 0], [0, 0, 7, 0, 0]]))
    np.testing.assert_allclose(energy, [5, 7], rtol=1e-6)
    assert places[1].tolist() == list(range(15))


def test_a_weight_stands_for_copies():
    rows = conditions(60).numpy()
    k = np.random.default_rng(2).integers(1, 4, 60)
    weighted, copied = ShowerFrame((6, 6)), ShowerFrame((6, 6))
    weighted.learn(rows, k.astype(float))
    copied.learn(np.repeat(rows, k, axis=0), None)
    np.testing.assert_allclose(weighted.center, copied.center, rtol=1e-10)
    np.testing.assert_allclose(weighted.scale, copied.scale, rtol=1e-10)


# ------------------------------------------------------------------- depth


def centroids(rows, d0, d1):
    p = np.linalg.norm(rows[:, :3].astype(float), axis=1)
    return rows[:, 3:] + (d0 + d1 * np.log(p))[:, None] * rows[:, :2] / p[:, None]


def test_depth_is_found_in_spite_of_leaking_showers():
    rows = conditions(600).numpy()
    at = centroids(rows, 8.0, 1.5)
    at += np.random.default_rng(3).normal(0, 0.02, at.shape)
    at[:40] = 0.0
    frame = ShowerFrame((30, 30))
    frame.learn_depth(rows, at, None)
    np.testing.assert_allclose(frame.depth, [8.0, 1.5], rtol=0.02)
    least_squares = np.abs(at[:40] - centroids(rows[:40], 8.0, 1.5)).mean()
    assert least_squares > 1.0  # the leaking ones are far off


def test_depth_of_weights_is_that_of_copies():
    rows = conditions(80).numpy()
    at = centroids(rows, 9.0, 1.0) + np.random.default_rng(4).normal(0, 0.3, (80, 2))
    k = np.random.default_rng(5).integers(1, 4, 80)
    weighted, copied = ShowerFrame((6, 6)), ShowerFrame((6, 6))
    weighted.learn_depth(rows, at, k.astype(float))
    copied.learn_depth(np.repeat(rows, k, axis=0), np.repeat(at, k, axis=0), None)
    np.testing.assert_allclose(weighted.depth, copied.depth, rtol=1e-8)


def test_depth_stays_where_slopes_cannot_tell():
    rows = np.tile(np.array([[0.0, 0.0, 20.0, 0.1, 0.2]], dtype=np.float32), (10, 1))
    frame = ShowerFrame((6, 6), depth=11.0)
    frame.learn_depth(rows, np.ones((10, 2)), None)
    assert frame.depth.tolist() == [11.0, 0.0]
