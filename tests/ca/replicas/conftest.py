"""Replicas for the tests of a module, and what each of them starts from."""

from collections.abc import Iterator

import pytest

from tests.ca.replicas.replicas import running_replicas
from tests.ca.serving_process import ServingProcess
from tests.servers.postgresql import PostgresqlServer


@pytest.fixture(scope="module")
def shared_url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """The address of a database of this module's own, empty at first."""
    url = postgresql_server.lend_database()
    yield url
    postgresql_server.take_back(url)


@pytest.fixture(scope="module")
def replicas(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServingProcess]]:
    """Three, started together on an empty database."""
    with running_replicas(tmp_path_factory.mktemp("replicas"), shared_url, count=3) as started:
        yield started
