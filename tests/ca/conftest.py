"""A server for the tests of a module, and one of their own for those that stop, break or reconfigure it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ca.office import Office
from tests.ca.offices import Premises
from tests.ca.server import RunningServer, running_server
from tests.servers.postgresql import postgresql_server, postgresql_url  # noqa: F401 - fixtures


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("ca") / "data") as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path / "data") as running:
        yield running


@pytest.fixture
def premises(tmp_path: Path) -> Premises:
    """An empty data directory, with a clock that stands still."""
    return Premises(directory=tmp_path / "premises")


@pytest.fixture
def office(premises: Premises) -> Iterator[Office]:
    """A founded authority without its edges."""
    with premises.open() as opened:
        yield opened
