"""The deconvolution trunk: sizes, reach of its weights, batch norm, and its own stream."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skhep_anomaly.nn.shower_deconv import DeconvTrunk


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def made(seed=0, **options):
    trunk = DeconvTrunk(**{"latent_dim": 6, "map_shape": (9, 7), "n_channels": 16, **options})
    trunk.reset(seeded(seed))
    return trunk


def inputs(n, trunk, seed=1):
    generator = seeded(seed)
    return (
        torch.randn(n, trunk.n_conditions, generator=generator),
        torch.randn(n, trunk.latent_dim, generator=generator),
    )


@pytest.mark.parametrize(
    "map_shape, start, n_layers",
    [
        ((30, 30), (4, 4), 4),  # 4 → 8 → 16 → 32, cut to 30
        ((40, 40), (5, 5), 4),  # 5 → 10 → 20 → 40
        ((4, 4), (2, 2), 2),
        ((2, 3), (1, 2), 2),
        ((9, 17), (5, 9), 2),
        ((64, 48), (8, 6), 4),
    ],
)
def test_any_map(map_shape, start, n_layers):
    trunk = made(map_shape=map_shape)
    assert trunk.start_shape == start
    assert len(trunk.layers) == n_layers
    assert trunk(*inputs(3, trunk)).shape == (3, map_shape[0] * map_shape[1])


def test_published_layout():
    """512 + 5 channels to 256 × 4 × 4; every kernel divisible by its stride; nothing dense."""
    trunk = DeconvTrunk(5, 512, (30, 30))
    shapes = [tuple(layer.weight.shape) for layer in trunk.layers]
    assert shapes == [(517, 256, 4, 4), (256, 128, 4, 4), (128, 64, 4, 4), (64, 1, 4, 4)]
    assert all(layer.weight.shape[2] % layer.stride == 0 for layer in trunk.layers)
    assert not any(isinstance(part, torch.nn.Linear) for part in trunk.modules())


def test_every_pixel_is_reached_by_as_many_weights():
    """Weights of one and a flat input give a flat map inside the border: no chequerboard."""
    layer = made(map_shape=(16, 16)).layers[-1]
    with torch.no_grad():
        layer.weight.fill_(1.0)
        image = layer(torch.ones(1, layer.weight.shape[0], 8, 8))[0, 0, 1:-1, 1:-1]
    np.testing.assert_allclose(image, 4.0 * layer.weight.shape[0], rtol=1e-6)


def test_the_middle_is_cut_out():
    trunk = made(map_shape=(30, 30))
    image = torch.arange(32.0).expand(1, 32, 32) + 100 * torch.arange(32.0)[:, None]
    cut = trunk._cut(image)
    assert cut.shape == (1, 30, 30)
    assert (cut[0, 0, 0].item(), cut[0, -1, -1].item()) == (101.0, 3030.0)


def test_conditions_and_noise_share_the_first_layer():
    trunk = made(latent_dim=500, n_channels=64)
    weight = trunk.layers[0].weight.detach()
    of_conditions, of_noise = weight[:5].square().sum(), weight[5:].square().sum()
    assert float(of_conditions / of_noise) == pytest.approx(1.0, abs=0.1)


def test_batch_norm_by_hand():
    """Trained: the moments of the batch; the running ones move a tenth of the way to them."""
    trunk = made()
    layer, (c, z) = trunk.layers[0], inputs(64, made())
    raw = torch.nn.functional.conv_transpose2d(
        torch.cat([c, z], 1)[:, :, None, None], layer.weight, None
    )
    mean, var = raw.mean(dim=(0, 2, 3)), raw.var(dim=(0, 2, 3), correction=0)
    n = raw.numel() // raw.shape[1]
    with torch.no_grad():
        out = layer.train()(torch.cat([c, z], 1)[:, :, None, None])
    by_hand = (raw - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
    torch.testing.assert_close(out, by_hand, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.running_mean, 0.1 * mean)
    torch.testing.assert_close(layer.running_var, 0.9 + 0.1 * var * n / (n - 1))


def test_a_map_does_not_depend_on_its_neighbours_nor_moves_the_moments():
    trunk = made(map_shape=(12, 12))
    trunk.train()(*inputs(32, trunk, seed=5))
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    c, z = inputs(16, trunk)
    with torch.no_grad():
        together = trunk.eval()(c, z)
        alone = torch.cat([trunk(c[k : k + 1], z[k : k + 1]) for k in range(16)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())
    trunk.train()(c, z)
    assert not torch.equal(trunk.layers[0].running_mean, before["layers.0.running_mean"])


def test_own_stream():
    before = torch.get_rng_state()
    first, again, other = made(3), made(3), made(4)
    assert torch.equal(torch.get_rng_state(), before)
    c, z = inputs(2, first)
    with torch.no_grad():
        assert torch.equal(first.eval()(c, z), again.eval()(c, z))
        assert not torch.equal(first(c, z), other.eval()(c, z))


def test_reset_forgets_the_training():
    trunk = made(7)
    trunk.train()(*inputs(8, trunk))
    trunk.reset(seeded(7))
    fresh = made(7).state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in trunk.state_dict().items())


def test_gradient_reaches_every_weight():
    trunk = made(map_shape=(8, 8)).train()
    out = trunk(*inputs(16, trunk))
    (out * torch.randn(out.shape, generator=seeded(2))).sum().backward()
    assert all(float(p.grad.abs().sum()) > 0 for p in trunk.parameters())
