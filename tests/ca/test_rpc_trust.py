"""TrustService over TLS: who holds which bundle, news as they come, and rotations by gRPC."""

import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import grpc
import pytest

from ca.office import AdministratorIdentity
from ca.rpc import trust as trust_handlers
from protos.chancery.ca.v1 import admin_service_pb2 as admin
from protos.chancery.ca.v1 import certificate_service_pb2 as certificates
from protos.chancery.ca.v1 import trust_service_pb2 as trust
from protos.chancery.ca.v1.admin_service_pb2_grpc import AdminServiceStub
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from protos.chancery.ca.v1.trust_service_pb2_grpc import TrustServiceStub
from serving.tls import load_pair
from tests.ca.server import RunningServer, running_server
from tests.ca.wire import SECONDS, failing, workload_identity


@pytest.fixture
def server(tmp_path) -> Iterator[RunningServer]:
    with running_server(tmp_path / "data", rotation_settle="1s") as server:
        yield server


@pytest.fixture
def administration(server: RunningServer) -> AdminServiceStub:
    return AdminServiceStub(server.channel())


def hold(stub: TrustServiceStub, generation: int, consumer: str = "") -> trust.TrustBundle:
    request = trust.GetTrustBundleRequest(held_generation=generation, consumer=consumer)
    return stub.GetTrustBundle(request, timeout=SECONDS).bundle


def rotation(administration: AdminServiceStub) -> admin.GetRotationResponse:
    return administration.GetRotation(admin.GetRotationRequest(), timeout=SECONDS)


def start(administration: AdminServiceStub, kind: int, haste: int = admin.ROTATION_HASTE_NOW) -> admin.Rotation:
    request = admin.StartRotationRequest(kind=kind, haste=haste)
    return administration.StartRotation(request, timeout=SECONDS).rotation


def test_who_shows_a_certificate_is_remembered_as_a_holder_and_nobody_else(server, administration):
    web = workload_identity(server.office)
    hold(TrustServiceStub(server.channel(web)), 1, "host:/etc/web")
    hold(TrustServiceStub(server.channel()), 99)
    hold(TrustServiceStub(server.public_channel()), 1, "anybody")

    found = rotation(administration)

    assert sorted((one.name, one.held_generation) for one in found.consumers) == [
        ("CN=administrator,O=chancery:administrators", 1),
        ("spiffe://cluster.local/ns/shop/sa/web host:/etc/web", 1),
    ]
    assert (found.consumers_total, found.consumers_behind, found.generation) == (2, 0, 1)
    assert not found.HasField("rotation")


def test_a_report_over_http_counts_by_the_certificate_that_is_shown_with_it(server, administration):
    web, revoked = workload_identity(server.office), workload_identity(server.office, "revoked")
    revoke = certificates.RevokeCertificateRequest(id=revoked.certificate_id)
    CertificateServiceStub(server.channel()).RevokeCertificate(revoke, timeout=SECONDS)

    generations = [
        get_bundle(server, web, "a"),
        get_bundle(server, revoked, "b"),
        get_bundle(server, None, "c"),
        get_bundle(server, web, "d", Origin="https://page.example"),
    ]

    assert generations == ["1", "1", "1", "1"]
    assert [one.name for one in rotation(administration).consumers] == ["spiffe://cluster.local/ns/shop/sa/web a"]


def get_bundle(server: RunningServer, identity: AdministratorIdentity | None, consumer: str, **headers: str) -> str:
    context = ssl.create_default_context(cadata=server.administrator.roots.decode())
    if identity is not None:
        load_pair(context, private_key=identity.private_key, chain=identity.chain)
    address = urlsplit(server.url)
    connection = http.client.HTTPSConnection("localhost", address.port, timeout=SECONDS, context=context)
    with contextlib.closing(connection):
        connection.request("GET", f"/v1/trust-bundle?held_generation=1&consumer={consumer}", headers=headers)
        generation: str = json.load(connection.getresponse())["bundle"]["generation"]
    return generation


def test_a_watcher_is_told_of_a_new_root_and_waited_for_until_it_says_that_it_holds_it(server, administration):
    stub = TrustServiceStub(server.channel())
    watch = stub.WatchTrustBundle(trust.WatchTrustBundleRequest(held_generation=1), timeout=SECONDS)
    started = start(administration, admin.ROTATION_KIND_ROOT)

    bundle = next(watch).bundle
    watch.cancel()

    assert (started.generation, bundle.generation, len(bundle.sha256_fingerprints)) == (2, 2, 2)
    assert bundle.retiring_key_ids == []
    assert rotation(administration).consumers_behind == 1
    hold(stub, 2)
    assert rotation(administration).consumers_behind == 0
    watch = stub.WatchTrustBundle(trust.WatchTrustBundleRequest(held_generation=2), timeout=SECONDS)
    old_issuer = next(watch).bundle.retiring_key_ids
    watch.cancel()
    assert len(old_issuer) == 1
    assert rotation(administration).rotation.phase == admin.ROTATION_PHASE_SIGNING
    names = [one.subject for one in rotation(administration).remaining_certificates]
    assert names == ["CN=administrator,O=chancery:administrators"]


def test_a_consumer_that_asks_to_be_waited_for_is_though_it_holds_nothing_yet_or_any_more(server, administration):
    stub = TrustServiceStub(server.channel())
    waited_for = trust.GetTrustBundleRequest(consumer="registrar", waited_for=True)
    stub.GetTrustBundle(waited_for, timeout=SECONDS)
    TrustServiceStub(server.public_channel()).GetTrustBundle(waited_for, timeout=SECONDS)
    hold(stub, 0, "reader")
    start(administration, admin.ROTATION_KIND_ROOT)

    assert [(one.name.split()[-1], one.held_generation) for one in rotation(administration).consumers] == [
        ("registrar", 0)
    ]
    assert rotation(administration).consumers_behind == 1
    hold(stub, 2, "registrar")
    assert rotation(administration).consumers_behind == 0
    stub.GetTrustBundle(waited_for, timeout=SECONDS)
    assert rotation(administration).consumers_behind == 1


def test_a_consumer_whose_certificate_is_revoked_is_not_waited_for_any_more(server, administration):
    pod, web = workload_identity(server.office, "pod"), workload_identity(server.office, "web")
    hold(TrustServiceStub(server.channel(pod)), 1)
    hold(TrustServiceStub(server.channel(web)), 1)
    start(administration, admin.ROTATION_KIND_ROOT)
    assert rotation(administration).consumers_behind == 2

    revoke = certificates.RevokeCertificateRequest(id=pod.certificate_id)
    CertificateServiceStub(server.channel()).RevokeCertificate(revoke, timeout=SECONDS)

    assert [one.name for one in rotation(administration).consumers] == ["spiffe://cluster.local/ns/shop/sa/web"]
    assert rotation(administration).consumers_behind == 1


def test_a_watcher_of_what_it_holds_is_told_nothing(server):
    stub = TrustServiceStub(server.channel())

    with failing() as failure:
        next(stub.WatchTrustBundle(trust.WatchTrustBundleRequest(held_generation=1), timeout=1))

    assert failure.code is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("consumer", ["x" * 65, "two\nlines"])
def test_a_consumer_that_is_no_name_is_refused(server, consumer):
    with failing() as failure:
        hold(TrustServiceStub(server.channel()), 1, consumer)

    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")


def test_one_identity_cannot_be_a_crowd(server, administration, monkeypatch):
    monkeypatch.setattr(trust_handlers, "_MOST_CONSUMERS", 3)
    stub = TrustServiceStub(server.channel())
    for number in range(3):
        hold(stub, 1, f"consumer {number}")

    with failing() as failure:
        hold(stub, 1, "one more")
    hold(stub, 1, "consumer 1")

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert rotation(administration).consumers_total == 3


def test_one_rotation_at_a_time_and_none_to_abort(server, administration):
    with failing() as nothing:
        administration.AbortRotation(admin.AbortRotationRequest(), timeout=SECONDS)
    start(administration, admin.ROTATION_KIND_ROOT)
    with failing() as another:
        start(administration, admin.ROTATION_KIND_ISSUER)
    aborted = administration.AbortRotation(admin.AbortRotationRequest(), timeout=SECONDS).rotation

    assert (nothing.code, nothing.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_ROTATION")
    assert (another.code, another.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ROTATION_UNDER_WAY")
    assert aborted.aborted
    assert aborted.phase in {admin.ROTATION_PHASE_RETIRING, admin.ROTATION_PHASE_SIGNING}


def test_it_must_be_said_what_to_rotate(server, administration):
    with failing() as failure:
        start(administration, admin.ROTATION_KIND_UNSPECIFIED)

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (failure.metadata or {})["field"] == "kind"
