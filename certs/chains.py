"""Chains: from a certificate to a trusted root at an instant, by RFC 5280 §6 and stricter.

- Stricter than the RFC: roots are self-signed CA certificates and are themselves valid at the instant; CAs have critical
  basicConstraints and keyUsage; SHA-1 and weak keys are refused; extendedKeyUsage is stated, and nests; names are
  looked for in subjectAltName alone.
- An unknown critical extension refuses the path; so do policy constraints, which are not processed here.
- Search and signature checks are bounded, whatever certificates are handed in.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, SignatureAlgorithmOID

from certs.errors import (
    CertificateExpired,
    CertificateNotYetValid,
    ChainIncomplete,
    ConstraintViolation,
    RequestRefused,
    SignatureMismatch,
    UntrustedRoot,
    UsageNotAllowed,
    VerificationFailed,
)
from certs.extensions import all_extensions, extension_value, verify_readable
from certs.host_names import verify_name
from certs.keys import verify_key_strength
from certs.name_constraints import verify_name_constraints

Usage = Literal["server", "client"]
Path = tuple[x509.Certificate, ...]

MAX_DEPTH = 8
MAX_PATHS = 16
MAX_STEPS = 256
MAX_CERTIFICATES = 1024

_USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
_PROCESSED = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
    }
)
_HASHLESS = frozenset(
    {
        SignatureAlgorithmOID.ED25519,
        SignatureAlgorithmOID.ML_DSA_44,
        SignatureAlgorithmOID.ML_DSA_65,
        SignatureAlgorithmOID.ML_DSA_87,
    }
)


def verify_chain(
    leaf: x509.Certificate,
    intermediates: Iterable[x509.Certificate],
    roots: Iterable[x509.Certificate],
    *,
    at: datetime,
    usage: Usage | None = None,
    name: str | None = None,
) -> Path:
    """The path from `leaf` to one of `roots`, both included, that holds at the aware instant `at`.

    `usage` asks for a TLS server or client; `name` for a DNS name, IP address, URI or email address in subjectAltName.
    Raises ChainIncomplete, UntrustedRoot, SignatureMismatch, CertificateExpired, CertificateNotYetValid,
    ConstraintViolation, UsageNotAllowed, NameMismatch, and MalformedCertificate for what cannot be read.
    """
    search = _Search(leaf, tuple(intermediates), tuple(roots), at)
    first_failure: VerificationFailed | None = None
    for path in search.paths():
        try:
            _verify_path(path, at, usage)
        except VerificationFailed as err:
            first_failure = first_failure or err
        else:
            if name is not None:
                verify_name(leaf, name)
            return path
    raise first_failure or search.why_none()


class _Search:
    """Candidate paths by names and key identifiers; nothing is verified yet."""

    def __init__(self, leaf: x509.Certificate, intermediates: Path, roots: Path, at: datetime) -> None:
        if len(intermediates) + len(roots) > MAX_CERTIFICATES:
            raise ConstraintViolation(f"more than {MAX_CERTIFICATES} certificates were given to build a chain from")
        for one in (leaf, *roots, *intermediates):
            verify_readable(one)
        self._leaf = leaf
        self._roots = roots
        self._by_subject: dict[x509.Name, list[x509.Certificate]] = {}
        for one in sorted((*roots, *intermediates), key=lambda one: not _is_valid(one, at)):
            self._by_subject.setdefault(one.subject, []).append(one)
        self._steps = 0
        self._ends: list[x509.Certificate] = []

    def paths(self) -> Iterator[Path]:
        """Paths that end at a trusted root; those whose certificates are valid come first."""
        for count, path in enumerate(self._extend((self._leaf,)), start=1):
            yield path
            if count == MAX_PATHS:
                return

    def why_none(self) -> VerificationFailed:
        """What to say when `paths` yielded nothing."""
        for end in self._ends:
            if end.subject == end.issuer:
                name = end.subject.rfc4514_string()
                return UntrustedRoot(f"the chain ends at {name!r}, which is not among the trusted roots")
        missing = (self._ends or [self._leaf])[0].issuer.rfc4514_string()
        return ChainIncomplete(f"the certificate of the issuer {missing!r} is missing; add it to the chain")

    def _extend(self, path: Path) -> Iterator[Path]:
        last = path[-1]
        if last in self._roots and last.subject == last.issuer:
            yield path
            return
        named = self._by_subject.get(last.issuer, ())
        issuers = [one for one in named if one not in path and _key_identifiers_fit(one, last)]
        if not issuers or len(path) == MAX_DEPTH:
            self._ends.append(last)
        for issuer in issuers if len(path) < MAX_DEPTH else []:
            self._steps += 1
            if self._steps > MAX_STEPS:
                return
            yield from self._extend((*path, issuer))


def _key_identifiers_fit(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    wanted = extension_value(certificate, x509.AuthorityKeyIdentifier)
    found = extension_value(issuer, x509.SubjectKeyIdentifier)
    if wanted is None or wanted.key_identifier is None or found is None:
        return True
    return wanted.key_identifier == found.digest


def _verify_path(path: Path, at: datetime, usage: Usage | None) -> None:
    for certificate in path:
        _verify_alone(certificate, at)
    for certificate, issuer in pairwise((*path, path[-1])):
        _verify_signature(certificate, issuer)
    for certificate in path[1:]:
        _verify_authority(certificate, usage)
    _verify_path_lengths(path)
    verify_name_constraints(path)
    if usage is not None:
        _verify_usage(path[0], usage)


def _verify_alone(certificate: x509.Certificate, at: datetime) -> None:
    name = _name(certificate)
    if at < certificate.not_valid_before_utc:
        raise CertificateNotYetValid(
            f"{name} is valid from {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}; check the clock"
        )
    if at > certificate.not_valid_after_utc:
        raise CertificateExpired(f"{name} expired at {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}; renew it")
    if certificate.version is not x509.Version.v3:
        raise ConstraintViolation(f"{name} is not an X.509 version 3 certificate")
    if not 0 < certificate.serial_number.bit_length() < 160 or certificate.serial_number < 0:
        raise ConstraintViolation(f"{name} has a serial that is not a positive number of at most 20 octets")
    for extension in all_extensions(certificate):
        if extension.critical and extension.oid not in _PROCESSED:
            raise ConstraintViolation(
                f"{name} has the critical extension {extension.oid.dotted_string}, not understood"
            )
    try:
        verify_key_strength(certificate.public_key())
    except (RequestRefused, ValueError, UnsupportedAlgorithm) as err:
        raise ConstraintViolation(f"{name} has a key that is weak or not supported: {err}") from err


def _verify_signature(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    name = _name(certificate)
    try:
        algorithm = certificate.signature_hash_algorithm
        if certificate.signature_algorithm_oid not in _HASHLESS and not isinstance(algorithm, _STRONG_HASHES):
            raise ConstraintViolation(f"{name} is signed with {algorithm.name if algorithm else 'an unknown hash'}")
        _verify_whole_octets(certificate)
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError) as err:
        raise SignatureMismatch(f"{name} was altered, or signed by another key than {_name(issuer)} has") from err


def _verify_whole_octets(certificate: x509.Certificate) -> None:
    """Raises ValueError where the signature's BIT STRING claims unused bits.

    The library passes over the claim, so that one certificate would verify under several fingerprints.
    """
    unused_bits = certificate.public_bytes(Encoding.DER)[-len(certificate.signature) - 1]
    if unused_bits:
        raise ValueError(f"the signature leaves {unused_bits} bits unused")


_STRONG_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def _verify_authority(certificate: x509.Certificate, usage: Usage | None) -> None:
    name = _name(certificate)
    constraints = [one for one in all_extensions(certificate) if isinstance(one.value, x509.BasicConstraints)]
    if not any(one.critical and one.value.ca for one in constraints if isinstance(one.value, x509.BasicConstraints)):
        raise ConstraintViolation(f"{name} is not a CA (RFC 5280 §6.1.4 k)")
    key_usage = extension_value(certificate, x509.KeyUsage)
    if key_usage is None or not key_usage.key_cert_sign:
        raise UsageNotAllowed(f"{name} may not sign certificates (RFC 5280 §6.1.4 n)")
    extended = extension_value(certificate, x509.ExtendedKeyUsage)
    if usage is not None and extended is not None and not {_USAGES[usage], _ANY} & set(extended):
        raise UsageNotAllowed(f"{name} may not issue certificates for a TLS {usage}")


_ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE


def _verify_path_lengths(path: Path) -> None:
    below = 0
    for index, certificate in enumerate(path):
        constraints = extension_value(certificate, x509.BasicConstraints)
        limit = constraints.path_length if constraints is not None else None
        if index > 0 and limit is not None and below > limit:
            raise ConstraintViolation(f"{_name(certificate)} allows {limit} CAs below it and the chain has {below}")
        # RFC 5280 §4.2.1.9: the last certificate and self-issued ones do not count
        if index > 0 and certificate.subject != certificate.issuer:
            below += 1


def _verify_usage(leaf: x509.Certificate, usage: Usage) -> None:
    constraints = extension_value(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise UsageNotAllowed(f"a CA certificate is no certificate for a TLS {usage}")
    key_usage = extension_value(leaf, x509.KeyUsage)
    if key_usage is not None and not key_usage.digital_signature:
        raise UsageNotAllowed(f"the certificate may not make signatures, as a TLS {usage} does")
    if _USAGES[usage] not in set(extension_value(leaf, x509.ExtendedKeyUsage) or ()):
        raise UsageNotAllowed(f"the certificate is not for a TLS {usage}; ask for one with profile {usage} or peer")


def _is_valid(certificate: x509.Certificate, at: datetime) -> bool:
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def _name(certificate: x509.Certificate) -> str:
    return repr(certificate.subject.rfc4514_string() or f"serial {certificate.serial_number:x}")
