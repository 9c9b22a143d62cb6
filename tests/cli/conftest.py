"""One authority for the whole session, made and served by the program itself; identities and directories for each test."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli.program import Program, client_variables, serving


@pytest.fixture(scope="session")
def initialised_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which `init` has run; not to be written to."""
    directory = tmp_path_factory.mktemp("cli")
    Program(home=directory / "home", directory=directory, variables={}).succeed("init")
    return directory / "home"


@pytest.fixture(scope="session")
def endpoints(initialised_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The session's server."""
    directory = tmp_path_factory.mktemp("served")
    shutil.copytree(initialised_home, directory / "home")
    with serving(Program(home=directory / "home", directory=directory, variables={})) as announced:
        yield announced


@pytest.fixture
def cli(endpoints: Mapping[str, str], initialised_home: Path, tmp_path: Path) -> Program:
    """The administrator's program, in a directory of the test's own, talking to the session's server."""
    (tmp_path / "home").mkdir(mode=0o700)
    shutil.copytree(initialised_home / "identity", tmp_path / "home" / "identity")
    return _program(tmp_path, client_variables(endpoints))


@pytest.fixture
def lone_cli(tmp_path: Path) -> Program:
    """The program with an empty home and no server."""
    nowhere = {"CHANCERY_SERVER": "localhost:1", "CHANCERY_HTTP_SERVER": "localhost:1"}
    return _program(tmp_path, nowhere)


def _program(directory: Path, variables: Mapping[str, str]) -> Program:
    work = directory / "work"
    work.mkdir()
    return Program(home=directory / "home", directory=work, variables=variables)
