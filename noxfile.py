"""The checks in environments of their own: `nox` for the usual, `nox -s minimal` for the oldest."""

from __future__ import annotations

import nox

nox.options.sessions = ["lint", "tests", "docs"]
nox.options.reuse_existing_virtualenvs = True
TESTED = "constraints/cpu.txt"
OLDEST = "constraints/minimal.txt"
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def install(session: nox.Session, group: str, constraints: str = TESTED) -> None:
    """Torch comes first: with it there, nothing else asks for a newer one."""
    session.install("--upgrade", "pip>=25.1")
    session.install("-c", constraints, "torch")
    session.install("-c", constraints, "-e", ".", "--group", group)


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """The fast tests with the pinned versions."""
    install(session, "dev")
    session.run("pytest", "-n", "2", *session.posargs, env=ONE_THREAD)


@nox.session(python="3.11")
def minimal(session: nox.Session) -> None:
    """The fast tests with the oldest versions that pyproject.toml allows."""
    install(session, "test", OLDEST)
    session.install("-c", OLDEST, "numpydoc")
    session.run("pytest", "-n", "2", *session.posargs, env=ONE_THREAD)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and types."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """The site; a warning is an error."""
    install(session, "docs")
    session.run(
        *("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html"),
        env=ONE_THREAD,
    )
