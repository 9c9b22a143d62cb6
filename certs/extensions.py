"""Reading an extension of a parsed certificate, with a duplicate or unreadable extension refused rather than skipped."""

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


def extension_value(certificate: x509.Certificate, kind: type[_Value]) -> _Value | None:
    """The value of the extension of that kind; None where the certificate has none. Raises MalformedCertificate."""
    try:
        return all_extensions(certificate).get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
