"""What every sampler of pseudo-anomalies keeps, found by its name."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skhep_anomaly._validation import InvalidParameterError
from skhep_anomaly.ope.samplers import (
    SAMPLERS,
    HMCSampler,
    PseudoAnomalySampler,
    UniformSampler,
    make_sampler,
)

# small settings where the defaults take long
QUICK = {"flow": {"max_epochs": 2}, "gmm": {"n_components": 2}}
NAMES = sorted(SAMPLERS)
LOW, HIGH = [-3.0, -2.0, 1.0], [3.0, 2.0, 9.0]

# of each sampler, a parameter and a value that it cannot take
BAD = {
    "hmc": [
        *({"n_steps": 0}, {"step_size": 0.0}, {"step_size": 1.5}, {"target_acceptance": 1.0}),
        *({"n_chains": 0}, {"reset_share": 1.5}, {"n_steps": 2.5}),
    ],
    "mixture": [{"weights": 3}],
    "rmsprop": [{"step_size": 0}, {"decay": 1.0}, {"damping": 0}, {"n_chains": 1.5}],
    "swap": [{"share": 0}, {"share": 1.1}, {"values": "columns"}, {"discrete": "yes"}],
    "uniform": [{"discrete": "auto"}],
}


def rows(n=400, dtype=np.float64):
    draw = np.random.default_rng(0)
    return (draw.normal(size=(n, 3)) * [1, 0.5, 1] + [0, 0, 5]).clip(LOW, HIGH).astype(dtype)


def make(name):
    known = SAMPLERS[name]().get_params()
    return make_sampler(name, {k: v for k, v in QUICK.get(name, {}).items() if k in known})


def gaussian(x):
    return -(x**2).sum(dim=-1) / 2, -x


class Energy(torch.nn.Module):
    """A net whose g is known; "deep" draws from the generator in it."""

    value_and_grad = staticmethod(gaussian)


def joined(sampler):
    if hasattr(sampler, "attach"):
        module = Energy()
        module.generator = sampler.make_generator(len(sampler.low_))
        module.generator.reset(torch.Generator().manual_seed(0))
        sampler.attach(module)
    return sampler


def bound(name, seed=0, n_members=1, dtype=np.float64):
    return joined(make(name).bind(LOW, HIGH, rows(dtype=dtype), seed, n_members=n_members))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_can_be_read_set_and_cloned(name):
    sampler = SAMPLERS[name]()
    params = sampler.get_params(deep=False)
    assert sampler.set_params(**params) is sampler
    copy = clone(sampler)
    assert repr(copy) == repr(sampler) == f"{type(sampler).__name__}()"
    assert SAMPLERS[name](**params).get_params(deep=False) == params
    with pytest.raises(ValueError, match="Invalid parameter 'no_such_thing'"):
        sampler.set_params(no_such_thing=1)


@pytest.mark.parametrize("name", NAMES)
def test_a_clone_of_a_bound_sampler_is_unbound(name):
    sampler = bound(name)
    with pytest.raises(NotFittedError, match="has no box yet; call bind"):
        clone(sampler).sample(3, gaussian)
    assert sampler.sample(3, gaussian).shape == (3, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_rows_lie_in_the_box(name, dtype):
    sampler = bound(name, dtype=dtype)
    for n in (1, 2, 300):
        x = sampler.sample(n, gaussian)
        assert x.shape == (n, 3)
        assert x.dtype == getattr(torch, np.dtype(dtype).name)
        assert not x.requires_grad
        assert ((x.numpy() >= LOW) & (x.numpy() <= HIGH)).all()
    assert len(np.unique(x.numpy(), axis=0)) > 250


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_rows_and_no_global_stream(name):
    before = torch.random.get_rng_state()
    draws = []
    for seed in (5, 5, 6):
        sampler = bound(name, seed)
        draws.append(torch.cat([sampler.sample(20, gaussian) for _ in range(3)]))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", NAMES)
def test_a_pickled_sampler_goes_on_where_it_was(name):
    sampler = bound(name)
    sampler.sample(10, gaussian)
    copy = pickle.loads(pickle.dumps(sampler))
    for _ in range(3):
        assert torch.equal(copy.sample(10, gaussian), sampler.sample(10, gaussian))
    assert copy.diagnostics() == pytest.approx(sampler.diagnostics(), nan_ok=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU takes its own stream back")
@pytest.mark.parametrize("name", NAMES)
def test_what_was_on_a_gpu_wakes_up_on_the_cpu_without_one(name):
    """The stream of a GPU is 16 bytes, which say nothing to a CPU."""
    state = bound(name).__getstate__()
    held = [value for value in state.values() if isinstance(value, torch.Tensor)]
    assert {value.device.type for value in held} == {"cpu"}
    twin = SAMPLERS[name].__new__(SAMPLERS[name])
    twin.__setstate__({**state, "_generator": ("cuda:0", np.zeros(16, np.uint8))})
    assert twin._generator.device.type == "cpu"
    if name != "mixture":
        assert twin.sample(3, gaussian).shape == (3, 3)


@pytest.mark.parametrize("name", NAMES)
def test_members(name):
    sampler = bound(name, n_members=2)
    x = sampler.sample(6, gaussian)
    assert x.shape == ((6, 3) if sampler.kind == "reference" else (2, 6, 3))
    assert ((x.numpy() >= LOW) & (x.numpy() <= HIGH)).all()


@pytest.mark.parametrize("name", NAMES)
def test_one_feature(name):
    sampler = joined(make(name).bind([0.0], [9.0], rows()[:, 2:], 0))
    x = sampler.sample(50, gaussian)
    assert x.shape == (50, 1)
    assert 0 <= float(x.min()) < float(x.max()) <= 9


@pytest.mark.parametrize("name", NAMES)
def test_diagnostics_are_plain_numbers(name):
    sampler = bound(name)
    sampler.sample(10, gaussian)
    numbers = sampler.diagnostics()
    assert all(type(key) is str and type(value) is float for key, value in numbers.items())
    assert np.isfinite(list(numbers.values())).all()


@pytest.mark.parametrize("name", NAMES)
def test_density_where_there_is_one(name):
    sampler = bound(name)
    if hasattr(sampler, "log_prob"):
        inside = sampler.log_prob(sampler.sample(20, gaussian))
        assert inside.shape == (20,)
        assert bool(inside.isfinite().all())
    else:
        assert name in {"swap", "hmc", "rmsprop", "deep", "mixture"}


@pytest.mark.parametrize("name", NAMES)
def test_kind_says_which_term_the_rows_belong_to(name):
    sampler = bound(name)
    assert sampler.kind in {"reference", "energy", "mixture"}
    if sampler.kind == "reference":
        assert sampler.sample(4).shape == (4, 3)
    else:
        with pytest.raises(ValueError, match="walks along the gradient of a net: call sample"):
            sampler.sample(4)


@pytest.mark.parametrize("name, bad", [(name, bad) for name in BAD for bad in BAD[name]])
def test_bad_parameters_are_named_when_bound(name, bad):
    (parameter,) = bad
    with pytest.raises(InvalidParameterError, match=f"'{parameter}' parameter of"):
        make_sampler(name, bad).bind(LOW, HIGH, rows(), 0)


# ------------------------------------------------------------------------ the base


@pytest.mark.parametrize(
    "low, high, message",
    [
        ([0, 0], [1, 1], "edges of shapes (2,) and (2,), but a row has shape (3,)"),
        ([0, 0, 0], [1, 1], "edges of shapes (3,) and (2,)"),
        ([0, 0, 0], [1, 0, 1], "needs low < high, both finite"),
        ([0, 2, 0], [1, 1, 1], "needs low < high"),
        ([0, 0, 0], [1, np.inf, 1], "both finite"),
        ([0, np.nan, 0], [1, 1, 1], "both finite"),
    ],
)
def test_boxes_that_are_none(low, high, message):
    with pytest.raises(ValueError) as error:
        UniformSampler().bind(low, high, rows())
    assert message in str(error.value)


@pytest.mark.parametrize("shape", [(0, 3), (3,), (4, 0), (2, 3, 3)])
def test_rows_that_are_none(shape):
    with pytest.raises(ValueError, match="bound to normal rows of shape .n, n_features."):
        UniformSampler().bind([0] * 3, [1] * 3, np.zeros(shape))


def test_a_sampler_without_a_box():
    with pytest.raises(NotFittedError, match="This HMCSampler has no box yet"):
        HMCSampler().sample(3, gaussian)


@pytest.mark.parametrize("n", [0, -5])
def test_less_than_one_row(n):
    with pytest.raises(ValueError, match=f"asked for n={n} rows; it gives one or more"):
        bound("uniform").sample(n)


def test_whole_numbers_are_rows_too():
    sampler = UniformSampler().bind([0], [5], np.arange(6)[:, None], 0)
    assert sampler.sample(4).dtype == torch.float64


def test_the_box_is_a_copy_of_its_own():
    low = torch.zeros(3, dtype=torch.float64)
    sampler = UniformSampler().bind(low, low + 1, rows())
    low.fill_(99.0)
    assert sampler.low_.tolist() == [0, 0, 0]


# ------------------------------------------------------------------------ by name


def test_by_name_with_parameters():
    assert make_sampler("hmc", {"n_steps": 2}).n_steps == 2
    assert make_sampler("mixture", {"hmc__n_steps": 2}).get_params()["hmc__n_steps"] == 2
    assert type(make_sampler("uniform")) is UniformSampler


def test_an_object_is_cloned():
    mine = HMCSampler(n_steps=3)
    made = make_sampler(mine, {})
    assert made is not mine
    assert made.n_steps == 3


def test_unknown_name_lists_the_known():
    with pytest.raises(
        ValueError, match="sampler='gibbs' is unknown; use one of .*'hmc', 'mixture'"
    ):
        make_sampler("gibbs")


def test_parameters_beside_an_object():
    with pytest.raises(ValueError, match="go with a sampler given by name; set the parameters"):
        make_sampler(HMCSampler(), {"n_steps": 2})


@pytest.mark.parametrize("wrong", [None, 3, HMCSampler, PseudoAnomalySampler])
def test_neither_a_name_nor_a_sampler(wrong):
    with pytest.raises(TypeError, match="is neither a name nor a sampler; give a name such as"):
        make_sampler(wrong)


@pytest.mark.parametrize("name", ["hmc", "rmsprop", "deep", "mixture"])
def test_diagnostics_of_a_sampler_that_is_not_bound(name):
    with pytest.raises(NotFittedError, match="model file is not bound either"):
        make_sampler(name).diagnostics()
