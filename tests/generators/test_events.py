"""Events of several particles, and their readout."""

from __future__ import annotations

import numpy as np
import pytest

from skhep_anomaly import CaloGANGenerator, compose_event, readout


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [rng.normal(0, 1, (300, 2)), rng.uniform(5, 50, 300), rng.uniform(-0.5, 0.5, (300, 2))]
    )
    y = rng.exponential(X[:, 2, None, None], (300, 5, 5))
    generator = CaloGANGenerator(
        shape=(5, 5), hidden_layer_sizes=(8,), latent_dim=4, max_epochs=1, random_state=0
    )
    return generator.fit(X, y), X


# ------------------------------------------------------------------ events


def test_an_event_is_the_sum_of_its_showers(fitted):
    generator, X = fitted
    event = np.random.default_rng(1).integers(0, 40, 300)
    showers = generator.sample(X, random_state=2).astype(np.float64)
    found = compose_event(generator, X, event, random_state=2)
    for row, name in enumerate(np.unique(event)):
        np.testing.assert_allclose(found[row], showers[event == name].sum(axis=0), rtol=1e-5)
    whole = compose_event(generator, X, random_state=2)
    assert whole.shape == (1, 5, 5)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole[0], showers.sum(axis=0), rtol=1e-5)


def test_long_events_are_the_same_as_short_ones(fitted, monkeypatch):
    generator, X = fitted
    X = np.tile(X, (10, 1))
    event = np.arange(3000) // 7
    one = compose_event(generator, X, event, random_state=2)
    monkeypatch.setattr("skhep_anomaly.generators.composing._PART", 100)
    np.testing.assert_array_equal(compose_event(generator, X, event, random_state=2), one)


def test_events_by_name_in_a_frame(fitted):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    generator, X = fitted
    names = ["px", "py", "pz", "x", "y"]
    frame = pandas.DataFrame(X[:6], columns=names).assign(event=list("bacaab"))
    found = compose_event(generator, frame, random_state=0)
    assert found.shape == (3, 5, 5)
    np.testing.assert_allclose(found[2], generator.sample(X[:6], random_state=0)[2], rtol=1e-6)
    other = polars.DataFrame(X[:6], schema=names).with_columns(
        event=polars.Series([2, 1, 3, 1, 1, 2])
    )
    np.testing.assert_array_equal(compose_event(generator, other, random_state=0), found)


def test_events_without_particles_are_empty(fitted):
    generator, X = fitted
    found = compose_event(generator, X[:3], [4, 1, 4], n_events=6, random_state=0)
    assert found.shape == (6, 5, 5)
    assert (found.sum(axis=(1, 2)) > 0).tolist() == [False, True, False, False, True, False]


@pytest.mark.parametrize(
    ("event", "options", "message"),
    [
        ([0, 1], {}, "inconsistent numbers of samples"),
        ([0.0, np.nan, 1.0], {}, "event must hold one number or name without NaN"),
        ([[0], [1], [2]], {}, r"got dtype int64 of shape \(3, 1\)"),
        ([0, 1, 5], {"n_events": 5}, "n_events=5 must be an integer above every number in event"),
        ([0, -1, 2], {"n_events": 5}, "got -1 to 2"),
        ([0, 1, 2], {"n_events": 2.5}, "n_events=2.5 must be"),
        ([0.0, 1.0, 2.0], {"n_events": 5}, "of dtype float64"),
    ],
)
def test_events_that_are_refused(fitted, event, options, message):
    generator, X = fitted
    with pytest.raises(ValueError, match=message):
        compose_event(generator, X[:3], event, **options)


# ----------------------------------------------------------------- readout


def test_nothing_asked_nothing_done():
    images = np.random.default_rng(0).exponential(size=(10, 4, 4)).astype(np.float32)
    read = readout(images)
    np.testing.assert_array_equal(read, images)
    assert not np.shares_memory(read, images)


def test_photoelectrons_are_poisson():
    read = readout(np.full((3000, 10, 10), 4.0), photostatistics=25.0, random_state=0)
    counts = read.astype(np.float64) * 25
    np.testing.assert_allclose(counts, counts.round(), atol=1e-4)
    assert counts.mean() == pytest.approx(100, abs=4 * 10 / np.sqrt(counts.size))
    assert counts.var() == pytest.approx(100, rel=0.02)


def test_noise_is_gaussian_and_suppressed_below_the_threshold():
    read = readout(np.zeros((3000, 10, 10)), noise=2.0, random_state=0)
    assert read.std() == pytest.approx(2.0, rel=0.01)
    assert abs(read.mean()) < 0.02
    cut = readout(np.zeros((3000, 10, 10)), noise=2.0, threshold=4.0, random_state=0)
    np.testing.assert_array_equal(cut, np.where(read >= 4.0, read, 0))
    assert (cut > 0).mean() == pytest.approx(0.02275, abs=0.002)


def test_the_order_of_the_steps():
    read = readout(np.full((500, 100), 900.0), saturation=500.0, noise=3.0, random_state=0)
    assert read.mean() == pytest.approx(500.0, abs=0.1)  # noise comes after saturation
    assert read.max() > 505
    assert readout([[5.0, 4.9]], threshold=5.0).tolist() == [[5.0, 0.0]]


def test_first_images_do_not_depend_on_the_rest():
    images = np.random.default_rng(0).exponential(5, size=(700, 6, 6))
    steps = {"photostatistics": 10.0, "noise": 0.5, "random_state": 3}
    read = readout(images, **steps)
    np.testing.assert_array_equal(readout(images[:512], **steps), read[:512])
    np.testing.assert_array_equal(readout(images, **steps), read)
    only_noise = readout(np.zeros((700, 6, 6)), noise=0.5, random_state=3)
    same = readout(np.zeros((700, 6, 6)), photostatistics=10.0, noise=0.5, random_state=3)
    np.testing.assert_array_equal(only_noise, same)  # each step has its own numbers


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        ([[1.0]], {"photostatistics": 0}, "photostatistics=0 must be a finite number > 0"),
        ([[1.0]], {"saturation": -1.0}, "saturation=-1.0 must be"),
        ([[1.0]], {"noise": -0.1}, "noise=-0.1 must be a finite number >= 0, or None"),
        ([[1.0]], {"threshold": np.inf}, "threshold=inf must be"),
        ([[1.0]], {"threshold": "2"}, "threshold='2' must be"),
        ([[-1.0, np.nan]], {}, "images must hold deposits >= 0 .*: 2 cells are negative, NaN or"),
        ([[1e30]], {"photostatistics": 10.0}, "too many to count: leave it out"),
    ],
)
def test_readouts_that_are_refused(images, options, message):
    with pytest.raises(ValueError, match=message):
        readout(images, **options)
