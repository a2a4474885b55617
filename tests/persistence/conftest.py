"""Small estimators that stand in for ours: a public module of the package, made for the tests.

`standins.Toy` is a detector with a torch net, `standins.Group` holds estimators, `standins.Bag`
only values.
"""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from torch import nn

from skhep_anomaly.persistence import SaveMixin


class Net:
    """What an estimator's skorch net is to persistence."""

    def __init__(self, module):
        self.module_ = module


class Toy(SaveMixin, BaseEstimator):
    """score = −|net(x)|², net = linear-tanh-linear with random weights."""

    _extra_state = ("_kept",)

    def __init__(
        self,
        width=4,
        *,
        detector=None,
        encoder=None,
        dtype="float64",
        random_state=0,
        device="cpu",
        callbacks=None,
        n_members=None,
    ):
        self.width = width
        self.detector = detector
        self.encoder = encoder
        self.dtype = dtype
        self.random_state = random_state
        self.device = device
        self.callbacks = callbacks
        self.n_members = n_members

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        self.device_ = self.device
        self.offset_ = np.float64(-1.25)
        self.history_ = [{"epoch": 1, "train_loss": 0.1 + 0.2, "valid_loss": float("inf")}]
        self._kept = {"seen": len(X)}
        self._forgotten = lambda: None
        self.net_ = self._make_net()
        generator = torch.Generator().manual_seed(7)
        for net in self.net_ if isinstance(self.net_, list) else [self.net_]:
            with torch.no_grad():
                for p in net.module_.parameters():
                    p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
        return self

    def _make_net(self):
        if self.n_members is not None:
            return [Net(self._module()) for _ in range(self.n_members)]
        return Net(self._module())

    def _module(self):
        d, k = self.n_features_in_, self.width
        first = self.encoder() if isinstance(self.encoder, type) else nn.Linear(d, k)
        net = nn.Sequential(first, nn.Tanh(), nn.BatchNorm1d(k), nn.Linear(k, 2))
        return net.to(self.device_, getattr(torch, self.dtype)).eval()

    def score_samples(self, X):
        net = self.net_[0] if isinstance(self.net_, list) else self.net_
        with torch.no_grad():
            z = net.module_(torch.as_tensor(X, dtype=getattr(torch, self.dtype)))
        return -z.square().sum(1).numpy().astype(np.float64)


class Bag(SaveMixin, BaseEstimator):
    """A parameter and a fitted attribute that may be anything."""

    def __init__(self, value=None):
        self.value = value

    def fit(self, X=None, y=None):
        self.value_ = X
        return self


@pytest.fixture
def standins(monkeypatch):
    module = types.ModuleType("skhep_anomaly.standins")
    module.__all__ = ["Bag", "Net", "Toy", "some_function"]
    for cls in (Toy, Bag, Net):
        monkeypatch.setattr(cls, "__module__", module.__name__)
        setattr(module, cls.__name__, cls)
    module.some_function = lambda: None
    module.Hidden = type("Hidden", (BaseEstimator,), {"__module__": module.__name__})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.fixture
def X():
    return np.random.default_rng(3).normal(size=(20, 3))


@pytest.fixture
def toy(standins, X):
    return standins.Toy().fit(X)


@pytest.fixture
def model(toy, tmp_path):
    """A saved toy."""
    path = tmp_path / "toy.skhep"
    toy.save(path)
    return path
