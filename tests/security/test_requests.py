"""Requests made to be slow, large or read in two ways."""

import hashlib
import itertools
import time
from math import gcd, prod

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certs import der
from certs.errors import MalformedInput, RequestRefused
from certs.keys import sign
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import MAX_REQUEST_OCTETS, CertificateRequest, build_request

KEY = ec.generate_private_key(ec.SECP256R1())
INFO = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
EMPTY_NAME = der.sequence()
ECDSA_SHA256 = der.sequence(der.object_identifier("1.2.840.10045.4.3.2"))
RSA_SHA256 = der.sequence(der.object_identifier("1.2.840.113549.1.1.11"), der.encode(der.NULL, b""))
EXTENSION_REQUEST = der.object_identifier("1.2.840.113549.1.9.14")
ALTERNATIVE_NAMES = der.object_identifier("2.5.29.17")
BASIC_CONSTRAINTS = der.object_identifier("2.5.29.19")
CA = der.sequence(BASIC_CONSTRAINTS, der.encode(der.OCTET_STRING, der.sequence(der.TRUE)))
SECONDS = 2.0
"""Far more than any of these takes, far less than an attacker would want."""


def request_with(
    *attributes: bytes, info: bytes = INFO, algorithm: bytes = ECDSA_SHA256, signature: bytes | None = None
) -> bytes:
    signed = der.sequence(der.integer(0), EMPTY_NAME, info, der.encode(0xA0, b"".join(attributes)))
    return der.sequence(signed, algorithm, der.bit_string(sign(KEY, signed) if signature is None else signature))


def extensions(*encoded: bytes) -> bytes:
    return der.sequence(EXTENSION_REQUEST, der.encode(der.SET, der.sequence(*encoded)))


def names(*encoded: bytes) -> bytes:
    return der.sequence(ALTERNATIVE_NAMES, der.encode(der.OCTET_STRING, der.sequence(*encoded)))


def dns(name: bytes) -> bytes:
    return der.encode(0x82, name)


def nested(depth: int) -> bytes:
    octets = b""
    for _ in range(depth):
        octets = der.sequence(octets)
    return octets


def modulus(bits: int) -> int:
    """A number of so many bits that passes for an RSA modulus as far as anybody can see quickly."""
    primes = prod(number for number in range(3, 752) if all(number % divisor for divisor in range(2, number)))
    for seed in itertools.count():
        octets = hashlib.shake_256(seed.to_bytes(8)).digest(bits // 8)
        candidate = int.from_bytes(octets) | 1 << (bits - 1) | 1
        if gcd(candidate, primes) == 1:
            return candidate
    raise AssertionError("there is no end to counting")


def rsa_request(bits: int, exponent: int) -> bytes:
    key = rsa.RSAPublicNumbers(e=exponent, n=modulus(bits)).public_key()
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return request_with(info=info, algorithm=RSA_SHA256, signature=bytes(bits // 8 - 1) + b"\1")


def explicit_curve() -> bytes:
    """P-256, written out as parameters with a generator of the attacker's choice (CVE-2020-0601)."""
    prime = 2**256 - 2**224 + 2**192 + 2**96 - 1
    point = b"\4" + INFO[-64:]
    parameters = der.sequence(
        der.integer(1),
        der.sequence(der.object_identifier("1.2.840.10045.1.1"), der.integer(prime)),
        der.sequence(der.encode(der.OCTET_STRING, (prime - 3).to_bytes(32)), der.encode(der.OCTET_STRING, bytes(32))),
        der.encode(der.OCTET_STRING, point),
        der.integer(0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
        der.integer(1),
    )
    return der.sequence(der.sequence(der.object_identifier("1.2.840.10045.2.1"), parameters), der.bit_string(point))


def point_off_the_curve() -> bytes:
    return INFO[:-1] + bytes([INFO[-1] ^ 1])


HOSTILE = {
    "one octet too many": bytes(MAX_REQUEST_OCTETS + 1),
    "deep": nested(9_000)[:MAX_REQUEST_OCTETS],
    "deep attributes": request_with(nested(5_000)),
    "thousands of names": request_with(extensions(names(*(dns(b"n%d.example" % number) for number in range(3_000))))),
    "thousands of extensions": request_with(
        extensions(*(der.sequence(der.object_identifier(f"1.2.3.{n}"), b"\x04\x00") for n in range(4_000)), CA)
    ),
    "a name of 60,000 octets": request_with(extensions(names(dns(b"a" * 60_000)))),
    "names twice": request_with(extensions(names(dns(b"a.example")), names(dns(b"b.example")))),
    "two lists of extensions": request_with(extensions(names(dns(b"a.example"))), extensions(CA)),
    "CA rights": request_with(extensions(names(dns(b"a.example")), CA)),
    "explicit curve": request_with(info=explicit_curve()),
    "point off the curve": request_with(info=point_off_the_curve()),
    "RSA of 16,384 bits": rsa_request(16_384, 65_537),
    "RSA of 8,192 bits, slow exponent": rsa_request(8_192, (1 << 255) + 1),
    "RSA of 4,096 bits, enormous exponent": rsa_request(4_096, (1 << 4_094) + 1),
    "RSA exponent 1": rsa_request(2_048, 3),
    "other name": request_with(extensions(names(der.encode(0xA0, der.object_identifier("1.3.6.1.4.1.311.20.2.3"))))),
    "NUL in a name": request_with(extensions(names(dns(b"a.example\0.evil")))),
    "not signed": request_with(signature=b""),
    "octets behind": request_with() + b"\0",
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_request_is_refused_and_soon(hostile: str) -> None:
    started = time.perf_counter()

    with pytest.raises((MalformedInput, RequestRefused)):
        CertificateRequest.from_bytes(HOSTILE[hostile])

    assert time.perf_counter() - started < SECONDS


def test_extensions_of_a_request_reach_nothing() -> None:
    """Unknown ones are dropped, not refused: clients add them without thinking."""
    unknown = der.sequence(der.object_identifier("1.3.6.1.4.1.311.21.10"), der.encode(der.OCTET_STRING, b"\x30\x00"))

    request = CertificateRequest.from_bytes(request_with(extensions(names(dns(b"a.example")), unknown)))

    assert request.names == SubjectAlternativeNames.parse(dns=("a.example",))
    assert request.subject == SubjectName()


def test_request_for_somebody_elses_key_is_refused() -> None:
    victim = ec.generate_private_key(ec.SECP256R1()).public_key()
    info = victim.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    with pytest.raises(RequestRefused):
        CertificateRequest.from_bytes(request_with(info=info))


def test_the_good_request_is_good() -> None:
    """Else the tests above would show nothing."""
    assert CertificateRequest.from_bytes(request_with(extensions(names(dns(b"a.example")))))
    assert CertificateRequest.from_bytes(build_request(KEY, SubjectName(common_name="a"), SubjectAlternativeNames()))
