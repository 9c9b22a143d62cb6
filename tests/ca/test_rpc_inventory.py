"""Listing, watching, revoking and bulk signing over TLS."""

import itertools
import threading
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2

from ca.office import ADMINISTRATORS
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.ca.offices import request_for, total_of
from tests.ca.server import RunningServer
from tests.ca.wire import SECONDS, failing, identity_of, workload_identity


@pytest.fixture(scope="module")
def stub(server: RunningServer) -> CertificateServiceStub:
    return CertificateServiceStub(server.channel())


def sign(stub: CertificateServiceStub, *dns: str) -> wire.Certificate:
    return stub.SignCsr(service.SignCsrRequest(csr=request_for(*dns)), timeout=SECONDS).certificate


def listed(stub: CertificateServiceStub, **fields: object) -> service.ListCertificatesResponse:
    request = service.ListCertificatesRequest(**fields)  # type: ignore[arg-type]
    return stub.ListCertificates(request, timeout=SECONDS)


def named(name: str, **fields: object) -> service.CertificateFilter:
    return service.CertificateFilter(name=name, **fields)  # type: ignore[arg-type]


def test_list_is_newest_first_and_pages_without_gaps(stub: CertificateServiceStub) -> None:
    issued = [sign(stub, "paged.example").id for _ in range(5)]
    found, token = [], ""

    for _ in range(3):
        page = listed(stub, page_size=2, page_token=token, filter=named("paged.example"))
        found += [one.id for one in page.certificates]
        token = page.next_page_token

    assert found == issued[::-1]
    assert not token


def test_page_is_not_disturbed_by_what_comes_in_between(stub: CertificateServiceStub) -> None:
    issued = [sign(stub, "steady.example").id for _ in range(3)]
    first = listed(stub, page_size=2, filter=named("steady.example"))
    sign(stub, "steady.example")

    second = listed(stub, page_size=2, page_token=first.next_page_token, filter=named("steady.example"))

    assert [one.id for one in (*first.certificates, *second.certificates)] == issued[::-1]


def test_list_holds_pem_only_when_asked(stub: CertificateServiceStub) -> None:
    sign(stub, "pem.example")

    (plain,) = listed(stub, filter=named("pem.example")).certificates
    (full,) = listed(stub, filter=named("pem.example"), include_pem=True).certificates

    assert not plain.certificate_pem
    assert full.certificate_pem.startswith("-----BEGIN CERTIFICATE-----")


def test_filters_hold_together(stub: CertificateServiceStub) -> None:
    certificate = sign(stub, "filtered.example")
    end = certificate.not_after_time.seconds
    valid = wire.CERTIFICATE_STATE_VALID

    def count(**fields: object) -> int:
        return len(listed(stub, filter=named("filtered.example", **fields)).certificates)

    assert count() == count(profile="server") == count(issuer_id=certificate.issuer_id) == count(state=valid) == 1
    assert count(requester=certificate.requester, expires_before_time=Timestamp(seconds=end + 1)) == 1
    assert count(profile="client") == count(issuer_id="0" * 32) == count(requester="nobody") == 0
    assert count(state=wire.CERTIFICATE_STATE_REVOKED) == count(expires_before_time=Timestamp(seconds=end)) == 0
    assert count(expires_after_time=Timestamp(seconds=end + 1)) == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"page_size": -1},
        {"page_size": 1001},
        {"page_token": "nonsense"},
        {"page_token": "x" * 10_000},
        {"filter": service.CertificateFilter(state=7)},  # type: ignore[arg-type]
    ],
    ids=["negative", "too large", "no token", "long token", "unknown state"],
)
def test_listing_that_makes_no_sense_is_refused(stub: CertificateServiceStub, fields: dict[str, object]) -> None:
    with failing() as failure:
        listed(stub, **fields)

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT


def test_page_token_holds_for_its_filter_only(stub: CertificateServiceStub) -> None:
    for _ in range(2):
        sign(stub, "bound.example")
    token = listed(stub, page_size=1, filter=named("bound.example")).next_page_token

    with failing() as failure:
        listed(stub, page_size=1, page_token=token, filter=named("other.example"))

    assert failure.reason == "INVALID_PAGE_TOKEN"


def test_listing_and_watching_need_a_rule(server: RunningServer) -> None:
    stub = CertificateServiceStub(server.channel(workload_identity(server.office)))

    with failing() as failure:
        listed(stub)
    assert failure.reason == "POLICY_DENIED"
    with failing() as failure:
        next(stub.WatchCertificates(service.WatchCertificatesRequest(resume_cursor="0"), timeout=SECONDS))
    assert failure.reason == "POLICY_DENIED"


def test_watch_resumes_where_it_broke_off(stub: CertificateServiceStub) -> None:
    issued = [sign(stub, "resumed.example").id for _ in range(4)]
    request = service.WatchCertificatesRequest(resume_cursor="0", filter=named("resumed.example"))
    watch = stub.WatchCertificates(request, timeout=SECONDS)
    seen = list(itertools.islice(watch, 2))
    watch.cancel()

    request.resume_cursor = seen[-1].cursor
    rest = list(itertools.islice(stub.WatchCertificates(request, timeout=SECONDS), 2))

    assert [event.certificate.id for event in (*seen, *rest)] == issued
    assert rest[0].certificate.certificate_pem


def test_watch_tells_what_comes(stub: CertificateServiceStub) -> None:
    watch = stub.WatchCertificates(service.WatchCertificatesRequest(filter=named("coming.example")), timeout=SECONDS)
    stop = threading.Event()

    def keep_signing() -> None:
        while not stop.wait(0.2):
            sign(stub, "coming.example")

    signer = threading.Thread(target=keep_signing)
    signer.start()
    try:
        assert list(next(watch).certificate.names.dns_names) == ["coming.example"]
    finally:
        stop.set()
        signer.join()
        watch.cancel()


def test_watch_ends_when_its_caller_is_revoked(server: RunningServer, stub: CertificateServiceStub) -> None:
    watcher = identity_of(server.office, common_name="watcher", organizations=(ADMINISTRATORS,))
    watch = CertificateServiceStub(server.channel(watcher)).WatchCertificates(
        service.WatchCertificatesRequest(resume_cursor="0"), timeout=SECONDS
    )
    assert next(watch)
    stub.RevokeCertificate(service.RevokeCertificateRequest(id=watcher.certificate_id), timeout=SECONDS)
    stop = threading.Event()

    def keep_signing() -> None:
        while not stop.wait(0.2):
            sign(stub, "watched.example")

    signer = threading.Thread(target=keep_signing)
    signer.start()
    try:
        with failing() as failure:
            for _ in watch:
                pass
    finally:
        stop.set()
        signer.join()
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CALLER_REVOKED")


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9" * 30, "\uff11"])
def test_cursor_that_is_none_is_refused(stub: CertificateServiceStub, cursor: str) -> None:
    with failing() as failure:
        next(stub.WatchCertificates(service.WatchCertificatesRequest(resume_cursor=cursor), timeout=SECONDS))

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT


def test_revocation_is_seen_everywhere(stub: CertificateServiceStub) -> None:
    certificate = sign(stub, "revoked.example")
    reason = wire.REVOCATION_REASON_KEY_COMPROMISE

    answer = stub.RevokeCertificate(service.RevokeCertificateRequest(id=certificate.id, reason=reason), timeout=SECONDS)

    (found,) = listed(stub, filter=named("revoked.example", state=wire.CERTIFICATE_STATE_REVOKED)).certificates
    for one in (answer.certificate, found):
        assert (one.state, one.revocation_reason) == (wire.CERTIFICATE_STATE_REVOKED, reason)
        assert one.revoke_time.seconds


def test_second_revocation_is_told(stub: CertificateServiceStub) -> None:
    request = service.RevokeCertificateRequest(id=sign(stub, "twice.example").serial_number)
    stub.RevokeCertificate(request, timeout=SECONDS)

    with failing() as failure:
        stub.RevokeCertificate(request, timeout=SECONDS)

    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ALREADY_REVOKED")


@pytest.mark.parametrize("reason", [1, 7, 8, 9, 11, -1, 999])
def test_reason_that_is_none_is_refused(stub: CertificateServiceStub, reason: int) -> None:
    certificate = sign(stub, "kept.example")

    with failing() as failure:
        stub.RevokeCertificate(
            service.RevokeCertificateRequest(id=certificate.id, reason=reason),  # type: ignore[arg-type]
            timeout=SECONDS,
        )

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    request = service.GetCertificateRequest(id=certificate.id)
    assert stub.GetCertificate(request, timeout=SECONDS).certificate.state == wire.CERTIFICATE_STATE_VALID


def test_certificate_of_another_is_not_there(server: RunningServer, stub: CertificateServiceStub) -> None:
    certificate = sign(stub, "hidden.example")
    other = CertificateServiceStub(server.channel(workload_identity(server.office)))

    with failing() as failure:
        other.GetCertificate(service.GetCertificateRequest(id=certificate.id), timeout=SECONDS)
    assert failure.reason == "CERTIFICATE_NOT_FOUND"
    with failing() as failure:
        other.RevokeCertificate(service.RevokeCertificateRequest(id=certificate.id), timeout=SECONDS)
    assert failure.reason == "CERTIFICATE_NOT_FOUND"


def test_holder_revokes_its_own(server: RunningServer) -> None:
    identity = identity_of(server.office, common_name="frank")
    stub = CertificateServiceStub(server.channel(identity))

    answer = stub.RevokeCertificate(service.RevokeCertificateRequest(id=identity.certificate_id), timeout=SECONDS)

    assert answer.certificate.state == wire.CERTIFICATE_STATE_REVOKED


def bulk(*requests: tuple[str, bytes]) -> Iterator[service.SignCsrsRequest]:
    for request_id, csr in requests:
        yield service.SignCsrsRequest(request=service.SignCsrRequest(csr=csr, request_id=request_id))


def reason_in(error: object) -> str:
    info = error_details_pb2.ErrorInfo()
    assert error.details[0].Unpack(info)  # type: ignore[attr-defined]
    return info.reason


def test_bad_request_in_the_middle_of_a_bulk_fails_alone(server: RunningServer, stub: CertificateServiceStub) -> None:
    before = total_of(server.office)
    good = [(f"bulk-{number}", request_for("bulk.example")) for number in range(300)]
    requests = [*good[:150], ("bad", b"not a request"), ("", request_for("nameless.example")), *good[150:]]

    answers = list(stub.SignCsrs(bulk(*requests), timeout=60))

    results = {answer.request_id: answer for answer in answers}
    assert len(answers) == len(requests)
    assert {key for key, answer in results.items() if answer.WhichOneof("result") == "certificate"} == {
        key for key, _ in good
    }
    assert reason_in(results["bad"].error) == "MALFORMED_REQUEST"
    assert reason_in(results[""].error) == "REQUEST_INVALID"
    assert total_of(server.office) == before + 300


def test_bulk_is_retried_safely(server: RunningServer, stub: CertificateServiceStub) -> None:
    requests = [(f"again-{number}", request_for("again.example")) for number in range(20)]
    first = {answer.request_id: answer.certificate.id for answer in stub.SignCsrs(bulk(*requests), timeout=60)}
    before = total_of(server.office)

    second = {answer.request_id: answer.certificate.id for answer in stub.SignCsrs(bulk(*requests), timeout=60)}

    assert second == first
    assert total_of(server.office) == before


def test_refused_request_of_a_bulk_says_why(server: RunningServer) -> None:
    stub = CertificateServiceStub(server.channel(workload_identity(server.office)))

    (answer,) = stub.SignCsrs(bulk(("denied", request_for("denied.example"))), timeout=SECONDS)

    assert reason_in(answer.error) == "POLICY_DENIED"
    assert answer.error.code == grpc.StatusCode.PERMISSION_DENIED.value[0]
    (event, *_) = server.office.audit.page().items
    assert event.action == "request.deny"


def test_empty_bulk_is_answered_with_nothing(stub: CertificateServiceStub) -> None:
    assert list(stub.SignCsrs(iter(()), timeout=SECONDS)) == []
