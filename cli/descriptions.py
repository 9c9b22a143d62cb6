"""What a file holds, told apart by its content and described: certificates, a request, a PKCS#12 file or a private key."""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from certs.descriptions import describe, render_text
from certs.errors import CaRequested, CertsError
from certs.keys import key_type_of
from certs.pem import encode_certificate, load_certificates
from certs.pkcs12 import decode_pkcs12
from certs.requests import CertificateRequest
from cli.errors import InputInvalid
from cli.output import Document
from cli.text import instant

_REQUEST = b"CERTIFICATE REQUEST-----"
_PRIVATE_KEY = b"PRIVATE KEY-----"
_PEM = b"-----BEGIN "
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One thing: for people, for programs, and as PEM."""

    text: str
    document: Document
    pem: bytes


def describe_content(content: bytes, *, passphrase: Callable[[], bytes]) -> tuple[Described, ...]:
    """`passphrase` is called where there is a PKCS#12 file to open. Raises errors of `certs`, InputInvalid."""
    if _REQUEST in content:
        return (_described_request(content),)
    if _CERTIFICATE in content:
        return describe_chain(load_certificates(content))
    if _PRIVATE_KEY in content:
        raise InputInvalid("this is a private key; inspect the certificate or the request that goes with it")
    if _PEM in content or not content.startswith(b"0"):
        raise InputInvalid("there is no certificate, request or PKCS#12 file in it")
    return _described_der(content, passphrase)


def describe_chain(certificates: Iterable[x509.Certificate]) -> tuple[Described, ...]:
    return tuple(
        Described(
            text=render_text(certificate),
            document=_certificate_document(certificate),
            pem=encode_certificate(certificate),
        )
        for certificate in certificates
    )


def _described_der(content: bytes, passphrase: Callable[[], bytes]) -> tuple[Described, ...]:
    """DER does not say what it is: tried in turn, PKCS#12 last, as that may ask a question."""
    try:
        return describe_chain(load_certificates(content))
    except CertsError:
        pass
    if b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01" not in content[:64]:  # id-data (RFC 7292 §4), in every PKCS#12 file
        return (_described_request(content),)
    opened = decode_pkcs12(content, passphrase())
    return describe_chain((opened.certificate, *opened.chain))


def _described_request(content: bytes) -> Described:
    try:
        request = CertificateRequest.from_bytes(content)
    except CaRequested:
        return _described_authority_request(content)
    names: list[Document] = [{"kind": kind, "value": value} for kind, value in request.names.all_names()]
    document: dict[str, Document] = {
        "kind": "request",
        "subject": request.subject.rfc4514,
        "names": names,
        "key": request.key_type.value,
    }
    pem = content if content.lstrip().startswith(_PEM) else b""
    return Described(text=render_text(request), document=document, pem=pem)


def _described_authority_request(content: bytes) -> Described:
    """One that no authority here would sign, as `rotate issuer --csr-out` writes it: whoever has the root's key wants to see it."""
    is_pem = content.lstrip().startswith(_PEM)
    request = x509.load_pem_x509_csr(content) if is_pem else x509.load_der_x509_csr(content)
    subject, key = request.subject.rfc4514_string(), key_type_of(request.public_key()).value
    document: dict[str, Document] = {"kind": "request", "subject": subject, "names": [], "key": key, "is_ca": True}
    text = f"certificate request\n  {'subject':<12}{subject}\n  {'key':<12}{key}\n  {'CA':<12}yes"
    return Described(text=text, document=document, pem=content if is_pem else b"")


def _certificate_document(certificate: x509.Certificate) -> Document:
    """The description's fields, under the names that the API uses."""
    description = describe(certificate)
    document: dict[str, Document] = {"kind": "certificate"}
    for field in dataclasses.fields(description):
        value = getattr(description, field.name)
        if isinstance(value, datetime):
            document[f"{field.name}_time"] = instant(value)
        elif field.name == "names":
            document["names"] = [{"kind": kind, "value": text} for kind, text in description.names]
        elif field.name == "serial":
            document["serial_number"] = value
        elif field.name == "fingerprint":
            document["sha256_fingerprint"] = value
        else:
            document[field.name] = list(value) if isinstance(value, tuple) else value
    return document
