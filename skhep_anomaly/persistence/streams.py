"""The exact state of numpy's random generators as plain data.

``random_state=RandomState(…)`` is a parameter like any other: after loading, the next fit draws the
numbers that it would have drawn. Only numpy's own bit generators, by name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skhep_anomaly.exceptions import ModelFileError

__all__ = ["Stream", "stream_from_state", "stream_to_state"]

Stream = np.random.RandomState | np.random.Generator | np.random.SeedSequence

_BIT_GENERATORS = {
    "MT19937": np.random.MT19937,
    "PCG64": np.random.PCG64,
    "PCG64DXSM": np.random.PCG64DXSM,
    "Philox": np.random.Philox,
    "SFC64": np.random.SFC64,
}


def stream_to_state(stream: Stream) -> dict[str, Any] | None:
    """Give the state, or None if the bit generator is not numpy's own."""
    if isinstance(stream, np.random.SeedSequence):
        return dict(stream.state)
    if isinstance(stream, np.random.RandomState):
        state: Any = stream.get_state(legacy=False)
    else:
        state = stream.bit_generator.state
    return dict(state) if state["bit_generator"] in _BIT_GENERATORS else None


def stream_from_state(kind: str, state: Any) -> Stream:
    """Give the "RandomState", "Generator" or "SeedSequence" with this state."""
    if kind == "SeedSequence":
        return np.random.SeedSequence(**state)
    make_bits = _BIT_GENERATORS.get(state["bit_generator"])
    if make_bits is None:
        msg = f"it holds a random generator of kind {str(state['bit_generator'])[:40]!a}"
        raise ModelFileError(msg)
    if kind == "Generator":
        generator = np.random.Generator(make_bits())
        generator.bit_generator.state = state
        return generator
    random_state = np.random.RandomState(make_bits())
    random_state.set_state(state)
    return random_state
