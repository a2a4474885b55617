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
    RocSicDisplay,
    ScoreHistogramDisplay,
    bootstrap_metric,
    load_higgsml,
    weighted_roc_auc,
)

events = load_higgsml(drop_phi=True)
print(events.describe())

# %%
# Train on background, test on both
# ---------------------------------
X, X_test, y, y_test = train_test_split(
    events.X, events.y, test_size=0.35, stratify=events.y, random_state=0
)
model = make_pipeline(MissingSentinel(), AEOutlierDetector(random_state=0))
model.fit(X[y == 0])

# %%
# Higher scores are more normal; the anomaly score is their negative. A first number, with the error
# that another sample of this size would show:
anomaly_score = -model.score_samples(X_test)
auc = bootstrap_metric(weighted_roc_auc, y_test, anomaly_score, n_bootstrap=50, random_state=0)
print(f"AUC {auc.value:.3f} ± {auc.std:.3f}")

# %%
# The line is the detector's own threshold, above which it calls an event odd. By default that is
# where 10 % of the training rows lie.
ScoreHistogramDisplay.from_estimator(model, X_test, y_test, X_train=X[y == 0])

# %%
# Signal efficiency against background efficiency, and by how much a cut improves s/√b. Signal and
# background overlap almost everywhere: a Higgs boson that decays to ττ looks much like a Z that
# does. A classifier that is shown labels reaches an AUC of about .9 here; what is odd about an
# event is another question than what it is.
RocSicDisplay.from_predictions(y_test, {"autoencoder": anomaly_score})

# %%
# Why is an event odd?
# --------------------
# The squared residual of each feature, in standard deviations, for the oddest event of the test.
oddest = X_test[[np.argmax(anomaly_score)]]
errors = model[-1].feature_errors(model[:-1].transform(oddest))[0]
for i in np.argsort(-errors)[:4]:
    name = events.feature_names[i]
    print(f"{name:24} {errors[i]:8.1f}   value {oddest[0, i]:8.1f} [{events.units[name]}]")
