"""Enrollment with a one-time token, and trust for everybody, on the port that asks for no certificate."""

import hashlib
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from google.protobuf.duration_pb2 import Duration

from certs.crl import verify_crl
from certs.keys import KeyType, generate_private_key, subject_public_key_info
from certs.pem import load_certificate
from protos.chancery.ca.v1 import admin_service_pb2 as admin
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1 import certificate_service_pb2 as certificates
from protos.chancery.ca.v1 import enrollment_service_pb2 as enrollment
from protos.chancery.ca.v1 import trust_service_pb2 as trust
from protos.chancery.ca.v1.admin_service_pb2_grpc import AdminServiceStub
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from protos.chancery.ca.v1.enrollment_service_pb2_grpc import EnrollmentServiceStub
from protos.chancery.ca.v1.trust_service_pb2_grpc import TrustServiceStub
from tests.ca.offices import request_for, total_of
from tests.ca.server import RunningServer
from tests.ca.wire import SECONDS, failing


@pytest.fixture(scope="module")
def stub(server: RunningServer) -> EnrollmentServiceStub:
    return EnrollmentServiceStub(server.public_channel())


@pytest.fixture(scope="module")
def trust_stub(server: RunningServer) -> TrustServiceStub:
    return TrustServiceStub(server.public_channel())


def token_for(server: RunningServer, *dns: str, **fields: object) -> str:
    names = wire.SubjectAlternativeNames(dns_names=dns or ("web.example",))
    request = admin.CreateTokenRequest(names=names, **fields)  # type: ignore[arg-type]
    return AdminServiceStub(server.channel()).CreateToken(request, timeout=SECONDS).secret


def enroll(stub: EnrollmentServiceStub, token: str, csr: bytes, **fields: object) -> enrollment.EnrollResponse:
    request = enrollment.EnrollRequest(token=token, csr=csr, **fields)  # type: ignore[arg-type]
    return stub.Enroll(request, timeout=SECONDS)


def test_token_is_worth_one_certificate(server: RunningServer, stub: EnrollmentServiceStub) -> None:
    token = token_for(server)

    answer = enroll(stub, token, request_for("web.example"))

    assert list(answer.certificate.names.dns_names) == ["web.example"]
    assert answer.certificate.requester == f"token:{token.split('.')[1]}"
    assert answer.trust_bundle_pem.encode() == server.administrator.roots
    before = total_of(server.office)
    with failing() as failure:
        enroll(stub, token, request_for("web.example"))
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_REFUSED")
    assert total_of(server.office) == before


def test_of_twenty_at_once_exactly_one_wins(server: RunningServer, stub: EnrollmentServiceStub) -> None:
    token = token_for(server)
    before = total_of(server.office)
    start = threading.Barrier(20)
    requests = [request_for("web.example") for _ in range(20)]

    def run(request: bytes) -> grpc.StatusCode:
        start.wait(SECONDS)
        try:
            enroll(stub, token, request)
        except grpc.RpcError as err:
            return err.code()  # type: ignore[no-any-return,attr-defined]
        return grpc.StatusCode.OK

    with ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(run, requests))

    assert sorted(code.name for code in codes) == ["OK", *["UNAUTHENTICATED"] * 19]
    assert total_of(server.office) == before + 1


def test_lost_answer_is_fetched_again_with_the_same_key(server: RunningServer, stub: EnrollmentServiceStub) -> None:
    token, csr = token_for(server), request_for("web.example")
    first = enroll(stub, token, csr, request_id="enroll")

    assert enroll(stub, token, csr, request_id="enroll").certificate.id == first.certificate.id
    with failing() as failure:
        enroll(stub, token, request_for("web.example"), request_id="enroll")
    assert failure.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize("change", ["", "x", "id", "secret"])
def test_token_that_is_none_is_refused(server: RunningServer, stub: EnrollmentServiceStub, change: str) -> None:
    parts = token_for(server).split(".")
    match change:
        case "id":
            parts[1] = "0" * 32
        case "secret":
            parts[2] = "A" * 43
        case text:
            parts = [text]
    before = total_of(server.office)

    with failing() as failure:
        enroll(stub, ".".join(parts), request_for("web.example"))

    assert failure.reason == "TOKEN_REFUSED"
    assert total_of(server.office) == before


def test_names_beyond_the_token_do_not_spend_it(server: RunningServer, stub: EnrollmentServiceStub) -> None:
    token = token_for(server)

    with failing() as failure:
        enroll(stub, token, request_for("web.example", "evil.example"))

    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")
    assert "evil.example" in failure.message
    assert enroll(stub, token, request_for())


def test_token_bound_to_a_key_takes_no_other(server: RunningServer, stub: EnrollmentServiceStub) -> None:
    key = generate_private_key(KeyType.EC_P256)
    digest = hashlib.sha256(subject_public_key_info(key.public_key())).digest()
    token = token_for(server, public_key_sha256=digest)

    with failing() as failure:
        enroll(stub, token, request_for("web.example"))

    assert failure.reason == "TOKEN_REFUSED"
    assert enroll(stub, token, request_for("web.example", key=key))


def test_token_bounds_the_lifetime(server: RunningServer, stub: EnrollmentServiceStub) -> None:
    token = token_for(server, certificate_lifetime=Duration(seconds=3600))

    with failing() as failure:
        enroll(stub, token, request_for("web.example"), lifetime=Duration(seconds=7200))
    certificate = enroll(stub, token, request_for("web.example")).certificate

    assert failure.code is grpc.StatusCode.PERMISSION_DENIED
    assert certificate.not_after_time.seconds - certificate.not_before_time.seconds == 3660


def test_expired_and_withdrawn_tokens_are_refused(own_server: RunningServer) -> None:
    stub = EnrollmentServiceStub(own_server.public_channel())
    withdrawn, short = token_for(own_server), token_for(own_server, token_lifetime=Duration(seconds=60))
    request = admin.DeleteTokenRequest(id=withdrawn.split(".")[1])
    AdminServiceStub(own_server.channel()).DeleteToken(request, timeout=SECONDS)
    own_server.clock.advance(timedelta(minutes=1))

    for token in (withdrawn, short):
        with failing() as failure:
            enroll(stub, token, request_for("web.example"))
        assert failure.reason == "TOKEN_REFUSED"


def test_trust_bundle_is_everybodys(server: RunningServer, trust_stub: TrustServiceStub) -> None:
    bundle = trust_stub.GetTrustBundle(trust.GetTrustBundleRequest(), timeout=SECONDS).bundle

    root = load_certificate(bundle.roots_pem.encode())
    assert list(bundle.sha256_fingerprints) == [hashlib.sha256(root.public_bytes(Encoding.DER)).hexdigest()]
    assert (bundle.generation, bundle.trust_domain) == (1, "cluster.local")


def test_watch_of_the_bundle_tells_the_present_one_to_who_holds_none(trust_stub: TrustServiceStub) -> None:
    watch = trust_stub.WatchTrustBundle(trust.WatchTrustBundleRequest(), timeout=SECONDS)
    assert next(watch).bundle.generation == 1
    watch.cancel()

    held = trust_stub.WatchTrustBundle(trust.WatchTrustBundleRequest(held_generation=1), timeout=1)
    with failing() as failure:
        list(itertools.islice(held, 1))
    assert failure.code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_crl_lists_what_was_revoked(server: RunningServer, trust_stub: TrustServiceStub) -> None:
    stub = CertificateServiceStub(server.channel())
    csr = request_for("gone.example")
    certificate = stub.SignCsr(certificates.SignCsrRequest(csr=csr), timeout=SECONDS).certificate
    stub.RevokeCertificate(certificates.RevokeCertificateRequest(id=certificate.id), timeout=SECONDS)

    answer = trust_stub.GetCrl(trust.GetCrlRequest(issuer_id=certificate.issuer_id), timeout=SECONDS)

    crl = verify_crl(answer.crl, server.office.issuers.active().issuer.certificate, at=server.clock())
    assert crl.get_revoked_certificate_by_serial_number(int(certificate.serial_number, 16)) is not None
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == answer.number


@pytest.mark.parametrize(("issuer_id", "shard"), [("0" * 32, 0), ("", 0), ("é", -1)])
def test_unknown_crl_is_not_found(trust_stub: TrustServiceStub, issuer_id: str, shard: int) -> None:
    with failing() as failure:
        trust_stub.GetCrl(trust.GetCrlRequest(issuer_id=issuer_id, shard=shard), timeout=SECONDS)

    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "CRL_NOT_FOUND")
