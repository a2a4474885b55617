"""Every public name can be had, is explained, and costs nothing before it is used."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from numpydoc.validate import validate
from sklearn.base import BaseEstimator

import skhep_anomaly

PROJECT = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
CHECKS = set(SETTINGS["tool"]["numpydoc_validation"]["checks"])
NAMES = [name for name in skhep_anomaly.__all__ if not name.startswith("__")]
HEAVY = ["torch", "skorch", "pyod", "pandas", "matplotlib", "numba", "sklearn", "scipy"]
# Names of estimator methods: a parameter called so makes hasattr(estimator, name) lie.
METHODS = {
    *("fit", "transform", "fit_transform", "inverse_transform", "predict", "fit_predict"),
    *("predict_proba", "predict_log_proba", "decision_function", "score", "score_samples"),
    *("sample", "partial_fit", "get_params", "set_params", "set_output", "save", "load"),
    *("anomaly_score", "set_threshold", "get_feature_names_out"),
}


def public(name):
    return getattr(skhep_anomaly, name)


def own_members(name):
    """The object and, of a class, the public methods and properties that our package defines."""
    subject = public(name)
    yield f"{subject.__module__}.{name}"
    if not inspect.isclass(subject):
        return
    for member, value in inspect.getmembers_static(subject):
        code = inspect.unwrap(getattr(value, "fget", None) or getattr(value, "__func__", value))
        ours = (getattr(code, "__module__", None) or "").startswith("skhep_anomaly")
        if not member.startswith("_") and ours and inspect.isroutine(code):
            yield f"{subject.__module__}.{name}.{member}"


def estimators():
    kinds = {name: public(name) for name in NAMES}
    return {n: k for n, k in kinds.items() if inspect.isclass(k) and issubclass(k, BaseEstimator)}


@pytest.mark.parametrize("name", NAMES)
def test_name_resolves(name):
    assert public(name) is not None
    assert skhep_anomaly.__all__.count(name) == 1
    assert public(name) is skhep_anomaly.__dict__[name]  # kept: the next use costs nothing


def test_names_are_in_alphabetical_order():
    listed = list(skhep_anomaly._EXPORTS)
    assert listed == sorted(listed, key=str.lower)
    assert len(NAMES) == len(listed) >= 5


def test_no_name_hides_a_room():
    """`skhep_anomaly.metrics` must stay the room, whatever was imported first."""
    folder = Path(skhep_anomaly.__file__).parent
    rooms = {path.stem for path in folder.iterdir() if path.suffix in {"", ".py"}}
    assert rooms & set(NAMES) == set()
    assert len(rooms) > 3


@pytest.mark.parametrize("name", NAMES)
def test_docstrings(name):
    """Classes, their methods and functions are documented; tables and scorers need no docstring."""
    documented = inspect.isclass(public(name)) or inspect.isroutine(public(name))
    members = own_members(name) if documented else []
    faults = [
        f"{member}: {code} {text}"
        for member in members
        for code, text in validate(member)["errors"]
        if code in CHECKS
    ]
    assert len(CHECKS) > 10
    assert not faults, "\n" + "\n".join(faults)


def test_docstring_checks_see_a_fault():
    errors = {code for code, _ in validate("inspect.getmodule")["errors"]}
    assert errors & CHECKS >= {"PR01"}


def test_no_parameter_is_named_like_a_method():
    for name, kind in estimators().items():
        parameters = set(inspect.signature(kind.__init__).parameters) - {"self"}
        assert parameters & METHODS == set(), name
        assert [p for p in parameters if callable(getattr(kind, p, None))] == [], name


def test_parameters_after_the_second_are_keyword_only():
    for name, kind in estimators().items():
        parameters = inspect.signature(kind).parameters.values()
        by_place = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert len(by_place) <= 2, (name, by_place)


def test_dir_shows_the_public_names():
    listed = dir(skhep_anomaly)
    assert set(skhep_anomaly.__all__) <= set(listed)
    assert [name for name in listed if name not in skhep_anomaly.__all__ and name[0] != "_"] == []
    assert listed == sorted(listed)


def test_unknown_name():
    with pytest.raises(AttributeError, match="'skhep_anomaly' has no attribute 'NoSuchThing'"):
        _ = skhep_anomaly.NoSuchThing
    assert not hasattr(skhep_anomaly, "NoSuchThing")


def test_star_import():
    space: dict = {}
    exec("from skhep_anomaly import *", space)
    assert set(skhep_anomaly.__all__) <= set(space)
    assert space["__version__"].count(".") == 2


def test_version_is_the_distributions():
    from importlib.metadata import version

    assert version("skhep_anomaly") == skhep_anomaly.__version__
    assert skhep_anomaly.__version__.split(".")[0] == "0"


def loaded_after(statement):
    code = f"import sys\n{statement}\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    "statement",
    ["import skhep_anomaly; dir(skhep_anomaly)", "from skhep_anomaly import ModelFileError"],
)
def test_import_is_light(statement):
    assert loaded_after(statement) == []


def test_heavy_modules_are_seen():
    """The test of the test: what is imported is told."""
    assert loaded_after("import skhep_anomaly, scipy") == ["scipy"]


def test_typed_marker_is_shipped():
    folder = Path(skhep_anomaly.__file__).parent
    assert (folder / "py.typed").stat().st_size == 0
