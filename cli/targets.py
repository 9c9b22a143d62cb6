"""What a command that reads certificates is pointed at: a file, a directory, standard input, an id, or a server.

- A path that exists is a path, whatever else it looks like; 32 hexadecimal digits are an id or a serial number; the rest is
  an address, HTTPS port where none is given.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import InputMissing
from cli.inputs import STANDARD_INPUT, read_input

if TYPE_CHECKING:
    from cryptography import x509

    from ca.client.connection import Address

_ID = re.compile(r"[0-9a-f]{32}")
_HOST_PORT = re.compile(r"(https://)?(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*)(:\d{1,5})/?")
_URL = re.compile(r"https://[^/?#\s]+/?")
HTTPS_PORT = 443


def is_certificate_id(text: str) -> bool:
    return bool(_ID.fullmatch(text)) and not Path(text).exists()


def server_address(text: str) -> "Address | None":
    """The address that the text means, or None where it means none: a host with its port, or an https URL."""
    if text == str(STANDARD_INPUT) or Path(text).exists() or not (_HOST_PORT.fullmatch(text) or _URL.fullmatch(text)):
        return None
    from ca.client.connection import Address

    return Address.from_text(text.removeprefix("https://").rstrip("/"), default_port=HTTPS_PORT)


def read_target(text: str) -> bytes:
    """The content of a file, of standard input for `-`, or of tls.crt in a directory. Raises InputMissing, InputInvalid."""
    path = Path(text)
    return read_input(path / "tls.crt" if path.is_dir() else path)


def load_chain(
    text: str, *, timeout: float, fetch: Callable[[str], bytes] | None = None
) -> "tuple[x509.Certificate, ...]":
    """The certificates that the text leads to, leaf first; `fetch` gets the PEM chain of an id.

    Raises InputMissing, MalformedCertificate, ServerUnreachable, and what `fetch` raises.
    """
    from certs.pem import load_certificates

    if is_certificate_id(text):
        if fetch is None:
            raise InputMissing(f"{text} does not exist")
        return load_certificates(fetch(text))
    address = server_address(text)
    if address is not None:
        from cli.served_chain import fetch_served_chain

        return fetch_served_chain(address, timeout=timeout)
    return load_certificates(read_target(text))
