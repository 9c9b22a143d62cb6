"""Trust on a fingerprint: fetches an authority's roots from whoever answers, and keeps the one that was pinned.

- Nothing but the roots travels over the unverified connection, and nothing is sent.
- Fingerprints are SHA-256 of the certificate's DER; compared in constant time.
- Only the pinned root is returned: what else the answer holds waits for a connection that this root vouches for.
"""

import http.client
import re
import ssl

from cryptography.hazmat.primitives.constant_time import bytes_eq

from ca.client.connection import Address
from ca.client.errors import FingerprintMismatch, RootsInvalid, ServerUnreachable
from certs.errors import CertsError, MalformedInput
from certs.fingerprints import certificate_fingerprint
from certs.pem import encode_certificate, split_certificates

ROOTS_PATH = "/roots.pem"
_MAXIMUM_OCTETS = 1 << 20
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def parse_fingerprint(text: str) -> bytes:
    """Reads 64 hexadecimal digits, with or without colons and a leading `sha256:`. Raises MalformedInput."""
    digits = text.strip().lower().removeprefix("sha256:").removeprefix("sha256=").replace(":", "")
    if not _FINGERPRINT.fullmatch(digits):
        raise MalformedInput(f"{text[:80]!r} is not a SHA-256 fingerprint; give its 64 hexadecimal digits")
    return bytes.fromhex(digits)


def fetch_pinned_root(address: Address, fingerprint: bytes, *, timeout: float) -> bytes:
    """Returns the root with that fingerprint, PEM, from `https://address/roots.pem`.

    `timeout` is in seconds. Raises ServerUnreachable, RootsInvalid, FingerprintMismatch.
    """
    return select_pinned_root(_fetch(address, timeout), fingerprint, source=str(address))


def select_pinned_root(roots_pem: bytes, fingerprint: bytes, *, source: str) -> bytes:
    """Returns the one root, PEM, that has the fingerprint. Raises RootsInvalid, FingerprintMismatch."""
    try:
        roots = split_certificates(roots_pem)
    except CertsError as err:
        raise RootsInvalid(
            f"{source} sent no readable root certificates; see whether it is the authority's HTTP port"
        ) from err
    for root in roots:
        if bytes_eq(certificate_fingerprint(root), fingerprint):
            return encode_certificate(root)
    shown = ", ".join(certificate_fingerprint(root).hex() for root in roots)
    raise FingerprintMismatch(
        f"{source} has other roots than the one that was pinned, it shows {shown}; "
        "stop here unless the authority's administrator confirms one of them"
    )


def _fetch(address: Address, timeout: float) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(address.host, address.port, timeout=timeout, context=context)
    try:
        connection.request("GET", ROOTS_PATH)
        answer = connection.getresponse()
        content = answer.read(_MAXIMUM_OCTETS + 1)
    except (OSError, http.client.HTTPException) as err:
        raise ServerUnreachable(f"cannot fetch the roots from https://{address}{ROOTS_PATH}: {err}") from err
    finally:
        connection.close()
    if answer.status != http.client.OK or len(content) > _MAXIMUM_OCTETS:
        raise RootsInvalid(
            f"https://{address}{ROOTS_PATH} answered {answer.status}; see whether it is the authority's HTTP port"
        )
    return content
