"""The certificates that a TLS server shows, taken without trusting any of them.

- A server that then refuses us for want of a certificate has shown its own.
"""

import socket
import ssl

_ALPN = ["h2", "http/1.1"]


def fetch_chain(host: str, port: int, *, server_name: str, timeout: float) -> tuple[bytes, ...]:
    """DER, leaf first, as the server sent them to one who asks for `server_name`. `timeout` is in seconds. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(_ALPN)
    with (
        socket.create_connection((host, port), timeout=timeout) as plain,
        context.wrap_socket(plain, server_hostname=server_name) as connection,
    ):
        return _unverified_chain(connection)


def _unverified_chain(connection: ssl.SSLSocket) -> tuple[bytes, ...]:
    """The method is public from Python 3.13 on, and there under the surface since 3.10."""
    public = getattr(connection, "get_unverified_chain", None)
    if public is not None:
        return tuple(bytes(der) for der in public())
    hidden = connection._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # noqa: SLF001  no public way in 3.11
    return tuple(one.public_bytes(ssl._ssl.ENCODING_DER) for one in hidden)  # type: ignore[attr-defined]  # noqa: SLF001  likewise
