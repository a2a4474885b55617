"""A fitted mixture tells of each part under the part's name."""

from __future__ import annotations

import numpy as np
import pytest

from skhep_anomaly import OPEClassifier
from skhep_anomaly.ope.samplers import HMCSampler, MixtureSampler, RMSPropSampler, UniformSampler


@pytest.mark.filterwarnings("ignore:.*has not converged")
def test_no_part_hides_another():
    rng = np.random.default_rng(0)
    parts = [("all", UniformSampler()), ("hmc", HMCSampler()), ("rms", RMSPropSampler())]
    est = OPEClassifier(sampler=MixtureSampler(parts), max_iter=10, random_state=0)
    stats = est.fit(rng.normal(size=(100, 2))).sampler_stats_
    assert {"hmc__step_size", "rms__step_size", "hmc__acceptance", "g_pseudo"} <= set(stats)
    assert stats["hmc__step_size"] != stats["rms__step_size"]
