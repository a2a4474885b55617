"""
One search over unlike detectors
================================

Nets of this package, a distance to neighbours of PyOD's and a detector of scikit-learn's, with two
ways of scaling, in one ``GridSearchCV``. Two pieces make this work: a splitter that trains on
normal rows only, and a scorer that knows which label is the anomaly.
"""

# %%
# A part of the embedded HiggsML events, to be done in seconds.
import numpy as np
from pyod.models.knn import KNN
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import RobustScaler

from skhep_anomaly import (
    AEOutlierDetector,
    FlowOutlierDetector,
    GANOutlierDetector,
    MissingSentinel,
    NormalOnlySplit,
    PyODAdapter,
    VAEOutlierDetector,
    load_higgsml,
    outlier_roc_auc_scorer,
)

events = load_higgsml(drop_phi=True, nrows=3000)

# %%
# Each cell of the grid is a whole detector. `max_epochs` is small here for the sake of time; leave
# it out for results.
pipeline = Pipeline(
    [("missing", MissingSentinel()), ("scale", "passthrough"), ("detect", IsolationForest())]
)
grid = {
    "scale": ["passthrough", RobustScaler()],
    "detect": [
        AEOutlierDetector(max_epochs=30, n_members=1, random_state=0),
        VAEOutlierDetector(max_epochs=30, random_state=0),
        FlowOutlierDetector(max_epochs=20, random_state=0),
        GANOutlierDetector(max_epochs=30, random_state=0),
        PyODAdapter(KNN, n_neighbors=10),
        IsolationForest(random_state=0),
    ],
}
search = GridSearchCV(
    pipeline, grid, scoring=outlier_roc_auc_scorer, cv=NormalOnlySplit(3), refit=False
)
search.fit(events.X, events.y)

# %%
# The mean AUC over the folds, and its spread. Nets standardise by themselves, so a scaler in front
# changes little for them; it matters to distances.
results = search.cv_results_
for i in np.argsort(-results["mean_test_score"]):
    scale = results["param_scale"][i]
    detect = results["param_detect"][i]
    detect = getattr(detect, "detector", type(detect)).__name__
    auc, spread = results["mean_test_score"][i], results["std_test_score"][i]
    name = "-" if isinstance(scale, str) else type(scale).__name__
    print(f"{detect:22} {name:13} {auc:.3f} ± {spread:.3f}")

# %%
# A search's own refit would train on all rows, signal too: hence ``refit=False``. The winner is
# fitted here, on background.
best = pipeline.set_params(**search.best_params_).fit(events.X[events.y == 0])
flagged = best.predict(events.X) == -1
print(
    f"flagged: {flagged[events.y == 1].mean():.1%} of the signal, "
    f"{flagged[events.y == 0].mean():.1%} of the background"
)
