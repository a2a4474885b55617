"""PRD, Fréchet, kernel and Wasserstein distances, separation and energy score: closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skhep_anomaly import (
    energy_score,
    fpd,
    kpd,
    prd_auc,
    prd_curve,
    separation_power,
    wasserstein_table,
)


def normal(n, columns=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n, columns))


# precision and recall


def test_prd_of_one_and_of_nothing_in_common():
    real = normal(1000)
    assert prd_auc(real, real, random_state=0).value == pytest.approx(1.0, abs=1e-5)
    assert prd_auc(real, real + 1e3, random_state=0).value == pytest.approx(0.0, abs=1e-5)


def test_prd_tells_precision_from_recall():
    """Real: two far clumps. Half of them generated: precise, recall ½; and the other way round."""
    clump = normal(1000)
    both = np.vstack([clump[:500], clump[500:] + 50])
    missing = prd_curve(both, clump[:500], n_clusters=2, random_state=0)
    assert missing.recall.max() == pytest.approx(0.5, abs=1e-3)
    assert missing.precision.max() == pytest.approx(1.0, abs=1e-3)
    assert missing.f_eighth > 0.95
    assert missing.f8 < 0.55
    spurious = prd_curve(clump[:500], both, n_clusters=2, random_state=0)
    assert spurious.f8 > 0.95
    assert spurious.f_eighth < 0.55
    # p = (½, ½), q = (1, 0): α = min(λ/2, 1), so precision 1 up to recall ½
    assert prd_auc(both, clump[:500], n_clusters=2, random_state=0).value == pytest.approx(
        0.5, 0.01
    )


def test_prd_floor_is_below_one_and_takes_both_samples():
    """The competition's script embedded the truth twice and always read 1."""
    real, fake = normal(3000), normal(3000, seed=1)
    assert 0.97 < prd_auc(real, fake, random_state=0).value < 0.9999
    assert prd_auc(real, fake * 0.3, random_state=0).value < 0.7


def test_prd_does_not_care_for_the_samples_sizes():
    real, fake = normal(4000), normal(4000, seed=1)
    same = prd_auc(real, fake[:500], n_clusters=5, random_state=0).value
    assert same == pytest.approx(prd_auc(real, fake, n_clusters=5, random_state=0).value, abs=0.05)
    weighted = prd_auc(
        real,
        np.vstack([fake, fake + 50]),
        weight_fake=np.repeat([1.0, 0.0], 4000),
        random_state=0,
    )
    assert weighted.value > 0.95


def test_prd_error_and_seed():
    real, fake = normal(500), normal(500, seed=1) + 0.3
    first = prd_auc(real, fake, n_bootstrap=10, random_state=0)
    assert 0.002 < first.std < 0.05
    assert first == prd_auc(real, fake, n_bootstrap=10, random_state=0)
    assert np.isnan(prd_auc(real, fake, random_state=0).std)
    assert prd_auc([[0.0]] * 30, [[0.0]] * 30).value == pytest.approx(1.0, abs=1e-5)  # one place
    with pytest.raises(ValueError, match="n_clusters=20 needs as many rows of each sample"):
        prd_auc(real, fake[:10])


# Fréchet


def test_fpd_of_two_gaussians():
    """F = |Δμ|² + Σ (σ₁ − σ₂)² for covariances that commute, in units of the real spread."""
    real, fake = normal(20_000, 3), normal(20_000, 3, seed=1) * [1.0, 2.0, 0.5] + [0.5, 0, 0]
    estimate = fpd(7.0 * real, 7.0 * fake, random_state=0)
    assert estimate.value == pytest.approx(0.25 + 1.0 + 0.25, abs=4 * estimate.std)
    assert estimate.std < 0.05


def test_fpd_without_commuting_covariances():
    mix_1, mix_2 = np.array([[1, 0.8], [0, 0.6]]), np.array([[1, 0], [-0.8, 0.6]])
    c_1, c_2 = mix_1.T @ mix_1, mix_2.T @ mix_2
    scale = np.sqrt(np.diag(c_1))
    c_1, c_2 = c_1 / np.outer(scale, scale), c_2 / np.outer(scale, scale)
    value = np.linalg.eigvals(c_1 @ c_2)
    expected = np.trace(c_1 + c_2) - 2 * np.sqrt(value.real).sum()
    estimate = fpd(normal(40_000) @ mix_1, normal(40_000, seed=1) @ mix_2, random_state=0)
    assert estimate.value == pytest.approx(expected, abs=4 * estimate.std)


def test_fpd_is_biased_at_small_n_and_extrapolated():
    plain, extrapolated = [], []
    for seed in range(12):
        pair = normal(400, 8, seed), normal(400, 8, seed + 100)
        plain.append(fpd(*pair, extrapolate=False, random_state=0).value)
        extrapolated.append(fpd(*pair, random_state=0).value)
    error = np.std(extrapolated) / np.sqrt(12)
    assert np.mean(plain) > 0.08  # far from the true 0
    assert abs(np.mean(extrapolated)) < 4 * error < 0.04


def test_fpd_error_is_the_scatter():
    estimates = [
        fpd(normal(800, 3, seed), normal(800, 3, seed + 50) + 0.3, random_state=0)
        for seed in range(15)
    ]
    scatter = np.std([estimate.value for estimate in estimates])
    assert np.mean([e.std for e in estimates]) == pytest.approx(scatter, rel=0.5)


def test_fpd_weights_and_refusal():
    real, fake = normal(2000), normal(2000, seed=1)
    spoilt, weight = np.vstack([fake, fake + 9]), np.repeat([1.0, 0.0], 2000)
    alike = fpd(real, spoilt, extrapolate=False, weight_fake=weight, random_state=0).value
    assert alike == pytest.approx(fpd(real, fake, extrapolate=False, random_state=0).value)
    with pytest.raises(ValueError, match="15 rows are too few for the covariance of 2 columns"):
        fpd(real[:15], fake)


# kernel


def test_kpd_of_degree_one_is_the_distance_of_means():
    real = normal(2000, 4)
    shift = np.array([1.0, 0.5, 0, 0])
    estimate = kpd(real, normal(2000, 4, 1) + shift, degree=1, random_state=0)
    assert estimate.value == pytest.approx((shift**2).sum() / 4, abs=0.05)


def test_kpd_has_no_bias_and_sees_shapes():
    values = [
        kpd(normal(300, 2, seed), normal(300, 2, seed + 99), n_batches=1, random_state=0).value
        for seed in range(40)
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(40)
    real = normal(2000, 1)
    ring = np.sign(real) + 0.0  # same mean and variance, no tails
    assert kpd(real, ring, degree=2, random_state=0).value < 0.1
    assert kpd(real, ring, degree=4, random_state=0).value > 1.0


def test_kpd_error_of_small_samples_is_not_zero():
    assert kpd(normal(300), normal(300, seed=1), random_state=0).std > 0.001


def test_kpd_weights():
    real, fake = normal(400), normal(400, seed=1)
    options = {"n_batches": 1, "batch_size": 10_000, "random_state": 0}
    spoilt, weight = np.vstack([fake, fake + 9]), np.repeat([1.0, 0.0], 400)
    weighted = kpd(real, spoilt, weight_fake=weight, **options).value
    assert weighted == pytest.approx(kpd(real, fake, **options).value)
    with pytest.raises(ValueError, match="degree=0 must be a whole number of at least 1"):
        kpd(real, fake, degree=0)


# Wasserstein


def test_w1_of_a_shift_is_the_shift():
    real = normal(1000, 3) * [1.0, 10.0, 100.0]
    table = wasserstein_table(
        real, real + real.std(axis=0) * [0.0, 0.1, -0.7], names="abc", random_state=0
    )
    np.testing.assert_allclose(table.w1, [0.0, 0.1, 0.7], atol=1e-12)
    assert table.mean.value == pytest.approx(0.8 / 3)
    assert table.largest.value == pytest.approx(0.7)
    assert str(table).splitlines()[-1].split()[:2] == ["largest", "0.700"]
    assert table.names == ("a", "b", "c")


def test_w1_floor_is_what_equal_samples_read():
    """Halves scaled by √(1/n₁ + 1/n₂), and a second sample, give the floor alike."""
    read, halves, second = [], [], []
    for seed in range(8):
        real, fake, more = (normal(1000, 4, 3 * seed + k) for k in range(3))
        table = wasserstein_table(real, fake, n_bootstrap=2, random_state=seed)
        read.append(table.mean.value)
        halves.append(table.floor.mean())
        kept = wasserstein_table(real, fake, real_2=more[:500], n_bootstrap=2, random_state=seed)
        second.append(kept.floor.mean())
    assert np.mean(halves) == pytest.approx(np.mean(read), rel=0.2)
    assert np.mean(second) == pytest.approx(np.mean(read), rel=0.2)
    assert np.mean(read) == pytest.approx(0.05, rel=0.3)


def test_w1_weights_and_sizes():
    real, fake = normal(500), normal(700, seed=1)
    table = wasserstein_table(real, fake, random_state=0)
    expected = stats.wasserstein_distance(real[:, 0], fake[:, 0]) / real[:, 0].std()
    assert table.w1[0] == pytest.approx(expected)
    spoilt, weight = np.vstack([fake, fake + 9]), np.repeat([1.0, 0.0], 700)
    weighted = wasserstein_table(real, spoilt, weight_fake=weight, random_state=0)
    np.testing.assert_allclose(weighted.w1, table.w1)
    assert 0.005 < table.std[0] < 0.1
    constant = wasserstein_table(np.ones((9, 1)), np.full((9, 1), 3.0), random_state=0)
    assert constant.w1[0] == 2.0
    with pytest.raises(ValueError, match="names holds 1 names for 2 columns"):
        wasserstein_table(real, fake, names=["one"])


# separation power


def test_separation_of_equal_and_of_disjoint():
    real = normal(1000)
    assert separation_power(real, real).tolist() == [0.0, 0.0]
    np.testing.assert_allclose(separation_power(real, real + np.array([0, 100.0]), bins=10), [0, 1])


def test_separation_by_hand():
    edges = [0.0, 1.0, 2.0]
    power = separation_power([0.5, 0.5, 0.5, 1.5], [0.5, 1.5, 1.5, 1.5], bins=edges)
    assert power[0] == pytest.approx(0.25)  # ½ (½² + ½²) with h₁ + h₂ = 1
    weighted = separation_power(
        [0.5, 1.5], [0.5, 1.5], edges, weight_real=[3, 1], weight_fake=[1, 3]
    )
    assert weighted[0] == pytest.approx(0.25)
    outside = separation_power([-9.0, 0.5], [9.0, 1.5], bins=edges)
    assert outside[0] == pytest.approx(1.0)


def test_separation_floor_is_counting_noise():
    values = [separation_power(normal(2000, 1, k), normal(2000, 1, k + 40))[0] for k in range(20)]
    assert np.mean(values) == pytest.approx(49 / 4 * (2 / 2000), rel=0.1)


@pytest.mark.parametrize("bins", [[0.0, 1.0], [0.0, 2.0, 1.0], [[0, 1, 2]]])
def test_bad_edges(bins):
    with pytest.raises(ValueError, match="must be a number or at least three rising edges"):
        separation_power([0.0, 1.0], [0.0, 1.0], bins=bins)


# energy score


def test_energy_score_of_a_gaussian_against_itself():
    rng = np.random.default_rng(0)
    score = energy_score(rng.normal(size=(2, 400_000, 1)), rng.normal(size=(400_000, 1)))
    assert score.mean() == pytest.approx(1 / np.sqrt(np.pi), abs=4 * score.std() / 632)


def test_energy_score_is_proper_and_free_of_bias():
    rng = np.random.default_rng(1)
    y = rng.normal(size=(100_000, 1))
    mean = {
        (m, spread): energy_score(spread * rng.normal(size=(m, *y.shape)), y).mean()
        for m, spread in [(2, 1.0), (5, 1.0), (5, 0.5), (5, 2.0)]
    }
    assert mean[2, 1.0] == pytest.approx(mean[5, 1.0], abs=0.01)
    assert mean[5, 1.0] < min(mean[5, 0.5], mean[5, 2.0]) - 0.03


def test_energy_score_refuses():
    images = np.zeros((3, 4, 5, 5))
    assert energy_score(images, images[0]).tolist() == [0.0] * 4
    for samples in (images[:1], images[:, :3], np.zeros(3)):
        with pytest.raises(ValueError, match="expected at least two samples"):
            energy_score(samples, images[0])
    with pytest.raises(ValueError, match="samples or y hold NaN"):
        energy_score(images + np.nan, images[0])
