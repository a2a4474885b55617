"""The package's own errors and warnings keep the base classes that callers catch."""

from __future__ import annotations

import pytest

from skhep_anomaly import exceptions


@pytest.mark.parametrize(
    "name, base",
    [
        ("TrainingDivergedError", RuntimeError),
        ("ModelFileError", OSError),
        ("SimulatorError", RuntimeError),
        ("ModeCollapseWarning", UserWarning),
        ("CheckpointWarning", UserWarning),
    ],
)
def test_base_class(name, base):
    own = getattr(exceptions, name)
    assert issubclass(own, base)
    assert own.__mro__[1] is base


def test_all_lists_every_class():
    defined = {n for n, v in vars(exceptions).items() if isinstance(v, type)}
    assert defined == set(exceptions.__all__)
    assert len(defined) == 6
