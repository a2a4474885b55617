"""``skhep-anomaly simulate showers``: what goes in, what comes out, and going on after Ctrl-C."""

from __future__ import annotations

import numpy as np
import pytest

from skhep_anomaly import AEOutlierDetector, CaloGANGenerator, load_geant4_showers
from skhep_anomaly.generators import _shower_files

NAMES = ["px", "py", "pz", "x", "y"]


@pytest.fixture(scope="module")
def showers():
    return load_geant4_showers(nrows=300)


@pytest.fixture(scope="module")
def fitted(showers):
    generator = CaloGANGenerator(
        hidden_layer_sizes=(8,), latent_dim=4, max_epochs=1, random_state=0
    )
    return generator.fit(showers.X, showers.images)


@pytest.fixture
def simulate(command, fitted, tmp_path):
    fitted.save(tmp_path / "m.skhep")
    return lambda *words: command("simulate", "showers", *words)


def write_particles(name, X):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X[:, ::-1], columns=NAMES[::-1]).assign(run=3)
    if name.endswith(".parquet"):
        frame.to_parquet(name)
    elif name.endswith(".csv"):
        frame.to_csv(name, index=False)
    elif name.endswith(".root"):
        uproot = pytest.importorskip("uproot")
        with uproot.recreate(name) as file:
            file.mktree("t", dict.fromkeys(frame, np.float64))
            file["t"].extend({each: frame[each].to_numpy() for each in frame})
    elif name.endswith(".npy"):
        np.save(name, X)
    else:
        np.savez(
            name, ParticleMomentum=X[:, :3], ParticlePoint=np.column_stack([X[:, 3:], X[:, 0]])
        )


@pytest.mark.parametrize("name", ["c.csv", "c.parquet", "c.root", "c.npy", "c.npz"])
def test_conditions_from_files(simulate, fitted, showers, name):
    write_particles(name, showers.X)
    words = ["--model", "m.skhep", "--conditions", name, "--seed", 5, "--out", "s.npy"]
    code, out, err = simulate(*words, "--n-per-condition", 2)
    assert (code, out) == (0, "")
    assert "600 showers of 30 × 30 cells: s.npy" in err
    expected = fitted.sample(showers.X.astype(np.float32), 2, random_state=5)
    np.testing.assert_array_equal(np.load("s.npy"), expected)


def test_drawn_conditions_and_hdf5(simulate, fitted):
    h5py = pytest.importorskip("h5py")
    code, _, err = simulate("-q", "--model", "m.skhep", "--n", 40, "--out", "s.h5")
    assert (code, err) == (0, "")
    with h5py.File("s.h5") as file:
        np.testing.assert_array_equal(file["showers"][:], fitted.sample(40, random_state=0))


def interrupted(monkeypatch):
    write = _shower_files.ShowerWriter.write

    def stop(self, made):
        if self.done >= 256:
            raise KeyboardInterrupt
        write(self, made)

    monkeypatch.setattr(_shower_files.ShowerWriter, "write", stop)


@pytest.mark.parametrize("maker", [["--model", "m.skhep"], ["--toy"]], ids=["model", "toy"])
def test_an_interrupted_command_goes_on(simulate, refused, monkeypatch, maker):
    words = [*maker, "--n", 600, "--seed", 2]
    simulate("-q", *words, "--out", "whole.npy")
    with monkeypatch.context() as patch:
        interrupted(patch)
        code, _, err = simulate(*words, "--out", "s.npy")
    assert code == 130
    assert "s.npy is unfinished; the same command with --resume goes on" in err
    message = refused("simulate", "showers", *words, "--out", "s.npy")
    assert "s.npy.part is the unfinished output of an earlier run" in message
    code, _, err = simulate(*words, "--out", "s.npy", "--resume")
    assert code == 0
    np.testing.assert_array_equal(np.load("s.npy"), np.load("whole.npy"))


def test_toy_showers_under_given_conditions(simulate, showers):
    np.save("c.npy", showers.X[:50])
    code, _, err = simulate("--toy", "--conditions", "c.npy", "--out", "s.npy")
    assert code == 0
    assert "50 showers of 30 × 30 cells" in err
    made = np.load("s.npy").sum(axis=(1, 2))
    energy = 1e3 * np.linalg.norm(showers.X[:50, :3], axis=1)
    assert (made / energy).mean() == pytest.approx(0.17, abs=0.03)


def test_mistakes_are_one_line(simulate, refused, showers):
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame(showers.X[:9, :4], columns=NAMES[:4]).to_csv("c.csv", index=False)
    np.save("c.npy", showers.X[:, :4])
    np.save("o.npy", np.array([None, 1]), allow_pickle=True)
    np.savez("c.npz", ParticleMomentum=showers.X[:5, :3], ParticlePoint=showers.X[:6, 3:])
    AEOutlierDetector(max_epochs=1).fit(showers.X).save("ae.skhep")
    ours = ["simulate", "showers", "--out", "s.npy", "--model", "m.skhep"]
    cases = [
        ([*ours, "--conditions", "c.csv"], "c.csv has no column 'y'"),
        ([*ours, "--conditions", "c.npy"], "numbers of shape (n, 5) are needed: px, py, pz, x, y"),
        ([*ours, "--conditions", "o.npy"], "o.npy: no conditions can be read from it"),
        ([*ours, "--conditions", "c.npz"], "ParticlePoint of shape (6, 2) do not go together"),
        ([*ours, "--conditions", "none.parquet"], "none.parquet"),
        ([*ours, "--n", "0"], "0 is too few"),
        ([*ours], "one of the arguments --conditions --n is required"),
        ([*ours, "--n", "3", "--toy"], "not allowed with argument"),
        ([*ours[:3], "s.txt", "--n", "3"], "showers are written as .npy, .h5 or .hdf5"),
        ([*ours[:3], "no/s.npy", "--n", "3"], "No such folder to write into"),
        (
            [*ours[:4], "--model", "ae.skhep", "--n", "3"],
            "ae.skhep holds AEOutlierDetector, which makes no showers",
        ),
    ]
    for words, message in cases:
        assert message in refused(*words)
    simulate("-q", "--model", "m.skhep", "--n", 3, "--out", "s.npy")
