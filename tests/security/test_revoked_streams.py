"""A stream that was opened before its caller was revoked, or expired, gives nothing more afterwards."""

import queue
from collections.abc import Iterator
from datetime import timedelta

import grpc
import pytest

from ca.office import AdministratorIdentity
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.ca.offices import administrator, call_of, order_for, registry_of, request_for
from tests.ca.server import RunningServer
from tests.ca.wire import SECONDS, failing, identity_of


def another_administrator(server: RunningServer) -> AdministratorIdentity:
    return identity_of(server.office, common_name="mallory", organizations=("chancery:administrators",))


def revoke(server: RunningServer, identity: AdministratorIdentity) -> None:
    registry_of(server.office).revoke(call_of(administrator()), identity.certificate_id, reason=1)


def signing(number: int) -> service.SignCsrsRequest:
    request = service.SignCsrRequest(csr=request_for("web.example"), profile="server", request_id=f"stream-{number}")
    return service.SignCsrsRequest(request=request)


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_bulk_stream_ends_with_its_caller(own_server: RunningServer, end: str) -> None:
    identity = another_administrator(own_server)
    waiting: queue.Queue[service.SignCsrsRequest | None] = queue.Queue()

    def requests() -> Iterator[service.SignCsrsRequest]:
        while (request := waiting.get()) is not None:
            yield request

    answers = CertificateServiceStub(own_server.channel(identity)).SignCsrs(requests(), timeout=SECONDS)
    waiting.put(signing(1))
    assert next(answers).certificate.id

    if end == "revoked":
        revoke(own_server, identity)
    else:
        own_server.clock.advance(timedelta(days=2))
    before = [record.id for record in own_server.office.inventory.after(0)]
    waiting.put(signing(2))

    with failing() as failure:
        next(answers)
    waiting.put(None)

    assert failure.code is grpc.StatusCode.UNAUTHENTICATED
    fresh = [one for one in own_server.office.inventory.after(0) if one.id not in before and "mallory" in one.requester]
    assert not fresh


def test_watch_ends_with_its_caller(server: RunningServer) -> None:
    identity = another_administrator(server)
    watch = CertificateServiceStub(server.channel(identity)).WatchCertificates(
        service.WatchCertificatesRequest(resume_cursor="0"), timeout=SECONDS
    )
    assert next(watch).certificate.id

    revoke(server, identity)
    secret = server.office.authority.issue(order_for("secret.example"))

    with failing() as failure:
        while next(watch).certificate.id != secret.id:
            pass
        pytest.fail("the watch shows what was issued after its caller was revoked")
    assert failure.code is grpc.StatusCode.UNAUTHENTICATED
