"""The certificates that a server of the authority, or any other, shows: for a command that names an address."""

from typing import TYPE_CHECKING

from ca.client.errors import ServerUnreachable
from serving.served_chain import fetch_chain

if TYPE_CHECKING:
    from cryptography import x509

    from ca.client.connection import Address


def fetch_served_chain(address: "Address", *, timeout: float) -> "tuple[x509.Certificate, ...]":
    """Leaf first. `timeout` is in seconds. Raises ServerUnreachable."""
    from certs.pem import load_certificate

    try:
        chain = fetch_chain(address.host, address.port, server_name=address.host, timeout=timeout)
    except OSError as err:
        raise ServerUnreachable(f"cannot reach {address} over TLS: {err.strerror or err}") from err
    return tuple(map(load_certificate, chain))
