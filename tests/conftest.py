"""What all tests share: where the real data lie, and that no test leaves a trace behind.

`data_file("higgsml/training.csv")` gives the path of a file of real data. A machine without it
skips the test and says which file is missing; where SKHEP_ANOMALY_REQUIRE_DATA=1 is set (CI beside
the data) a missing file fails instead, so that a skip never hides a lost test.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

PROJECT = Path(__file__).resolve().parents[1]


def data_folder() -> Path:
    """The folder named by SKHEP_ANOMALY_DATA, else ../shared/data beside the project."""
    named = os.environ.get("SKHEP_ANOMALY_DATA")
    return Path(named) if named else PROJECT.parent / "shared" / "data"


@pytest.fixture
def data_file():
    """A function from a name inside the data folder to its path."""

    def find(relative_name: str) -> Path:
        path = data_folder() / relative_name
        if path.exists():
            return path
        message = f"{relative_name} is not in the data folder; set SKHEP_ANOMALY_DATA to it"
        if os.environ.get("SKHEP_ANOMALY_REQUIRE_DATA") == "1":
            pytest.fail(message)
        pytest.skip(message)

    return find


def _numpy_stream() -> tuple[object, ...]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global stream is what we watch
    return (name, keys.tobytes(), *rest)


def _torch_settings() -> dict[str, object]:
    """Torch's global switches; nothing when no one has imported torch yet."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_num_threads"):
        return {}
    return {
        "torch default dtype": torch.get_default_dtype(),
        "torch thread count": torch.get_num_threads(),
        "torch deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "torch gradients": torch.is_grad_enabled(),
    }


@pytest.fixture(autouse=True)
def leaves_no_trace(request):
    """Fail a test that changes numpy's global stream or torch's global settings."""
    stream, settings = _numpy_stream(), _torch_settings()
    yield
    if request.node.get_closest_marker("global_state"):
        return
    after = _torch_settings()
    changed = [name for name in settings if settings[name] != after[name]]
    if _numpy_stream() != stream:
        changed.append("numpy's global random stream")
    assert not changed, f"the test changed {', '.join(changed)}"
