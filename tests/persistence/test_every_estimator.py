"""Every public estimator that has ``save`` comes back with equal scores; found, not listed."""

from __future__ import annotations

import inspect
import re
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from torch import nn

import skhep_anomaly
from skhep_anomaly import AEOutlierDetector, ModelFileError, load
from skhep_anomaly.persistence import save

PUBLIC = [getattr(skhep_anomaly, name) for name in skhep_anomaly.__all__]
SAVED = [
    cls
    for cls in PUBLIC
    if inspect.isclass(cls) and issubclass(cls, BaseEstimator) and hasattr(cls, "save")
    # generators of showers are fitted to conditions and images: tests/generators/test_calogan.py
    if not hasattr(cls, "sample_conditions")
]
# what an estimator needs beside its defaults
PARAMS = {
    "GroupwiseOutlierDetector": lambda: {
        "estimator": AEOutlierDetector(max_epochs=2, random_state=0),
        "groups": 4,
        "min_group_size": 10,
    },
}
FOREIGN = {"PyODAdapter"}  # always hold a part of another package: tested below


def small(cls, **params):
    names = inspect.signature(cls).parameters
    quick = {"max_epochs": 2, "max_iter": 20, "random_state": 0}
    given = PARAMS.get(cls.__name__, dict)()
    return cls(**{k: v for k, v in quick.items() if k in names}, **given, **params)


@pytest.fixture(scope="module")
def X():
    X = np.random.default_rng(1).normal(size=(150, 5))
    X[:, 4] = np.arange(150) % 2
    return X


def fitted(estimator, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs are few
        if get_tags(estimator).target_tags.required:
            return estimator.fit(X, (X[:, 0] > 1).astype(int))
        return estimator.fit(X)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "cls", [c for c in SAVED if c.__name__ not in FOREIGN], ids=lambda c: c.__name__
)
def test_scores_are_equal_to_the_last_bit(cls, X, tmp_path, dtype):
    X = X.astype(dtype)
    estimator = fitted(small(cls), X)
    estimator.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.score_samples(X), estimator.score_samples(X), strict=True)
    np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))
    assert getattr(loaded, "offset_", None) == getattr(estimator, "offset_", None)
    assert set(loaded.get_params()) == set(estimator.get_params())
    public = {n for n in vars(estimator) if n.endswith("_")}
    assert {n for n in vars(loaded) if n.endswith("_")} == public
    data = bytearray((tmp_path / "m").read_bytes())
    data[len(data) // 3] ^= 1
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(ModelFileError, match="its sha256 does not fit"):
        load(tmp_path / "m")


@pytest.mark.parametrize(
    "cls", [c for c in SAVED if c.__name__ not in FOREIGN], ids=lambda c: c.__name__
)
def test_unfitted_is_refused(cls, tmp_path):
    with pytest.raises(NotFittedError, match=f"This {cls.__name__} instance is not fitted yet"):
        small(cls).save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "params",
    [
        {"score_kind": "hybrid"},
        {"noise": None, "n_members": 1, "score_kind": "per_feature_nll", "latent_dim": 2},
        {"noise": None, "n_members": 1, "score_kind": "mse", "robust": "l1"},
        {"noise": 0.2, "n_members": 2, "dropout": 0.1, "score_kind": "norm"},
        {"standardize": False, "dtype": "float32", "early_stopping": True},
        {"threshold": "percentile", "percentile": 12.5, "hidden_layer_sizes": [8, 8]},
        {"threshold": np.float64(-3.5)},
        {"random_state": np.random.RandomState(4)},
        {"random_state": np.random.SeedSequence(4)},
        {"random_state": None},
    ],
    ids=lambda parameters: re.sub(r" at 0x\w+", "", str(parameters)),
)
def test_autoencoder_in_many_forms(X, tmp_path, params):
    detector = fitted(AEOutlierDetector(**{"max_epochs": 2, "random_state": 0, **params}), X)
    detector.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.score_samples(X), detector.score_samples(X), strict=True)
    np.testing.assert_array_equal(loaded.transform(X), detector.transform(X))
    np.testing.assert_array_equal(loaded.score_std(X), detector.score_std(X))


def test_training_goes_on_after_loading(X, tmp_path):
    detector = fitted(AEOutlierDetector(max_epochs=5, random_state=0, score_kind="hybrid"), X)
    detector.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    loaded.partial_fit(X)
    assert np.isfinite(loaded.score_samples(X)).all()
    first, after = detector.history_[0]["train_loss"], loaded.history_[-1]["train_loss"]
    assert after < first


def test_loaded_detector_fits_like_the_saved_one(X, tmp_path):
    detector = AEOutlierDetector(max_epochs=2, random_state=np.random.RandomState(3))
    fitted(detector, X).save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    again, fresh = fitted(detector, X).score_samples(X), fitted(loaded, X).score_samples(X)
    np.testing.assert_array_equal(again, fresh)


class ImageEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))

    def forward(self, x):
        return self.layers(x)


class ImageDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 16), nn.Unflatten(1, (1, 4, 4)))

    def forward(self, z):
        return self.layers(z)


def test_modules_written_by_the_user(tmp_path):
    images = np.random.default_rng(2).normal(size=(80, 1, 4, 4)).astype(np.float32)
    detector = AEOutlierDetector(
        encoder=ImageEncoder(),
        decoder=ImageDecoder(),
        noise=None,
        n_members=1,
        max_epochs=2,
        random_state=0,
    )
    fitted(detector, images).save(tmp_path / "m")
    with pytest.raises(TypeError, match="the file needs the module class 'ImageDecoder'"):
        load(tmp_path / "m")
    modules = {"ImageEncoder": ImageEncoder, "ImageDecoder": ImageDecoder}
    loaded = load(tmp_path / "m", modules=modules)
    np.testing.assert_array_equal(loaded.score_samples(images), detector.score_samples(images))
    first = loaded.encoder.layers[1].weight
    assert torch.equal(first, detector.encoder.layers[1].weight)


def test_callback_and_threshold_function_are_named(X, tmp_path):
    from skorch.callbacks import EpochTimer

    detector = fitted(AEOutlierDetector(max_epochs=1, callbacks=[EpochTimer()]), X)
    with pytest.raises(
        TypeError, match=r"AEOutlierDetector cannot be saved: callbacks\[0\]=<skorch"
    ):
        detector.save(tmp_path / "m")
    detector = fitted(AEOutlierDetector(max_epochs=1, threshold=np.median), X)
    with pytest.raises(TypeError, match="AEOutlierDetector cannot be saved: threshold=<function"):
        detector.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_foreign_detector_is_named(X, tmp_path):
    from pyod.models.knn import KNN

    from skhep_anomaly.outliers.pyod import PyODAdapter

    adapter = fitted(PyODAdapter(KNN(n_neighbors=3)), X)
    with pytest.raises(TypeError, match=r"PyODAdapter cannot be saved: detector=KNN\(") as error:
        adapter.save(tmp_path / "m")
    assert "skops" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_transformer_of_ours(tmp_path):
    X = np.array([[1.0, -999.0], [3.0, 4.0], [-999.0, 6.0]])
    sentinel = skhep_anomaly.MissingSentinel(strategy="mean").fit(X)
    save(sentinel, tmp_path / "m")
    again = load(tmp_path / "m").transform(X)
    np.testing.assert_array_equal(again, sentinel.transform(X))
    assert again[0, 1] == 5.0
