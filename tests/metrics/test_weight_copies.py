"""For every metric: a weight k is k copies of the row, weight 0 its absence, order is nothing."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skhep_anomaly.metrics import (
    ams_curve,
    ams_score,
    max_ams,
    max_sic,
    mcc_at_percentile,
    mcc_at_threshold,
    sic_curve,
    weighted_average_precision,
    weighted_precision_recall_curve,
    weighted_roc_auc,
    weighted_roc_curve,
)

TRAIN = np.linspace(-3, 3, 11)


def _selected(y, score, weight):
    return ams_score(y, np.asarray(score) > 0, weight)


def _trained(y, score, weight):
    """Threshold from the same rows, weights and all."""
    return mcc_at_percentile(y, score, score, 40, weight, train_weight=weight)


METRICS = {
    "ams_score": _selected,
    "ams_curve": ams_curve,
    "max_ams": lambda *rows: max_ams(*rows)[:2],
    "max_ams totals": lambda *rows: max_ams(*rows, s_total=692.0, b_total=4.1e5)[:2],
    "roc_auc": weighted_roc_auc,
    "average_precision": weighted_average_precision,
    "roc_curve": lambda *rows: weighted_roc_curve(*rows)[:2],
    "precision_recall_curve": weighted_precision_recall_curve,
    # The guard counts events, and copies are more events: it is off here.
    "sic_curve": partial(sic_curve, min_background_events=0),
    "max_sic": partial(max_sic, min_background_events=0),
    "mcc_at_threshold": lambda y, score, weight: mcc_at_threshold(y, score, 0.5, weight),
    "mcc_at_percentile": _trained,
}


@st.composite
def events(draw):
    """Rows of both classes with small integer weights, ties included."""
    score = st.one_of(st.integers(-3, 3).map(float), st.floats(-3, 3))
    row = st.tuples(st.booleans(), score, st.integers(0, 4))
    rows = draw(st.lists(row, max_size=30))
    rows += [(True, draw(score), 1), (False, draw(score), 2)]
    y, values, counts = map(np.array, zip(*draw(st.permutations(rows)), strict=True))
    return y, values, counts


def _close(first, second):
    first, second = (r if isinstance(r, tuple) else (r,) for r in (first, second))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@settings(max_examples=40, deadline=None)
@given(events())
def test_weight_is_copies(metric, rows):
    y, score, count = rows
    copies = np.repeat(np.arange(len(y)), count)
    _close(metric(y, score, count), metric(y[copies], score[copies], None))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@settings(max_examples=15, deadline=None)
@given(events(), st.randoms(use_true_random=False))
def test_order_of_rows_is_free(metric, rows, random):
    y, score, count = rows
    order = random.sample(range(len(y)), len(y))
    weight = np.sqrt(count)
    _close(metric(y, score, weight), metric(y[order], score[order], weight[order]))
