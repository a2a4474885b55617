"""Model files of each release load for ever, and give the scores that they gave then."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from skhep_anomaly import load

FOLDER = Path(__file__).resolve().parents[1] / "fixtures"
FILES = sorted(FOLDER.glob("*.skhep"))


def test_every_format_has_its_files():
    formats = {int(file.name.split("_")[1]) for file in FILES}
    assert formats == {1}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_scores_are_those_of_the_day(file):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*was written with", UserWarning)
        estimator = load(file)
    then = np.load(file.with_suffix(".npz"))
    scores = estimator.score_samples(then["X"])
    # other processors and libraries sum in another order
    rtol = 1e-4 if "float32" in file.name else 1e-9
    np.testing.assert_allclose(scores, then["scores"], rtol=rtol)
    assert np.ptp(then["scores"]) > 0.1
