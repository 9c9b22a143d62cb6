"""A limit to how long an exchange over one connection takes, whoever is at the other end.

- A socket's timeout counts from octet to octet: who sends one now and then keeps a reader for as long as he likes.
"""

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def at_most(seconds: float, connection: http.client.HTTPConnection) -> Iterator[None]:
    """After that the connection is cut, and what the block is at fails. Raises TimeoutError in place of that."""
    is_over = threading.Event()
    timer = threading.Timer(seconds, _cut, [connection, is_over])
    timer.daemon = True
    timer.start()
    failure: Exception | None = None
    try:
        yield
    except (OSError, http.client.HTTPException) as err:
        if not is_over.is_set():
            raise
        failure = err
    finally:
        timer.cancel()
    if is_over.is_set():  # also where the end of the connection was taken for that of the answer
        raise TimeoutError(f"it took longer than {seconds:g} s") from failure


def _cut(connection: http.client.HTTPConnection, is_over: threading.Event) -> None:
    is_over.set()
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)  # not TLS's, which would wait
