"""Which keys exist, how they are made, and the identifiers derived from them.

- A `PublicKey` or `PrivateKey` is one of the classes named here; any other key is an UnsupportedKeyType.
- Identifiers are computed over the DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), never over a library's encoding.
"""

import hashlib
from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certs.errors import KeyMismatch, MalformedKey, SignatureMismatch, UnsupportedKeyType
from certs.tlv import read_element


class KeyType(StrEnum):
    """An algorithm and a size, as flags, configuration and the inventory write them."""

    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    EC_P521 = "ec-p521"
    ED25519 = "ed25519"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    ML_DSA_44 = "ml-dsa-44"
    ML_DSA_65 = "ml-dsa-65"
    ML_DSA_87 = "ml-dsa-87"

    @property
    def is_post_quantum(self) -> bool:
        """Whether its signatures withstand a quantum computer: ML-DSA (FIPS 204)."""
        return self.startswith("ml-dsa")


PrivateKey: TypeAlias = (
    ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | rsa.RSAPrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
)
PublicKey: TypeAlias = (
    ec.EllipticCurvePublicKey
    | ed25519.Ed25519PublicKey
    | rsa.RSAPublicKey
    | mldsa.MLDSA44PublicKey
    | mldsa.MLDSA65PublicKey
    | mldsa.MLDSA87PublicKey
)
SignatureHash: TypeAlias = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
KeyFactory = Callable[[KeyType], PrivateKey]
"""Makes a fresh private key; `generate_private_key` is the real one."""

_CURVES: dict[KeyType, ec.EllipticCurve] = {
    KeyType.EC_P256: ec.SECP256R1(),
    KeyType.EC_P384: ec.SECP384R1(),
    KeyType.EC_P521: ec.SECP521R1(),
}
_CURVE_TYPES = {curve.name: key_type for key_type, curve in _CURVES.items()}
_CURVE_HASHES: dict[str, SignatureHash] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
_RSA_BITS = {KeyType.RSA_2048: 2048, KeyType.RSA_3072: 3072, KeyType.RSA_4096: 4096}
_SHA256 = hashes.SHA256()


def generate_private_key(key_type: KeyType) -> PrivateKey:
    """A fresh key from the operating system's randomness, which `cryptography` reads itself."""
    if key_type in _CURVES:
        return ec.generate_private_key(_CURVES[key_type])
    if key_type in _RSA_BITS:
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS[key_type])
    match key_type:
        case KeyType.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case KeyType.ML_DSA_44:
            return mldsa.MLDSA44PrivateKey.generate()
        case KeyType.ML_DSA_65:
            return mldsa.MLDSA65PrivateKey.generate()
        case KeyType.ML_DSA_87:
            return mldsa.MLDSA87PrivateKey.generate()
        case _:
            raise UnsupportedKeyType(f"no keys of type {key_type} can be made, choose one of {', '.join(KeyType)}")


def key_type_of(public_key: object) -> KeyType:
    """The type of a parsed public key.

    An RSA key of another size counts as the largest listed size that it reaches: 2,560 bits are judged as `rsa-2048`.
    Fewer than 2,048 bits, and any other algorithm or curve, raise UnsupportedKeyType.
    """
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        key_type = _CURVE_TYPES.get(public_key.curve.name)
        if key_type is not None:
            return key_type
    elif isinstance(public_key, rsa.RSAPublicKey):
        if public_key.key_size >= 2048:
            return max((kt for kt, bits in _RSA_BITS.items() if bits <= public_key.key_size), key=_RSA_BITS.__getitem__)
    elif isinstance(public_key, ed25519.Ed25519PublicKey):
        return KeyType.ED25519
    elif isinstance(public_key, mldsa.MLDSA44PublicKey):
        return KeyType.ML_DSA_44
    elif isinstance(public_key, mldsa.MLDSA65PublicKey):
        return KeyType.ML_DSA_65
    elif isinstance(public_key, mldsa.MLDSA87PublicKey):
        return KeyType.ML_DSA_87
    raise UnsupportedKeyType(f"this key is none of {', '.join(KeyType)}, make one that is")


def signature_hash(key: PrivateKey | PublicKey) -> SignatureHash | None:
    """The hash that our signatures use with this key; None where the algorithm brings its own (RFC 8410, RFC 9881)."""
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return _CURVE_HASHES[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return _SHA256
    return None


def sign(private_key: PrivateKey, data: bytes) -> bytes:
    """Sign as certificates are signed: ECDSA in DER, RSA with PKCS#1 v1.5 padding, Ed25519 and ML-DSA pure."""
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        return private_key.sign(data, ec.ECDSA(_CURVE_HASHES[private_key.curve.name]))
    if isinstance(private_key, rsa.RSAPrivateKey):
        return private_key.sign(data, padding.PKCS1v15(), _SHA256)
    return private_key.sign(data)


def verify_signature(public_key: PublicKey, signature: bytes, data: bytes) -> None:
    """Verify what `sign` made. Raises SignatureMismatch."""
    try:
        if isinstance(public_key, ec.EllipticCurvePublicKey):
            public_key.verify(signature, data, ec.ECDSA(_CURVE_HASHES[public_key.curve.name]))
        elif isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(signature, data, padding.PKCS1v15(), _SHA256)
        else:
            public_key.verify(signature, data)
    except InvalidSignature as err:
        raise SignatureMismatch("the signature was not made by this key over these octets, fetch both again") from err


def subject_public_key_info(public_key: PublicKey) -> bytes:
    """The DER SubjectPublicKeyInfo, RFC 5280 §4.1.2.7."""
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_key_fingerprint(public_key: PublicKey) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo, 32 octets: the same key has the same fingerprint in every certificate."""
    return hashlib.sha256(subject_public_key_info(public_key)).digest()


def subject_key_identifier(public_key: PublicKey) -> bytes:
    """20 octets, RFC 7093 §2 method 1."""
    return key_identifier(subject_public_key_info(public_key))


def key_identifier(public_key_info: bytes) -> bytes:
    """The key identifier of a DER SubjectPublicKeyInfo, RFC 7093 §2 method 1.

    The leftmost 160 bits of SHA-256 over the value of the BIT STRING, without tag, length and count of unused bits.
    """
    try:
        _, algorithm, end = read_element(public_key_info, 0)
        _, _, subject_public_key = read_element(public_key_info, algorithm)
        _, value, value_end = read_element(public_key_info, subject_public_key)
    except ValueError as err:
        raise MalformedKey("this is not a SubjectPublicKeyInfo in DER, export the public key again") from err
    if not end == value_end == len(public_key_info):
        raise MalformedKey("octets follow the public key, export it again")
    return hashlib.sha256(public_key_info[value + 1 : value_end]).digest()[:20]


def verify_key_pair(private_key: PrivateKey, public: PublicKey | x509.Certificate) -> None:
    """Raise KeyMismatch unless the private key belongs to the public key, or to the certificate's."""
    public_key = public.public_key() if isinstance(public, x509.Certificate) else public
    if private_key.public_key() != public_key:
        raise KeyMismatch(
            "the private key does not belong to the certificate, pair each certificate with the key it was made for"
        )
