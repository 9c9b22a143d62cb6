"""Which public keys are too weak to certify (reference: CA/Browser Forum BR §6.1.1.6, NIST SP 800-56B §6.4.1.2).

- The checks see the public key alone; they are bounded, at about a millisecond for the largest key accepted.
"""

from functools import cache
from math import gcd, isqrt, prod

from cryptography.hazmat.primitives.asymmetric import rsa

from certs.errors import WeakKey
from certs.key_types import key_type_of

MINIMUM_RSA_BITS = 2048
MAXIMUM_RSA_BITS = 8192
MINIMUM_RSA_EXPONENT = 65537
MAXIMUM_RSA_EXPONENT_BITS = 256
SMALL_PRIME_LIMIT = 752
FERMAT_ROUNDS = 100

_ROCA_GENERATOR = 65537
_ROCA_PRIME_LIMIT = 168
_SQUARES_MOD_64 = frozenset(root * root % 64 for root in range(64))


def verify_key_strength(public_key: object) -> None:
    """Refuse a key that others can forge for, or that is made to be slow to verify with.

    Raises WeakKey for RSA below 2,048 or above 8,192 bits, with an even or small exponent, with a small factor, with
    close primes or with the fingerprint of ROCA (CVE-2017-15361); UnsupportedKeyType for other curves and algorithms.
    """
    if isinstance(public_key, rsa.RSAPublicKey):
        _verify_rsa(public_key.public_numbers())
    key_type_of(public_key)


def _verify_rsa(numbers: rsa.RSAPublicNumbers) -> None:
    modulus, exponent = numbers.n, numbers.e
    bits = modulus.bit_length()
    if bits < MINIMUM_RSA_BITS:
        raise WeakKey(f"the RSA key has {bits} bits, make one of {MINIMUM_RSA_BITS} or more")
    if bits > MAXIMUM_RSA_BITS:
        raise WeakKey(f"the RSA key has {bits} bits, make one of {MAXIMUM_RSA_BITS} or fewer")
    if exponent < MINIMUM_RSA_EXPONENT or exponent % 2 == 0 or exponent.bit_length() > MAXIMUM_RSA_EXPONENT_BITS:
        raise WeakKey("the RSA exponent is even, below 65537 or above 256 bits, make a key with exponent 65537")
    if gcd(modulus, _product_of_small_primes()) != 1:
        raise WeakKey("the RSA modulus has a small factor, make a new key with a sound generator")
    if _has_roca_fingerprint(modulus):
        raise WeakKey("the RSA key was made by a chip with the ROCA fault (CVE-2017-15361), make a key elsewhere")
    if _has_close_primes(modulus):
        raise WeakKey("the RSA primes lie too close together, make a new key with a sound generator")


def _has_roca_fingerprint(modulus: int) -> bool:
    """Nemec et al., CCS 2017 §5: the modulus is a power of 65537 modulo every small prime."""
    return all(modulus % prime in powers for prime, powers in _roca_subgroups())


def _has_close_primes(modulus: int) -> bool:
    """Fermat's factorization in FERMAT_ROUNDS rounds: is a² - n a square for some a just above √n?"""
    root = isqrt(modulus) + 1
    rest = root * root - modulus
    for _ in range(FERMAT_ROUNDS):
        if rest % 64 in _SQUARES_MOD_64 and isqrt(rest) ** 2 == rest:
            return True
        rest += 2 * root + 1
        root += 1
    return False


@cache
def _roca_subgroups() -> tuple[tuple[int, frozenset[int]], ...]:
    return tuple(
        (prime, frozenset(pow(_ROCA_GENERATOR, power, prime) for power in range(prime - 1)))
        for prime in _primes_below(_ROCA_PRIME_LIMIT)
        if prime > 2
    )


@cache
def _product_of_small_primes() -> int:
    return prod(_primes_below(SMALL_PRIME_LIMIT))


def _primes_below(limit: int) -> tuple[int, ...]:
    return tuple(
        number for number in range(2, limit) if all(number % divisor for divisor in range(2, isqrt(number) + 1))
    )
