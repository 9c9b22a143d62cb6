"""One channel to one port of the authority.

- TLS with the identity's roots; plain text only where it is asked for by name.
- Of a long chain, as one of ML-DSA is, the leaf alone is shown: the authority knows its issuing CAs, and gRPC breaks off
  handshakes in which a client shows more than about 8 kB.
- Every attempt at a unary call has a deadline; streams are held open by keepalive, so that a dead peer is noticed within a minute.
- No proxy lies on the way, whatever `https_proxy` says, as none does on that of HTTPS calls to the authority.
- A connection is used by one thread or many; whoever opened it closes it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import sleep
from types import TracebackType
from typing import Self, TypeVar

import grpc

from ca.client.errors import AddressInvalid, CallUnavailable
from ca.client.identity import Identity
from ca.client.statuses import client_error
from certs.pem import encode_certificate

DEFAULT_TIMEOUT = 30.0
"""Seconds that a unary call may take, connecting included."""
GRPC_PORT = 8112
HTTP_PORT = 8111
ENROLLMENT_PORT = 8113

_OPTIONS = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.enable_http_proxy", 0),
)
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?")

# the server puts the client's chain into both of its session tickets, which together must fit into the 17 KiB of a gRPC BIO
_LONGEST_SHOWN_CHAIN = 8 * 1024

_PASSING = frozenset({"STORE_UNAVAILABLE", "ISSUER_RETIRED"})
_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between attempts: a database that fails over is back by then, or it takes long."""

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A host, IPv6 without brackets, and a port."""

    host: str
    port: int

    @classmethod
    def from_text(cls, text: str, *, default_port: int) -> Self:
        """Reads `host`, `host:port` or `[ipv6]:port`. Raises AddressInvalid."""
        match = _ADDRESS.fullmatch(text.strip())
        port = int(match["port"] or default_port) if match else 0
        if match is None or not 0 < port < 65536:
            raise AddressInvalid(f"{text!r} is not an address; write HOST:PORT, with an IPv6 address in brackets")
        return cls(host=match["host"].strip("[]"), port=port)

    def with_port(self, port: int) -> "Address":
        return Address(host=self.host, port=port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Metadata = Callable[[], Mapping[str, str]]
"""What a call takes along for whoever follows it over several processes."""


class Connection:
    """A channel and the deadline of its calls, in seconds."""

    def __init__(
        self,
        channel: grpc.Channel,
        address: Address,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        metadata: Metadata | None = None,
    ) -> None:
        self.channel = channel
        self._metadata = metadata
        self.address = address
        self._timeout = timeout

    @classmethod
    def mutual_tls(
        cls,
        address: Address,
        identity: Identity,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        metadata: Metadata | None = None,
    ) -> Self:
        """Shows `identity` to the server and trusts its roots. `metadata` goes along with each unary call."""
        credentials = grpc.ssl_channel_credentials(identity.roots_pem, identity.private_key_pem, _shown_chain(identity))
        channel = grpc.secure_channel(str(address), credentials, options=_OPTIONS)
        return cls(channel, address, timeout=timeout, metadata=metadata)

    @classmethod
    def server_tls(cls, address: Address, roots_pem: bytes, *, timeout: float = DEFAULT_TIMEOUT) -> Self:
        """Shows nothing; for enrollment and trust."""
        credentials = grpc.ssl_channel_credentials(roots_pem)
        return cls(grpc.secure_channel(str(address), credentials, options=_OPTIONS), address, timeout=timeout)

    @classmethod
    def plain_text(cls, address: Address, *, timeout: float = DEFAULT_TIMEOUT) -> Self:
        """No TLS at all: a server that was started with --no-mtls."""
        return cls(grpc.insecure_channel(str(address), options=_OPTIONS), address, timeout=timeout)

    def call(self, method: Callable[..., ResponseT], request: object) -> ResponseT:
        """One unary call; repeated for some seconds where its `request_id` makes that safe and the authority could not record it,
        or does not know whether it did. Raises ClientError."""
        for pause in _PAUSES if getattr(request, "request_id", "") else ():
            try:
                return self._call(method, request)
            except CallUnavailable as err:
                if err.reason not in _PASSING:
                    raise
            sleep(pause)
        return self._call(method, request)

    def _call(self, method: Callable[..., ResponseT], request: object) -> ResponseT:
        with self.translating():
            if self._metadata is None:
                return method(request, timeout=self._timeout)
            return method(request, timeout=self._timeout, metadata=tuple(self._metadata().items()))

    def stream(self, responses: Iterable[ResponseT]) -> Iterator[ResponseT]:
        """The responses of a call under way. Raises ClientError from the iteration."""
        with self.translating():
            yield from responses

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Turns what gRPC raises into a ClientError."""
        try:
            yield
        except grpc.RpcError as err:
            raise client_error(err, address=str(self.address)) from err

    def close(self) -> None:
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _shown_chain(identity: Identity) -> bytes:
    """PEM, whose base64 makes more of it by a third: a chain that fits by PEM fits."""
    if len(identity.chain_pem) <= _LONGEST_SHOWN_CHAIN:
        return identity.chain_pem
    return encode_certificate(identity.certificate)
