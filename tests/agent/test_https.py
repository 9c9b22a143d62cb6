"""The HTTPS client against servers that are not what they should be: bounded, and clear about what went wrong."""

import contextlib
import socket
import ssl
import threading
import time
from dataclasses import replace

import pytest
import trustme

from agent.authority import Authority
from agent.credentials import Credentials
from agent.errors import AuthorityUnreachable, AuthorityUntrusted, CertificateRefused, RequestRefused
from agent.https import LARGEST_ANSWER, HttpsServer
from agent.tls import client_context
from tests.servers.ports import free_port
from tests.threads import join

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def root():
    return trustme.CA()


class Speaker:
    """A TLS server that says the same to everybody, whatever was asked."""

    def __init__(self, root, said=(b"",), *, host="localhost", pause=0.0, clients=None, version=None) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        root.issue_cert(host).configure_cert(self.context)
        if version is not None:
            self.context.maximum_version = version
        if clients is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
            clients.configure_trust(self.context)
        self._said, self._pause = said, pause
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> HttpsServer:
        self._thread.start()
        return HttpsServer(host="localhost", port=self._listener.getsockname()[1], timeout=30)

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        join(self._thread)

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            plain.settimeout(30)
            with contextlib.suppress(OSError), self.context.wrap_socket(plain, server_side=True) as channel:
                channel.recv(65536)
                for part in self._said:
                    channel.sendall(part)
                    time.sleep(self._pause)


def pem(root) -> bytes:
    return root.cert_pem.bytes()


def ask(server: HttpsServer, root):
    return server.ask("GET", "/v1/trust-bundle", context=client_context(pem(root)))


def test_json_object_is_answered(root):
    with Speaker(root, [HEAD + b"\r\n", b'{"a": ', b"1}"]) as server:
        assert ask(server, root) == {"a": 1}


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        HEAD + b"\r\n",
        HEAD + b"\r\n[1]",
        HEAD + b"\r\n" + b"[" * 100_000,
        HEAD + b"\r\n\xff",
        HEAD + b"Content-Length: 100\r\n\r\n{}",
        HEAD + b"\r\n" + b" " * (LARGEST_ANSWER + 1),
        HEAD + b"X: y\r\n" * 200 + b"\r\n{}",
        HEAD + b"X: " + b"y" * 70_000 + b"\r\n\r\n{}",
    ],
    ids=["nothing", "ssh", "empty", "list", "deep", "binary", "cut", "large", "headers", "header"],
)
def test_what_is_no_answer_of_an_authority_is_one_that_cannot_be_reached(root, said):
    with Speaker(root, [said]) as server, pytest.raises(AuthorityUnreachable):
        ask(server, root)


def test_answer_that_trickles_is_given_up(root):
    with (
        Speaker(root, [HEAD + b"\r\n", *([b" "] * 600)], pause=0.1) as server,
        pytest.raises(AuthorityUnreachable, match=r"takes longer|took longer"),
    ):
        replace(server, timeout=2).ask("GET", "/", context=client_context(pem(root)))


def test_headers_that_trickle_are_given_up(root):
    trickle = [HEAD, *([b"X: y\r\n"] * 90)]
    with (
        Speaker(root, trickle, pause=0.1) as server,
        pytest.raises(AuthorityUnreachable, match="does not answer: it took longer"),
    ):
        replace(server, timeout=2).ask("GET", "/", context=client_context(pem(root)), shows_certificate=True)


def test_silence_is_given_up(root):
    with Speaker(root, [b""], pause=1.5) as server, pytest.raises(AuthorityUnreachable):
        replace(server, timeout=0.3).ask("GET", "/", context=client_context(pem(root)))


def test_problem_document_says_why(root):
    body = b'{"status": 403, "reason": "POLICY_DENIED", "detail": "no rule"}'
    with Speaker(root, [b"HTTP/1.1 403 Forbidden\r\n\r\n" + body]) as server, pytest.raises(RequestRefused) as raised:
        ask(server, root)

    assert (raised.value.status, raised.value.refusal, raised.value.may_pass) == (403, "POLICY_DENIED", False)
    assert "no rule" in str(raised.value)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_refusal_that_may_pass_says_so(root, status):
    said = f"HTTP/1.1 {status} No\r\n\r\n<html>".encode()
    with Speaker(root, [said]) as server, pytest.raises(RequestRefused) as raised:
        ask(server, root)

    assert raised.value.may_pass


def test_redirect_is_not_followed(root):
    said = b"HTTP/1.1 302 Found\r\nLocation: https://localhost/\r\n\r\n"
    with Speaker(root, [said]) as server, pytest.raises(RequestRefused, match="302"):
        ask(server, root)


def test_server_under_another_root_is_not_believed(root):
    with Speaker(trustme.CA(), [HEAD + b"\r\n{}"]) as server, pytest.raises(AuthorityUntrusted):
        ask(server, root)


def test_server_with_another_name_is_not_believed(root):
    with Speaker(root, [HEAD + b"\r\n{}"], host="other.example") as server, pytest.raises(AuthorityUntrusted):
        ask(server, root)


def test_tls_1_2_is_not_spoken(root):
    with (
        Speaker(root, [HEAD + b"\r\n{}"], version=ssl.TLSVersion.TLSv1_2) as server,
        pytest.raises(AuthorityUnreachable, match="TLS"),
    ):
        ask(server, root)


def test_certificate_that_the_server_does_not_take_is_told_apart(root):
    shown = credentials(root, trustme.CA())
    with (
        Speaker(root, [HEAD + b"\r\n{}"], clients=trustme.CA()) as server,
        pytest.raises(CertificateRefused),
    ):
        server.ask("GET", "/", context=client_context(pem(root), shown), shows_certificate=True)


def test_nobody_there():
    with pytest.raises(AuthorityUnreachable, match="refused"):
        HttpsServer(host="localhost", port=free_port()).ask("GET", "/", context=client_context(b""))


@pytest.mark.parametrize(
    "url", ["http://ca", "ca:8111", "https://", "https://ca/path", "https://ca:99999", "https://ca?q"]
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ValueError, match=r"."):
        HttpsServer.from_url(url)


def credentials(trusted, issuer) -> Credentials:
    issued = issuer.issue_cert("client.example")
    return Credentials.from_pem(
        certificate_chain=b"".join(blob.bytes() for blob in issued.cert_chain_pems),
        private_key=issued.private_key_pem.bytes(),
        trust_bundle=pem(trusted),
    )


BUNDLE = HEAD + b'\r\n{"bundle": {"generation": "2", "roots_pem": "%s", "retiring_key_ids": ["aa"]}}'


def test_who_slept_through_a_rotation_believes_the_bootstrap_file_once_it_has_changed(root, tmp_path):
    old, bootstrap = trustme.CA(), tmp_path / "ca.crt"
    bootstrap.write_bytes(pem(old))
    held = credentials(old, old)
    with Speaker(root, [BUNDLE % pem(root).replace(b"\n", b"\\n")]) as server:
        authority = Authority(server, bootstrap=bootstrap)
        with pytest.raises(AuthorityUntrusted):
            authority.trust_bundle(held, held_generation=1, consumer="pod", showing=True)
        bootstrap.write_bytes(pem(root))
        bundle = authority.trust_bundle(held, held_generation=1, consumer="pod", showing=True)

    assert (bundle.generation, bundle.roots_pem, bundle.retiring_key_ids) == (2, pem(root), {"aa"})


def test_bootstrap_file_of_before_does_not_bring_back_a_root_that_was_dropped(root, tmp_path):
    bootstrap = tmp_path / "ca.crt"
    bootstrap.write_bytes(pem(root))
    new = trustme.CA()
    held = credentials(new, new)
    with Speaker(new, [BUNDLE % pem(new).replace(b"\n", b"\\n")]) as genuine:
        authority = Authority(genuine, bootstrap=bootstrap)
        authority.trust_bundle(held, held_generation=0, consumer="pod", showing=False)
    with Speaker(root, [BUNDLE % pem(root).replace(b"\n", b"\\n")]) as impostor:
        authority._server = impostor
        with pytest.raises(AuthorityUntrusted):
            authority.trust_bundle(held, held_generation=0, consumer="pod", showing=False)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"bundle": []}',
        b'{"bundle": {"generation": "x", "roots_pem": "y"}}',
        b'{"bundle": {"generation": "1"}}',
    ],
)
def test_bundle_that_cannot_be_read_is_not_taken(root, tmp_path, body):
    with Speaker(root, [HEAD + b"\r\n" + body]) as server, pytest.raises(AuthorityUnreachable):
        Authority(server, bootstrap=tmp_path / "none").trust_bundle(
            credentials(root, root), held_generation=0, consumer="pod", showing=False
        )
