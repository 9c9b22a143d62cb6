"""A server for the tests of a module, and one of their own for those that stop, break or reconfigure it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ca.server import RunningServer, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("ca") / "data") as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path / "data") as running:
        yield running
