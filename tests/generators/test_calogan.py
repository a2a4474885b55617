"""CaloGANGenerator: what it promises of showers, whatever it has learnt."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from skhep_anomaly import CaloGANGenerator, load, load_geant4_showers
from skhep_anomaly.exceptions import ExtrapolationWarning

SMALL = {"hidden_layer_sizes": (24,), "latent_dim": 8, "random_state": 0, "max_epochs": 2}
NAMES = ["px", "py", "pz", "x", "y"]


@pytest.fixture(scope="module")
def showers():
    """The first 600 embedded showers, 12 × 12 cells around the centre."""
    bunch = load_geant4_showers(nrows=600)
    return bunch.X, np.ascontiguousarray(bunch.images[:, 9:21, 9:21])


def small(**params):
    return CaloGANGenerator(**{**SMALL, "shape": (12, 12), **params})


@pytest.fixture(scope="module")
def fitted(showers):
    return small().fit(*showers)


def electrons(n, energy=50.0, x=0.1):
    return np.tile(np.array([[0.0, 0.0, energy, x, 0.1]]), (n, 1))


# ----------------------------------------------------------------- samples


def test_same_seed_same_showers_and_another_seed_others(fitted, showers):
    X = showers[0][:300]
    one = fitted.sample(X, random_state=1)
    assert one.shape == (300, 12, 12)
    assert one.dtype == np.float32
    assert (one >= 0).all()
    np.testing.assert_array_equal(fitted.sample(X, random_state=1), one)
    assert not np.array_equal(fitted.sample(X, random_state=2), one)
    assert not np.array_equal(fitted.sample(X), fitted.sample(X))
    np.testing.assert_array_equal(small().fit(*showers).sample(X, random_state=1), one)
    np.testing.assert_array_equal(clone(fitted).fit(*showers).sample(X, random_state=1), one)


def test_a_shower_depends_on_its_place_and_its_own_conditions_alone(fitted, showers):
    X = showers[0][:520].copy()
    one = fitted.sample(X, random_state=1)
    np.testing.assert_array_equal(fitted.sample(X[:300], random_state=1), one[:300])
    X[:250] = X[260]
    np.testing.assert_array_equal(fitted.sample(X, random_state=1)[250:], one[250:])


def test_several_showers_for_each_condition(fitted, showers):
    X = showers[0][:100]
    several = fitted.sample(X, 3, random_state=1)
    repeated = fitted.sample(np.repeat(X, 3, axis=0), random_state=1)
    np.testing.assert_array_equal(several, repeated)
    assert not np.array_equal(several[0], several[1])


def test_drawn_conditions_are_those_of_the_training(fitted, showers):
    X = fitted.sample_conditions(500, random_state=4)
    known = {tuple(row) for row in showers[0].astype(np.float32)}
    assert all(tuple(row) in known for row in X)
    assert len({tuple(row) for row in X}) > 200
    np.testing.assert_array_equal(fitted.sample_conditions(70, random_state=4), X[:70])
    np.testing.assert_array_equal(
        fitted.sample(500, random_state=4), fitted.sample(X, random_state=4)
    )
    np.testing.assert_array_equal(
        fitted.sample(100, 2, random_state=4), fitted.sample(X[:100], 2, random_state=4)
    )


def test_the_global_streams_stay_where_they_are(fitted, showers):
    before = torch.get_rng_state()
    small(max_epochs=1).fit(*showers).sample(3)
    fitted.score_samples(showers[0][:5], showers[1][:5])
    assert torch.equal(torch.get_rng_state(), before)  # numpy's: see conftest


# ------------------------------------------------------------------ physics


def test_energy_is_response_times_fraction_exactly_without_cell_noise(showers):
    X, y = showers
    generator = small(cell_noise=None, max_epochs=1).fit(X, y)
    net = generator.net_.module_.generator
    made = generator.sample(X, random_state=3).sum(axis=(1, 2), dtype=np.float64)
    plain = small(cell_noise=None, response=None, max_epochs=1).fit(X, y)
    energy = 1e3 * np.linalg.norm(X[:, :3], axis=1)
    fraction = float(plain.net_.module_.generator.fraction)
    total = plain.sample(X, random_state=3).sum(axis=(1, 2), dtype=np.float64)
    np.testing.assert_allclose(total, energy * fraction, rtol=1e-4)
    seen = (y.sum(axis=(1, 2), dtype=np.float64) / energy).mean()
    assert fraction == pytest.approx(seen, rel=1e-5)
    response = made / (energy * float(net.fraction))
    assert response.std() < 0.2
    assert np.ptp(response) > 1e-4


def test_twice_the_energy_twice_the_sum(fitted):
    one, two = (
        fitted.sample(electrons(2000, energy), random_state=0).sum(axis=(1, 2), dtype=np.float64)
        for energy in (20.0, 40.0)
    )
    assert two.mean() / one.mean() == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("axis", [0, 1])
def test_impact_a_cell_further_on_moves_the_centroid_by_a_cell(fitted, axis):
    X = electrons(1000)
    moved = X.copy()
    moved[:, 3 + axis] += 2.02
    at = []
    for rows in (X, moved):
        images = fitted.sample(rows, random_state=0).astype(np.float64)
        profile = images.sum(axis=2 - axis)
        at.append((profile @ np.arange(12) / profile.sum(axis=1)).mean())
    assert at[1] - at[0] == pytest.approx(1.0, abs=0.1)


def test_zeros_are_exact_and_about_as_many_as_in_showers(fitted, showers):
    X, y = showers
    made = fitted.sample(X, random_state=0)
    assert (made == 0).mean() == pytest.approx((y == 0).mean(), abs=0.12)


def test_mirrored_conditions_make_mirrored_showers_on_average(fitted):
    X = np.tile(np.array([[5.0, 2.0, 30.0, 0.3, -0.2]]), (3000, 1))
    mirrored = X * [-1, 1, 1, -1, 1]
    one, two = (fitted.sample(rows, random_state=0).mean(axis=0) for rows in (X, mirrored))
    assert np.abs(two[::-1] - one).max() < 0.05 * one.max()
    assert np.abs(two - one).max() > 0.2 * one.max()


# ------------------------------------------------------------- round trips


def test_round_trips_give_the_same_showers(fitted, showers, tmp_path):
    X, y = showers[0][:300], showers[1][:300]
    one, score = fitted.sample(X, random_state=1), fitted.score_samples(X, y)
    fitted.save(tmp_path / "g.skhep")
    for other in (pickle.loads(pickle.dumps(fitted)), load(tmp_path / "g.skhep")):
        np.testing.assert_array_equal(other.sample(X, random_state=1), one)
        np.testing.assert_array_equal(other.score_samples(X, y), score)
        np.testing.assert_array_equal(
            other.sample(50, random_state=1), fitted.sample(50, random_state=1)
        )


def test_scores_are_fixed_and_row_by_row(fitted, showers):
    X, y = showers[0][:300], showers[1][:300]
    score = fitted.score_samples(X, y)
    assert score.dtype == np.float64
    assert np.isfinite(score).all()
    np.testing.assert_array_equal(fitted.score_samples(X, y), score)
    np.testing.assert_allclose(fitted.score_samples(X[:9], y[:9]), score[:9], rtol=1e-5)
    assert fitted.score(X, y) == pytest.approx(score.mean())
    weight = np.arange(300) % 3
    copied = np.repeat(np.arange(300), weight)
    assert fitted.score(X, y, weight) == pytest.approx(score[copied].mean(), rel=1e-12)
    wrong = np.random.default_rng(0).permutation(300)
    assert fitted.score(X, y[wrong]) < fitted.score(X, y)


def test_a_search_over_widths_and_losses(showers):
    X, y = showers[0][:200], showers[1][:200]
    grid = {"hidden_layer_sizes": [(4,), (16,)], "loss": ["energy_score", "wgan_gp"]}
    found = GridSearchCV(small(max_epochs=1), grid, cv=2, error_score="raise").fit(X, y)
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    assert found.best_estimator_.sample(X[:2], random_state=0).shape == (2, 12, 12)
    assert len(set(found.cv_results_["mean_test_score"])) == 4


# ---------------------------------------------------------------- training


def test_training_goes_on(showers):
    generator = small(warm_start=True, max_epochs=1).fit(*showers)
    first = next(generator.net_.module_.generator.trunk.parameters()).detach().clone()
    table = generator.net_.module_.generator.fraction.clone()
    generator.fit(*showers)
    assert generator.n_iter_ == len(generator.history_) == 2
    assert not torch.equal(next(generator.net_.module_.generator.trunk.parameters()), first)
    assert torch.equal(generator.net_.module_.generator.fraction, table)
    generator.set_params(hidden_layer_sizes=(5,))
    with pytest.raises(ValueError, match="goes on with the net of the first fit"):
        generator.fit(*showers)


def test_partial_fit_adds_epochs(showers):
    X, y = showers
    generator = small()
    for part in (slice(0, 300), slice(300, 600)):
        generator.partial_fit(X[part], y[part])
    assert generator.n_iter_ == 2
    assert generator.sample(X[:4], random_state=0).shape == (4, 12, 12)


def learnt(generator):
    """What a fit takes from the showers in closed form."""
    module = generator.net_.module_
    net = module.generator
    parts = [net.fraction, net.log_profile, net.frame.center, net.frame.scale, net.frame.depth]
    return [p.double().numpy() for p in [*parts, module.score.summary.slope]]


def test_a_weight_stands_for_copies_and_zero_for_absence(showers):
    X, y = (part[:200] for part in showers)
    k = np.random.default_rng(0).integers(0, 4, 200)
    weighted = small(max_epochs=1).fit(X, y, sample_weight=2.5 * k)
    copied = small(max_epochs=1).fit(np.repeat(X, k, axis=0), np.repeat(y, k, axis=0))
    absent = small(max_epochs=1).fit(X, y)
    for one, two in zip(learnt(weighted), learnt(copied), strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-4, atol=2e-4)
    assert abs(learnt(absent)[2][0] - learnt(weighted)[2][0]) > 1e-4
    drawn = weighted.sample_conditions(4000, random_state=0)
    counts = [(drawn == row).all(axis=1).mean() for row in X[:30].astype(np.float32)]
    np.testing.assert_allclose(counts, k[:30] / k.sum(), atol=0.012)


class Interrupt(Callback):
    """Ctrl-C at the end of the second epoch's first batch."""

    def on_batch_begin(self, net, **_):
        if len(net.history) == 2:
            raise KeyboardInterrupt


class Counter(Callback):
    def __init__(self):
        self.epochs = 0

    def on_epoch_end(self, net, **_):
        self.epochs += 1


def test_interrupted_training_keeps_its_state(showers):
    generator = small(max_epochs=5, callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt, match="was interrupted"):
        generator.fit(*showers)
    assert generator.sample(showers[0][:3], random_state=0).shape == (3, 12, 12)


def test_callbacks_are_called(showers):
    counter = Counter()
    small(max_epochs=3, callbacks=[counter]).fit(*showers)
    assert counter.epochs == 3


def test_max_time_ends_the_training(showers):
    generator = small(max_epochs=10_000, max_time=0.3).fit(*showers)
    assert 1 <= generator.n_iter_ < 5000


def test_numbers_of_rows(showers):
    X, y = showers
    for n in (1, 2, 130):
        generator = small(max_epochs=1).fit(X[:n], y[:n])
        assert np.isfinite(generator.sample(X[:n], random_state=0)).all()
    assert small(max_epochs=1, batch_size=10_000).fit(X, y).n_iter_ == 1


# --------------------------------------------------------------- bad input


def test_forms_of_images(showers):
    X, y = (part[:50] for part in showers)
    one = small(max_epochs=1).fit(X, y).sample(X, random_state=0)
    for form in (y[..., None], y.reshape(50, -1), y.astype(np.float64), y.tolist()):
        other = small(max_epochs=1).fit(X, form)
        np.testing.assert_array_equal(other.sample(X, random_state=0), one)


def test_frames_by_name_in_any_order(fitted, showers):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    X = showers[0][:20]
    one = fitted.sample(X, random_state=0)
    order = [3, 1, 4, 0, 2]
    frame = pandas.DataFrame(X[:, order], columns=[NAMES[k] for k in order])
    for table in (frame.assign(run=7), polars.DataFrame(X[:, order], schema=list(frame.columns))):
        np.testing.assert_array_equal(fitted.sample(table, random_state=0), one)
    with pytest.raises(ValueError, match=r"lacks the columns \['pz'\]"):
        fitted.sample(frame.drop(columns="pz"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X[:, :3], r"X of CaloGANGenerator.shape == \(30, 3\), expected \(n, 5\)"),
        (lambda X: np.column_stack([X, X[:, 0]]), r"shape == \(30, 6\)"),
        (lambda X: X * [1, 1, -1, 1, 1], "pz <= 0 in 30 of 30 rows"),
        (lambda X: np.where(X[0, 0] == X, np.nan, X), "NaN or infinity in 1 of 30 rows"),
        (lambda X: np.where(X[0, 0] == X, np.inf, X), "NaN or infinity in 1 of 30 rows"),
        (lambda X: X[0], r"shape == \(5,\), expected"),
        (lambda X: X[:0], "no rows"),
    ],
)
def test_conditions_that_are_refused(fitted, showers, change, message):
    X, y = (part[:30] for part in showers)
    with pytest.raises(ValueError, match=message):
        fitted.sample(change(X))
    with pytest.raises(ValueError, match=message):
        small().fit(change(X), y[: len(change(X))])


@pytest.mark.parametrize("n", [True, 1.5, 0, -3])
def test_counts_that_are_refused(fitted, n):
    with pytest.raises(ValueError, match="showers cannot be drawn: an integer of at least 1"):
        fitted.sample(n)
    with pytest.raises(ValueError, match="n_per_condition=.* must be an integer"):
        fitted.sample(3, n_per_condition=n)


def put(y, value):
    changed = y.astype(np.float64)
    changed[3, 2, 1] = value
    return changed


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (lambda y: put(y, np.nan), ValueError, "1 NaN or infinite, in 1 of 30 images"),
        (lambda y: put(y, np.inf), ValueError, "1 NaN or infinite"),
        (lambda y: put(y, -1.0), ValueError, "1 cells are negative"),
        (lambda y: y[:, :11], ValueError, r"y has shape \(30, 11, 12\); .* expects \(n, 12, 12\)"),
        (lambda y: y.reshape(-1, 6, 24), ValueError, r"y has shape \(30, 6, 24\)"),
        (lambda y: y.astype(object), TypeError, "needs images of numbers .* got dtype object"),
        (lambda y: y[:20], ValueError, "inconsistent numbers of samples"),
    ],
)
def test_images_that_are_refused(fitted, showers, change, kind, message):
    X, y = (part[:30] for part in showers)
    with pytest.raises(kind, match=message):
        small().fit(X, change(y))
    with pytest.raises(kind, match=message):
        fitted.score_samples(X, change(y))


def test_empty_images_are_allowed(showers):
    X, y = (part[:60] for part in showers)
    y = y.copy()
    y[::4] = 0
    assert np.isfinite(small(max_epochs=1).fit(X, y).sample(X, random_state=0)).all()
    with pytest.raises(ValueError, match="All 60 images of y are empty: CaloGANGenerator learns"):
        small().fit(X, np.zeros_like(y))


def test_momenta_in_mev_are_noticed(fitted, showers):
    X = showers[0][:30] * [1000, 1000, 1000, 1, 1]
    with (
        pytest.warns(UserWarning, match="If these are MeV, divide px, py and pz by 1000"),
        pytest.warns(ExtrapolationWarning, match="conditions lie outside those of the training"),
    ):
        fitted.sample(X)
    with pytest.warns(UserWarning, match="If these are MeV"):  # a score says it by itself
        fitted.score_samples(X, showers[1][:30])


def test_distance_from_the_conditions_of_the_training(fitted, showers):
    X = showers[0][:50].copy()
    assert (fitted.condition_distance(X) == 0).all()
    X[7, :3] *= 100 / np.linalg.norm(X[7, :3]) * 10
    distance = fitted.condition_distance(X)
    log_energy = np.log(np.linalg.norm(showers[0][:, :3], axis=1))
    expected = (np.log(1000) - log_energy.max()) / log_energy.std()
    assert distance[7] == pytest.approx(expected, rel=1e-4)
    assert (np.delete(distance, 7) == 0).all()


def test_the_range_is_that_of_all_training_rows(showers, monkeypatch):
    """Also where rows are in order of energy and only some are kept."""
    monkeypatch.setattr("skhep_anomaly.generators._fitting._KEPT_CONDITIONS", 100)
    X, y = showers
    order = np.argsort(np.linalg.norm(X[:, :3], axis=1))
    generator = small(max_epochs=1).fit(X[order], y[order])
    assert generator.conditions_.shape == (100, 5)
    assert generator.condition_distance(X).max() < 1e-6
    kept = np.linalg.norm(generator.conditions_[:, :3], axis=1)
    assert kept.max() > np.linalg.norm(X[order[300], :3])


@pytest.mark.parametrize("n", [0, -3])
def test_numbers_of_showers_that_are_refused(fitted, n):
    with pytest.raises(ValueError, match="showers cannot be drawn: an integer of at least 1"):
        fitted.sample_conditions(n)
    with pytest.raises(ValueError, match="showers cannot be drawn"):
        fitted.sample(n)
    with pytest.raises(ValueError, match="n_per_condition=.* must be an integer of at least 1"):
        fitted.sample(electrons(2), n)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"shape": (12,)}, "The 'shape' parameter of CaloGANGenerator must be two ints"),
        ({"shape": (12, 1)}, "'shape' parameter"),
        ({"geometry": (0.0, 12.0)}, "'geometry' parameter of CaloGANGenerator must be"),
        ({"geometry": (2.0,)}, "'geometry' parameter"),
        ({"hidden_layer_sizes": (0,)}, "must be a sequence of ints"),
        ({"loss": "mse"}, "The 'loss' parameter"),
        ({"ema": 1.0}, "The 'ema' parameter"),
        ({"max_time": 0}, "The 'max_time' parameter"),
    ],
)
def test_parameters_that_are_refused(showers, params, message):
    with pytest.raises(ValueError, match=message):
        small(**params).fit(*showers)


def test_not_fitted():
    for call in (lambda g: g.sample(3), lambda g: g.stream([]), lambda g: g.sample_conditions(2)):
        with pytest.raises(NotFittedError, match="CaloGANGenerator"):
            call(small())
