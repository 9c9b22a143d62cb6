"""Recorded sessions are what the program still says."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import Program, client_variables, serving
from tests.cli.transcript import SESSIONS, play, read_session, write_session


@pytest.fixture(scope="module")
def served(initialised_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """An authority in which nothing has happened yet but what the sessions do."""
    directory = tmp_path_factory.mktemp("transcripts")
    shutil.copytree(initialised_home, directory / "home")
    program = Program(home=directory / "home", directory=directory, variables={})
    with serving(program) as endpoints:
        yield Program(home=program.home, directory=directory, variables=client_variables(endpoints))


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(SESSIONS.glob("*.txt")), ids=lambda path: path.stem)
def test_session_is_as_recorded(served: Program, path: Path, tmp_path: Path) -> None:
    introduction, steps = read_session(path.read_text())
    own = Program(home=served.home, directory=tmp_path, variables=served.variables)

    assert write_session(introduction, list(play(steps, own))) == path.read_text()
