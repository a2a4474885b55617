"""The report: one file, whole or absent, that runs nothing and fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from skhep_anomaly.report import (
    Picture,
    Table,
    machine_summary,
    package_versions,
    write_report,
    writer,
)

EVIL = "<script>alert('x')</script>\"><img src=x onerror=y>&amp;\x00\x1b"


def figure(n_points=50):
    drawn = Figure(figsize=(5, 3))
    drawn.subplots().plot(np.random.default_rng(0).random(n_points))
    return drawn


def parts(**changes):
    return {
        "title": "Outlier detectors",
        "tables": [
            Table(
                "Test events",
                ["model", "AUC", "fit"],
                [["VAE", (0.612, 0.007), 2.5], ["forest", (0.571, 0.008), 0.5]],
                units={"fit": "s"},
                best={"AUC": "max"},
                notes=["weighted"],
            )
        ],
        "figures": [Picture("The curves.", figure(), alt="a line that jumps")],
        "parameters": {"events": 100, "VAE": {"hidden_layer_sizes": (64, 64), "latent_dim": None}},
        "versions": {"numpy": "2.0"},
        "machine": {"system": "Linux"},
        "seed": [0, 1],
        "command": "skhep-anomaly compare --seeds 0 1",
        **changes,
    }


class Reader(HTMLParser):
    """Collects tags with attributes, and the text of each element kind."""

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.texts = [], [], {}

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def named(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def read(path):
    reader = Reader()
    reader.feed(Path(path).read_text("utf-8"))
    assert reader.open == []  # well nested
    return reader


def test_everything_is_in_it(tmp_path):
    path = write_report(tmp_path / "r.html", **parts(notes=["Read this."], date="20 Nov 2026"))
    page = read(path)
    assert path == tmp_path / "r.html"
    assert page.texts["h1"] == ["Outlier detectors"]
    assert page.texts["h2"] == [
        "Results",
        "Figures",
        "How to repeat this",
        "What it was made with",
    ]
    assert "Read this." in page.texts["li"]
    assert "".join(page.texts["p"]).count("20 Nov 2026") == 1
    assert {"0.612 ± 0.007", "0.571 ± 0.008"} <= set(page.texts["td"])
    assert {"100", "(64, 64)", "None", "2.0", "Linux"} <= set(page.texts["td"])
    assert page.texts["caption"] == [
        "Test events",
        "Parameters",
        "Parameters: VAE",
        "Versions",
        "Machine",
    ]
    assert page.texts["span"][-4:] == ["compare", "--seeds", "0", "1"]
    assert "Seeds: 0, 1" in "".join(page.texts["p"])


def test_nothing_runs_and_nothing_is_fetched(tmp_path):
    path = write_report(tmp_path / "r.html", **parts())
    source, page = path.read_text("utf-8"), read(path)
    assert "<script" not in source.lower()
    assert len(source.encode()) < 1_000_000
    assert not re.search(r"\son\w+\s*=|javascript:|https?://|url\(|@import", source)
    assert {tag for tag, _ in page.tags}.isdisjoint({"link", "iframe", "object", "form", "base"})
    assert all(image["src"].startswith("data:image/") for image in page.named("img"))


def test_policy_allows_the_style_sheet_by_its_hash_and_no_script(tmp_path):
    path = write_report(tmp_path / "r.html", **parts())
    page = read(path)
    (policy,) = [m["content"] for m in page.named("meta") if "http-equiv" in m]
    style = re.search(r"<style>(.*?)</style>", path.read_text("utf-8"), re.S)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["script-src"] == "'none'"
    assert rules["style-src"] == f"'sha256-{digest}'"
    assert rules["img-src"] == "data:"
    assert all("style" not in attrs for _, attrs in page.tags)


def test_users_text_is_escaped_everywhere(tmp_path):
    plain = parts()
    table = Table(EVIL, [EVIL, "x"], [[EVIL, 1.0]], units={"x": EVIL}, notes=[EVIL])
    evil = parts(
        title=EVIL,
        tables=[table],
        figures=[Picture(EVIL, figure(), alt=EVIL)],
        parameters={EVIL: EVIL, "nested" + EVIL: {EVIL: [EVIL]}},
        versions={EVIL: EVIL},
        machine={EVIL: EVIL},
        seed=7,
        command=EVIL,
        notes=[EVIL],
        date=EVIL,
    )
    path = write_report(tmp_path / "evil.html", **evil)
    source, page = path.read_text("utf-8"), read(path)
    assert "<script" not in source.lower()
    assert "\x00" not in source
    assert "\x1b" not in source
    assert source.count("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;") >= 15
    assert [t for t, a in page.tags if any(name.startswith("on") for name in a)] == []
    write_report(tmp_path / "plain.html", **plain)
    assert len(page.named("img")) == len(read(tmp_path / "plain.html").named("img")) == 1


def test_readers_without_sight_are_served(tmp_path):
    page = read(write_report(tmp_path / "r.html", **parts()))
    assert page.named("html") == [{"lang": "en"}]
    assert [image["alt"] for image in page.named("img")] == ["a line that jumps"]
    assert len(page.named("caption")) == len(page.named("table")) == 5
    assert {head["scope"] for head in page.named("th")} == {"col", "row"}
    assert [t for t in page.texts["span"] if t == " (best)"] == [" (best)"]


def test_units_and_best_value(tmp_path):
    path = write_report(tmp_path / "r.html", **parts())
    source = path.read_text("utf-8")
    assert '<th scope="col" class="number">fit <span class="unit">[s]</span></th>' in source
    assert source.count('<td class="number best">') == 1
    assert '<td class="number best">0.612 ± 0.007<span' in source


def test_same_inputs_same_bytes(tmp_path):
    first = write_report(tmp_path / "a.html", **parts()).read_bytes()
    second = write_report(tmp_path / "b.html", **parts()).read_bytes()
    dated = write_report(tmp_path / "c.html", **parts(date="today")).read_bytes()
    assert first == second
    assert dated.replace(b'<p class="made">today</p>', b"") == first


def test_old_report_survives_a_failed_write(tmp_path, monkeypatch):
    path = tmp_path / "r.html"
    path.write_text("old", encoding="utf-8")

    def refuse(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_report(path, **parts())
    assert path.read_text("utf-8") == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["r.html"]


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_report(tmp_path / "no" / "r.html", **parts())
    assert list(tmp_path.iterdir()) == []


def test_many_figures_are_drawn_coarser(tmp_path):
    """At 160 dots per inch they would not fit."""
    rng = np.random.default_rng(0)
    noisy = Figure(figsize=(6, 6))
    noisy.subplots().imshow(rng.random((400, 400, 3)), interpolation="none")
    pictures = [Picture(f"Noise {i}.", noisy, alt="noise") for i in range(2)]
    path = write_report(tmp_path / "r.html", **parts(figures=pictures))
    assert 100_000 < path.stat().st_size < 1_000_000
    assert len(read(path).named("img")) == 2


def test_too_large_report_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "MAX_BYTES", 10_000)
    with pytest.raises(ValueError, match="bytes, more than 10,000: its 1 figures take"):
        write_report(tmp_path / "r.html", **parts())
    assert list(tmp_path.iterdir()) == []


def test_home_folder_is_not_told(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/jane"))
    path = write_report(
        tmp_path / "r.html",
        **parts(command="skhep-anomaly compare --data /home/jane/training.csv"),
    )
    source = path.read_text("utf-8")
    assert "jane" not in source
    assert source.count("~/training.csv") == 1


def test_machine_and_versions_name_no_one():
    told = " ".join([*machine_summary().values(), *package_versions().values()])
    assert str(Path.home()) not in told
    assert socket.gethostname() not in told.split()
    assert int(machine_summary()["usable cores"]) >= 1


def test_versions_are_collected(tmp_path):
    versions = package_versions()
    assert list(versions)[:3] == ["Python", "skhep_anomaly", "numpy"]
    assert {"torch", "scikit-learn", "skorch", "pyod"} <= set(versions)
    assert versions["numpy"] == np.__version__
    page = read(write_report(tmp_path / "r.html", **parts(versions=None, machine=None)))
    assert np.__version__ in page.texts["td"]


def test_nothing_to_show(tmp_path):
    page = read(
        write_report(tmp_path / "r.html", **parts(tables=[], figures=[], parameters={}, seed=None))
    )
    assert page.texts["h2"] == ["How to repeat this", "What it was made with"]
    assert len(page.named("table")) == 2
