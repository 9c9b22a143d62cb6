"""The certificates that a TLS server shows, taken without trusting any of them."""

import socket
import ssl
from typing import TYPE_CHECKING

from ca.client.errors import ServerUnreachable

if TYPE_CHECKING:
    from cryptography import x509

    from ca.client.connection import Address

_ALPN = ["h2", "http/1.1"]


def fetch_served_chain(address: "Address", *, timeout: float) -> "tuple[x509.Certificate, ...]":
    """Leaf first, as the server sent them; a server that then refuses us for want of a certificate has shown its own.

    `timeout` is in seconds. Raises ServerUnreachable.
    """
    from certs.pem import load_certificate

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(_ALPN)
    try:
        with (
            socket.create_connection((address.host, address.port), timeout=timeout) as plain,
            context.wrap_socket(plain, server_hostname=address.host) as connection,
        ):
            chain = _unverified_chain(connection)
    except OSError as err:
        raise ServerUnreachable(f"cannot reach {address} over TLS: {err.strerror or err}") from err
    return tuple(map(load_certificate, chain))


def _unverified_chain(connection: ssl.SSLSocket) -> list[bytes]:
    """DER; the method is public from Python 3.13 on, and there under the surface since 3.10."""
    public = getattr(connection, "get_unverified_chain", None)
    if public is not None:
        return [bytes(der) for der in public()]
    hidden = connection._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # noqa: SLF001  no public way in 3.11
    return [one.public_bytes(ssl._ssl.ENCODING_DER) for one in hidden]  # type: ignore[attr-defined]  # noqa: SLF001  likewise
