"""Who gets in: TLS 1.3 only, and a client certificate that this authority issued, recorded, and still stands by."""

import os
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import grpc
import pytest

from ca.keys import KeyFiles
from ca.office import AdministratorIdentity
from ca.transport import FORCE_TLS_1_3
from certs.pem import load_certificate
from cli import ambient
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1 import enrollment_service_pb2 as enrollment
from protos.chancery.ca.v1 import trust_service_pb2 as trust
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from protos.chancery.ca.v1.enrollment_service_pb2_grpc import EnrollmentServiceStub
from protos.chancery.ca.v1.trust_service_pb2_grpc import TrustServiceStub
from tests.ca.hierarchies import Outsider, authority, client
from tests.ca.server import RunningServer
from tests.ca.wire import SECONDS, failing, identity_of, outsiders_identity

PORTS = ("grpc", "http", "enrollment")


def call_with(server: RunningServer, identity: AdministratorIdentity) -> None:
    CertificateServiceStub(server.channel(identity)).GetCsrTemplate(service.GetCsrTemplateRequest(), timeout=SECONDS)


def port_of(server: RunningServer, name: str) -> int:
    address = {
        "grpc": f"//{server.endpoints.grpc}",
        "http": server.endpoints.http,
        "enrollment": f"//{server.endpoints.enrollment}",
    }[name]
    return urlsplit(address).port or 0


def our_root(server: RunningServer) -> Outsider:
    """The root with its key, as somebody has it who brought it from elsewhere."""
    record = next(one for one in server.office.authorities.list() if one.profile == "root")
    passphrase = (server.directory / "passphrase").read_bytes().strip()
    key = KeyFiles(server.directory / "keys", passphrase, server.office.entropy).get(record.id)
    return Outsider(certificate=load_certificate(record.certificate), private_key=key)  # type: ignore[arg-type]


def foreign(server: RunningServer) -> AdministratorIdentity:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    root = authority("Other Root", not_before=start)
    return outsiders_identity(client("administrator", root, not_before=start), server.administrator.roots)


def expired(server: RunningServer) -> AdministratorIdentity:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    issuer = our_issuer(server)
    return outsiders_identity(client("administrator", issuer, not_before=start), server.administrator.roots)


def our_issuer(server: RunningServer) -> Outsider:
    issuer = server.office.issuers.active().issuer
    return Outsider(certificate=issuer.certificate, private_key=issuer.private_key, above=issuer.chain)  # type: ignore[arg-type]


@pytest.mark.parametrize("refused", [foreign, expired])
def test_certificate_that_tls_refuses(
    server: RunningServer, refused: Callable[[RunningServer], AdministratorIdentity]
) -> None:
    with failing() as failure:
        call_with(server, refused(server))

    assert failure.code is grpc.StatusCode.UNAVAILABLE


def test_no_certificate_is_refused_in_the_handshake(server: RunningServer) -> None:
    credentials = grpc.ssl_channel_credentials(server.administrator.roots)
    with grpc.secure_channel(server.grpc_target, credentials) as channel, failing() as failure:
        CertificateServiceStub(channel).GetCsrTemplate(service.GetCsrTemplateRequest(), timeout=SECONDS)

    assert failure.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("port", ["grpc", "enrollment"])
def test_plain_text_is_refused(server: RunningServer, port: str) -> None:
    with grpc.insecure_channel(f"localhost:{port_of(server, port)}") as channel, failing() as failure:
        TrustServiceStub(channel).GetTrustBundle(trust.GetTrustBundleRequest(), timeout=SECONDS)

    assert failure.code is grpc.StatusCode.UNAVAILABLE


def test_certificate_of_a_sibling_issuer_is_unknown(server: RunningServer) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    sibling = authority(
        "Sibling Issuer", issuer=our_root(server), path_length=0, not_before=start, lifetime=timedelta(days=9)
    )
    identity = outsiders_identity(client("administrator", sibling, not_before=start), server.administrator.roots)

    with failing() as failure:
        call_with(server, identity)

    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CALLER_UNKNOWN")


def test_certificate_that_our_issuer_signed_and_nobody_recorded_is_unknown(server: RunningServer) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    stolen = client("administrator", our_issuer(server), not_before=start)

    with failing() as failure:
        call_with(server, outsiders_identity(stolen, server.administrator.roots))

    assert failure.reason == "CALLER_UNKNOWN"


def test_server_certificate_is_no_client_certificate(server: RunningServer) -> None:
    identity = identity_of(server.office, profile="server", dns=("web.example",))

    with failing() as failure:
        call_with(server, identity)

    assert failure.code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED}


def test_revocation_ends_an_open_connection(server: RunningServer) -> None:
    identity = identity_of(server.office, common_name="dora")
    stub = CertificateServiceStub(server.channel(identity))
    stub.GetCsrTemplate(service.GetCsrTemplateRequest(), timeout=SECONDS)
    stub.RevokeCertificate(service.RevokeCertificateRequest(id=identity.certificate_id), timeout=SECONDS)

    with failing() as failure:
        stub.GetCsrTemplate(service.GetCsrTemplateRequest(), timeout=SECONDS)
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CALLER_REVOKED")
    with failing() as failure:
        stub.RenewCertificate(service.RenewCertificateRequest(), timeout=SECONDS)
    assert failure.reason == "CALLER_REVOKED"


def test_certificate_that_expires_on_an_open_connection_is_refused(own_server: RunningServer) -> None:
    identity = identity_of(own_server.office, common_name="dora", lifetime=timedelta(hours=1))
    stub = CertificateServiceStub(own_server.channel(identity))
    stub.GetCsrTemplate(service.GetCsrTemplateRequest(), timeout=SECONDS)
    own_server.clock.advance(timedelta(hours=1, minutes=1))

    with failing() as failure:
        stub.GetCsrTemplate(service.GetCsrTemplateRequest(), timeout=SECONDS)

    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CALLER_EXPIRED")


def test_enrollment_and_trust_need_no_certificate_and_nothing_else_is_there(server: RunningServer) -> None:
    channel = server.public_channel()

    assert TrustServiceStub(channel).GetTrustBundle(trust.GetTrustBundleRequest(), timeout=SECONDS).bundle.roots_pem
    with failing() as failure:
        EnrollmentServiceStub(channel).Enroll(enrollment.EnrollRequest(token="x"), timeout=SECONDS)
    assert failure.reason == "TOKEN_REFUSED"
    with failing() as failure:
        CertificateServiceStub(channel).GetCsrTemplate(service.GetCsrTemplateRequest(), timeout=SECONDS)
    assert failure.code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("port", PORTS)
def test_openssl_connects_with_tls_1_3(server: RunningServer, port: str) -> None:
    done = s_client(server, port, "-tls1_3")

    assert "TLSv1.3" in done.stdout
    assert "Verify return code: 0 (ok)" in done.stdout


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_1"])
def test_older_tls_is_refused(server: RunningServer, port: str, version: str) -> None:
    """With every cipher suite that OpenSSL knows, weak ones too."""
    done = s_client(server, port, version, "-cipher", "ALL:@SECLEVEL=0")

    assert done.returncode != 0
    assert "Cipher is (NONE)" in done.stdout


def test_serve_refuses_older_tls_as_the_server_of_these_tests_does(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FORCE_TLS_1_3.items():
        assert os.environ[name] == value
        monkeypatch.delenv(name)

    ambient.require_tls_1_3()

    assert FORCE_TLS_1_3.items() <= os.environ.items()


def s_client(server: RunningServer, port: str, *options: str) -> "subprocess.CompletedProcess[str]":
    directory = server.write_identity(server.directory.parent / "identity")
    command = ["openssl", "s_client", "-connect", f"localhost:{port_of(server, port)}", "-servername", "localhost"]
    command += [
        "-CAfile",
        str(directory / "ca.crt"),
        "-cert",
        str(directory / "tls.crt"),
        "-key",
        str(directory / "tls.key"),
    ]
    command += ["-verify_return_error", "-alpn", "h2", *options]
    return subprocess.run(
        command, input="", capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
    )


@pytest.fixture
def https(server: RunningServer) -> Iterator[Callable[[AdministratorIdentity | None], int]]:
    """Answers the status of GET /v1/csr-template as somebody, or raises what TLS raises."""

    def ask(identity: AdministratorIdentity | None) -> int:
        context = ssl.create_default_context(cadata=server.administrator.roots.decode())
        if identity is not None:
            path = server.directory.parent / "shown.pem"
            path.write_bytes(identity.private_key + identity.chain)
            context.load_cert_chain(path)
        with (
            socket.create_connection(("127.0.0.1", port_of(server, "http")), timeout=SECONDS) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as connection,
        ):
            connection.sendall(b"GET /v1/csr-template HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = connection.recv(4096)
            if not answer:
                raise ConnectionError("closed without an answer")
            return int(answer.split(b" ", 2)[1])

    return ask


def test_https_tells_callers_apart_as_grpc_does(
    server: RunningServer, https: Callable[[AdministratorIdentity | None], int]
) -> None:
    revoked = identity_of(server.office, common_name="eve")
    CertificateServiceStub(server.channel(revoked)).RevokeCertificate(
        service.RevokeCertificateRequest(id=revoked.certificate_id), timeout=SECONDS
    )

    assert https(server.administrator) == 200
    assert https(None) == 401
    assert https(revoked) == 401
    for refused in (foreign(server), expired(server)):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            https(refused)


def test_https_takes_no_server_certificate_for_a_client(
    server: RunningServer, https: Callable[[AdministratorIdentity | None], int]
) -> None:
    identity = identity_of(server.office, profile="server", dns=("web.example",))

    with pytest.raises((ssl.SSLError, ConnectionError)):
        https(identity)
