"""What a service proves itself with: certificate chain, private key and trusted roots, as PEM that belongs together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from agent.directories import PublishedFile
from agent.errors import CredentialsInvalid

CERTIFICATE_NAME = "tls.crt"
PRIVATE_KEY_NAME = "tls.key"
TRUST_BUNDLE_NAME = "ca.crt"
FILE_NAMES = (CERTIFICATE_NAME, PRIVATE_KEY_NAME, TRUST_BUNDLE_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One identity; the key is the leaf's. `certificate_chain` has the leaf first, `trust_bundle` may be empty."""

    certificate_chain: bytes
    private_key: bytes = field(repr=False)
    trust_bundle: bytes
    leaf: x509.Certificate

    @classmethod
    def from_pem(cls, *, certificate_chain: bytes, private_key: bytes, trust_bundle: bytes = b"") -> Self:
        """Raises CredentialsInvalid when a part cannot be read or the key is not the leaf's."""
        leaf = verify_pair(certificate_chain, private_key)
        return cls(certificate_chain=certificate_chain, private_key=private_key, trust_bundle=trust_bundle, leaf=leaf)

    @property
    def not_before(self) -> datetime:
        return self.leaf.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        return self.leaf.not_valid_after_utc

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the leaf's DER."""
        return self.leaf.fingerprint(hashes.SHA256())

    @property
    def dns_names(self) -> tuple[str, ...]:
        """Sorted."""
        try:
            extension = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except (x509.ExtensionNotFound, ValueError):
            return ()
        return tuple(sorted(extension.value.get_values_for_type(x509.DNSName)))

    def files(self) -> Sequence[PublishedFile]:
        """tls.crt and ca.crt for everyone, tls.key for its owner."""
        return (
            PublishedFile.public(CERTIFICATE_NAME, self.certificate_chain),
            PublishedFile.private(PRIVATE_KEY_NAME, self.private_key),
            PublishedFile.public(TRUST_BUNDLE_NAME, self.trust_bundle),
        )


def verify_pair(certificate_chain: bytes, private_key: bytes) -> x509.Certificate:
    """The first certificate of a PEM chain, after its public key was compared with the PEM private key's.

    Raises CredentialsInvalid.
    """
    try:
        leaf = x509.load_pem_x509_certificates(certificate_chain)[0]
        certified = _encoded(leaf.public_key())
    except (ValueError, IndexError, UnsupportedAlgorithm) as err:
        raise CredentialsInvalid("the certificate cannot be read; it must be PEM, leaf first") from err
    try:
        held = _encoded(serialization.load_pem_private_key(private_key, password=None).public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm) as err:
        raise CredentialsInvalid("the private key cannot be read; it must be unencrypted PEM") from err
    if certified != held:
        raise CredentialsInvalid("the private key is not the certificate's; publish the two that were made together")
    return leaf


def _encoded(public_key: PublicKeyTypes) -> bytes:
    return public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
