"""One server for each worker; every test has a namespace of its own."""

import itertools
from collections.abc import Iterator

import pytest

from tests.apiserver.client import ApiClient
from tests.apiserver.server import RunningApiServer, running_api_server

_numbers = itertools.count()


@pytest.fixture(scope="package")
def server(tmp_path_factory) -> Iterator[RunningApiServer]:
    with running_api_server(tmp_path_factory.mktemp("apiserver") / "data") as server:
        yield server


@pytest.fixture(scope="package")
def api(server) -> ApiClient:
    """As a member of system:masters."""
    return server.client()


@pytest.fixture
def namespace() -> str:
    return f"ns-{next(_numbers)}"
