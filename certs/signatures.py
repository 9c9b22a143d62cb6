"""Signature algorithms as certificates name them, and a key's signing prepared for many signatures.

- A key signs under one algorithm, the one of `keys.sign`.
- Parameters are NULL for RSA (RFC 4055 §5) and absent for the others (RFC 5758 §3.2, RFC 8410 §3, RFC 9881 §2).
"""

from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from certs import der
from certs.keys import KeyType, PrivateKey, signature_hash

SignOctets = Callable[[bytes], bytes]

_RSA_WITH_SHA256 = "1.2.840.113549.1.1.11"
_SIGNATURE_OIDS: Mapping[KeyType, str] = {
    KeyType.EC_P256: "1.2.840.10045.4.3.2",
    KeyType.EC_P384: "1.2.840.10045.4.3.3",
    KeyType.EC_P521: "1.2.840.10045.4.3.4",
    KeyType.ED25519: "1.3.101.112",
    KeyType.RSA_2048: _RSA_WITH_SHA256,
    KeyType.RSA_3072: _RSA_WITH_SHA256,
    KeyType.RSA_4096: _RSA_WITH_SHA256,
    KeyType.ML_DSA_44: "2.16.840.1.101.3.4.3.17",
    KeyType.ML_DSA_65: "2.16.840.1.101.3.4.3.18",
    KeyType.ML_DSA_87: "2.16.840.1.101.3.4.3.19",
}


def signature_algorithm_identifier(key_type: KeyType) -> bytes:
    """DER of the AlgorithmIdentifier under which a key of this type signs."""
    oid = _SIGNATURE_OIDS[key_type]
    parameters = der.encode(der.NULL, b"") if oid == _RSA_WITH_SHA256 else b""
    return der.sequence(der.object_identifier(oid), parameters)


def signing_function(private_key: PrivateKey) -> SignOctets:
    """What signs octets as `keys.sign` does, with the choice of algorithm made once."""
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        ecdsa = ec.ECDSA(signature_hash(private_key) or SHA256())
        return lambda octets: private_key.sign(octets, ecdsa)
    if isinstance(private_key, rsa.RSAPrivateKey):
        pkcs1, sha256 = padding.PKCS1v15(), SHA256()
        return lambda octets: private_key.sign(octets, pkcs1, sha256)
    return private_key.sign


def signed(to_be_signed: bytes, algorithm_identifier: bytes, sign: SignOctets) -> bytes:
    """SEQUENCE { toBeSigned, signatureAlgorithm, signature }: a certificate or a CRL (RFC 5280 §4.1, §5.1)."""
    return der.sequence(to_be_signed, algorithm_identifier, der.bit_string(sign(to_be_signed)))
