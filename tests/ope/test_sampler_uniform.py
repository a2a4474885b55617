"""Uniform rows and columns of few values, against counts and volumes known by hand."""

import numpy as np
import pytest
import torch
from scipy import stats

from skhep_anomaly.ope.samplers import UniformSampler
from skhep_anomaly.ope.samplers._columns import find_few, redraw

LOW, HIGH = np.array([-1.0, 2.0, 0.0]), np.array([1.0, 5.0, 1.0])


def mixed_rows(n=300):
    """One column of many values, one of three levels, one of flags."""
    draw = np.random.default_rng(0)
    levels = draw.choice([2.5, 3.0, 4.5], size=n, p=[0.9, 0.05, 0.05])
    return np.column_stack([draw.uniform(-1, 1, n), levels, draw.integers(0, 2, n)])


def bound(rows=None, low=LOW, high=HIGH, **params):
    rows = mixed_rows() if rows is None else rows
    return UniformSampler(**params).bind(low, high, rows, random_state=0)


def test_each_feature_is_uniform_over_its_edges():
    x = bound(discrete=False).sample(5_000).numpy()
    for column in range(3):
        u = (x[:, column] - LOW[column]) / (HIGH - LOW)[column]
        assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert np.abs(np.corrcoef(x.T) - np.eye(3)).max() < 0.06


def test_columns_of_few_are_drawn_over_their_values_alike():
    x = bound().sample(6_000).numpy()
    assert stats.kstest((x[:, 0] + 1) / 2, "uniform").pvalue > 1e-3
    for column, known in [(1, [2.5, 3.0, 4.5]), (2, [0.0, 1.0])]:
        values, counts = np.unique(x[:, column], return_counts=True)
        np.testing.assert_array_equal(values, known)
        np.testing.assert_allclose(counts / 6_000, 1 / len(known), atol=0.03)


def test_log_prob_is_minus_the_log_volume_inside():
    sampler = bound(discrete=False)
    x = torch.tensor([[0.0, 3.0, 0.5], [1.0, 5.0, 1.0], [0.0, 3.0, 1.1], [-1.1, 3.0, 0.5]])
    want = [-np.log(6.0)] * 2 + [-np.inf] * 2
    np.testing.assert_allclose(sampler.log_prob(x.double()), want)
    assert sampler.log_prob(x.double()).dtype == torch.float64


def test_log_prob_counts_in_columns_of_few():
    sampler = bound()
    np.testing.assert_allclose(sampler.log_prob(sampler.sample(50)), -np.log(2.0 * 3 * 2))
    x = torch.tensor([[0.0, 3.0, 0.5], [0.0, 3.1, 1.0], [1.1, 3.0, 1.0], [0.3, 3.0, 1.0]]).double()
    x[3, 1:] -= 1e-9  # a value seen, up to rounding
    np.testing.assert_allclose(sampler.log_prob(x), [-np.inf] * 3 + [-np.log(12.0)])


def test_log_prob_agrees_with_the_frequencies_of_the_rows():
    """Share of draws in a cell = density times width of the cell, counting in the flags."""
    sampler = bound()
    x = sampler.sample(40_000)
    cell = (x[:, 0] > 0) & (x[:, 0] < 0.5) & (x[:, 1] == 3.0) & (x[:, 2] == 1.0)
    density = sampler.log_prob(torch.tensor([[0.2, 3.0, 1.0]]).double()).exp()
    assert float(cell.double().mean()) == pytest.approx(float(density) * 0.5, abs=0.005)


@pytest.mark.parametrize(
    "column, values",
    [
        (np.repeat(np.arange(12.0), 2), np.arange(12.0)),
        (np.repeat(np.arange(13.0), 2), []),  # one too many
        (np.r_[np.zeros(200), np.repeat(np.arange(1.0, 13.0), 2)], []),  # seen late
        (np.array([0.0, 0.0, 1.0]), []),  # 1 seen once
        (np.zeros(50), []),  # constant: its interval stays
        (np.array([0.0, 0.0, 9.0, 9.0]), []),  # one of two values in the box
        (np.array([0.0, 0.0, 1.0, 1.0, 99.0, 99.0]), [0.0, 1.0]),
    ],
)
def test_which_columns_have_few_values(column, values):
    edge = torch.tensor([8.5 if len(column) < 20 else 50.0], dtype=torch.float64)
    rows = torch.from_numpy(column[:, None])
    columns, table = find_few(rows, -edge, edge)
    assert columns.tolist() == ([0] if len(values) else [])
    np.testing.assert_array_equal(table[~table.isnan()], values)


def test_redraw_takes_the_value_that_u_points_at():
    table = torch.tensor([[5.0, 6.0, 7.0] + 9 * [torch.nan]])
    u = torch.tensor([[0.0, 0.2], [0.0, 0.34], [0.0, 1 - 2**-24]])
    x = redraw(torch.zeros(3, 2), u, torch.tensor([1]), table)
    assert x.tolist() == [[0, 5], [0, 6], [0, 7]]


def test_a_box_as_narrow_as_numbers_are():
    low = np.array([1e6, -1.0], dtype=np.float32)
    high = np.nextafter(low, np.float32(np.inf))
    x = bound(np.zeros((3, 2), np.float32), low, high).sample(1000).numpy()
    assert x.dtype == np.float32
    assert ((x >= low) & (x <= high)).all()
