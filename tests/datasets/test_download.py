"""Downloads from file addresses: no test here needs a network."""

from __future__ import annotations

import hashlib

import pytest

from skhep_anomaly import fetch
from skhep_anomaly.datasets import download

CONTENT = b"EventId,PRI_met\n1,2.5\n" * 1000
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def url(tmp_path):
    source = tmp_path / "far" / "events.csv"
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    return source.as_uri()


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def test_download(url, home):
    path = fetch(url, SHA, data_home=home)
    assert path == home / "events.csv"
    assert path.read_bytes() == CONTENT
    assert len(list(home.iterdir())) == 1


def test_name_below_the_folder(url, home):
    path = fetch(url, SHA.upper(), "higgsml/training.csv", data_home=home)
    assert path == home / "higgsml" / "training.csv"
    assert len(path.read_bytes()) == len(CONTENT)


def test_folder_from_the_environment(url, home, monkeypatch):
    monkeypatch.setenv("SKHEP_ANOMALY_DATA", str(home))
    assert fetch(url, SHA).parent == home
    assert len(list(home.iterdir())) == 1


def test_file_at_its_place_needs_no_network(url, home, monkeypatch):
    fetch(url, SHA, data_home=home)
    calls = []
    monkeypatch.setattr(download, "urlopen", lambda *a, **k: calls.append(a))
    assert fetch("https://example.org/events.csv", SHA, data_home=home).read_bytes() == CONTENT
    assert len(calls) == 0


def test_damaged_file_is_replaced(url, home):
    path = fetch(url, SHA, data_home=home)
    path.write_bytes(b"damaged")
    assert fetch(url, SHA, data_home=home).read_bytes() == CONTENT
    assert len(list(home.iterdir())) == 1


def test_wrong_checksum_leaves_nothing(url, home):
    with pytest.raises(
        OSError, match=rf"sha256 {SHA}, expected {'0' * 64}. The download was removed"
    ):
        fetch(url, "0" * 64, data_home=home)
    assert len(list(home.iterdir())) == 0


def test_wrong_checksum_keeps_an_old_file(url, home):
    path = fetch(url, SHA, data_home=home)
    with pytest.raises(OSError, match="The download was removed"):
        fetch(url, "0" * 64, data_home=home)
    assert path.read_bytes() == CONTENT


def test_offline_says_where_to_put_the_file(tmp_path, home):
    url = (tmp_path / "not" / "there.csv").as_uri()
    with pytest.raises(OSError, match="Could not download file:.*there.csv") as caught:
        fetch(url, SHA, data_home=home)
    assert str(home / "there.csv") in str(caught.value)
    assert f"sha256 {SHA}" in str(caught.value)
    assert len(list(home.iterdir())) == 0


@pytest.mark.parametrize("error", [TimeoutError("timed out"), ConnectionResetError("reset")])
def test_connection_lost_on_the_way(url, home, monkeypatch, error):
    class Broken:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

        def read(self, _size):
            raise error

    monkeypatch.setattr(download, "urlopen", lambda *a, **k: Broken())
    with pytest.raises(OSError, match="place it by hand as"):
        fetch(url, SHA, data_home=home)
    assert len(list(home.iterdir())) == 0


def test_connection_cut_short(url, home, monkeypatch):
    from http.client import IncompleteRead

    class Cut:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

        def read(self, _size):
            raise IncompleteRead(b"half")

    monkeypatch.setattr(download, "urlopen", lambda *a, **k: Cut())
    with pytest.raises(OSError, match="Could not download"):
        fetch(url, SHA, data_home=home)
    assert len(list(home.iterdir())) == 0


@pytest.mark.parametrize(
    "url, sha, name, message",
    [
        ("ftp://x.org/a", SHA, None, "has the scheme 'ftp'; allowed are https, http, file"),
        ("events.csv", SHA, None, "has the scheme ''; allowed are"),
        ("https://x.org/a", "abc", None, "sha256='abc' is no sha256 checksum"),
        ("https://x.org/a", None, None, "expected 64 hexadecimal digits"),
        ("https://x.org/a", SHA, "../a", "is no file below the data folder"),
        ("https://x.org/a", SHA, "/etc/a", "filename='/etc/a' is no file below the data folder"),
        ("https://x.org/", SHA, None, "filename='' is no file below the data folder"),
        ("https://x.org/..", SHA, None, "is no file below the data folder"),
    ],
)
def test_wrong_parameters(home, url, sha, name, message):
    with pytest.raises(ValueError, match=message):
        fetch(url, sha, name, data_home=home)
    assert not home.exists()
