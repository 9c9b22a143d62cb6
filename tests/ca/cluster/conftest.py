"""A cluster that a test tells what to answer, and an authority that trusts it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ca.cluster.api_server import FakeApiServer, fake_api_server
from tests.ca.server import RunningServer, running_server
from tests.servers.kubernetes.fixtures import control_plane  # noqa: F401 - fixture


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeApiServer]:
    with fake_api_server(tmp_path_factory.mktemp("cluster")) as fake:
        yield fake


@pytest.fixture
def cluster(shared_cluster: FakeApiServer) -> FakeApiServer:
    """As good as new."""
    shared_cluster.answer, shared_cluster.drip_seconds = None, 0.0
    shared_cluster.asked.clear()
    return shared_cluster


@pytest.fixture(scope="module")
def enrolling(shared_cluster: FakeApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory: Path = tmp_path_factory.mktemp("ca") / "data"
    with running_server(
        directory, kubernetes_enrollment=True, kubernetes_kubeconfig=shared_cluster.kubeconfig
    ) as running:
        yield running
