"""Certificates as files: PEM bundles (RFC 7468 §5) and single DER certificates, read strictly and within bounds.

- Text around the blocks is ignored, as RFC 7468 §2 has it; a block that is no certificate is not.
- Extensions are parsed on reading, so a certificate that this module answered does not fail later for its encoding.
"""

import re
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.errors import MalformedCertificate

MAX_CERTIFICATES = 512
"""The most certificates in one bundle; the trust stores of distributions hold about 150."""
MAX_BUNDLE_OCTETS = 4 * 1024 * 1024

_BEGIN = re.compile(rb"^-----BEGIN ([^\r\n]*?)-----[ \t]*\r?$", re.MULTILINE)
_END = re.compile(rb"^-----END CERTIFICATE-----[ \t]*\r?$", re.MULTILINE)
_LABEL = b"CERTIFICATE"


def split_certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM bundle, in order. Raises MalformedCertificate when there is none, or anything else."""
    _verify_size(pem)
    labels = _BEGIN.findall(pem)
    if not labels:
        raise MalformedCertificate("there is no certificate in PEM, give a file that has BEGIN CERTIFICATE in it")
    for label in labels:
        if label != _LABEL:
            raise MalformedCertificate(
                f"there is a {label[:40].decode('ascii', 'replace')} among the certificates, keep certificates apart"
            )
    if len(labels) > MAX_CERTIFICATES:
        raise MalformedCertificate(
            f"there are {len(labels)} certificates, give at most {MAX_CERTIFICATES} in one bundle"
        )
    if len(_END.findall(pem)) != len(labels):
        raise MalformedCertificate("a certificate in the bundle is cut short, fetch the bundle again")
    try:
        return tuple(map(_parsed, x509.load_pem_x509_certificates(pem)))
    except ValueError as err:
        raise MalformedCertificate("a certificate in the bundle is damaged, fetch the bundle again") from err


def load_certificate(data: bytes) -> x509.Certificate:
    """One certificate, PEM or DER. Raises MalformedCertificate, also when there are several."""
    certificates = load_certificates(data)
    if len(certificates) != 1:
        raise MalformedCertificate(f"there are {len(certificates)} certificates, give exactly one")
    return certificates[0]


def load_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """A PEM bundle, as `split_certificates` reads it, or one DER certificate."""
    _verify_size(data)
    if not data.startswith(b"0"):
        return split_certificates(data)
    try:
        return (_parsed(x509.load_der_x509_certificate(data)),)
    except ValueError as err:
        raise MalformedCertificate("this is not a certificate in DER, or it is damaged, fetch it again") from err


def encode_certificate(certificate: x509.Certificate) -> bytes:
    """One PEM block."""
    return certificate.public_bytes(Encoding.PEM)


def join_certificates(certificates: Iterable[x509.Certificate]) -> bytes:
    """A PEM bundle in the given order; a chain is written leaf first (RFC 8446 §4.4.2)."""
    return b"".join(map(encode_certificate, certificates))


def _verify_size(data: bytes) -> None:
    if len(data) > MAX_BUNDLE_OCTETS:
        raise MalformedCertificate(f"the bundle has {len(data)} octets, give one of at most {MAX_BUNDLE_OCTETS}")


def _parsed(certificate: x509.Certificate) -> x509.Certificate:
    try:
        _ = certificate.extensions
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as err:
        raise MalformedCertificate(
            "a certificate has an extension twice or a name of unknown kind, have it reissued"
        ) from err
    return certificate
