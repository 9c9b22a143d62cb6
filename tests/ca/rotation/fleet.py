"""A fleet of mTLS clients that are servers, too: each opens one new connection after another, to the authority and to one another.

- Members follow the trust bundle and renew when they are asked to, as `ca-cli renew --daemon` does, but sooner.
- Every handshake is a full one, and every one that fails is kept with its reason.
"""

import contextlib
import random
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from ca.client.authority import CaClient
from ca.client.following import TrustFollower
from ca.client.identity import Identity
from certs.keys import KeyType, encode_private_key, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import build_request
from serving.tls import load_pair
from tests.threads import join

_SECONDS = 60.0
_FOLLOW_SECONDS = 0.5


@dataclass(slots=True, kw_only=True)
class Tally:
    """What has happened to everybody; `peer` and `authority` count handshakes that succeeded."""

    peer: int = 0
    authority: int = 0
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def success(self, kind: str) -> None:
        with self.lock:
            setattr(self, kind, getattr(self, kind) + 1)

    def failure(self, who: str, what: object) -> None:
        with self.lock:
            self.failures.append(f"{time.monotonic():.3f} {who}: {what!r}")


class Member:
    """One identity, a TLS server that requires client certificates, and a client of all the others."""

    def __init__(self, name: str, identity: Identity, *, grpc: str, http: str, tally: Tally) -> None:
        self.name = name
        self.grpc, self.http = grpc, urllib.parse.urlsplit(http)
        self.tally = tally
        self.peers: Sequence[Member] = ()
        self._follower = TrustFollower(name)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.2)
        self.port = self._listener.getsockname()[1]
        self.adopt(identity)

    def adopt(self, identity: Identity) -> None:
        """From the next connection on, in both roles."""
        self.server_context = make_context(identity, server_side=True)
        self.client_context = make_context(identity, server_side=False)
        self.identity = identity

    def serve(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                self._answer(connection)
        self._listener.close()

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(_SECONDS)
        try:
            with self.server_context.wrap_socket(connection, server_side=True) as channel:
                channel.sendall(channel.recv(16))
        except (OSError, ssl.SSLError) as err:
            self.tally.failure(f"{self.name} as server", err)

    def act(self, stopping: threading.Event, choose: random.Random) -> None:
        """Connects to peers and to the authority's HTTP port by turns, and now and then follows over its gRPC port."""
        followed_at = 0.0
        while not stopping.is_set():
            if time.monotonic() - followed_at > _FOLLOW_SECONDS:
                self._tried("follow", self.follow)
                followed_at = time.monotonic()
            peer = choose.choice(self.peers)
            self._tried("peer", lambda peer=peer: greet(self.client_context, peer.port))
            self._tried("http", lambda: ask(self.client_context, self.http.port or 0))

    def follow(self) -> None:
        with CaClient.connect(self.grpc, self.identity, timeout=_SECONDS) as client:
            bundle = self._follower.look(client.trust, self.identity.roots_pem)
            renews = self._follower.asks_for_renewal(bundle, self.identity.certificate, bundle.roots_pem)
            if renews:
                self.adopt(renewed(client, bundle.roots_pem))
            elif bundle.roots_pem != self.identity.roots_pem:
                self.adopt(with_roots(self.identity, bundle.roots_pem))

    def _tried(self, kind: str, act) -> None:
        try:
            act()
        except Exception as err:  # noqa: BLE001 - whatever it is, it is what the test is about
            self.tally.failure(f"{self.name} to {kind}", err)
        else:
            self.tally.success("peer" if kind == "peer" else "authority")


def renewed(client: CaClient, roots: bytes) -> Identity:
    key = generate_private_key(KeyType.EC_P256)
    request = build_request(key, SubjectName(), SubjectAlternativeNames())
    certificate = client.certificates.renew_certificate(request)
    return Identity.from_pem(
        chain_pem=certificate.full_chain_pem, private_key_pem=encode_private_key(key), roots_pem=roots
    )


def with_roots(identity: Identity, roots: bytes) -> Identity:
    return Identity.from_pem(chain_pem=identity.chain_pem, private_key_pem=identity.private_key_pem, roots_pem=roots)


def make_context(identity: Identity, *, server_side: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=identity.roots_pem.decode())
    load_pair(context, private_key=identity.private_key_pem, chain=identity.chain_pem)
    return context


def greet(context: ssl.SSLContext, port: int) -> None:
    """One handshake and one word there and back: in TLS 1.3 a client learns of its refusal only with the first answer."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as channel,
    ):
        channel.sendall(b"hello")
        assert channel.recv(16) == b"hello"


def ask(context: ssl.SSLContext, port: int) -> None:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as channel,
    ):
        channel.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert channel.recv(64).startswith(b"HTTP/1.1 200")


@contextlib.contextmanager
def acting(members: Sequence[Member]) -> Iterator[None]:
    """All of them, until the block ends: first they stop asking, then they stop answering."""
    for member in members:
        member.peers = [one for one in members if one is not member]
    with running(member.serve for member in members):
        acts = [partial(member.act, choose=random.Random(number)) for number, member in enumerate(members)]
        with running(acts):
            yield


@contextlib.contextmanager
def running(functions: Iterable[Callable[[threading.Event], None]]) -> Iterator[None]:
    """Each in a thread of its own, with an event that tells it to stop."""
    stopping = threading.Event()
    threads = [threading.Thread(target=function, args=(stopping,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        join(*threads)
