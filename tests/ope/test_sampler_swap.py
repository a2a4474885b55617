"""Rows with swapped features: how many, from where, and the rest as in the normal row."""

import numpy as np
import pytest
import torch
from scipy import stats

from skhep_anomaly import OPEClassifier
from skhep_anomaly.ope.samplers import SwapSampler


def coded_rows(n=200, d=6):
    """Row i holds i + column/10 everywhere, so that a value tells its row and column."""
    return np.arange(n)[:, None] + np.arange(d) / 10


def draw(rows, n=4_000, low=-1e3, high=1e3, **params):
    d = rows.shape[1]
    sampler = SwapSampler(**params).bind([low] * d, [high] * d, rows, random_state=0)
    return sampler.sample(n).numpy()


@pytest.mark.parametrize("share, d", [(0.3, 6), (0.1, 2), (0.5, 1), (1.0, 4), (1e-9, 5)])
def test_share_of_swapped_features(share, d):
    x = draw(np.zeros((50, d)), share=share)
    swapped = (x != 0).mean(axis=1)
    assert swapped.mean() == pytest.approx(share + (1 - share) ** d / d, abs=0.015)
    assert swapped.min() >= 1 / d


def test_every_feature_is_swapped_as_often():
    swapped = (draw(np.zeros((50, 5)), share=0.01) != 0).mean(axis=0)
    np.testing.assert_allclose(swapped, 0.2, atol=0.03)


def test_kept_values_are_those_of_one_normal_row():
    rows = coded_rows()
    x = draw(rows, share=0.3)
    home = np.round(x - np.arange(6) / 10, 9)
    kept = (home == np.round(home)) & (home >= 0) & (home < 200)
    for row, is_kept in zip(home, kept, strict=True):
        assert len(set(row[is_kept])) <= 1
    assert kept.mean() == pytest.approx(0.7 - 0.7**6 / 6, abs=0.015)
    assert len(set(home[kept])) > 190  # all rows serve


def test_new_values_come_from_the_box():
    x = draw(np.zeros((50, 2)), low=-3.0, high=1.0)
    new = x[x[:, 0] != 0, 0]
    assert stats.kstest((new + 3) / 4, "uniform").pvalue > 1e-3


def test_new_values_come_from_the_same_column_of_other_rows():
    rows = coded_rows()
    x = draw(rows, values="rows", share=0.5)
    home = x - np.arange(6) / 10
    np.testing.assert_allclose(home, np.round(home), atol=1e-9)
    assert len(np.unique(np.round(home))) == 200
    n_homes = [len(set(np.round(row))) for row in home]
    assert np.mean(n_homes) == pytest.approx(1 + 0.5 * 6 - 0.5**6, abs=0.1)


def test_marginals_are_kept_with_values_of_rows():
    rows = np.random.default_rng(0).exponential(size=(3_000, 3)).clip(max=20)
    x = draw(rows, values="rows", high=20.0)
    for column in range(3):
        assert stats.ks_2samp(x[:, column], rows[:, column]).pvalue > 1e-3
    joined = np.column_stack([rows[:, 0]] * 2)
    assert np.corrcoef(draw(joined, values="rows", share=1.0).T)[0, 1] == pytest.approx(0, abs=0.06)


@pytest.mark.parametrize("values", ["box", "rows"])
def test_one_feature(values):
    x = draw(coded_rows(d=1), low=0.0, high=300.0, values=values)
    assert x.shape == (4_000, 1)
    assert (x.max() > 250) == (values == "box")


def test_flags_stay_flags():
    rows = np.random.default_rng(0).integers(0, 2, size=(100, 3)).astype(float)
    assert set(np.unique(draw(rows, low=-1.0, high=2.0))) == {0.0, 1.0}
    assert len(np.unique(draw(rows, low=-1.0, high=2.0, discrete=False))) > 1_000


def test_rows_outside_the_box_are_moved_to_its_wall():
    rows = np.array([[-5.0, 0.0], [0.5, 7.0]])
    for values in ("box", "rows"):
        x = draw(rows, low=-1.0, high=1.0, values=values, share=0.1)
        assert np.abs(x).max() == 1.0
    assert torch.equal(
        SwapSampler().bind([-1, -1], [1, 1], rows)._rows,
        torch.tensor([[-1.0, 0.0], [0.5, 1.0]], dtype=torch.float64),
    )


@pytest.mark.filterwarnings("ignore:.*has not converged")
def test_model_files_hold_no_training_rows(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5_000, 8)).astype(np.float32)
    est = OPEClassifier(sampler="swap", max_iter=2, random_state=0).fit(X)
    est.save(tmp_path / "model")
    assert (tmp_path / "model").stat().st_size < X.nbytes / 2
