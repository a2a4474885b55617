"""Values come back as they were: type, bits, order, memory order."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skhep_anomaly.persistence import load
from skhep_anomaly.persistence.values import ValueReader, ValueWriter
from skhep_anomaly.persistence.weights import tensors_from_bytes, tensors_to_bytes


def there_and_back(value):
    writer = ValueWriter("Owner")
    text = json.dumps(writer.write(value, "value"), allow_nan=False)
    tensors = tensors_from_bytes(tensors_to_bytes(writer.tensors))
    return ValueReader(writer.arrays, tensors).read(json.loads(text))


def same(a, b):
    """Equal in type and in every bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float) and not isinstance(a, np.generic):
        return struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, np.ndarray) and a.dtype != object:
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, np.ndarray):
        return b.dtype == object and a.shape == b.shape and same(a.tolist(), b.tolist())
    if isinstance(a, np.generic):
        return a.tobytes() == b.tobytes()
    if isinstance(a, torch.Tensor):
        return (
            a.dtype == b.dtype and a.shape == b.shape and a.numpy().tobytes() == b.numpy().tobytes()
        )
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a), list(b)) and same(list(a.values()), list(b.values()))
    return a == b


BITS = struct.unpack(">d", bytes.fromhex("7ff80000000000ab"))[0]  # a NaN with a payload


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, -(2**70), 1.0, -0.0, 0.1 + 0.2, 5e-324, math.inf, -math.inf, math.nan,
        BITS, "", "µ\n\x00\ud800", [], (), {}, [None, [1.5, ("a",)]], {"$": "tuple", "items": [1]},
        {1: "a", "1": "b", 1.5: 2, None: 3, (1, 2): 4}, {"b": 1, "a": 2},
        slice(None), slice(1, None, -2), np.float32(0.1), np.float64("nan"), np.int8(-3),
        np.uint64(2**64 - 1), np.bool_(True), np.complex64(1 - 2j), np.str_("x"), np.float16(1e-7),
        np.str_(""), np.array(["", ""]), np.array([], "U"), np.array("word"), np.array(2.5),
        np.zeros((0, 3)), np.arange(6).reshape(2, 3).T, np.array([1.5], ">f4"), np.array([b"a\0b"]),
        np.array(["pt", "µ"], dtype=object), np.array([["a", 1], [None, 2.5]], dtype=object),
        np.array([[1, 2], [3, 4]], dtype=object), np.empty((0, 2), dtype=object),
        torch.tensor(1.5), torch.arange(3), torch.zeros(0, 2), torch.tensor([True]),
        torch.tensor([1.0, math.nan], dtype=torch.float64), torch.eye(3)[:, 1],
    ],
    ids=lambda value: repr(value)[:40].encode("ascii", "backslashreplace").decode(),
)  # fmt: skip
def test_exactly(value):
    assert same(there_and_back(value), value)


def test_list_inside_an_object_array():
    value = np.empty(2, dtype=object)
    value[:] = [[1, 2], [3]]
    assert there_and_back(value).tolist() == [[1, 2], [3]]


def test_memory_order_and_own_memory():
    fortran = np.asfortranarray(np.ones((3, 4)))
    again = there_and_back(fortran)
    assert again.flags.f_contiguous
    assert not again.flags.c_contiguous
    again[0, 0] = 2.0
    assert fortran[0, 0] == 1.0


def test_read_only_memmap_and_strided_arrays(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(10.0))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert same(there_and_back(mapped), np.arange(10.0))
    assert same(there_and_back(mapped[::3]), np.arange(10.0)[::3].copy())


@pytest.mark.parametrize(
    "bits", [np.random.MT19937, np.random.PCG64, np.random.Philox, np.random.SFC64]
)
def test_random_generators_go_on_where_they_were(bits):
    generator = np.random.Generator(bits(5))
    generator.integers(0, 9, dtype=np.int32)  # leaves half a draw behind
    again = there_and_back(generator)
    assert again.integers(0, 2**31, 9, np.int32).tolist() == (
        generator.integers(0, 2**31, 9, np.int32).tolist()
    )
    state = np.random.RandomState(bits(5))
    state.normal()  # keeps the second normal of a pair
    assert there_and_back(state).normal(size=3).tolist() == state.normal(size=3).tolist()


def test_seed_sequence_goes_on_where_it_was():
    for seeds in (np.random.SeedSequence([1, 2**90], spawn_key=(3,)), np.random.SeedSequence()):
        seeds.spawn(2)
        again = there_and_back([seeds])[0]
        assert again.spawn(1)[0].generate_state(2).tolist() == (
            seeds.spawn(1)[0].generate_state(2).tolist()
        )


def test_foreign_bit_generator():
    class Foreign(np.random.PCG64):
        @property
        def state(self):
            return {"bit_generator": "Foreign"}

    with pytest.raises(TypeError, match="Owner cannot be saved: value=Generator"):
        there_and_back(np.random.Generator(Foreign(1)))


@pytest.mark.parametrize("kind", [list, dict, tuple, str, int, float])
def test_subclasses_are_refused(kind):
    value = type("Subclass", (kind,), {})()
    with pytest.raises(TypeError, match=r"value\[0\]=.* is a Subclass"):
        there_and_back([value])


@pytest.mark.parametrize("value", [np.bytes_(b"a"), np.void(b"a"), {1, 2}, b"bytes", range(3), 1j])
def test_other_kinds_are_refused(value):
    with pytest.raises(TypeError, match="A model file holds numbers, strings, arrays, tensors"):
        there_and_back(value)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=True)
    | st.text()
    | st.floats(width=32).map(np.float32)
    | st.integers(-(2**31), 2**31 - 1).map(np.int32)
)
ARRAYS = hnp.arrays(
    st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(),
        hnp.unsigned_integer_dtypes(),
        hnp.floating_dtypes(),
        hnp.complex_number_dtypes(),
    ),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
VALUES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(-9, 9), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_any_value_comes_back(value):
    assert same(there_and_back(value), value)


@settings(max_examples=30, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int64]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    )
)
def test_any_tensor_comes_back(array):
    tensor = torch.from_numpy(array)
    assert same(there_and_back([tensor])[0], tensor)


def test_feature_names_in_a_file(standins, tmp_path):
    bag = standins.Bag((1, 2)).fit({"PRI_jet_num": 3})
    bag.feature_names_in_ = np.array(["pt", "η"], dtype=object)
    bag.n_features_in_ = 2
    bag.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    assert loaded.value == (1, 2)
    assert loaded.value_ == {"PRI_jet_num": 3}
    assert same(loaded.feature_names_in_, bag.feature_names_in_)
