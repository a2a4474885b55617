"""Detectors whose sign is not ours are refused, not read upside down."""

from __future__ import annotations

import numpy as np
import pytest
from pyod.models.knn import KNN
from sklearn.ensemble import IsolationForest

from skhep_anomaly.outliers import AEOutlierDetector, GroupwiseOutlierDetector, PyODAdapter, as_pyod
from skhep_anomaly.outliers._offset import normality

X = np.random.default_rng(0).normal(size=(60, 2))


def test_scores_of_scikit_learn_count_normality():
    forest = IsolationForest(random_state=0).fit(X)
    score = normality(forest)(np.array([[0.0, 0.0], [9.0, 9.0]]))
    assert score[0] > score[1] + 0.1


@pytest.mark.parametrize("use", [as_pyod, lambda d: GroupwiseOutlierDetector(d).fit(X)])
def test_detectors_of_pyod_are_refused_without_their_adapter(use):
    with pytest.raises(TypeError, match="KNN is a detector of PyOD, whose scores count anomaly"):
        use(KNN())


def test_adapted_detectors_of_pyod_are_taken():
    model = GroupwiseOutlierDetector(PyODAdapter(KNN())).fit(X)
    np.testing.assert_array_equal(model.predict([[0.0, 0.0], [9.0, 9.0]]), [1, -1])


def test_classes_are_refused():
    with pytest.raises(TypeError, match="AEOutlierDetector is a class; give an instance"):
        as_pyod(AEOutlierDetector)
