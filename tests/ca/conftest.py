"""A server for the tests of a module, and one of their own for those that stop, break or reconfigure it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ca.office import Office
from tests.ca.offices import CountedEntropy, Premises
from tests.ca.server import RunningServer, running_server
from tests.servers.postgresql import postgresql_server, postgresql_url  # noqa: F401 - fixtures
from tests.servers.softhsm import softhsm, softhsm_stock  # noqa: F401 - fixtures


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("ca") / "data") as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path / "data") as running:
        yield running


@pytest.fixture(scope="session")
def founded_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory in which the hierarchy has been made; to be copied, since making it takes its time."""
    directory = tmp_path_factory.mktemp("founded") / "data"
    with Premises(directory=directory).open():
        return directory


@pytest.fixture
def premises(founded_directory: Path, tmp_path: Path) -> Premises:
    """A founded data directory of the test's own, with a clock that stands still."""
    return _copied(founded_directory, tmp_path / "premises")


@pytest.fixture(scope="module")
def office(founded_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """An authority without its edges, for a module whose tests do not move its clock or stop it."""
    with _copied(founded_directory, tmp_path_factory.mktemp("office") / "data").open() as opened:
        yield opened


@pytest.fixture
def empty_premises(tmp_path: Path) -> Premises:
    """A place where there is nothing yet."""
    return Premises(directory=tmp_path / "empty")


def _copied(founded: Path, directory: Path) -> Premises:
    shutil.copytree(founded, directory)
    return Premises(directory=directory, entropy=CountedEntropy(start=1_000_000))
