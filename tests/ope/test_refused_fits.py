"""A fit that is refused changes nothing: the estimator scores as before, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skhep_anomaly import OPEClassifier
from skhep_anomaly.ope.samplers import HMCSampler

pytestmark = pytest.mark.filterwarnings("ignore:.*has not converged")


@pytest.fixture(scope="module")
def events():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 3)), np.repeat([0, 1], [100, 20])
    X[y == 1] += 2
    return X, y


def make(**params):
    return OPEClassifier(**{"max_iter": 10, "random_state": 0, **params})


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize(
    "params, message",
    [
        ({"sampler_params": {"widen": -1, "discrete": 7}}, "Invalid parameter"),
        ({"sampler": HMCSampler(n_steps=0)}, "'n_steps' parameter of HMCSampler"),
        ({"eps": 1.0, "gamma": 0.0}, "eps=1 "),
        ({"sampler": "cosmic"}, "sampler='cosmic' is unknown"),
    ],
)
def test_refused_parameters(events, warm_start, labelled, params, message):
    X, y = events
    y = y if labelled else None
    est = make(warm_start=warm_start).fit(X, y)
    scores, state = est.score_samples(X), set(vars(est))
    with pytest.raises(ValueError, match=message):
        est.set_params(**params).fit(X + 1, y)
    np.testing.assert_array_equal(est.score_samples(X), scores)
    assert set(vars(est)) == state


@pytest.mark.parametrize("bad", ["labels", "columns", "finite"])
def test_refused_rows(events, bad):
    X, y = events
    est = make().fit(X, y)
    scores = est.score_samples(X)
    rows = np.full_like(X, np.nan) if bad == "finite" else X[:, :2]
    with pytest.raises(ValueError, match="one class only|features|NaN"):
        est.fit(rows, y if bad == "finite" else np.zeros(len(X)))
    np.testing.assert_array_equal(est.score_samples(X), scores)


def test_refused_net_of_another_shape(events):
    """The correction's density belongs to the last net, too."""
    X, _ = events
    est = make(warm_start=True).fit(X)
    scores = est.score_samples(X)
    with pytest.raises(ValueError, match="warm_start=True goes on with the net of the first fit"):
        est.set_params(hidden_layer_sizes=(8,)).fit(X + 1)
    np.testing.assert_array_equal(est.score_samples(X), scores)


def test_parameters_set_after_a_fit_wait_for_the_next(events):
    X, y = events
    est = make().fit(X, y)
    scores = est.score_samples(X)
    est.set_params(estimator=LogisticRegression())
    np.testing.assert_array_equal(est.score_samples(X), scores)


def test_nothing_to_tell_normal_rows_from(events):
    with pytest.raises(ValueError, match="eps=1 with gamma=0 leaves nothing to tell"):
        make(eps=1.0, gamma=0.0).fit(*events)


def test_the_reference_may_have_parameters_at_any_eps(events):
    """A search over ε reaches 1, where there is no reference."""
    est = make(reference="gmm", sampler_params={"n_components": 3})
    for eps in (0.5, 1.0):
        est.set_params(eps=eps).fit(*events)
        assert est.reference_ == ("gmm" if eps < 1 else None)
