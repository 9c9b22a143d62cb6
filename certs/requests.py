"""Certificate requests (PKCS #10, RFC 2986): a public key, the names asked for, and proof that the private key is held.

- An instance has proven possession of a key that is strong enough and of a known type; its names are valid and normal.
- Nothing else of the request survives: other extensions that it asks for are read to refuse CA rights, and dropped.
- It is bounded before it is parsed, and cheap refusals come before the signature is verified.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, Self, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier, SignatureAlgorithmOID

from certs.alternative_names import SubjectAlternativeNames
from certs.errors import (
    CaRequested,
    MalformedRequest,
    RequestTooLarge,
    UnprovenPossession,
    UnsupportedKeyType,
)
from certs.key_strength import verify_key_strength
from certs.key_types import KeyType, PrivateKey, PublicKey, key_type_of, signature_hash, subject_public_key_info
from certs.subject import SubjectName
from certs.tlv import read_element

MAX_REQUEST_OCTETS = 65536

_PEM_LABELS = (b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")
_EXTENSION_REQUEST = bytes.fromhex("06092a864886f70d01090e")
_ECDSA: Mapping[ObjectIdentifier, ec.ECDSA] = {
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: ec.ECDSA(hashes.SHA256()),
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: ec.ECDSA(hashes.SHA384()),
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: ec.ECDSA(hashes.SHA512()),
}
_OTHER_SIGNATURES = frozenset(
    {
        SignatureAlgorithmOID.RSA_WITH_SHA256,
        SignatureAlgorithmOID.RSA_WITH_SHA384,
        SignatureAlgorithmOID.RSA_WITH_SHA512,
        SignatureAlgorithmOID.RSASSA_PSS,
        SignatureAlgorithmOID.ED25519,
        SignatureAlgorithmOID.ML_DSA_44,
        SignatureAlgorithmOID.ML_DSA_65,
        SignatureAlgorithmOID.ML_DSA_87,
    }
)
_WEAK_HASHES = (hashes.MD5, hashes.SHA1, hashes.SHA224)
_P256_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_UNPROVEN = "the request is not signed by its own key with SHA-256 or better, sign it again with the key that it holds"
_NO_NAMES = SubjectAlternativeNames()


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequest:
    """What a requester proved and asked for. `public_key_info` is the DER SubjectPublicKeyInfo."""

    public_key: PublicKey
    public_key_info: bytes
    key_type: KeyType
    subject: SubjectName
    names: SubjectAlternativeNames

    @classmethod
    def for_key(cls, public_key: PublicKey, subject: SubjectName, names: SubjectAlternativeNames) -> Self:
        """One that was never sent, for a key that the process itself has made or certified. Raises UnsupportedKeyType."""
        return cls(
            public_key=public_key,
            public_key_info=subject_public_key_info(public_key),
            key_type=key_type_of(public_key),
            subject=subject,
            names=names,
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read one request, PEM or DER, and verify possession of its key.

        Raises RequestTooLarge, MalformedRequest, MalformedName, TooManyNames, CaRequested, WeakKey, UnsupportedKeyType
        and UnprovenPossession.
        """
        if len(data) > MAX_REQUEST_OCTETS:
            raise RequestTooLarge(
                f"the request has {len(data)} octets, send one of at most {MAX_REQUEST_OCTETS}",
                octets=len(data),
                limit=MAX_REQUEST_OCTETS,
            )
        request = _load(data)
        public_key, key_type = _strong_public_key(request)
        signed = request.tbs_certrequest_bytes
        names = _requested_names(request, signed)
        subject, public_key_info = _subject_and_key_info(signed)
        _verify_possession(request, public_key, signed)
        return cls(
            public_key=public_key,
            public_key_info=_canonical(public_key_info, public_key),
            key_type=key_type,
            subject=SubjectName.from_der(subject),
            names=names,
        )


def build_request(private_key: PrivateKey, subject: SubjectName, names: SubjectAlternativeNames) -> bytes:
    """A PEM request for the key and the names, signed by the key (RFC 2986 §4.2)."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject.to_x509())
    if not names.is_empty:
        builder = builder.add_extension(names.to_x509(), critical=subject.is_empty)
    return builder.sign(private_key, signature_hash(private_key)).public_bytes(Encoding.PEM)


def _load(data: bytes) -> x509.CertificateSigningRequest:
    try:
        if data.startswith(b"0"):
            return x509.load_der_x509_csr(data)
        _verify_single_block(data)
        return x509.load_pem_x509_csr(data)
    except (ValueError, x509.InvalidVersion) as err:
        raise MalformedRequest("this is not a certificate request in PEM or DER, make it again") from err


def _verify_single_block(pem: bytes) -> None:
    text = pem.strip()
    for label in _PEM_LABELS:
        if text.startswith(b"-----BEGIN " + label + b"-----") and text.endswith(b"-----END " + label + b"-----"):
            if text.count(b"-----BEGIN") == 1:
                return
            raise MalformedRequest("there is more than one PEM block, send one request at a time")
    raise MalformedRequest(
        "this is not a certificate request: send one PEM block CERTIFICATE REQUEST, or DER, and no more"
    )


def _strong_public_key(request: x509.CertificateSigningRequest) -> tuple[PublicKey, KeyType]:
    try:
        public_key = request.public_key()
    except UnsupportedAlgorithm as err:
        raise UnsupportedKeyType(f"the key's algorithm or curve is unknown, use one of {', '.join(KeyType)}") from err
    except ValueError as err:
        raise MalformedRequest("the request's public key cannot be read, make the key and the request again") from err
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return public_key, key_type_of(public_key)
    verify_key_strength(public_key)
    return cast("PublicKey", public_key), key_type_of(public_key)


def _requested_names(request: x509.CertificateSigningRequest, signed: bytes) -> SubjectAlternativeNames:
    asked = signed.count(_EXTENSION_REQUEST)
    if asked == 0:
        return _NO_NAMES
    if asked > 1:
        raise MalformedRequest("the request has two lists of extensions, ask for each extension once")
    try:
        extensions = request.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as err:
        raise MalformedRequest(
            "the request's extensions cannot be read, ask for each once and for names in ASCII"
        ) from err
    names = _NO_NAMES
    for extension in extensions:
        value = extension.value
        if type(value) is x509.SubjectAlternativeName:
            names = SubjectAlternativeNames.from_x509(value)
        elif type(value) is x509.BasicConstraints and value.ca:
            _refuse_ca("basicConstraints CA:TRUE")
        elif type(value) is x509.KeyUsage and (value.key_cert_sign or value.crl_sign):
            _refuse_ca("keyUsage keyCertSign or cRLSign")
    return names


def _refuse_ca(what: str) -> NoReturn:
    raise CaRequested(f"the request asks for {what}, leave it out: no request makes a certificate authority")


def _subject_and_key_info(signed: bytes) -> tuple[bytes, bytes]:
    """The two slices of a parsed CertificationRequestInfo ::= SEQUENCE { version, subject, subjectPKInfo, … }."""
    _, version, _ = read_element(signed, 0)
    _, _, subject = read_element(signed, version)
    _, _, key_info = read_element(signed, subject)
    _, _, attributes = read_element(signed, key_info)
    return signed[subject:key_info], signed[key_info:attributes]


def _canonical(public_key_info: bytes, public_key: PublicKey) -> bytes:
    """What is certified is our encoding of the key; the requester's is kept where it is octet for octet the same."""
    if len(public_key_info) == len(_P256_PREFIX) + 64 and public_key_info.startswith(_P256_PREFIX):
        return public_key_info
    return subject_public_key_info(public_key)


def _verify_possession(request: x509.CertificateSigningRequest, public_key: PublicKey, signed: bytes) -> None:
    algorithm = request.signature_algorithm_oid
    try:
        if isinstance(public_key, ec.EllipticCurvePublicKey):
            public_key.verify(request.signature, signed, _ECDSA[algorithm])
            return
        if algorithm not in _OTHER_SIGNATURES or isinstance(request.signature_hash_algorithm, _WEAK_HASHES):
            raise UnprovenPossession(_UNPROVEN)
        valid = request.is_signature_valid
    except (InvalidSignature, UnsupportedAlgorithm, KeyError, TypeError, ValueError) as err:
        raise UnprovenPossession(_UNPROVEN) from err
    if not valid:
        raise UnprovenPossession(_UNPROVEN)
