"""OCSP requests (RFC 6960 §4.1), read strictly and within bounds; what asks is not trusted and need not sign.

- At most MAX_CERTIFICATES are asked for in one request of at most MAX_REQUEST_OCTETS.
- A nonce has 1 to 128 octets (RFC 9654 §2.1); other extensions are ignored unless critical.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.x509.oid import OCSPExtensionOID

from certs import der
from certs.errors import MalformedInput, MalformedOcspRequest
from certs.holders import public_key
from certs.issuers import subject_octets
from certs.keys import subject_public_key_info

MAX_REQUEST_OCTETS = 16_384
MAX_CERTIFICATES = 32
MAX_NONCE_OCTETS = 128

_HASHES: Mapping[bytes, str] = {
    der.object_identifier("1.3.14.3.2.26"): "sha1",
    der.object_identifier("2.16.840.1.101.3.4.2.1"): "sha256",
}
_NONCE = der.object_identifier(OCSPExtensionOID.NONCE.dotted_string)
_NULL = der.encode(der.NULL, b"")
_EXPLICIT_0, _EXPLICIT_1, _EXPLICIT_2 = (der.context(number, constructed=True) for number in range(3))


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateId:
    """CertID: whose status is asked. `hash_name` is `sha1`, `sha256` or empty for a hash that is not known here.

    `encoded` is its DER, which the response repeats octet for octet.
    """

    hash_name: str
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial: int
    encoded: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspRequest:
    """The certificates asked for, at least one, and the nonce to echo."""

    certificate_ids: tuple[CertificateId, ...]
    nonce: bytes | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reads a DER request. Raises MalformedOcspRequest."""
        if len(data) > MAX_REQUEST_OCTETS:
            raise MalformedOcspRequest(f"the request has {len(data)} octets; send at most {MAX_REQUEST_OCTETS}")
        try:
            return cls._from_elements(der.split(der.content(der.split(der.content(data))[0])))
        except (MalformedInput, IndexError, ValueError) as err:
            if isinstance(err, MalformedOcspRequest):
                raise
            raise MalformedOcspRequest("this is no OCSP request in DER; send one") from err

    @classmethod
    def _from_elements(cls, elements: list[bytes]) -> Self:
        if elements and elements[0][0] == _EXPLICIT_0:
            _verify_version(elements.pop(0))
        if elements and elements[0][0] == _EXPLICIT_1:
            elements.pop(0)  # requestorName says nothing where the request is not signed
        requests = der.split(der.content(elements.pop(0)))
        extensions = elements.pop(0) if elements else None
        if elements:
            raise MalformedOcspRequest("the request has elements that RFC 6960 §4.1.1 has not; leave them out")
        if not 1 <= len(requests) <= MAX_CERTIFICATES:
            raise MalformedOcspRequest(f"ask for 1 to {MAX_CERTIFICATES} certificates, not {len(requests)}")
        return cls(
            certificate_ids=tuple(_certificate_id(der.split(der.content(one))) for one in requests),
            nonce=_nonce(extensions) if extensions is not None else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerHashes:
    """What a CertID calls an issuer by: hashes of its name and of its key (RFC 6960 §4.1.1)."""

    by_hash: Mapping[str, tuple[bytes, bytes]]

    @classmethod
    def of(cls, issuer: x509.Certificate) -> Self:
        """The hashes of a CA certificate."""
        name, key = subject_octets(issuer), key_bits(issuer)
        return cls(
            by_hash={one: (hashlib.new(one, name).digest(), hashlib.new(one, key).digest()) for one in _HASHES.values()}
        )

    def match(self, certificate_id: CertificateId) -> bool:
        """Whether the certificate asked for is of this issuer."""
        wanted = (certificate_id.issuer_name_hash, certificate_id.issuer_key_hash)
        return self.by_hash.get(certificate_id.hash_name) == wanted


def key_bits(certificate: x509.Certificate) -> bytes:
    """The value of the subjectPublicKey BIT STRING, without its count of unused bits (RFC 6960 §4.1.1)."""
    _, bits = der.split(der.content(subject_public_key_info(public_key(certificate))))
    return der.content(bits, der.BIT_STRING)[1:]


def _verify_version(element: bytes) -> None:
    if der.content(element, _EXPLICIT_0) != der.integer(0):
        raise MalformedOcspRequest("only version 1 of OCSP requests exists")


def _certificate_id(elements: Sequence[bytes]) -> CertificateId:
    encoded, *extensions = elements
    if extensions and _critical(der.content(extensions[0], _EXPLICIT_0)):
        raise MalformedOcspRequest("a critical extension of a single request is not understood; leave it out")
    algorithm, name_hash, key_hash, serial = der.split(der.content(encoded))
    oid, *parameters = der.split(der.content(algorithm))
    if parameters not in ([], [_NULL]):
        raise MalformedOcspRequest("the hash algorithm has parameters; leave them out")
    return CertificateId(
        hash_name=_HASHES.get(oid, ""),
        issuer_name_hash=der.content(name_hash, der.OCTET_STRING),
        issuer_key_hash=der.content(key_hash, der.OCTET_STRING),
        serial=_serial(der.content(serial, der.INTEGER)),
        encoded=encoded,
    )


def _serial(octets: bytes) -> int:
    if not 1 <= len(octets) <= 20:
        raise MalformedOcspRequest("a serial has 1 to 20 octets (RFC 5280 §4.1.2.2)")
    return int.from_bytes(octets, "big", signed=True)


def _critical(extensions: bytes) -> bool:
    return any(part == der.TRUE for one in der.split(der.content(extensions)) for part in der.split(der.content(one)))


def _nonce(element: bytes) -> bytes | None:
    extensions = der.content(element, _EXPLICIT_2)
    nonce: bytes | None = None
    for one in der.split(der.content(extensions)):
        oid, *_, value = der.split(der.content(one))
        if oid != _NONCE:
            if _critical(der.sequence(one)):
                raise MalformedOcspRequest("a critical extension of the request is not understood; leave it out")
            continue
        if nonce is not None:
            raise MalformedOcspRequest("the request has two nonces; send one")
        nonce = der.content(der.content(value, der.OCTET_STRING), der.OCTET_STRING)
        if not 1 <= len(nonce) <= MAX_NONCE_OCTETS:
            raise MalformedOcspRequest(
                f"the nonce has {len(nonce)} octets; send 1 to {MAX_NONCE_OCTETS} (RFC 9654 §2.1)"
            )
    return nonce
