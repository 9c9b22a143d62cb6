from math import gcd, prod

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from certs.errors import UnsupportedKeyType, WeakKey
from certs.key_strength import verify_key_strength
from certs.keys import KeyType

SMALL_PRIMES = [n for n in range(2, 752) if all(n % d for d in range(2, n))]


def _without_small_factor(start: int, step: int) -> int:
    product = prod(SMALL_PRIMES)
    return next(number for number in range(start, start + 10_000 * step, step) if gcd(number, product) == 1)


def _key(modulus: int, exponent: int = 65537) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


@pytest.mark.parametrize("key_type", list(KeyType))
def test_a_fresh_key_of_each_type_is_strong(key_type, private_key):
    verify_key_strength(private_key(key_type).public_key())


def test_a_short_rsa_key_is_weak():
    with pytest.raises(WeakKey, match="1024 bits, make one of 2048 or more"):
        verify_key_strength(rsa.generate_private_key(65537, 1024).public_key())


def test_a_huge_rsa_key_is_refused_for_what_it_costs_others():
    with pytest.raises(WeakKey, match="make one of 8192 or fewer"):
        verify_key_strength(_key(_without_small_factor((1 << 8192) + 1, 2)))


@pytest.mark.parametrize("exponent", [3, 17, 65535, (1 << 256) + 1])
def test_an_rsa_exponent_out_of_bounds_is_weak(exponent: int, private_key):
    modulus = private_key(KeyType.RSA_2048).public_key().public_numbers().n

    with pytest.raises(WeakKey, match="exponent 65537"):
        verify_key_strength(_key(modulus, exponent))


@pytest.mark.parametrize("factor", [3, 5, 751])
def test_a_modulus_with_a_small_factor_is_weak(factor: int):
    cofactor = _without_small_factor((1 << 2047) + 1, 2)

    with pytest.raises(WeakKey, match="small factor"):
        verify_key_strength(_key(cofactor * factor))


def test_a_modulus_of_the_roca_form_is_weak():
    primorial = prod(prime for prime in SMALL_PRIMES if prime <= 167)
    half = _without_small_factor((3 << 1022) // primorial * primorial + pow(65537, 20201, primorial), primorial)
    other = _without_small_factor((7 << 1021) // primorial * primorial + pow(65537, 7919, primorial), primorial)

    with pytest.raises(WeakKey, match="CVE-2017-15361"):
        verify_key_strength(_key(half * other))


def test_a_modulus_of_close_primes_is_weak():
    half = _without_small_factor((3 << 1022) + 1, 2)
    neighbour = _without_small_factor(half + 2, 2)

    with pytest.raises(WeakKey, match="close together"):
        verify_key_strength(_key(half * neighbour))


def test_another_curve_is_not_supported():
    with pytest.raises(UnsupportedKeyType):
        verify_key_strength(ec.generate_private_key(ec.SECP256K1()).public_key())
