"""Showers from ONNX files are those of torch with the same normal numbers, and reproducible."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skhep_anomaly import OnnxShowerGenerator
from skhep_anomaly.generators._onnx import export_net
from skhep_anomaly.generators.onnx_showers import normal_quantiles
from skhep_anomaly.nn.cell_noise import TableNoise
from skhep_anomaly.nn.shower_frame import PlainFrame, ShowerFrame
from skhep_anomaly.nn.shower_net import GaussianNoise, MLPTrunk, ResponseHead, ShowerNet

pytest.importorskip("onnxruntime")
loops = pytest.importorskip("skhep_anomaly.generators._shower_loops")

SIDE, MAP = 8, 18


def conditions(n, seed=0, spread=6.0):
    rng = np.random.default_rng(seed)
    pz = np.exp(rng.uniform(0, np.log(100), n))
    slopes = rng.normal(0, (0.35, 0.175), (n, 2))
    place = rng.uniform(-spread, spread, (n, 2))
    return np.column_stack([slopes * pz[:, None], pz, place]).astype(np.float32)


def make_net(noise="table", frame=ShowerFrame):
    generator = torch.Generator().manual_seed(0)
    place = frame((SIDE, SIDE))
    place.learn(conditions(200).astype(np.float64), None)
    n_map = place.map_shape[0] * place.map_shape[1]
    kinds = {"table": lambda: TableNoise(place.map_shape), "gaussian": GaussianNoise}
    made = kinds[noise]() if noise else None
    net = ShowerNet(place, MLPTrunk(6, (24,), n_map), 6, noise=made, response=ResponseHead(6))
    net.trunk.reset(generator)
    net.response.reset(generator)
    with torch.no_grad():
        net.fraction.fill_(0.17)
        u, v = (np.arange(n) - n // 2 for n in place.map_shape)
        net.log_profile += torch.from_numpy(-0.9 * np.hypot(u[:, None] - 1, v)).float().flatten()
        if noise:
            net.pull.copy_(torch.tensor([0.3, 0.2]))
            net.low.after.add_(torch.linspace(0.5, 0.0, len(net.low.after)))
            net.low.after[:20] = -60.0
        if noise == "table":
            rows, columns = net.noise.table.shape
            net.noise.table += 0.5 * torch.linspace(-7, 13, rows)[:, None] - 1.0
            net.noise.table += 0.6 * torch.linspace(-3.75, 3.75, columns)
            net.noise.mixing.copy_(torch.rand(n_map, generator=generator) * 0.2)
            net.noise.log_scale.copy_(torch.rand(n_map, generator=generator) * 0.2 - 0.1)
    return net.eval()


@pytest.fixture
def exported(tmp_path):
    """A function that exports a net and opens the file."""

    def export(net, chunk_size=256, **options):
        path = export_net(net, conditions(200), tmp_path / "a.onnx", **options)
        return OnnxShowerGenerator(path, chunk_size=chunk_size)

    return export


def to_window(eps, code, corner):
    """ε of real cells in the window with a rim, in the canonical frame; 0 outside."""
    out = np.zeros((len(eps), MAP + 2, MAP + 2), dtype=np.float32)
    for i, (flags, su, sv) in enumerate(code):
        image = eps[i].reshape(SIDE, SIDE)
        image = image[::-1] if flags & 1 else image
        image = image[:, ::-1] if flags & 2 else image
        image = image.T if flags & 4 else image
        u, v = corner[0] + su - 1, corner[1] + sv - 1
        wide = np.pad(image, 40)
        out[i] = wide[40 + u :, 40 + v :][: MAP + 2, : MAP + 2]
    return out.reshape(len(eps), -1)


def made_with(runner, X, z, eps):
    """What the loops make of given normal numbers; 16-bit draws count through a table of them."""
    maker, n = runner._maker, len(X)
    x = np.empty((n, z.shape[1] + 5), dtype=np.float32)
    x[:, : z.shape[1]] = z
    mev, code = np.empty(n), np.zeros((n, 3), dtype=np.int64)
    maker._to_frame(X.astype(np.float64), x[:, z.shape[1] :], mev, code)
    window = runner._session.run(None, {"input": x})[0].reshape(n, *maker._size)
    out = np.empty((n, SIDE, SIDE), dtype=np.float32)
    place, noise = (mev, code, maker._corner), maker._noise
    if noise.kind == "table":
        rows = to_window(eps, code, maker._corner)
        for i in range(n):
            count = np.arange(rows.shape[1], dtype=np.uint16)[None]
            one = [part[i : i + 1] for part in place[:2]]
            loops.place_drawn(
                window[i : i + 1], count, rows[i], *one, place[2], noise.numbers, out[i : i + 1]
            )
        return out
    loops.place(window, *place, out)
    if noise.kind == "gaussian":
        loops.add_gaussian(out.reshape(n, -1), eps, mev, noise.numbers)
    return out


@pytest.mark.parametrize(
    "noise, frame",
    [
        ("table", ShowerFrame),
        (None, ShowerFrame),
        ("gaussian", PlainFrame),
        ("gaussian", ShowerFrame),
    ],
)
def test_loops_equal_torch(exported, noise, frame):
    net, X = make_net(noise, frame), conditions(100, seed=1)
    z, eps = net.draw_noise(100, torch.Generator().manual_seed(5))
    runner = exported(net)
    got = made_with(runner, X, z.numpy(), None if eps is None else eps.numpy())
    expected = net.make(torch.from_numpy(X), z, eps).numpy().reshape(got.shape)
    largest = expected.max(axis=(1, 2), keepdims=True)
    assert (np.abs(got - expected) / np.maximum(largest, 1e-3)).max() < 1e-5
    if noise == "table":
        assert 0.05 < (expected == 0).mean() < 0.95


def test_same_seed_same_showers_for_any_chunk(exported):
    net, X = make_net(), conditions(60)
    whole = exported(net).sample(X, random_state=3)
    again = exported(net, chunk_size=7).sample(X, random_state=3)
    np.testing.assert_allclose(again, whole, rtol=1e-4, atol=1e-5 * whole.max())
    assert not np.array_equal(exported(net).sample(X, random_state=4), whole)
    first = exported(net).sample(X[:20], random_state=3)
    np.testing.assert_allclose(first, whole[:20], rtol=1e-4, atol=1e-5 * whole.max())


@pytest.mark.parametrize("noise", ["table", "gaussian", None])
def test_moments_are_those_of_torch(exported, noise):
    """Ten thousand showers under one condition against torch's own draws."""
    net, n = make_net(noise), 10_000
    X = np.repeat(conditions(1, spread=0.5), n, axis=0)
    made = exported(net).sample(X, random_state=0).reshape(n, -1)
    with torch.inference_mode():
        z, eps = net.draw_noise(n, torch.Generator().manual_seed(1))
        real = net.make(torch.from_numpy(X), z, eps).numpy()
    error = np.sqrt((made.var(axis=0) + real.var(axis=0)) / n) + 1e-9
    assert np.abs((made.mean(axis=0) - real.mean(axis=0)) / error).max() < 5.0
    sums = made.sum(axis=1), real.sum(axis=1)
    assert sums[0].std() == pytest.approx(sums[1].std(), rel=0.05)


def test_full_layout_gives_the_same_distribution(exported):
    net, X = make_net(), np.repeat(conditions(1, spread=0.5), 4000, axis=0)
    whole = exported(net, layout="full").sample(X, random_state=0)
    window = exported(net).sample(X, random_state=1)
    error = np.sqrt((whole.var(axis=0) + window.var(axis=0)) / len(X)) + 1e-9
    assert np.abs((whole.mean(axis=0) - window.mean(axis=0)) / error).max() < 5.0


def test_energy_is_kept_when_the_shower_leaves_the_face(exported):
    net, X = make_net(None), conditions(50, spread=8.0)
    images = exported(net, window=(10, 10)).sample(X, random_state=0)
    energy = 1000.0 * 0.17 * np.linalg.norm(X[:, :3], axis=1)
    ratio = images.sum(axis=(1, 2)) / energy
    assert 0.9 < ratio.mean() < 1.1
    assert ratio.std() < 0.2
    assert (images == 0).any()


def test_out_is_filled(exported):
    net, X = make_net(), conditions(10)
    runner, out = exported(net), np.empty((10, SIDE, SIDE), dtype=np.float32)
    assert runner.sample(X, random_state=0, out=out) is out
    np.testing.assert_array_equal(out, runner.sample(X, random_state=0))
    with pytest.raises(ValueError, match="a C-contiguous float32 array of shape"):
        runner.sample(X, out=np.empty((10, SIDE, SIDE)))


def test_chunks_are_the_sample(exported):
    net, X = make_net(), conditions(20)
    runner = exported(net, chunk_size=8)
    parts = [part.copy() for part in runner.chunks(X, random_state=2)]
    assert [len(part) for part in parts] == [8, 8, 4]
    np.testing.assert_array_equal(np.concatenate(parts), runner.sample(X, random_state=2))


def test_wrong_chunk_size_is_named(tmp_path):
    with pytest.raises(ValueError, match="chunk_size=0 must be an integer of at least 1"):
        OnnxShowerGenerator(tmp_path / "a.onnx", chunk_size=0)


def test_quantiles_are_standard_normal():
    levels = normal_quantiles().astype(np.float64)
    assert levels.std() == pytest.approx(1.0, abs=1e-6)
    assert levels.mean() == pytest.approx(0.0, abs=1e-9)
    assert (levels**4).mean() == pytest.approx(3.0, abs=0.01)
    assert levels[-1] == pytest.approx(4.325, abs=0.01)


def test_elementary_functions_of_the_loops():
    import numba

    @numba.njit
    def apply(x, y, z):
        for i in range(len(x)):
            y[i] = loops._exp(x[i])
            z[i] = loops._log(y[i])

    x = np.linspace(-40, 40, 1001, dtype=np.float32)
    y, z = np.empty_like(x), np.empty_like(x)
    apply(x, y, z)
    np.testing.assert_allclose(y, np.exp(x.astype(np.float64)), rtol=3e-6)
    np.testing.assert_allclose(z, x, atol=1e-5)
