"""Mixtures: shares, nested parameters, and what cannot be mixed."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skhep_anomaly._validation import InvalidParameterError
from skhep_anomaly.ope.samplers import (
    HMCSampler,
    MixtureSampler,
    RMSPropSampler,
    SwapSampler,
    UniformSampler,
)
from skhep_anomaly.ope.samplers._base import PseudoAnomalySampler

ROWS = np.zeros((20, 2))


class Constant(PseudoAnomalySampler):
    """Gives one number everywhere, to be counted."""

    _parameter_constraints = {"value": [float]}

    def __init__(self, value=0.0):
        self.value = value

    def _draw(self, n, value_and_grad):
        return torch.full((n, len(self.low_)), self.value, dtype=self.low_.dtype)


def three(weights=None):
    return MixtureSampler(
        [(c, Constant(v)) for c, v in [("a", 0.1), ("b", 0.2), ("c", 0.3)]], weights
    )


def bound(sampler, seed=0, n_members=1):
    return sampler.bind([-1, -1], [1, 1], ROWS, seed, n_members=n_members)


def gaussian(x):
    return -(x**2).sum(dim=-1) / 2, -x


def counts_of(sampler, n):
    x = sampler.sample(n).numpy()[:, 0]
    return [int(np.isclose(x, value).sum()) for value in (0.1, 0.2, 0.3)]


@pytest.mark.parametrize("weights", [None, [1, 2, 5], np.array([0.2, 0.2, 0.6])])
def test_rows_follow_the_weights(weights):
    sampler = bound(three(weights))
    want = np.full(3, 1 / 3) if weights is None else np.asarray(weights) / np.sum(weights)
    np.testing.assert_allclose([share for share, _ in sampler.parts_], want)
    for n in (1, 7, 100):
        drawn = np.array([counts_of(sampler, n) for _ in range(300)])
        assert (drawn.sum(axis=1) == n).all()
        assert (np.abs(drawn - n * want) < 1 + 1e-6).all()
        np.testing.assert_allclose(drawn.mean(axis=0) / n, want, atol=0.1 / np.sqrt(n))


def test_default_is_uniform_and_hmc_alike():
    sampler = bound(MixtureSampler())
    assert [(share, type(part)) for share, part in sampler.parts_] == [
        (0.5, UniformSampler),
        (0.5, HMCSampler),
    ]
    assert sampler.sample(9, gaussian).shape == (9, 2)
    assert sampler.samplers is None
    assert set(sampler.diagnostics()) == {
        f"hmc__{key}" for key in ("acceptance", "step_size", "boundary_fraction", "g_chains")
    }


def test_parts_are_clones_with_seeds_of_their_own():
    twins = MixtureSampler([("one", UniformSampler()), ("two", UniformSampler())])
    sampler = bound(twins)
    one, two = (part.sample(5) for _, part in sampler.parts_)
    assert not torch.equal(one, two)
    assert not hasattr(twins.samplers[0][1], "low_")
    again = bound(clone(twins))
    assert torch.equal(again.parts_[1][1].sample(5), two)


def test_members_lead_the_rows_of_every_part():
    parts = [("hmc", HMCSampler(n_chains=8)), ("uniform", UniformSampler())]
    sampler = bound(MixtureSampler(parts), n_members=3)
    x = sampler.sample(7, gaussian)
    assert x.shape == (3, 7, 2)
    assert len(np.unique(x.numpy())) == 42
    assert bound(three(), n_members=2).sample(4).shape == (2, 4, 2)


def test_nested_parameters_can_be_read_and_set():
    sampler = MixtureSampler([("near", SwapSampler(share=0.1)), ("far", UniformSampler())])
    assert sampler.get_params()["near__share"] == 0.1
    assert set(sampler.get_params(deep=False)) == {"samplers", "weights"}
    sampler.set_params(near__share=0.4, weights=[1, 3], far=HMCSampler(), far__n_steps=2)
    assert sampler.get_params()["near__share"] == 0.4
    assert sampler.get_params()["far__n_steps"] == 2
    assert [share for share, _ in bound(sampler).parts_] == [0.25, 0.75]
    assert clone(sampler).get_params()["far__n_steps"] == 2


def test_the_default_parts_can_be_set_and_stay_apart():
    one = MixtureSampler().set_params(hmc__step_size=0.5)
    assert one.get_params()["hmc__step_size"] == 0.5
    assert MixtureSampler().get_params()["hmc__step_size"] == 0.1
    assert clone(one).get_params()["hmc__step_size"] == 0.5
    copy = clone(one).set_params(hmc__step_size=0.9)
    assert (one.get_params()["hmc__step_size"], copy.samplers[0][0]) == (0.5, "uniform")


def test_new_samplers_and_their_parameters_at_once():
    sampler = MixtureSampler([("u", UniformSampler())])
    sampler.set_params(samplers=[("r", RMSPropSampler())], r__decay=0.5)
    assert sampler.get_params()["r__decay"] == 0.5


@pytest.mark.parametrize("key", ["nothing", "nothing__step_size", "uniform__nothing"])
def test_unknown_parameters(key):
    with pytest.raises(ValueError, match="Invalid parameter '(nothing|nothing__step_size)'"):
        MixtureSampler().set_params(**{key: 1})


def test_unknown_parts_name_the_known():
    with pytest.raises(ValueError, match="the parts 'uniform', 'hmc'; inner parameters are"):
        MixtureSampler().set_params(hcm__step_size=1)


@pytest.mark.parametrize(
    "samplers, message",
    [
        ([], "one part or more"),
        ([("u", UniformSampler()), ("u", SwapSampler())], "a name of its own; got ['u', 'u']"),
        (["uniform"], "samplers holds 'uniform'; give named samplers"),
        ([UniformSampler()], "give named samplers: samplers=[('uniform', UniformSampler())"),
        ([(1, UniformSampler())], "give named samplers"),
        ([("u", "uniform")], "The part 'u' of a mixture must be a sampler"),
        ([("u", UniformSampler)], "The part 'u' of a mixture must be a sampler"),
        ([("m", MixtureSampler())], "must be a sampler that is no mixture itself"),
        ([("a__b", UniformSampler())], "cannot name a part of a mixture"),
        ([("weights", UniformSampler())], "differ from 'samplers' and 'weights'"),
        ([("", UniformSampler())], "names are not empty"),
    ],
)
def test_samplers_that_cannot_be_mixed(samplers, message):
    with pytest.raises(ValueError) as error:
        bound(MixtureSampler(samplers))
    assert message in str(error.value)


@pytest.mark.parametrize("weights", [[1], [1, 0, 1], [1, -1, 1], [1, np.nan, 1], [[1, 1, 1]]])
def test_weights_that_are_none(weights):
    with pytest.raises(ValueError, match="must be 3 finite numbers above zero, one for each"):
        bound(three(weights))


def test_parameters_of_the_wrong_kind():
    for bad in ({"samplers": "hmc"}, {"weights": "equal"}):
        with pytest.raises(InvalidParameterError, match="parameter of MixtureSampler must be"):
            bound(MixtureSampler(**bad))
    with pytest.raises(InvalidParameterError, match="'step_size' parameter of HMCSampler"):
        bound(MixtureSampler([("h", HMCSampler(step_size=-1))]))


def test_chains_need_a_gradient_in_a_mixture_too():
    with pytest.raises(ValueError, match="HMCSampler walks along the gradient"):
        bound(MixtureSampler()).sample(10)
