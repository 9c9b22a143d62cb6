"""One storage API server behind the session's control plane; every test has a namespace of its own."""

import itertools
import ssl
from collections.abc import Iterator

import pytest

from tests.apiserver.aggregation.aggregated_server import AggregatedServer
from tests.apiserver.client import WARDLE, ApiClient
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.fixtures import control_plane  # noqa: F401 - a fixture

_numbers = itertools.count()


@pytest.fixture(scope="package")
def server(control_plane, tmp_path_factory) -> Iterator[AggregatedServer]:  # noqa: F811 - the fixture imported above
    server = AggregatedServer.make(control_plane, tmp_path_factory.mktemp("aggregated"), namespace="chancery")
    try:
        server.start()
        server.register()
        yield server
    finally:
        server.end()


@pytest.fixture(scope="package")
def cluster(server) -> ControlPlane:
    """kube-apiserver, our server behind it. Nothing deletes namespaces or collects garbage."""
    return server.cluster


@pytest.fixture(scope="package")
def controlled_cluster(server) -> ControlPlane:
    """The same with kube-controller-manager, started after our groups were registered: it looks for new ones each 30 seconds."""
    server.cluster.controller_manager.kill()
    server.cluster.start_controller_manager()
    return server.cluster


@pytest.fixture
def namespace(cluster) -> str:
    """A new namespace, left to the end of the cluster."""
    name = f"aggregation-{next(_numbers)}"
    cluster.kubectl("create", "namespace", name)
    return name


@pytest.fixture
def flunders(namespace) -> str:
    """The path of the namespace's flunders."""
    return f"{WARDLE}/namespaces/{namespace}/flunders"


@pytest.fixture
def direct(server):
    """Makes clients of our own port: with a certificate of one of the cluster's authorities, or none."""
    made = []

    def connect(user=None, *groups, authority=None, **options) -> ApiClient:
        context = ssl.create_default_context(cafile=server.authority.certificate)
        if user is not None:
            files = (authority or server.cluster.client_ca).issue_client(user, *groups)
            context.load_cert_chain(files.certificate, files.key)
        made.append(ApiClient(server.url, context, **options))
        return made[-1]

    yield connect
    for client in made:
        client.close()
