"""Reading what `cryptography` parses only when it is asked for: extensions, names and times of a certificate.

- What is unreadable or occurs twice raises MalformedCertificate; nothing is skipped.
"""

from typing import TypeVar

from cryptography import x509

from certs.errors import MalformedCertificate

_Value = TypeVar("_Value", bound=x509.ExtensionType)


def all_extensions(certificate: x509.Certificate) -> x509.Extensions:
    """Every extension. Raises MalformedCertificate where one cannot be read or occurs twice (RFC 5280 §4.2)."""
    try:
        return certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as err:
        raise MalformedCertificate("an extension of the certificate occurs twice or cannot be read") from err


def verify_readable(certificate: x509.Certificate) -> None:
    """Raises MalformedCertificate where a part is not what RFC 5280 has there; later reading then raises nothing."""
    try:
        _ = certificate.version, certificate.subject, certificate.issuer, certificate.signature_algorithm_oid
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except (ValueError, x509.InvalidVersion) as err:
        raise MalformedCertificate("a name or time of the certificate cannot be read") from err
    all_extensions(certificate)


def extension_value(certificate: x509.Certificate, kind: type[_Value]) -> _Value | None:
    """The value of the extension of that kind; None where the certificate has none. Raises MalformedCertificate."""
    try:
        return all_extensions(certificate).get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
