"""Development sessions: `nox` runs lint, types and tests; `nox -s check`, `nox -s bench`, `nox -s mutants`, ..."""

from __future__ import annotations

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True

TORCH_VERSIONS = ["2.11.0", "2.12.0", "2.13.0"]
CONSTRAINTS = ("-c", "constraints.txt")


def install(session: nox.Session) -> None:
    """The package as the README installs it."""
    session.install(*CONSTRAINTS, "-e", ".[dev]")


@nox.session
def check(session: nox.Session) -> None:
    """Prove every reference against native torch; arguments go to `refops check`."""
    install(session)
    session.run("refops", "check", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments go to pytest."""
    install(session)
    session.run("pytest", *(session.posargs or ["-n", "auto"]))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and form."""
    session.install("ruff")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types."""
    install(session)
    session.run("mypy")


@nox.session
def bench(session: nox.Session) -> None:
    """Print the ratio table; arguments go to `refops bench`."""
    install(session)
    session.run("refops", "bench", *session.posargs)


@nox.session
def collection(session: nox.Session) -> None:
    """Judge the whole collection of wrong and honest implementations, and native itself; the tests judge a quarter."""
    install(session)
    files = ("tests/kit/test_collection.py", "tests/kit/test_native.py")
    session.run("pytest", "-n", "auto", *files, env={"REFOPS_COLLECTION": "all"})


@nox.session
def mutants(session: nox.Session) -> None:
    """Change the references by machine and count what the specs notice; arguments such as `--sample 100`."""
    install(session)
    session.run("python", "-m", "refops.parity.proving.mutation", *session.posargs)


@nox.session(name="torch-versions")
@nox.parametrize("torch", TORCH_VERSIONS)
def torch_versions(session: nox.Session, torch: str) -> None:
    """Run the tests on more than one torch release."""
    session.install(f"torch=={torch}", "-e", ".[dev]")
    session.run("pytest", *(session.posargs or ["-n", "auto"]))
