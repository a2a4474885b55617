"""Where Geant4's tables are: the data folder's, as a folder that Geant4 can read."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

VARIABLES = ("G4LEDATA", "G4LEVELGAMMADATA", "G4ENSDFSTATEDATA")


@pytest.fixture
def geant4_tables(data_file, tmp_path, monkeypatch):
    """Set the variables of Geant4's data sets; skip where Geant4 or its tables are missing.

    A file of the tables may hold nothing but the path of another one, as a copied symbolic link
    does; it stands for that one.
    """
    if find_spec("geant4_pybind") is None:
        pytest.skip("geant4_pybind is not installed")
    source = data_file("calo/geant4_tables")
    tables = tmp_path / "tables"
    for path in source.rglob("*.*"):
        link(tables / path.relative_to(source), target(path, source))
    for path in (source / "brem_SB").iterdir():
        link(tables / "brem_SB" / path.name, path)
    for variable in VARIABLES:
        monkeypatch.setenv(variable, str(tables))
    return tables


def link(path, to):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)


def target(path, source):
    start = path.read_bytes()[:300]
    if not start.startswith(b"/") or b"\n" in start:
        return path
    family, name = start.decode().split("/")[-2:]
    return next(source.rglob(f"{family}/{name}"))
