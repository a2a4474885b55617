"""
PyOD at the border
==================

PyOD has dozens of detectors and signs of its own: higher is odder, outliers are 1. An adapter
brings any of them under scikit-learn's convention, and ours into PyOD's.
"""

# %%
import numpy as np
import pandas as pd
from pyod.models.ecod import ECOD
from pyod.models.knn import KNN

from skhep_anomaly import (
    AEOutlierDetector,
    MissingSentinel,
    PyODAdapter,
    RocSicDisplay,
    as_pyod,
    load_higgsml,
)

events = load_higgsml(drop_phi=True, nrows=6000)
background, signal = events.X[events.y == 0], events.X[events.y == 1]
missing = MissingSentinel().fit(background[:2500])
X = missing.transform(background[:2500])
X_test = missing.transform(np.vstack([background[2500:], signal]))
y_test = np.repeat([0, 1], [len(background) - 2500, len(signal)])

# %%
# PyOD → here
# -----------
# An instance, or the class with its parameters. Everything that works with a scikit-learn detector
# works now: pipelines, searches (``detector__n_neighbors``), Displays.
detectors = {
    "kNN (PyOD)": PyODAdapter(KNN(n_neighbors=10), standardize=True),
    "ECOD (PyOD)": PyODAdapter(ECOD),
    "autoencoder": AEOutlierDetector(max_epochs=40, random_state=0),
    "both (hybrid)": AEOutlierDetector(max_epochs=40, score_kind="hybrid", random_state=0),
}
for detector in detectors.values():
    detector.fit(X)
RocSicDisplay.from_estimator(detectors, X_test, y_test)

# %%
# Signs, side by side.
ecod = detectors["ECOD (PyOD)"]
row = X_test[:1]
print("PyOD:", ecod.detector_.decision_function(row)[0].round(3), ecod.detector_.predict(row)[0])
print("here:", ecod.score_samples(row)[0].round(3), ecod.predict(row)[0])

# %%
# PyOD takes the columns of a frame in any order without a word. The adapter does not.
frame = pd.DataFrame(X, columns=events.feature_names)
named = PyODAdapter(ECOD).fit(frame)
try:
    named.predict(frame[frame.columns[::-1]])
except ValueError as error:
    print(error)

# %%
# Here → PyOD
# -----------
# `as_pyod` gives a detector for PyOD's tools: its combinations, its thresholds, its labels.
detector = as_pyod(AEOutlierDetector(max_epochs=20, random_state=0), contamination=0.05).fit(X)
print("labels 0 and 1:", np.bincount(detector.labels_))
print("probability of being an outlier:", detector.predict_proba(row)[0, 1].round(3))
