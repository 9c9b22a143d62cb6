"""Issuers: a CA certificate, its private key and the certificates above it, known to belong together.

- An instance can sign: the key is the certificate's, the certificate is a CA with a subject key identifier, and each
  certificate of the chain signed the one below it, within its path length.
- Whether the issuer is valid at an instant is a question of the instant; see `templates.validity`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from certs import der
from certs.errors import NotAnIssuer, SignatureMismatch
from certs.extensions import all_extensions, extension_value, verify_readable
from certs.keys import KeyType, PrivateKey, key_type_of, verify_key_pair
from certs.name_constraints import is_constrained
from certs.profiles import Profile


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Issuer:
    """Who signs: `chain` holds the certificates above `certificate`, root last, and is empty for a root.

    `not_before` and `not_after` are when the whole chain holds. Raises KeyMismatch, NotAnIssuer, SignatureMismatch
    and MalformedCertificate.
    """

    certificate: x509.Certificate
    private_key: PrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()
    subject_key_identifier: bytes = field(init=False)
    subject_octets: bytes = field(init=False)
    key_type: KeyType = field(init=False)
    not_before: datetime = field(init=False)
    not_after: datetime = field(init=False)
    path_length: int | None = field(init=False)
    is_name_constrained: bool = field(init=False)
    """Whether a certificate of the chain limits what may be named below it."""

    def __post_init__(self) -> None:
        verify_key_pair(self.private_key, self.certificate)
        verify_links(self.full_chain)
        path_length = _remaining_path_length(self.full_chain)
        if path_length is not None and path_length < 0:
            raise NotAnIssuer("a certificate above the issuer has a path length too short for it; use another chain")
        derived: dict[str, object] = {
            "subject_key_identifier": _subject_key_identifier(self.certificate),
            "subject_octets": subject_octets(self.certificate),
            "key_type": key_type_of(self.certificate.public_key()),
            "not_before": max(certificate.not_valid_before_utc for certificate in self.full_chain),
            "not_after": min(certificate.not_valid_after_utc for certificate in self.full_chain),
            "path_length": path_length,
            "is_name_constrained": is_constrained(self.full_chain),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def full_chain(self) -> tuple[x509.Certificate, ...]:
        """The issuer's certificate and those above it, root last."""
        return (self.certificate, *self.chain)

    def verify_may_issue(self, profile: Profile) -> None:
        """Raises NotAnIssuer where the path lengths above forbid a CA of this profile (RFC 5280 §4.2.1.9)."""
        if not profile.is_ca or self.path_length is None:
            return
        if profile.path_length is None or profile.path_length >= self.path_length:
            raise NotAnIssuer(
                f"the issuer's path length of {self.path_length} leaves no room for profile {profile.name}"
            )


def verify_links(chain: tuple[x509.Certificate, ...]) -> None:
    """Each certificate is a CA and is signed by the next one. Raises NotAnIssuer, SignatureMismatch."""
    for certificate in chain:
        _verify_is_ca(certificate)
    for certificate, above in pairwise(chain):
        try:
            certificate.verify_directly_issued_by(above)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError) as err:
            name = certificate.subject.rfc4514_string()
            raise SignatureMismatch(
                f"{name!r} is not signed by the next certificate of its chain; order it root last"
            ) from err


def subject_octets(certificate: x509.Certificate) -> bytes:
    """The subject's DER exactly as it stands in the certificate; path building compares names octet by octet."""
    tbs = next(der.read(certificate.public_bytes(Encoding.DER)).children())
    return list(tbs.children())[5].encoded


def _verify_is_ca(certificate: x509.Certificate) -> None:
    verify_readable(certificate)
    name = certificate.subject.rfc4514_string()
    key_usage = extension_value(certificate, x509.KeyUsage)
    if key_usage is None or not key_usage.key_cert_sign or not _has_critical_ca_flag(certificate):
        raise NotAnIssuer(f"{name!r} may not sign certificates; use a CA certificate")


def _has_critical_ca_flag(certificate: x509.Certificate) -> bool:
    constraints = extension_value(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        return False
    return all_extensions(certificate).get_extension_for_class(x509.BasicConstraints).critical


def _subject_key_identifier(certificate: x509.Certificate) -> bytes:
    identifier = extension_value(certificate, x509.SubjectKeyIdentifier)
    if identifier is None:
        raise NotAnIssuer("the CA certificate has no subjectKeyIdentifier (RFC 5280 §4.2.1.2); have it issued again")
    return identifier.digest


def _remaining_path_length(chain: tuple[x509.Certificate, ...]) -> int | None:
    """How many CA certificates may stand below the first of `chain`; None for any number (RFC 5280 §6.1.4 l, m)."""
    remaining: int | None = None
    for certificate in reversed(chain):
        if remaining is not None and certificate.subject != certificate.issuer:
            remaining -= 1
        constraints = extension_value(certificate, x509.BasicConstraints)
        limit = constraints.path_length if constraints is not None else None
        if limit is not None and (remaining is None or limit < remaining):
            remaining = limit
    return remaining
