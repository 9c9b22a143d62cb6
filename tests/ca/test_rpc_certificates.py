"""CertificateService over TLS: signing, retries, renewal, keys that the server made."""

from datetime import timedelta

import grpc
import pytest
from cryptography import x509
from google.protobuf.duration_pb2 import Duration

from ca.office import AdministratorIdentity
from certs.holders import alternative_names
from certs.keys import KeyType, encode_private_key, generate_private_key, load_private_key
from certs.pem import load_certificate, split_certificates
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.ca.offices import request_for, total_of
from tests.ca.server import RunningServer
from tests.ca.wire import SECONDS, SPIFFE, failing, identity_of, workload_identity


@pytest.fixture(scope="module")
def stub(server: RunningServer) -> CertificateServiceStub:
    return CertificateServiceStub(server.channel())


def stub_of(server: RunningServer, identity: AdministratorIdentity) -> CertificateServiceStub:
    return CertificateServiceStub(server.channel(identity))


def sign(stub: CertificateServiceStub, csr: bytes, **fields: object) -> wire.Certificate:
    request = service.SignCsrRequest(csr=csr, **fields)  # type: ignore[arg-type]
    return stub.SignCsr(request, timeout=SECONDS).certificate


def issue(stub: CertificateServiceStub, *dns: str, **fields: object) -> wire.Certificate:
    names = wire.SubjectAlternativeNames(dns_names=dns or ("made.example",))
    request = service.IssueCertificateRequest(names=names, **fields)  # type: ignore[arg-type]
    return stub.IssueCertificate(request, timeout=SECONDS).certificate


def renew(stub: CertificateServiceStub, **fields: object) -> wire.Certificate:
    request = service.RenewCertificateRequest(**fields)  # type: ignore[arg-type]
    return stub.RenewCertificate(request, timeout=SECONDS).certificate


def parsed(certificate: wire.Certificate) -> x509.Certificate:
    return load_certificate(certificate.certificate_pem.encode())


def test_template_starts_from_what_the_caller_is(server: RunningServer) -> None:
    template = stub_of(server, workload_identity(server.office)).GetCsrTemplate(
        service.GetCsrTemplateRequest(), timeout=SECONDS
    )

    assert list(template.names.uris) == [SPIFFE + "web"]
    assert list(template.profiles) == ["workload"]
    assert template.key_types[0] == "ec-p256"
    assert template.trust_domain == "cluster.local"


def test_answer_agrees_with_the_certificate(stub: CertificateServiceStub) -> None:
    answer = sign(stub, request_for("web.example"), lifetime=Duration(seconds=7200))

    certificate = parsed(answer)
    assert certificate.serial_number == int(answer.serial_number, 16)
    assert certificate.not_valid_after_utc.timestamp() == answer.not_after_time.seconds
    assert list(answer.names.dns_names) == list(alternative_names(certificate).dns) == ["web.example"]
    assert answer.state == wire.CERTIFICATE_STATE_VALID
    assert answer.requester == "CN=administrator,O=chancery:administrators"
    assert answer.not_before_time.seconds < answer.renew_time.seconds < answer.not_after_time.seconds
    assert [one.subject.rfc4514_string() for one in split_certificates(answer.chain_pem.encode())] == [
        certificate.issuer.rfc4514_string()
    ]


@pytest.mark.parametrize(
    ("profile", "names", "common_name"),
    [
        ("server", {"dns": ("web.example",)}, None),
        ("client", {}, "bob"),
        ("peer", {"dns": ("peer.example",), "ips": ("::1",)}, None),
        ("workload", {"uris": (SPIFFE + "x",)}, None),
    ],
)
def test_every_profile_is_signed(
    stub: CertificateServiceStub, profile: str, names: dict[str, tuple[str, ...]], common_name: str | None
) -> None:
    csr = request_for(*names.get("dns", ()), common_name=common_name, **{k: v for k, v in names.items() if k != "dns"})

    assert sign(stub, csr, profile=profile).profile == profile


@pytest.mark.parametrize("key_type", [KeyType.EC_P384, KeyType.ED25519, KeyType.RSA_2048, KeyType.ML_DSA_44])
def test_every_kind_of_key_is_signed(stub: CertificateServiceStub, key_type: KeyType) -> None:
    key = generate_private_key(key_type)

    assert parsed(sign(stub, request_for("web.example", key=key))).public_key() == key.public_key()


def test_retry_returns_the_same_certificate(stub: CertificateServiceStub) -> None:
    csr = request_for("web.example")

    first = sign(stub, csr, request_id="retry-1")

    assert sign(stub, csr, request_id="retry-1") == first


def test_request_id_with_another_key_is_refused(server: RunningServer, stub: CertificateServiceStub) -> None:
    sign(stub, request_for("web.example"), request_id="retry-2")
    before = total_of(server.office)

    with failing() as failure:
        sign(stub, request_for("web.example"), request_id="retry-2")

    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
    assert total_of(server.office) == before


@pytest.mark.parametrize("request_id", ["with space", "x" * 65, "é", "a/b", "\n"])
def test_malformed_request_id_is_refused(stub: CertificateServiceStub, request_id: str) -> None:
    with failing() as failure:
        sign(stub, request_for("web.example"), request_id=request_id)

    assert failure.metadata is not None
    assert (failure.reason, failure.metadata["field"]) == ("REQUEST_INVALID", "request_id")


@pytest.mark.parametrize("lifetime", [Duration(), Duration(seconds=-1), Duration(nanos=1), Duration(seconds=2**40)])
def test_lifetime_that_makes_no_sense_is_refused(stub: CertificateServiceStub, lifetime: Duration) -> None:
    with failing() as failure:
        sign(stub, request_for("web.example"), lifetime=lifetime)

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT


def test_error_says_who_where_and_why(server: RunningServer) -> None:
    stub = stub_of(server, workload_identity(server.office))

    with failing() as failure:
        sign(stub, request_for("web.example"))

    assert failure.code is grpc.StatusCode.PERMISSION_DENIED
    assert (failure.reason, failure.domain) == ("POLICY_DENIED", "chancery.dev")
    assert "web.example" in failure.message
    assert failure.metadata is not None
    assert len(failure.metadata["request"]) == 16


def test_workload_asks_again_for_itself_and_for_nobody_else(server: RunningServer) -> None:
    stub = stub_of(server, workload_identity(server.office))

    assert sign(stub, request_for(uris=(SPIFFE + "web",)), profile="workload").requester == SPIFFE + "web"
    with failing() as failure:
        sign(stub, request_for(uris=(SPIFFE + "other",)), profile="workload")

    assert failure.reason == "POLICY_DENIED"


def test_renewal_keeps_names_profile_and_lifetime_with_a_new_key(server: RunningServer) -> None:
    held = identity_of(server.office, profile="peer", dns=("a.example",), lifetime=timedelta(hours=5))
    key = generate_private_key(KeyType.EC_P256)

    answer = renew(stub_of(server, held), csr=request_for("ignored.example", key=key))

    certificate = parsed(answer)
    assert certificate.public_key() == key.public_key()
    assert list(answer.names.dns_names) == ["a.example"]
    assert (answer.profile, answer.renewed_from_id) == ("peer", held.certificate_id)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(hours=5, minutes=1)


@pytest.mark.parametrize("by", ["id", "serial_number"])
def test_certificate_takes_the_place_of_another_of_its_caller(
    server: RunningServer, stub: CertificateServiceStub, by: str
) -> None:
    first = sign(stub, request_for("served.example"))

    second = sign(stub, request_for("served.example"), replaces=getattr(first, by))

    assert second.renewed_from_id == first.id
    in_use = server.office.inventory.in_use([first.issuer_id], now=first.not_after_time.seconds, limit=1000)
    assert first.id not in {one.id for one in in_use}


@pytest.mark.parametrize("replaces", ["other's", "0" * 32, "nonsense"])
def test_nobody_takes_the_place_of_what_others_asked_for(
    server: RunningServer, stub: CertificateServiceStub, replaces: str
) -> None:
    held = workload_identity(server.office)
    others = sign(stub_of(server, held), request_for(uris=(SPIFFE + "web",)), profile="workload")
    before = total_of(server.office)

    with failing() as failure:
        sign(stub, request_for("served.example"), replaces=others.id if replaces == "other's" else replaces)

    assert failure.reason == "CERTIFICATE_NOT_FOUND"
    assert total_of(server.office) == before


def test_renewal_without_a_request_keeps_the_key(server: RunningServer) -> None:
    held = identity_of(server.office, common_name="bob")

    certificate = parsed(renew(stub_of(server, held)))

    assert certificate.public_key() == split_certificates(held.chain)[0].public_key()
    assert certificate.serial_number != split_certificates(held.chain)[0].serial_number


def test_renewal_is_retried_safely(server: RunningServer) -> None:
    stub = stub_of(server, identity_of(server.office, common_name="carol"))
    csr = request_for()

    first = renew(stub, csr=csr, request_id="renew-1")

    assert renew(stub, csr=csr, request_id="renew-1").id == first.id


def test_renewed_certificate_renews_in_turn(server: RunningServer) -> None:
    key = generate_private_key(KeyType.EC_P256)
    first = renew(stub_of(server, workload_identity(server.office)), csr=request_for(key=key))
    held = AdministratorIdentity(
        private_key=encode_private_key(key),
        chain=(first.certificate_pem + first.chain_pem).encode(),
        roots=b"",
        certificate_id="",
    )

    assert renew(stub_of(server, held)).renewed_from_id == first.id


def test_key_made_by_the_server_is_fetched_once(server: RunningServer, stub: CertificateServiceStub) -> None:
    answer = issue(stub, "made.example")
    assert answer.has_private_key
    request = service.GetPrivateKeyRequest(certificate_id=answer.id)

    pem = stub.GetPrivateKey(request, timeout=SECONDS).private_key_pem

    assert load_private_key(pem.encode()).public_key() == parsed(answer).public_key()
    assert not stub.GetCertificate(
        service.GetCertificateRequest(id=answer.id), timeout=SECONDS
    ).certificate.has_private_key
    with failing() as failure:
        stub.GetPrivateKey(request, timeout=SECONDS)
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "KEY_NOT_FOUND")


def test_key_of_another_identity_is_refused(server: RunningServer, stub: CertificateServiceStub) -> None:
    answer = issue(stub)
    request = service.GetPrivateKeyRequest(certificate_id=answer.id)

    with failing() as failure:
        stub_of(server, workload_identity(server.office)).GetPrivateKey(request, timeout=SECONDS)

    assert (failure.code, failure.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_THE_OWNER")
    assert stub.GetPrivateKey(request, timeout=SECONDS).private_key_pem


def test_retried_issue_is_the_same_certificate_before_and_after_its_key_was_fetched(
    stub: CertificateServiceStub,
) -> None:
    first = issue(stub, request_id="issue-1")
    assert issue(stub, request_id="issue-1").id == first.id
    stub.GetPrivateKey(service.GetPrivateKeyRequest(certificate_id=first.id), timeout=SECONDS)

    assert issue(stub, request_id="issue-1").id == first.id


@pytest.mark.parametrize("key_type", ["rsa-2048", "ed25519", "ec-p521", "ml-dsa-65"])
def test_server_makes_the_key_that_is_asked_for(stub: CertificateServiceStub, key_type: str) -> None:
    answer = issue(stub, key_type=key_type)

    pem = stub.GetPrivateKey(service.GetPrivateKeyRequest(certificate_id=answer.id), timeout=SECONDS).private_key_pem

    assert load_private_key(pem.encode()).public_key() == parsed(answer).public_key()


def test_unknown_key_type_is_refused(stub: CertificateServiceStub) -> None:
    with failing() as failure:
        issue(stub, key_type="dsa-1024")

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "ec-p256" in failure.message
