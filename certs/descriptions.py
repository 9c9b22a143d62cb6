"""Descriptions: what a certificate or a request says, as values for programs and as text for people.

- Any certificate that parses can be described, whoever issued it; what is not known is shown by its OID.
- Text is safe on a terminal: characters that do not print are escaped.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from certs.errors import UnsupportedKeyType
from certs.extensions import all_extensions, extension_value, verify_readable
from certs.fingerprints import certificate_fingerprint
from certs.keys import key_type_of
from certs.lifetimes import format_lifetime
from certs.requests import CertificateRequest

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"

_KEY_USAGES = (
    ("digitalSignature", "digital_signature"),
    ("contentCommitment", "content_commitment"),
    ("keyEncipherment", "key_encipherment"),
    ("dataEncipherment", "data_encipherment"),
    ("keyAgreement", "key_agreement"),
    ("keyCertSign", "key_cert_sign"),
    ("cRLSign", "crl_sign"),
)
_EXTENDED_KEY_USAGES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSPSigning",
    ExtendedKeyUsageOID.CODE_SIGNING: "codeSigning",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
    ExtendedKeyUsageOID.TIME_STAMPING: "timeStamping",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
}
_NAME_KINDS: Mapping[type[x509.GeneralName], str] = {
    x509.DNSName: "dns",
    x509.IPAddress: "ip",
    x509.UniformResourceIdentifier: "uri",
    x509.RFC822Name: "email",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateDescription:
    """One certificate. Times are aware UTC; identifiers, serial and fingerprint are lower-case hexadecimal.

    `names` are pairs of kind (dns, ip, uri, email, other) and text. `extensions` are dotted OIDs, in order, those that
    are critical marked with `!`.
    """

    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    names: tuple[tuple[str, str], ...]
    key: str
    signature_algorithm: str
    is_ca: bool
    path_length: int | None
    key_usages: tuple[str, ...]
    extended_key_usages: tuple[str, ...]
    subject_key_identifier: str | None
    authority_key_identifier: str | None
    crl_distribution_points: tuple[str, ...]
    ocsp_urls: tuple[str, ...]
    ca_issuers_urls: tuple[str, ...]
    extensions: tuple[str, ...]
    fingerprint: str

    def to_json(self) -> dict[str, Json]:
        """For `json.dumps`: times as RFC 3339, names as objects of kind and value."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
            "notBefore": _timestamp(self.not_before),
            "notAfter": _timestamp(self.not_after),
            "names": [{"kind": kind, "value": value} for kind, value in self.names],
            "key": self.key,
            "signatureAlgorithm": self.signature_algorithm,
            "isCa": self.is_ca,
            "pathLength": self.path_length,
            "keyUsages": list(self.key_usages),
            "extendedKeyUsages": list(self.extended_key_usages),
            "subjectKeyIdentifier": self.subject_key_identifier,
            "authorityKeyIdentifier": self.authority_key_identifier,
            "crlDistributionPoints": list(self.crl_distribution_points),
            "ocspUrls": list(self.ocsp_urls),
            "caIssuersUrls": list(self.ca_issuers_urls),
            "extensions": list(self.extensions),
            "sha256Fingerprint": self.fingerprint,
        }


def describe(certificate: x509.Certificate) -> CertificateDescription:
    """Raises MalformedCertificate where a name, a time or an extension cannot be read."""
    verify_readable(certificate)
    constraints = extension_value(certificate, x509.BasicConstraints)
    subject_key = extension_value(certificate, x509.SubjectKeyIdentifier)
    authority_key = extension_value(certificate, x509.AuthorityKeyIdentifier)
    key_identifier = authority_key.key_identifier if authority_key is not None else None
    return CertificateDescription(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=_hexadecimal(certificate.serial_number),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        names=_names(extension_value(certificate, x509.SubjectAlternativeName) or ()),
        key=_key(certificate),
        signature_algorithm=_signature_algorithm(certificate),
        is_ca=constraints is not None and constraints.ca,
        path_length=constraints.path_length if constraints is not None else None,
        key_usages=_key_usages(extension_value(certificate, x509.KeyUsage)),
        extended_key_usages=tuple(
            _EXTENDED_KEY_USAGES.get(oid, oid.dotted_string)
            for oid in extension_value(certificate, x509.ExtendedKeyUsage) or ()
        ),
        subject_key_identifier=subject_key.digest.hex() if subject_key is not None else None,
        authority_key_identifier=key_identifier.hex() if key_identifier is not None else None,
        crl_distribution_points=_crl_urls(certificate),
        ocsp_urls=_access_urls(certificate, AuthorityInformationAccessOID.OCSP),
        ca_issuers_urls=_access_urls(certificate, AuthorityInformationAccessOID.CA_ISSUERS),
        extensions=tuple(one.oid.dotted_string + ("!" if one.critical else "") for one in all_extensions(certificate)),
        fingerprint=certificate_fingerprint(certificate).hex(),
    )


def render_text(what: x509.Certificate | CertificateRequest) -> str:
    """A few aligned lines for a person, without a final newline. Raises MalformedCertificate as `describe` does."""
    if isinstance(what, CertificateRequest):
        return _aligned("certificate request", _request_lines(what))
    return _aligned("certificate", _certificate_lines(describe(what)))


def _certificate_lines(found: CertificateDescription) -> Iterable[tuple[str, str]]:
    span = format_lifetime(found.not_after - found.not_before)
    yield "subject", found.subject or "(empty)"
    yield "issuer", found.issuer
    yield "serial", found.serial
    yield "valid from", _timestamp(found.not_before)
    yield "valid to", f"{_timestamp(found.not_after)} ({span})"
    yield from (("name", f"{kind}:{value}") for kind, value in found.names)
    yield "key", found.key
    yield "signature", found.signature_algorithm
    if found.is_ca:
        yield "CA", "yes" if found.path_length is None else f"yes, path length {found.path_length}"
    if usages := (*found.key_usages, *found.extended_key_usages):
        yield "usage", ", ".join(usages)
    yield from (("CRL", url) for url in found.crl_distribution_points)
    yield from (("OCSP", url) for url in found.ocsp_urls)
    yield from (("CA issuers", url) for url in found.ca_issuers_urls)
    yield "subject key", found.subject_key_identifier or "(none)"
    yield "issuer key", found.authority_key_identifier or "(none)"
    yield "SHA-256", found.fingerprint


def _request_lines(request: CertificateRequest) -> Iterable[tuple[str, str]]:
    yield "subject", request.subject.rfc4514 or "(empty)"
    yield from (("name", f"{kind}:{value}") for kind, value in request.names.all_names())
    yield "key", str(request.key_type)


def _aligned(heading: str, lines: Iterable[tuple[str, str]]) -> str:
    return "\n".join([heading, *(f"  {label:<12}{_printable(text)}" for label, text in lines)])


def _printable(text: str) -> str:
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def _timestamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _hexadecimal(serial: int) -> str:
    digits = f"{abs(serial):x}"
    return ("-" if serial < 0 else "") + ("0" if len(digits) % 2 else "") + digits


def _names(names: Iterable[x509.GeneralName]) -> tuple[tuple[str, str], ...]:
    return tuple((_NAME_KINDS.get(type(name), "other"), _name_text(name)) for name in names)


def _name_text(name: x509.GeneralName) -> str:
    if isinstance(name, x509.DirectoryName):
        return name.value.rfc4514_string()
    if isinstance(name, x509.RegisteredID):
        return name.value.dotted_string
    if isinstance(name, x509.OtherName):
        return f"{name.type_id.dotted_string}={name.value.hex()}"
    return str(name.value)


def _key(certificate: x509.Certificate) -> str:
    try:
        public_key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return f"unknown ({certificate.public_key_algorithm_oid.dotted_string})"
    if isinstance(public_key, rsa.RSAPublicKey):
        return f"rsa-{public_key.key_size}"
    try:
        return str(key_type_of(public_key))
    except UnsupportedKeyType:
        return _foreign_key(public_key)


def _foreign_key(public_key: CertificatePublicKeyTypes) -> str:
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return f"ec-{public_key.curve.name}"
    return type(public_key).__name__.removesuffix("PublicKey").lower()


def _signature_algorithm(certificate: x509.Certificate) -> str:
    oid = certificate.signature_algorithm_oid
    name: str = oid._name  # noqa: SLF001  the library publishes its names of OIDs nowhere else
    return name if name != "Unknown OID" else oid.dotted_string


def _key_usages(usage: x509.KeyUsage | None) -> tuple[str, ...]:
    if usage is None:
        return ()
    return tuple(name for name, attribute in _KEY_USAGES if getattr(usage, attribute))


def _crl_urls(certificate: x509.Certificate) -> tuple[str, ...]:
    points = extension_value(certificate, x509.CRLDistributionPoints) or ()
    return tuple(_name_text(name) for point in points for name in point.full_name or ())


def _access_urls(certificate: x509.Certificate, method: x509.ObjectIdentifier) -> tuple[str, ...]:
    access = extension_value(certificate, x509.AuthorityInformationAccess) or ()
    return tuple(_name_text(one.access_location) for one in access if one.access_method == method)
