"""A way to PostgreSQL that breaks at the worst instant: when a certificate is committed, before the server hears of it or after."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from tests.threads import join

_RECORDING = b"COPY certificates "
_COMMIT = b"COMMIT"


@dataclass(slots=True)
class CuttingProxy:
    """Passes everything on until it is told to cut; then it cuts once, and passes everything on again."""

    target: int
    cut: Literal["", "before", "after"] = ""
    cuts: int = 0
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=60)
            except OSError:
                client.close()
                continue
            threading.Thread(target=self._ask, args=(client, server), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client), daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        records = False
        while data := _received(client):
            records = records or _RECORDING in data
            if _COMMIT in data and records:
                records = False
                if self.cut:
                    self._break(data, client, server)
                    return
            with contextlib.suppress(OSError):  # the other thread may have closed both
                server.sendall(data)
        _close(client, server)

    def _break(self, data: bytes, client: socket.socket, server: socket.socket) -> None:
        how, self.cut = self.cut, ""
        self.cuts += 1
        _shut(client)
        if how == "after":
            server.sendall(data)
            server.shutdown(socket.SHUT_WR)  # it answers what it was asked, and ends
        else:
            _close(server)

    def _pass(self, server: socket.socket, client: socket.socket) -> None:
        while data := _received(server):
            with contextlib.suppress(OSError):
                client.sendall(data)
        _close(client, server)


@contextlib.contextmanager
def cutting_proxy(target: int) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(target)
    thread = threading.Thread(target=proxy.run, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        join(thread)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except OSError:
        return b""


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _close(*connections: socket.socket) -> None:
    for connection in connections:
        _shut(connection)
        connection.close()
