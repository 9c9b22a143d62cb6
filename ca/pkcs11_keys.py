"""Private keys that never leave a PKCS#11 token, as `cryptography` knows private keys: whoever signs need not tell them apart.

- They sign, and say what their public key is. Whatever would need the key itself is refused.
- Hashing happens here, ECDSA's signature is made DER here (RFC 3279 section 2.2.3); the token is asked for the rest.
"""

from collections.abc import Callable
from typing import NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

SignInToken = Callable[[bytes], bytes]
"""Of a digest, for ECDSA: r and s, each as long as the order of the curve. Of a message, for RSA: PKCS#1 v1.5 with SHA-256."""


class TokenEcKey(ec.EllipticCurvePrivateKey):
    def __init__(self, label: str, public_key: ec.EllipticCurvePublicKey, sign: SignInToken) -> None:
        self.label = label
        self._public_key = public_key
        self._sign = sign

    def sign(self, data: bytes, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:  # type: ignore[override]  # any buffer will do
        algorithm = signature_algorithm.algorithm
        if not isinstance(signature_algorithm, ec.ECDSA) or isinstance(algorithm, utils.Prehashed):
            _refuse("is only asked for ECDSA of a whole message")
        digest = hashes.Hash(algorithm)
        digest.update(data)
        signature = self._sign(digest.finalize())
        half = len(signature) // 2
        return utils.encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def exchange(self, *_arguments: object, **_fields: object) -> NoReturn:
        _refuse("agrees on no keys")

    def private_numbers(self) -> NoReturn:
        _refuse("stays there")

    def private_bytes(self, *_arguments: object, **_fields: object) -> NoReturn:
        _refuse("stays there")

    def __copy__(self) -> "TokenEcKey":
        return self

    def __deepcopy__(self, _memo: object) -> "TokenEcKey":
        return self


class TokenRsaKey(rsa.RSAPrivateKey):
    def __init__(self, label: str, public_key: rsa.RSAPublicKey, sign: SignInToken) -> None:
        self.label = label
        self._public_key = public_key
        self._sign = sign

    def sign(self, data: bytes, padding: padding.AsymmetricPadding, algorithm: object) -> bytes:
        if not _is_pkcs1(padding) or not isinstance(algorithm, hashes.SHA256):
            _refuse("is only asked for PKCS#1 v1.5 with SHA-256")
        return self._sign(data)

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public_key

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def decrypt(self, *_arguments: object, **_fields: object) -> NoReturn:
        _refuse("decrypts nothing")

    def private_numbers(self) -> NoReturn:
        _refuse("stays there")

    def private_bytes(self, *_arguments: object, **_fields: object) -> NoReturn:
        _refuse("stays there")

    def __copy__(self) -> "TokenRsaKey":
        return self

    def __deepcopy__(self, _memo: object) -> "TokenRsaKey":
        return self


TokenKey = TokenEcKey | TokenRsaKey


def _is_pkcs1(chosen: object) -> bool:
    return isinstance(chosen, padding.PKCS1v15)


def _refuse(what: str) -> NoReturn:
    raise UnsupportedAlgorithm(f"a key in a PKCS#11 token {what}")
