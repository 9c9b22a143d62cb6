"""Whether the API server would believe the serving certificate, judged by a real handshake."""

import base64
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest
import trustme

from kube.admission.readiness import Listener, ServingCheck
from kube.cluster import Cluster
from kube.errors import ClusterUnreachable, NotThere

NAME = "injector.chancery.svc"


class Configurations:
    """A cluster that has webhook configurations, by name, with the caBundles of their webhooks; or that is away."""

    def __init__(self) -> None:
        self.bundles: dict[str, list[str]] = {}
        self.is_away = False
        self.asked = 0

    def put(self, name: str, *bundles: bytes) -> None:
        self.bundles[name] = [base64.b64encode(bundle).decode() for bundle in bundles]

    def get(self, path: str) -> Any:
        self.asked += 1
        name = path.rpartition("/mutatingwebhookconfigurations/")[2]
        if self.is_away:
            raise ClusterUnreachable("away")
        if name not in self.bundles:
            raise NotThere("no such configuration")
        return {"webhooks": [{"clientConfig": {"caBundle": bundle}} for bundle in self.bundles[name]]}


class Moments:
    """A minute passes between two looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 60
        return self.now


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def port(authority: trustme.CA) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] - handshakes that fail are the point
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def cluster() -> Configurations:
    return Configurations()


@pytest.fixture
def check(cluster: Configurations, port: int) -> ServingCheck:
    return check_of(cluster, port)


def check_of(cluster: Configurations, port: int, monotonic: Callable[[], float] | None = None) -> ServingCheck:
    return ServingCheck(
        cast("Cluster", cluster),
        configurations=("pods", "namespaces"),
        listener=Listener(host="127.0.0.1", port=port, server_name=NAME),
        monotonic=monotonic or Moments(),
    )


def test_ready_where_every_ca_bundle_believes_it(cluster, check, authority):
    cluster.put("pods", authority.cert_pem.bytes())
    cluster.put("namespaces", trustme.CA().cert_pem.bytes() + authority.cert_pem.bytes())

    assert check() == ""


def test_one_configuration_is_enough_and_none_is_not(cluster, check, authority):
    assert "no webhook configuration calls this" in check()
    cluster.put("pods", authority.cert_pem.bytes())
    assert check() == ""


@pytest.mark.parametrize(
    ("bundle", "why"),
    [(b"", "not in place yet"), (b"garbage", "not believed"), (trustme.CA().cert_pem.bytes(), "not believed: ")],
)
def test_not_ready_with_another_ca_bundle(cluster, check, authority, bundle, why):
    cluster.put("pods", authority.cert_pem.bytes())
    cluster.put("namespaces", bundle)

    found = check()
    assert found.startswith("namespaces: ")
    assert why in found


def test_ca_bundle_that_is_not_base64_is_none(cluster, check):
    cluster.bundles["pods"] = ["%%%"]

    assert "not in place yet" in check()


def test_cluster_that_is_away_leaves_the_ca_bundle_of_before(cluster, check, authority):
    cluster.is_away = True
    first = check()
    cluster.is_away = False
    cluster.put("pods", authority.cert_pem.bytes())
    there = check()
    cluster.is_away = True

    assert "cannot be read: away" in first
    assert (there, check()) == ("", "")


def test_configuration_that_is_deleted_counts_no_more(cluster, check, authority):
    cluster.put("pods", authority.cert_pem.bytes())
    cluster.put("namespaces", b"")
    before = check()
    del cluster.bundles["namespaces"]

    assert (bool(before), check()) == (True, "")


def test_probes_one_after_the_other_ask_once(cluster, port, authority):
    cluster.put("pods", authority.cert_pem.bytes())
    check = check_of(cluster, port, monotonic=lambda: 1.0)
    check()
    asked = cluster.asked
    check()

    assert cluster.asked == asked


def test_listener_that_is_not_there_is_said(cluster, authority):
    cluster.put("pods", authority.cert_pem.bytes())

    assert "the listener cannot be reached" in check_of(cluster, 1)()
