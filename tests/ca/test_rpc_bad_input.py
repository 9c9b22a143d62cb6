"""Bad requests over TLS: each gets a status and a reason that say what to do, and none leaves a certificate behind."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certs.requests import MAX_REQUEST_OCTETS
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.ca.offices import request_for, total_of
from tests.ca.server import RunningServer
from tests.ca.wire import SECONDS, SPIFFE, failing, workload_identity

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def csr(
    *names: x509.GeneralName,
    key: Key | None = None,
    extensions: tuple[x509.ExtensionType, ...] = (),
    encoding: Encoding = Encoding.DER,
) -> bytes:
    """A request by `cryptography` alone, which says whatever it is told to say."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(encoding)


def usage(**set_: bool) -> x509.KeyUsage:
    names = "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign"
    every = dict.fromkeys((*names.split(), "crl_sign", "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(**{**every, **set_})


def wrongly_signed() -> bytes:
    good = bytearray(csr(x509.DNSName("web.example")))
    good[-1] ^= 1
    return bytes(good)


def altered() -> bytes:
    return csr(x509.DNSName("web.example")).replace(b"web.example", b"bad.example")


REFUSED: list[tuple[str, Callable[[], bytes], str]] = [
    ("empty", lambda: b"", "MALFORMED_REQUEST"),
    ("text", lambda: b"hello", "MALFORMED_REQUEST"),
    ("cut short", lambda: csr(x509.DNSName("web.example"))[:-10], "MALFORMED_REQUEST"),
    ("with more behind it", lambda: csr(x509.DNSName("web.example")) + b"\x00", "MALFORMED_REQUEST"),
    ("two at once", lambda: csr(encoding=Encoding.PEM) * 2, "MALFORMED_REQUEST"),
    ("oversized", lambda: b"\x30" * (MAX_REQUEST_OCTETS + 1), "REQUEST_TOO_LARGE"),
    ("wrongly signed", wrongly_signed, "UNPROVEN_POSSESSION"),
    ("altered after signing", altered, "UNPROVEN_POSSESSION"),
    ("RSA of 1024 bits", lambda: csr(key=rsa.generate_private_key(65537, 1024)), "WEAK_KEY"),
    ("RSA with exponent 3", lambda: csr(key=rsa.generate_private_key(3, 2048)), "WEAK_KEY"),
    ("a curve of 192 bits", lambda: csr(key=ec.generate_private_key(ec.SECP192R1())), ""),
    ("a foreign curve", lambda: csr(key=ec.generate_private_key(ec.SECP256K1())), ""),
    ("CA:TRUE", lambda: csr(extensions=(x509.BasicConstraints(ca=True, path_length=None),)), "CA_REQUESTED"),
    ("keyCertSign", lambda: csr(extensions=(usage(key_cert_sign=True),)), "CA_REQUESTED"),
    ("cRLSign", lambda: csr(extensions=(usage(crl_sign=True),)), "CA_REQUESTED"),
    ("101 names", lambda: csr(*(x509.DNSName(f"n{n}.example") for n in range(101))), "TOO_MANY_NAMES"),
    ("1,900 names", lambda: csr(*(x509.DNSName(f"n{n}.example") for n in range(1900))), "TOO_MANY_NAMES"),
    ("a name with a space", lambda: csr(x509.DNSName("a b.example")), "MALFORMED_NAME"),
    ("a name with NUL", lambda: csr(x509.DNSName("a\x00.example")), "MALFORMED_NAME"),
    ("a wildcard in the middle", lambda: csr(x509.DNSName("a.*.example")), "MALFORMED_NAME"),
    ("a wildcard of everything", lambda: csr(x509.DNSName("*")), "MALFORMED_NAME"),
    ("a directory name", lambda: csr(x509.DirectoryName(x509.Name([]))), ""),
]


@pytest.fixture(scope="module")
def stub(server: RunningServer) -> CertificateServiceStub:
    return CertificateServiceStub(server.channel())


@pytest.mark.parametrize(("made", "reason"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED])
def test_request_is_refused_and_nothing_is_issued(
    server: RunningServer, stub: CertificateServiceStub, made: Callable[[], bytes], reason: str
) -> None:
    before = total_of(server.office)

    with failing() as failure:
        stub.SignCsr(service.SignCsrRequest(csr=made()), timeout=SECONDS)

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.reason == (reason or failure.reason) != "INTERNAL"
    assert failure.message
    assert total_of(server.office) == before


def test_request_with_a_broken_signature_by_openssl_is_refused(
    server: RunningServer, stub: CertificateServiceStub, tmp_path: Path
) -> None:
    command = ["openssl", "req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", "k", "-subj", "/CN=x", "-out", "r"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    with failing() as failure:
        stub.SignCsr(service.SignCsrRequest(csr=(tmp_path / "r").read_bytes()), timeout=SECONDS)

    assert failure.reason == "WEAK_KEY"


@pytest.mark.parametrize(
    "names",
    [
        {"dns": ("*.example.com",)},
        {"dns": ("kubernetes.default.svc",)},
        {"ips": ("10.0.0.1",)},
        {"emails": ("root@example.com",)},
        {"uris": (SPIFFE + "web", SPIFFE + "other")},
        {"uris": ("spiffe://other.domain/ns/shop/sa/web",)},
    ],
    ids=str,
)
def test_names_that_are_not_the_callers_are_refused(server: RunningServer, names: dict[str, tuple[str, ...]]) -> None:
    stub = CertificateServiceStub(server.channel(workload_identity(server.office)))
    before = total_of(server.office)
    request = request_for(*names.get("dns", ()), **{kind: text for kind, text in names.items() if kind != "dns"})

    for profile in ("server", "client", "peer", "workload"):
        with failing() as failure:
            stub.SignCsr(service.SignCsrRequest(csr=request, profile=profile), timeout=SECONDS)
        assert (failure.code, failure.reason) == (grpc.StatusCode.PERMISSION_DENIED, "POLICY_DENIED")
    assert total_of(server.office) == before


def test_refusal_of_a_hundred_long_names_is_still_an_answer(server: RunningServer) -> None:
    """What a refusal says goes into trailers, and those are bounded."""
    stub = CertificateServiceStub(server.channel(workload_identity(server.office)))
    labels = ".".join(["a" * 60] * 3)
    request = request_for(*(f"n{number}.{labels}.example" for number in range(100)))

    with failing() as failure:
        stub.SignCsr(service.SignCsrRequest(csr=request), timeout=SECONDS)

    assert (failure.code, failure.reason) == (grpc.StatusCode.PERMISSION_DENIED, "POLICY_DENIED")


def test_message_beyond_the_bound_is_refused(server: RunningServer, stub: CertificateServiceStub) -> None:
    with failing() as failure:
        stub.SignCsr(service.SignCsrRequest(csr=b"x" * (2 * 1024 * 1024)), timeout=SECONDS)

    assert failure.code is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("profile", ["root", "intermediate", "nonsense"])
def test_profile_that_is_not_to_be_had_is_refused(stub: CertificateServiceStub, profile: str) -> None:
    with failing() as failure:
        stub.SignCsr(service.SignCsrRequest(csr=request_for("web.example"), profile=profile), timeout=SECONDS)

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("text", ["", "x", "0" * 32, "g" * 32, "0" * 4000, "é", "%s", "../../etc/passwd"])
def test_unknown_id_is_not_found(stub: CertificateServiceStub, text: str) -> None:
    calls = (
        lambda: stub.GetCertificate(service.GetCertificateRequest(id=text), timeout=SECONDS),
        lambda: stub.GetPrivateKey(service.GetPrivateKeyRequest(certificate_id=text), timeout=SECONDS),
        lambda: stub.RevokeCertificate(service.RevokeCertificateRequest(id=text), timeout=SECONDS),
    )
    for call in calls:
        with failing() as failure:
            call()
        assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "CERTIFICATE_NOT_FOUND")


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (lambda stub: stub.GetCertificate(service.GetCertificateRequest(id="\0"), timeout=SECONDS), "id"),
        (lambda stub: stub.SignCsr(service.SignCsrRequest(replaces="a\0"), timeout=SECONDS), "replaces"),
        (
            lambda stub: stub.ListCertificates(
                service.ListCertificatesRequest(filter=service.CertificateFilter(name="web\0")), timeout=SECONDS
            ),
            "filter.name",
        ),
        (
            lambda stub: next(
                stub.WatchCertificates(
                    service.WatchCertificatesRequest(filter=service.CertificateFilter(requester="\0")), timeout=SECONDS
                )
            ),
            "filter.requester",
        ),
        (
            lambda stub: stub.IssueCertificate(
                service.IssueCertificateRequest(subject=wire.Subject(organizations=["a", "b\0"])), timeout=SECONDS
            ),
            "subject.organizations",
        ),
    ],
    ids=["id", "replaces", "filter", "stream", "list of texts"],
)
def test_nul_in_a_text_is_refused_before_a_database_sees_it(
    stub: CertificateServiceStub, ask: Callable[[CertificateServiceStub], object], field: str
) -> None:
    """PostgreSQL keeps none."""
    with failing() as failure:
        ask(stub)

    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")
    assert (failure.metadata or {})["field"] == field


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream", "stream_stream"])
def test_octets_that_are_no_message_are_refused_without_a_traceback(
    server: RunningServer, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    method = {"unary_unary": "SignCsr", "unary_stream": "WatchCertificates", "stream_stream": "SignCsrs"}[kind]
    call = getattr(server.channel(), kind)(f"/chancery.ca.v1.CertificateService/{method}")

    with failing() as failure:
        answer = call(iter([b"\xff" * 50]) if kind == "stream_stream" else b"\xff" * 50, timeout=SECONDS)
        next(answer)

    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "subject",
    [
        wire.Subject(common_name="x" * 65),
        wire.Subject(countries=["China"]),
        wire.Subject(organizations=["a\x01b"]),
        wire.Subject(organizations=["x"] * 10_000),
        wire.Subject(serial_number="é" * 100),
    ],
    ids=["long", "country", "control", "many", "serial"],
)
def test_impossible_subject_is_refused(stub: CertificateServiceStub, subject: wire.Subject) -> None:
    names = wire.SubjectAlternativeNames(dns_names=["web.example"])

    with failing() as failure:
        stub.IssueCertificate(service.IssueCertificateRequest(subject=subject, names=names), timeout=SECONDS)

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.reason in {"MALFORMED_NAME", "TOO_MANY_NAMES"}


@pytest.mark.parametrize(
    "names",
    [
        wire.SubjectAlternativeNames(ip_addresses=["10.0.0.256"]),
        wire.SubjectAlternativeNames(ip_addresses=["10.0.0.0/8"]),
        wire.SubjectAlternativeNames(dns_names=["bücher.example"]),
        wire.SubjectAlternativeNames(dns_names=["a..b"]),
        wire.SubjectAlternativeNames(uris=["no uri"]),
        wire.SubjectAlternativeNames(email_addresses=["@"]),
        wire.SubjectAlternativeNames(dns_names=[f"n{number}.example" for number in range(5000)]),
    ],
    ids=["ip", "network", "unicode", "empty label", "uri", "email", "5000"],
)
def test_impossible_names_are_refused(
    server: RunningServer, stub: CertificateServiceStub, names: wire.SubjectAlternativeNames
) -> None:
    before = total_of(server.office)

    with failing() as failure:
        stub.IssueCertificate(service.IssueCertificateRequest(names=names), timeout=SECONDS)

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.metadata
    assert total_of(server.office) == before
