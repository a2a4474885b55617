"""Mahalanobis sizes against NumPy; moments in chunks and with weights."""

import numpy as np
import pytest
import torch

from skhep_anomaly import TrainingDivergedError
from skhep_anomaly.nn import ResidualMetric, SecondMoments


@pytest.fixture
def residuals():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, 300, 3)) @ rng.normal(size=(2, 3, 3)) + 5


def learnt(residuals, weight=None, chunk=100):
    moments = SecondMoments(*residuals.shape[::2])
    for start in range(0, residuals.shape[1], chunk):
        part = None if weight is None else torch.from_numpy(weight[start : start + chunk])
        moments.add(torch.from_numpy(residuals[:, start : start + chunk]), part)
    metric = ResidualMetric(*residuals.shape[::2]).double()
    metric.learn(moments)
    return moments, metric


def test_moments_in_chunks_equal_numpy(residuals):
    weight = np.random.default_rng(1).uniform(0.1, 2, 300)
    moments, _ = learnt(residuals, weight)
    for k in range(2):
        want = np.cov(residuals[k].T, aweights=weight, bias=True)
        np.testing.assert_allclose(moments.covariance[k], want, rtol=1e-10)
        np.testing.assert_allclose(
            moments.mean[k], np.average(residuals[k], axis=0, weights=weight), rtol=1e-12
        )


def test_size_is_the_mahalanobis_distance(residuals):
    _, metric = learnt(residuals)
    got = metric(torch.from_numpy(residuals))
    for k in range(2):
        covariance = np.cov(residuals[k].T, bias=True)
        covariance += 1e-2 * np.diag(covariance).mean() * np.eye(3)
        r = residuals[k] - residuals[k].mean(axis=0)
        want = np.einsum("ni,ij,nj->n", r, np.linalg.inv(covariance), r)
        np.testing.assert_allclose(got[k], want, rtol=1e-8)


def test_nll_is_that_of_independent_gaussians(residuals):
    _, metric = learnt(residuals)
    r = torch.from_numpy(residuals)
    scale = metric.variance.sqrt()
    want = -torch.distributions.Normal(metric.center, scale).log_prob(r).sum(dim=-1)
    torch.testing.assert_close(metric.nll(r), want)


def test_perfect_reconstruction_stays_finite():
    _, metric = learnt(np.zeros((1, 20, 3)))
    assert metric(torch.zeros(1, 4, 3, dtype=torch.float64)).sum() == 0


def test_residuals_without_a_covariance_are_refused(residuals):
    residuals[0, 0, 0] = np.nan
    with pytest.raises(TrainingDivergedError, match="have no finite covariance: the net diverged"):
        learnt(residuals)
