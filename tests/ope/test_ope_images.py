"""For tests/ope: images reach a latent_transform unflattened, a preprocessing flat."""

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import MinMaxScaler
from torch import nn

from skhep_anomaly import AEOutlierDetector, OPEClassifier


def images():
    """Noise and a square whose brightness is N(0, 1), of anomalies N(4, 1)."""
    rng = np.random.default_rng(0)
    X = 0.5 * rng.normal(size=(160, 1, 8, 8))
    y = np.arange(160) % 4 // 3
    X[:, :, 2:6, 2:6] += (4 * y + rng.normal(size=160))[:, None, None, None]
    return X.astype(np.float32), y


def test_a_convolutional_latent_sees_images():
    X, y = images()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.Flatten(), nn.Linear(64, 4))
        decoder = nn.Sequential(nn.Linear(4, 64), nn.Unflatten(1, (1, 8, 8)))
    latent = AEOutlierDetector(
        encoder=encoder, decoder=decoder, noise=None, n_members=1, max_epochs=60, batch_size=40
    )
    est = OPEClassifier(latent_transform=latent, max_iter=500, random_state=0).fit(X, y)
    assert est.box_.shape == (2, 4)
    assert roc_auc_score(y, est.decision_function(X)) > 0.9


def test_preprocessing_of_images_is_flat_and_the_module_sees_images():
    X, y = images()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 2, 5), nn.SiLU(), nn.Flatten(), nn.Linear(32, 1))
    for preprocessing in ("quantile", MinMaxScaler()):
        est = OPEClassifier(
            module=net, preprocessing=preprocessing, weight_decay=1e-3, random_state=0
        ).fit(X, y)
        assert roc_auc_score(y, est.decision_function(X)) > 0.9
