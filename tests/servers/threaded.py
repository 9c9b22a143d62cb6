"""An HTTP server on loopback, in threads of the test: what stand-ins for peers are made of.

- A handshake is made by the thread of its connection: who connects and says nothing holds up nobody.
- It writes nothing of what it is asked.
- At its end nobody is waited for who still has a connection.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

from tests.threads import join


class ThreadedServer(ThreadingHTTPServer):
    """On a free port; over TLS with `tls`, which is asked at each connection."""

    daemon_threads = True

    def __init__(
        self, handler: type[BaseHTTPRequestHandler], tls: Callable[[], ssl.SSLContext] | ssl.SSLContext | None = None
    ) -> None:
        self._tls = tls
        super().__init__(("127.0.0.1", 0), type(handler.__name__, (_Quiet, handler), {}))

    @property
    def url(self) -> str:
        """By the address. The port alone is `server_port`."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.server_port}"

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        if self._tls is not None:
            context = self._tls if isinstance(self._tls, ssl.SSLContext) else self._tls()
            connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, *_about: object) -> None:
        """Callers that go away, or believe nobody, are what tests are about."""


class _Quiet:
    """A handler that says nothing of what it is asked."""

    def log_message(self, *_arguments: object) -> None:
        return


Server = TypeVar("Server", bound=ThreadedServer)


@contextlib.contextmanager
def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        join(thread)
