from contextlib import suppress

import pytest
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import (
    MalformedKey,
    PassphraseError,
    PassphraseRequired,
    UnsupportedKeyType,
    WrongPassphrase,
)
from certs.key_files import _envelope, _to_pem
from certs.keys import (
    DEFAULT_COST,
    KeyType,
    ScryptCost,
    encode_private_key,
    encrypt_private_key,
    generate_private_key,
    load_private_key,
    verify_key_pair,
)
from tests.key_derivation import STATED_COST

QUICK = ScryptCost(n=2, r=1, p=1)
EACH_TYPE = pytest.mark.parametrize("key_type", list(KeyType))
OPENSSL_TYPES = pytest.mark.parametrize("key_type", [kt for kt in KeyType if not kt.startswith("ml-dsa")])
PASSPHRASE = "pässword mit Leerzeichen".encode()


@EACH_TYPE
def test_a_key_reads_back_from_its_file(key_type, private_key):
    key = private_key(key_type)
    pem = encode_private_key(key)

    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    verify_key_pair(load_private_key(pem), key.public_key())


@EACH_TYPE
def test_an_encrypted_key_reads_back_with_its_passphrase_alone(key_type, private_key, entropy):
    key = private_key(key_type)
    pem = encrypt_private_key(key, PASSPHRASE, entropy=entropy, cost=QUICK)

    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    verify_key_pair(load_private_key(pem, PASSPHRASE), key.public_key())
    with pytest.raises(WrongPassphrase):
        load_private_key(pem, PASSPHRASE + b"x")
    with pytest.raises(PassphraseRequired):
        load_private_key(pem)


@OPENSSL_TYPES
def test_openssl_opens_an_encrypted_key(key_type, private_key, entropy, openssl, tmp_path):
    key = private_key(key_type)
    (tmp_path / "key.pem").write_bytes(encrypt_private_key(key, b"secret", entropy=entropy, cost=QUICK))

    openssl("pkey", "-in", "key.pem", "-passin", "pass:secret", "-out", "plain.pem")

    verify_key_pair(load_private_key((tmp_path / "plain.pem").read_bytes()), key.public_key())


def test_openssl_opens_a_key_at_the_default_cost(private_key, entropy, openssl, tmp_path):
    encrypted = encrypt_private_key(private_key(KeyType.EC_P256), b"secret", entropy=entropy, cost=DEFAULT_COST)
    (tmp_path / "key.pem").write_bytes(encrypted)

    assert "Private-Key" in openssl("pkey", "-in", "key.pem", "-passin", "pass:secret", "-noout", "-text")


def test_the_default_cost_is_no_cheaper_than_owasp_has_it():
    assert STATED_COST == DEFAULT_COST
    assert DEFAULT_COST.n * DEFAULT_COST.r * DEFAULT_COST.p >= 2**14 * 8 * 5
    assert 128 * DEFAULT_COST.r * (DEFAULT_COST.n + DEFAULT_COST.p + 2) < 32 * 1024 * 1024


@OPENSSL_TYPES
def test_a_key_that_openssl_encrypted_is_read(key_type, private_key, openssl, tmp_path):
    key = private_key(key_type)
    (tmp_path / "plain.pem").write_bytes(encode_private_key(key))

    for name, options in {"scrypt": ["-scrypt"], "pbkdf2": ["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256"]}.items():
        openssl("pkcs8", "-topk8", "-in", "plain.pem", "-passout", "pass:secret", *options, "-out", f"{name}.pem")

        verify_key_pair(load_private_key((tmp_path / f"{name}.pem").read_bytes(), b"secret"), key.public_key())


def test_salt_and_initialization_vector_come_from_the_entropy(private_key, entropy):
    key = private_key(KeyType.EC_P256)
    first = encrypt_private_key(key, b"secret", entropy=entropy, cost=QUICK)
    second = encrypt_private_key(key, b"secret", entropy=entropy, cost=QUICK)
    fixed = [encrypt_private_key(key, b"secret", entropy=lambda count: b"\1" * count, cost=QUICK) for _ in range(2)]

    assert first != second
    assert fixed[0] == fixed[1]


def test_older_formats_are_read(private_key):
    for key_type in (KeyType.EC_P256, KeyType.RSA_2048):
        key = private_key(key_type)
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        sealed = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"secret"))

        verify_key_pair(load_private_key(plain), key.public_key())
        verify_key_pair(load_private_key(sealed, b"secret"), key.public_key())
        with pytest.raises(PassphraseRequired):
            load_private_key(sealed)
        with pytest.raises(WrongPassphrase):
            load_private_key(sealed, b"wrong")


def test_curve_parameters_before_an_older_ec_key_are_no_hindrance(private_key, openssl, tmp_path):
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-out", "key.pem")
    pem = (tmp_path / "key.pem").read_bytes()

    assert b"BEGIN EC PARAMETERS" in pem
    load_private_key(pem)


def test_an_empty_passphrase_encrypts_nothing(private_key, entropy):
    with pytest.raises(PassphraseRequired):
        encrypt_private_key(private_key(KeyType.EC_P256), b"", entropy=entropy)


def test_a_passphrase_for_a_key_in_the_clear_is_told(private_key):
    with pytest.raises(MalformedKey, match="not encrypted"):
        load_private_key(encode_private_key(private_key(KeyType.EC_P256)), b"secret")


@pytest.mark.parametrize(
    ("pem", "hint"),
    [
        (b"", "one PRIVATE KEY block"),
        (b"nonsense", "one PRIVATE KEY block"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "damaged"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n", "one PRIVATE KEY block"),
        (b"x" * 70000, "too large"),
    ],
)
def test_what_is_no_key_is_malformed(pem: bytes, hint: str):
    with pytest.raises(MalformedKey, match=hint):
        load_private_key(pem)


def test_two_keys_in_one_file_are_refused(private_key):
    with pytest.raises(MalformedKey, match="exactly one"):
        load_private_key(encode_private_key(private_key(KeyType.EC_P256)) * 2)


def test_a_key_of_another_curve_is_not_supported():
    key = ec.generate_private_key(ec.SECP256K1())

    with pytest.raises(UnsupportedKeyType):
        load_private_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


PLAIN = encode_private_key(generate_private_key(KeyType.EC_P256))
SEALED = encrypt_private_key(generate_private_key(KeyType.EC_P256), b"secret", entropy=bytes, cost=QUICK)


@pytest.mark.parametrize(
    "cost", [ScryptCost(n=1 << 40, r=8, p=1), ScryptCost(n=2, r=1 << 30, p=1), ScryptCost(n=2, r=1, p=65)]
)
def test_a_key_that_would_take_the_machine_to_open_is_refused(cost):
    envelope = _envelope(bytes(16), bytes(16), cost, bytes(160))

    with pytest.raises(MalformedKey, match="beyond reason"):
        load_private_key(_to_pem(asn1.encode_der(envelope)), b"secret")


def test_each_octet_of_an_encrypted_key_counts():
    for position in range(len(SEALED)):
        damaged = bytearray(SEALED)
        damaged[position] ^= 0x01
        with suppress(MalformedKey, PassphraseError, UnsupportedKeyType):
            load_private_key(bytes(damaged), b"secret")


@given(st.binary(max_size=300))
def test_any_octets_are_a_key_or_refused(octets: bytes):
    for data in (octets, b"-----BEGIN PRIVATE KEY-----\n" + octets + b"\n-----END PRIVATE KEY-----\n"):
        with pytest.raises((MalformedKey, PassphraseRequired)):
            load_private_key(data)


@given(st.data())
def test_a_damaged_key_is_refused_or_still_a_key(data: st.DataObject):
    pem, passphrase = data.draw(st.sampled_from([(PLAIN, None), (SEALED, b"secret")]))
    damaged = bytearray(pem)
    damaged[data.draw(st.integers(0, len(pem) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MalformedKey, PassphraseError, UnsupportedKeyType):
        load_private_key(bytes(damaged), passphrase)
