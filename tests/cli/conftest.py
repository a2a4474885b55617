"""A small table of events, written as csv, parquet or ROOT, and a way to run commands."""

from __future__ import annotations

import numpy as np
import pytest

from skhep_anomaly.cli import main

N_ROWS = 400


@pytest.fixture(scope="session")
def frame():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(3)
    signal = rng.random(N_ROWS) < 0.25
    table = pandas.DataFrame(
        {
            "event": np.arange(N_ROWS) * 7 + 10**9,
            "met": rng.exponential(50, N_ROWS) + 200 * signal,
            "ht": np.where(np.arange(N_ROWS) % 7 == 0, -999.0, rng.normal(300, 50, N_ROWS)),
            "n_jets": rng.integers(0, 2, N_ROWS),
            "w": rng.uniform(0.5, 1.5, N_ROWS),
            "is_signal": signal.astype(int),
        }
    )
    table["kind"] = np.where(signal, "htt", np.where(np.arange(N_ROWS) % 2, "ztt", "top"))
    return table


@pytest.fixture
def write(tmp_path, frame):
    """Write the table, or another one, into the temporary folder; give the path as text."""

    def to(name, table=None):
        table, path = frame if table is None else table, tmp_path / name
        if name.endswith(".parquet"):
            table.to_parquet(path)
        elif name.endswith(".root"):
            uproot = pytest.importorskip("uproot")
            numbers = table.select_dtypes("number")
            with uproot.recreate(path) as file:
                file.mktree("t", {name: numbers[name].dtype for name in numbers})
                file["t"].extend({name: numbers[name].to_numpy() for name in numbers})
        else:
            table.to_csv(path, index=False)
        return str(path)

    return to


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    """Run a command in the temporary folder; give exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def refused(command):
    """Run a command that must end with code 2, nothing on stdout and one line on stderr."""

    def run(*words):
        code, out, err = command(*words)
        assert code == 2
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("skhep-anomaly: error: ")
        return err

    return run
