import hashlib
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import KeyMismatch, MalformedKey, SignatureMismatch, UnsupportedKeyType
from certs.keys import (
    KeyType,
    generate_private_key,
    key_identifier,
    key_type_of,
    public_key_fingerprint,
    sign,
    signature_hash,
    subject_key_identifier,
    subject_public_key_info,
    verify_key_pair,
    verify_signature,
)

EACH_TYPE = pytest.mark.parametrize("key_type", list(KeyType))


@EACH_TYPE
def test_a_generated_key_is_of_the_type_asked_for(key_type, private_key):
    assert key_type_of(private_key(key_type).public_key()) is key_type


@EACH_TYPE
def test_a_signature_verifies_under_its_own_key_alone(key_type, private_key):
    signer, other = private_key(key_type), generate_private_key(KeyType.ED25519)
    signature = sign(signer, b"message")
    verify_signature(signer.public_key(), signature, b"message")

    with pytest.raises(SignatureMismatch):
        verify_signature(signer.public_key(), signature, b"another message")
    with pytest.raises(SignatureMismatch):
        verify_signature(other.public_key(), signature, b"message")


@EACH_TYPE
def test_a_key_pair_is_verified_against_key_and_certificate(key_type, private_key, self_signed):
    key, stranger = (
        private_key(key_type),
        private_key(KeyType.ED25519 if key_type != KeyType.ED25519 else KeyType.EC_P256),
    )
    verify_key_pair(key, key.public_key())
    verify_key_pair(key, self_signed(key))

    with pytest.raises(KeyMismatch, match="pair each certificate"):
        verify_key_pair(stranger, self_signed(key))


def test_two_keys_of_one_type_do_not_pair(private_key):
    with pytest.raises(KeyMismatch):
        verify_key_pair(private_key(KeyType.EC_P256), generate_private_key(KeyType.EC_P256).public_key())


@EACH_TYPE
def test_the_key_identifier_is_the_leftmost_160_bits_of_sha256_of_the_key_bits(key_type, private_key):
    public_key = private_key(key_type).public_key()
    key_bits = x509.SubjectKeyIdentifier.from_public_key(public_key)
    identifier = subject_key_identifier(public_key)

    assert len(identifier) == 20
    assert identifier == key_identifier(subject_public_key_info(public_key))
    assert identifier != key_bits.digest


def test_the_key_identifier_of_a_known_key():
    seed = bytes(range(32))
    public_key = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()

    assert subject_key_identifier(public_key) == hashlib.sha256(public_key.public_bytes_raw()).digest()[:20]


@pytest.mark.parametrize("key_type", [kt for kt in KeyType if not kt.startswith("ml-dsa")])
def test_the_fingerprint_is_the_one_that_openssl_computes(key_type, private_key, openssl, tmp_path):
    public_key = private_key(key_type).public_key()
    (tmp_path / "key.der").write_bytes(subject_public_key_info(public_key))

    openssl("pkey", "-pubin", "-inform", "DER", "-in", "key.der", "-pubout", "-outform", "DER", "-out", "out.der")

    assert hashlib.sha256((tmp_path / "out.der").read_bytes()).digest() == public_key_fingerprint(public_key)


@given(st.binary(max_size=120))
def test_any_octets_have_an_identifier_or_are_malformed(octets: bytes):
    with suppress(MalformedKey):
        assert len(key_identifier(octets)) == 20


@given(st.data())
def test_a_cut_key_is_malformed(data: st.DataObject):
    info = subject_public_key_info(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key())
    cut = data.draw(st.integers(0, len(info) - 1))

    with pytest.raises(MalformedKey):
        key_identifier(info[:cut])


@pytest.mark.parametrize(
    ("bits", "key_type"),
    [
        (2048, KeyType.RSA_2048),
        (2560, KeyType.RSA_2048),
        (3072, KeyType.RSA_3072),
        (4095, KeyType.RSA_3072),
        (8192, KeyType.RSA_4096),
    ],
)
def test_an_rsa_key_counts_as_the_largest_size_that_it_reaches(bits: int, key_type: KeyType):
    assert key_type_of(rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 1).public_key()) is key_type


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256K1()),
        ec.generate_private_key(ec.SECP224R1()),
        ec.generate_private_key(ec.BrainpoolP256R1()),
        ed448.Ed448PrivateKey.generate(),
        x25519.X25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 1024),
    ],
    ids=["secp256k1", "p-224", "brainpool", "ed448", "x25519", "rsa-1024"],
)
def test_other_keys_are_not_supported(key):
    with pytest.raises(UnsupportedKeyType, match="make one that is"):
        key_type_of(key.public_key())


@pytest.mark.parametrize(
    ("key_type", "name"),
    [
        (KeyType.EC_P256, "sha256"),
        (KeyType.EC_P384, "sha384"),
        (KeyType.EC_P521, "sha512"),
        (KeyType.RSA_2048, "sha256"),
    ],
)
def test_the_hash_goes_with_the_key(key_type, name, private_key):
    key = private_key(key_type)

    assert signature_hash(key).name == signature_hash(key.public_key()).name == name


@pytest.mark.parametrize("key_type", [KeyType.ED25519, KeyType.ML_DSA_44, KeyType.ML_DSA_65, KeyType.ML_DSA_87])
def test_a_key_that_brings_its_own_hash_has_none(key_type, private_key):
    assert signature_hash(private_key(key_type)) is None
