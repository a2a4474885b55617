"""
One search over unlike detectors
================================

An autoencoder and scikit-learn's isolation forest, with and without scaling, in one grid search.
Two pieces make this work: a splitter that trains on normal rows only, and a scorer that knows
which label is the anomaly.
"""

# %%
# Two half moons, with several kinds of anomalies around them.
import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler

from skhep_anomaly import (
    AEOutlierDetector,
    NormalOnlySplit,
    make_moons_anomalies,
    outlier_roc_auc_scorer,
)

data = make_moons_anomalies(1000, 150, random_state=0)

# %%
# Each cell of the grid is a whole detector.
pipeline = Pipeline([("scale", "passthrough"), ("detect", IsolationForest())])
grid = {
    "scale": ["passthrough", StandardScaler(), RobustScaler()],
    "detect": [
        IsolationForest(random_state=0),
        AEOutlierDetector(n_members=1, max_epochs=60, random_state=0),
    ],
}
search = GridSearchCV(
    pipeline, grid, scoring=outlier_roc_auc_scorer, cv=NormalOnlySplit(3), refit=False
)
search.fit(data.X, data.y)

# %%
# The mean AUC over the folds, and its spread.
results = search.cv_results_
for i in np.argsort(-results["mean_test_score"]):
    scale = type(results["param_scale"][i]).__name__
    detect = type(results["param_detect"][i]).__name__
    auc, spread = results["mean_test_score"][i], results["std_test_score"][i]
    print(f"{detect:20} {scale if scale != 'str' else '-':15} {auc:.3f} ± {spread:.3f}")

# %%
# A search's own refit would train on all rows, anomalies too. So the winner is fitted here, on
# normal rows.
best = pipeline.set_params(**search.best_params_).fit(data.X[data.y == 0])
flagged = (best.predict(data.X[data.y == 1]) == -1).mean()
print(f"{flagged:.1%} of the anomalies are flagged")
