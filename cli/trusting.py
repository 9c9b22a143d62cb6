"""How a client comes to trust an authority that it meets for the first time, and how it follows one that it knows.

- Without a file of roots, somebody must have given a fingerprint; nothing is trusted because it answered.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from cli.endpoint import Endpoint
from cli.errors import IdentityMissing

if TYPE_CHECKING:
    from ca.client.values import TrustBundle


def root_for_token(endpoint: Endpoint, token: str) -> bytes:
    """The roots, PEM, to trust when spending the token: those of --ca-cert, or the one whose fingerprint it carries."""
    if endpoint.plaintext:
        return b""
    if endpoint.ca_cert is not None:
        return endpoint.ca_cert.read_bytes()
    from ca.client.pinning import fetch_pinned_root
    from ca.tokens import TokenSecret

    return fetch_pinned_root(endpoint.http_address, TokenSecret.parse(token).root_fingerprint, timeout=endpoint.seconds)


def fetch_bundle(endpoint: Endpoint, *, fingerprint: bytes | None) -> "TrustBundle":
    """The bundle in force, over a connection that is vouched for: by the pinned root, --ca-cert, or the identity's ca.crt.

    Raises ClientError; IdentityMissing where there is nothing to vouch for it.
    """
    with endpoint.enrollment_client(b"" if endpoint.plaintext else _first_roots(endpoint, fingerprint)) as client:
        return client.trust.get_trust_bundle()


def _first_roots(endpoint: Endpoint, fingerprint: bytes | None) -> bytes:
    from ca.client.pinning import fetch_pinned_root

    if fingerprint is not None:
        return fetch_pinned_root(endpoint.http_address, fingerprint, timeout=endpoint.seconds)
    known = endpoint.ca_cert or _identity_roots(endpoint)
    if known is None:
        raise IdentityMissing(
            f"nothing vouches for {endpoint.enrollment_address}",
            hint="pin its root with --fingerprint, or name a file that holds it with --ca-cert",
        )
    return known.read_bytes()


def _identity_roots(endpoint: Endpoint) -> Path | None:
    path = endpoint.identity_directory / "ca.crt"
    return path if path.is_file() else None
