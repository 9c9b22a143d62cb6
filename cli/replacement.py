"""A certificate in the place of another that cannot renew itself, so that a rotation does not wait for that one's end."""

import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ca.client.authority import CaClient
    from ca.client.values import IssuedCertificate


def sign_instead(
    client: "CaClient",
    request: bytes,
    *,
    replaces: Sequence[str],
    request_id: str,
    profile: str,
    lifetime: timedelta | None = None,
) -> "IssuedCertificate":
    """In the place of the first of `replaces` that this caller was ever issued. They may be unknown to the authority, or have been
    asked for by somebody else: then they stand as they are.

    Raises ClientError.
    """
    from ca.client.errors import CallNotFound

    def sign(replaced: str) -> "IssuedCertificate":
        return client.certificates.sign_csr(
            request, profile=profile, lifetime=lifetime, request_id=request_id, replaces=replaced
        )

    for replaced in replaces:
        with contextlib.suppress(CallNotFound):
            return sign(replaced)
    return sign("")
