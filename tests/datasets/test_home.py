"""The data folder: environment, source checkout, cache folder of the platform."""

from __future__ import annotations

from pathlib import Path

import pytest

from skhep_anomaly import data_home
from skhep_anomaly.datasets import home


@pytest.fixture
def no_checkout(monkeypatch):
    monkeypatch.delenv("SKHEP_ANOMALY_DATA", raising=False)
    monkeypatch.setattr(home, "_beside_checkout", lambda project: None)


def test_argument_comes_first(monkeypatch, tmp_path):
    monkeypatch.setenv("SKHEP_ANOMALY_DATA", "/elsewhere")
    assert data_home(tmp_path) == tmp_path
    assert len(data_home("~/data").parts) > 2


def test_environment_comes_second(monkeypatch, tmp_path):
    monkeypatch.setenv("SKHEP_ANOMALY_DATA", str(tmp_path))
    assert data_home() == tmp_path
    assert len(list(tmp_path.iterdir())) == 0


def test_folder_beside_a_checkout(tmp_path):
    project, folder = tmp_path / "project", tmp_path / "shared" / "data"
    project.mkdir()
    assert home._beside_checkout(project) is None
    folder.mkdir(parents=True)
    assert home._beside_checkout(project) is None  # installed: no pyproject.toml
    (project / "pyproject.toml").touch()
    assert home._beside_checkout(project) == folder
    assert folder.parts[-2:] == ("shared", "data")


def test_folder_beside_this_checkout(monkeypatch, tmp_path):
    monkeypatch.delenv("SKHEP_ANOMALY_DATA", raising=False)
    projects = []
    monkeypatch.setattr(home, "_beside_checkout", lambda p: projects.append(p) or tmp_path)
    assert data_home() == tmp_path
    assert projects == [Path(home.__file__).resolve().parents[2]]
    assert len(projects) == 1


@pytest.mark.parametrize(
    "platform, variable, value, expected",
    [
        ("linux", "XDG_CACHE_HOME", "/cache", "/cache/skhep_anomaly"),
        ("linux", "XDG_CACHE_HOME", "", "/home/me/.cache/skhep_anomaly"),
        ("darwin", "XDG_CACHE_HOME", "/cache", "/home/me/Library/Caches/skhep_anomaly"),
        ("win32", "LOCALAPPDATA", "/local", "/local/skhep_anomaly"),
        ("win32", "LOCALAPPDATA", "", "/home/me/AppData/Local/skhep_anomaly"),
    ],
)
def test_cache_of_the_platform(monkeypatch, no_checkout, platform, variable, value, expected):
    monkeypatch.setattr(home.sys, "platform", platform)
    monkeypatch.setattr(home.Path, "home", lambda: Path("/home/me"))
    monkeypatch.setenv(variable, value)
    assert data_home() == Path(expected)
    assert len(data_home().parts) >= 3
