"""Peers that connect and dawdle cost the server little, and others nothing."""

import concurrent.futures
import contextlib
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import grpc
import pytest

from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.ca.load import SECONDS, Asked, new_request, signing_request
from tests.ca.server import RunningServer

_PEERS = 100


def connect(server: RunningServer) -> ssl.SSLSocket:
    """A verified TLS connection to the HTTP port, without a client certificate."""
    context = ssl.create_default_context(cadata=server.administrator.roots.decode())
    plain = socket.create_connection(_address(server.url), timeout=60)
    try:
        return context.wrap_socket(plain, server_hostname="localhost")
    except BaseException:
        plain.close()
        raise


def test_half_open_handshakes_do_not_keep_others_waiting(server: RunningServer) -> None:
    """Silent from the first octet on, or stopped in the middle of a ClientHello; on every port."""
    with contextlib.ExitStack() as stack:
        for number in range(_PEERS):
            for target in (server.url, server.grpc_target, server.enrollment_target):
                peer = stack.enter_context(socket.create_connection(_address(target), timeout=60))
                if number % 2:
                    peer.sendall(bytes.fromhex("16030100c8010000c40303"))

        _verify_served(server)


def test_slow_bodies_do_not_keep_others_waiting(server: RunningServer) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(_PEERS):
            peer = stack.enter_context(connect(server))
            peer.sendall(b"POST /v1/enroll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{")

        _verify_served(server)
    deadline = time.monotonic() + 60
    while f'code="499",method="POST /v1/enroll"}} {_PEERS}.0' not in _metrics(server):
        assert time.monotonic() < deadline, "who goes away in the middle of a body is no error of the server's"
        time.sleep(0.05)


def test_slow_readers_of_a_bulk_stream_do_not_keep_others_waiting(server: RunningServer) -> None:
    """A client that sends and sends and never reads is itself no longer read; others are."""
    csr = new_request()

    def endless() -> Iterator[service.SignCsrsRequest]:
        for number in range(100_000):
            yield service.SignCsrsRequest(request=signing_request(Asked(request_id=f"greedy-{number}", csr=csr)))

    greedy = CertificateServiceStub(server.channel()).SignCsrs(endless(), timeout=60)
    next(iter(greedy))

    _verify_served(server)

    total = server.office.inventory.counts(now=0).total
    time.sleep(0.5)
    still = server.office.inventory.counts(now=0).total
    greedy.cancel()
    assert total < 5000
    assert still < 5000


@pytest.mark.slow
def test_half_open_handshakes_are_given_up(server: RunningServer) -> None:
    with socket.create_connection(_address(server.url), timeout=60) as peer:
        peer.sendall(bytes.fromhex("16030100c8"))

        assert peer.recv(1) == b""


def _verify_served(server: RunningServer) -> None:
    """Ten callers at a time on fresh connections, over both edges, each with a deadline."""
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: _call(server), range(20)))


def _call(server: RunningServer) -> None:
    shown = server.administrator
    credentials = grpc.ssl_channel_credentials(server.administrator.roots, shown.private_key, shown.chain)
    own = (("grpc.use_local_subchannel_pool", 1),)
    with grpc.secure_channel(server.grpc_target, credentials, own) as channel:
        asked = Asked(request_id="", csr=new_request())
        assert CertificateServiceStub(channel).SignCsr(signing_request(asked), timeout=SECONDS)
    context = ssl.create_default_context(cadata=server.administrator.roots.decode())
    with urllib.request.urlopen(f"{server.url}/readyz", context=context, timeout=SECONDS) as answer:
        assert answer.status == 200


def _metrics(server: RunningServer) -> str:
    context = ssl.create_default_context(cadata=server.administrator.roots.decode())
    with urllib.request.urlopen(f"{server.url}/metrics", context=context, timeout=SECONDS) as answer:
        return str(answer.read().decode())


def _address(target: str) -> tuple[str, int]:
    parts = urlsplit(target if "//" in target else f"//{target}")
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port
