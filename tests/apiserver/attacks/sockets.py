"""Connections on which a test writes whatever octets it likes."""

import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from tests.apiserver.server import RunningApiServer


@dataclass(frozen=True, slots=True, kw_only=True)
class RawConnection:
    socket: ssl.SSLSocket

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def everything(self) -> bytes:
        """What comes before the server closes."""
        received = bytearray()
        try:
            while chunk := self.socket.recv(65536):
                received += chunk
        except (ConnectionError, ssl.SSLError):
            pass
        return bytes(received)

    def ask(self, octets: bytes) -> bytes:
        self.send(octets)
        return self.everything()

    def close(self) -> None:
        self.socket.close()


def connect(server: RunningApiServer, *, identified: bool = True, seconds: float = 20) -> RawConnection:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.serving_ca.configure_trust(context)
    if identified:
        certificate = server.client_ca.issue_cert(common_name="development", organization_name="system:masters")
        certificate.configure_cert(context)
    plain = plain_connection(server, seconds=seconds)
    return RawConnection(socket=context.wrap_socket(plain, server_hostname="localhost"))


def plain_connection(server: RunningApiServer, *, seconds: float = 20) -> socket.socket:
    """Before any TLS."""
    host, _, port = server.url.removeprefix("https://").partition(":")
    return socket.create_connection((host, int(port)), timeout=seconds)


def status_codes(answers: bytes) -> list[int]:
    """Of every HTTP answer in what came."""
    return [int(part[:3]) for part in answers.replace(b"HTTP/1.0 ", b"HTTP/1.1 ").split(b"HTTP/1.1 ")[1:]]


def document_of(answer: bytes) -> Any:
    return json.loads(answer.partition(b"\r\n\r\n")[2])
