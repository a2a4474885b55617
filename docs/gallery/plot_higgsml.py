"""
Odd events in HiggsML
=====================

An autoencoder learns background events of the Higgs boson challenge and never sees a signal event.
How well do its scores separate the two?
"""

# %%
# The data
# --------
# The embedded sample is a part of the challenge's training set. A value that is undefined, such as
# the mass of two jets in an event with one jet, is −999. The azimuthal angles are left out: the
# experiment is symmetric in φ.
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skhep_anomaly import (
    AEOutlierDetector,
    MissingSentinel,
    load_higgsml,
    weighted_roc_auc,
)
from skhep_anomaly.plotting import RocSicDisplay, ScoreHistogramDisplay

events = load_higgsml(drop_phi=True)
print(events.X.shape, "signal:", int(events.y.sum()))

# %%
# Train on background, test on both
# ---------------------------------
X, X_test, y, y_test = train_test_split(
    events.X, events.y, test_size=0.35, stratify=events.y, random_state=0
)
model = make_pipeline(MissingSentinel(), AEOutlierDetector(n_members=1, random_state=0))
model.fit(X[y == 0])

# %%
# Higher scores are more normal; the anomaly score is their negative.
anomaly_score = -model.score_samples(X_test)
print(f"AUC {weighted_roc_auc(y_test, anomaly_score):.3f}")
assert np.isfinite(anomaly_score).all()

# %%
ScoreHistogramDisplay.from_predictions(y_test, anomaly_score)

# %%
# Signal efficiency against background efficiency, and by how much a cut improves s/√b. Signal and
# background overlap almost everywhere: Higgs events look much like Z events.
RocSicDisplay.from_predictions(y_test, {"autoencoder": anomaly_score})
