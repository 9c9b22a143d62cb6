"""A proxy on loopback: CONNECT alone, over TLS if asked, and every host it is asked for is one port of this machine."""

import contextlib
import selectors
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.servers.threaded import ThreadedServer, serving


@dataclass(slots=True, kw_only=True)
class Proxy:
    url: str
    asked: list[str] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)


@contextlib.contextmanager
def proxy(port: int, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            running.asked.append(self.path)
            running.credentials.append(self.headers.get("Proxy-Authorization", ""))
            with socket.create_connection(("127.0.0.1", port), timeout=30) as there:
                self.send_response(200)
                self.end_headers()
                _carry(self.connection, there)
            self.close_connection = True

    with serving(ThreadedServer(Handler, tls)) as server:
        running = Proxy(url=server.url.replace("127.0.0.1", "localhost"))
        yield running


def _carry(here: socket.socket, there: socket.socket) -> None:
    """Both ways until one end is closed."""
    with selectors.DefaultSelector() as selector:
        selector.register(here, selectors.EVENT_READ, there)
        selector.register(there, selectors.EVENT_READ, here)
        while True:
            for key, _ in selector.select(30):
                source = key.fileobj
                assert isinstance(source, socket.socket)
                octets = source.recv(65536)
                while isinstance(source, ssl.SSLSocket) and source.pending():
                    octets += source.recv(65536)
                if not octets:
                    return
                key.data.sendall(octets)
