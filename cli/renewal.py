"""One renewal: credentials in, new credentials out, by way of the authority.

- A certificate that may act as a client renews itself: the authority sees who asks, and gives the same names.
- One that may not (RFC 5280 §4.2.1.12: no clientAuth) cannot open a connection that names it. Another identity asks for
  its like, and policy decides whether that identity may.
"""

import dataclasses
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.credentials import Credentials
from cli import ambient
from cli.endpoint import Endpoint
from cli.errors import CliError, InputInvalid

if TYPE_CHECKING:
    from ca.client.following import TrustFollower
    from ca.client.values import IssuedCertificate
    from certs.keys import PrivateKey

_SERVER_PROFILE = "server"


class Renewal:
    """Callable as `agent.renewer` wants it; `latest` is what the authority gave last."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        asking: Path | None,
        lifetime: timedelta | None,
        reuse_key: bool,
        key_type: str | None,
    ) -> None:
        self._endpoint = endpoint
        self._asking = asking
        self._lifetime = lifetime
        self._reuse_key = reuse_key
        self._key_type = key_type
        self.latest: IssuedCertificate | None = None
        self._follower: TrustFollower | None = None

    def is_hurried(self, held: Credentials) -> bool:
        """Looks at the trust bundle and says which one is held; whether the authority wants this certificate renewed now."""
        from ca.client.errors import ClientError
        from ca.client.following import TrustFollower
        from certs.errors import CertsError

        directory = self._endpoint.identity_directory.absolute()
        follower = self._follower = self._follower or TrustFollower(f"{ambient.host_name()}:{directory}"[-64:])
        endpoint = self._endpoint if _is_for_clients(held.leaf) else self._of_who_asks()
        try:
            with endpoint.client() as client:
                bundle = follower.look(client.trust, held.trust_bundle)
            return follower.asks_for_renewal(bundle, held.leaf, held.trust_bundle)
        except (ClientError, CertsError, CliError):
            return False  # an authority that cannot be reached asks for nothing; where renewal is due, that is reported

    def __call__(self, held: Credentials) -> Credentials:
        """Raises ClientError, errors of `certs`, CredentialsInvalid, InputInvalid."""
        from certs.keys import encode_private_key, load_private_key

        key = load_private_key(held.private_key)
        if not self._reuse_key:
            key = self._fresh_key(key)
        renewed, roots = self._renew(held.leaf, key)
        self.latest = renewed
        return Credentials.from_pem(
            certificate_chain=renewed.full_chain_pem, private_key=encode_private_key(key), trust_bundle=roots
        )

    def _renew(self, leaf: x509.Certificate, key: "PrivateKey") -> "tuple[IssuedCertificate, bytes]":
        from certs.names import SubjectAlternativeNames, SubjectName
        from certs.requests import build_request

        if not _is_for_clients(leaf):
            return self._sign_again(leaf, key, _extended_key_usages(leaf))
        request = b"" if self._reuse_key else build_request(key, SubjectName(), SubjectAlternativeNames())
        with self._endpoint.client() as client:
            renewed = client.certificates.renew_certificate(
                request, lifetime=self._lifetime, request_id=ambient.entropy(16).hex()
            )
            return renewed, client.trust.get_trust_bundle().roots_pem

    def _sign_again(
        self, leaf: x509.Certificate, key: "PrivateKey", usages: Sequence[x509.ObjectIdentifier]
    ) -> "tuple[IssuedCertificate, bytes]":
        from certs.holders import alternative_names
        from certs.names import SubjectName
        from certs.requests import build_request
        from cli.replacement import sign_instead

        if list(usages) != [ExtendedKeyUsageOID.SERVER_AUTH]:
            raise InputInvalid("this certificate is neither for clients nor for servers; sign a new one instead")
        request = build_request(key, SubjectName.from_x509(leaf.subject), alternative_names(leaf))
        with self._of_who_asks().client() as client:
            signed = sign_instead(
                client,
                request,
                replaces=(f"{leaf.serial_number:032x}",),
                request_id=ambient.entropy(16).hex(),
                profile=_SERVER_PROFILE,
                lifetime=self._lifetime,
            )
            return signed, client.trust.get_trust_bundle().roots_pem

    def _of_who_asks(self) -> Endpoint:
        return dataclasses.replace(self._endpoint, identity=self._asking or ambient.home() / "identity")

    def _fresh_key(self, former: "PrivateKey") -> "PrivateKey":
        from certs.keys import KeyType, key_type_of

        return ambient.make_key(KeyType(self._key_type) if self._key_type else key_type_of(former.public_key()))


def _is_for_clients(leaf: x509.Certificate) -> bool:
    return ExtendedKeyUsageOID.CLIENT_AUTH in _extended_key_usages(leaf)


def _extended_key_usages(leaf: x509.Certificate) -> Sequence[x509.ObjectIdentifier]:
    try:
        return list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return []
