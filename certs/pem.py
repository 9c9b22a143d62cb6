"""Certificates as files: PEM bundles (RFC 7468 §5) and single DER certificates, read strictly and within bounds.

- Text around the blocks is ignored, as RFC 7468 §2 has it; a block that is no certificate is not, nor one that does not begin its
  line: of a bundle that was indented or joined without a line break nothing is lost in silence. A byte order mark is no text.
- Extensions are parsed on reading, so a certificate that this module answered does not fail later for its encoding.
"""

import re
from binascii import a2b_base64
from codecs import BOM_UTF8
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.errors import MalformedCertificate
from certs.tlv import read_element

MAX_CERTIFICATES = 512
"""The most certificates in one bundle; the trust stores of distributions hold about 150."""
MAX_BUNDLE_OCTETS = 4 * 1024 * 1024

_BEGIN = re.compile(rb"^-----BEGIN ([^\r\n]*?)-----[ \t]*\r?$", re.MULTILINE)
_BLOCK = re.compile(
    rb"^-----BEGIN CERTIFICATE-----[ \t]*\r?\n([A-Za-z0-9+/=\s]+)\n-----END CERTIFICATE-----[ \t]*\r?$", re.MULTILINE
)
_LABEL = b"CERTIFICATE"
_INTEGER, _VERSION = 0x02, 0xA0


def split_certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM bundle, in order. Raises MalformedCertificate when there is none, or anything else."""
    _verify_size(pem)
    pem = pem.removeprefix(BOM_UTF8)
    labels = _BEGIN.findall(pem)
    if labels.count(_LABEL) != pem.count(b"-----BEGIN CERTIFICATE-----"):
        raise MalformedCertificate("a BEGIN CERTIFICATE is not alone on its line, put each block on lines of its own")
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
    blocks = _BLOCK.findall(pem)
    if len(blocks) != len(labels):
        raise MalformedCertificate("a certificate in the bundle is cut short or no base64, fetch the bundle again")
    return tuple(map(_load_block, blocks))


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
    return (_load_der(data),)


def encode_certificate(certificate: x509.Certificate) -> bytes:
    """One PEM block."""
    return certificate.public_bytes(Encoding.PEM)


def join_certificates(certificates: Iterable[x509.Certificate]) -> bytes:
    """A PEM bundle in the given order; a chain is written leaf first (RFC 8446 §4.4.2)."""
    return b"".join(map(encode_certificate, certificates))


def _verify_size(data: bytes) -> None:
    if len(data) > MAX_BUNDLE_OCTETS:
        raise MalformedCertificate(f"the bundle has {len(data)} octets, give one of at most {MAX_BUNDLE_OCTETS}")


def _load_block(block: bytes) -> x509.Certificate:
    try:
        der = a2b_base64(block)
    except ValueError as err:
        raise MalformedCertificate("a certificate in the bundle is no base64, fetch the bundle again") from err
    return _load_der(der)


def _load_der(der: bytes) -> x509.Certificate:
    try:
        _verify_serial(der)
        certificate = x509.load_der_x509_certificate(der)
        _ = certificate.extensions
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as err:
        raise MalformedCertificate("a certificate has an extension twice or an unknown name, have it reissued") from err
    except (ValueError, x509.InvalidVersion) as err:
        raise MalformedCertificate("this is not a certificate in DER, or it is damaged, fetch it again") from err
    return certificate


def _verify_serial(der: bytes) -> None:
    """RFC 5280 §4.1.2.2: a serial is positive. Looked at here, since the library would warn and go on."""
    _, signed, _ = read_element(der, 0)
    _, version, _ = read_element(der, signed)
    tag, value, end = read_element(der, version)
    if tag == _VERSION:
        tag, value, end = read_element(der, end)
    if tag != _INTEGER or value == end or der[value] >= 0x80 or not any(der[value:end]):
        raise ValueError("the serial is not a positive integer")
