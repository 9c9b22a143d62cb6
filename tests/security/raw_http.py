"""HTTP as an attacker writes it: octets over TLS, and whatever comes back."""

import contextlib
import json
import socket
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ca.office import AdministratorIdentity
from tests.ca.server import RunningServer

_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`status` is 0 where the connection was closed without an answer. `rest` is all that follows the headers."""

    status: int
    rest: bytes

    @property
    def problem(self) -> Mapping[str, Any]:
        document = json.loads(self.rest)
        assert isinstance(document, dict)
        return document


def connect(server: RunningServer, identity: AdministratorIdentity | None = None) -> ssl.SSLSocket:
    context = ssl.create_default_context(cadata=server.administrator.roots.decode())
    if identity is not None:
        with tempfile.NamedTemporaryFile() as pair:
            Path(pair.name).write_bytes(identity.private_key + identity.chain)
            context.load_cert_chain(pair.name)
    address = urlsplit(server.url)
    plain = socket.create_connection((address.hostname or "", address.port or 0), timeout=_SECONDS)
    try:
        return context.wrap_socket(plain, server_hostname="localhost")
    except BaseException:
        plain.close()
        raise


def send(server: RunningServer, octets: bytes, identity: AdministratorIdentity | None = None) -> Answer:
    """Everything that comes back until the server closes the connection."""
    received = b""
    with connect(server, identity) as connection, contextlib.suppress(ConnectionError, ssl.SSLError):
        connection.sendall(octets)
        while chunk := connection.recv(65536):
            received += chunk
    head, _, rest = received.partition(b"\r\n\r\n")
    return Answer(status=int(head.split(b" ")[1]) if head else 0, rest=rest)


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    fields = {"Host": "localhost", "Connection": "close", "Content-Length": str(len(body)), **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
