"""A certificate in the place of another that cannot renew itself, so that a rotation does not wait for that one's end."""

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

from cli import ambient

if TYPE_CHECKING:
    from ca.client.authority import CaClient
    from ca.client.values import IssuedCertificate


def sign_instead(
    client: "CaClient", request: bytes, *, replaces: str, profile: str, lifetime: timedelta | None = None
) -> "IssuedCertificate":
    """`replaces` may be unknown to the authority, or have been asked for by somebody else: then it stands as it is.

    Raises ClientError.
    """
    from ca.client.errors import CallNotFound

    def sign(replaced: str) -> "IssuedCertificate":
        request_id = ambient.entropy(16).hex()
        return client.certificates.sign_csr(
            request, profile=profile, lifetime=lifetime, request_id=request_id, replaces=replaced
        )

    with contextlib.suppress(CallNotFound):
        return sign(replaces)
    return sign("")
