from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import MalformedCertificate
from certs.keys import KeyType, encode_private_key
from certs.pem import (
    MAX_BUNDLE_OCTETS,
    MAX_CERTIFICATES,
    encode_certificate,
    join_certificates,
    load_certificate,
    load_certificates,
    split_certificates,
)
from certs.tlv import read_element


@pytest.fixture(scope="module")
def certificates(private_key, self_signed) -> list[x509.Certificate]:
    return [self_signed(private_key(key_type)) for key_type in (KeyType.EC_P256, KeyType.ED25519, KeyType.ML_DSA_44)]


def test_a_bundle_keeps_its_order(certificates):
    bundle = join_certificates(certificates)

    assert list(split_certificates(bundle)) == certificates
    assert bundle.count(b"-----BEGIN CERTIFICATE-----") == 3


def test_one_certificate_is_read_in_either_form(certificates):
    certificate = certificates[0]

    assert load_certificate(encode_certificate(certificate)) == certificate
    assert load_certificate(certificate.public_bytes(Encoding.DER)) == certificate
    assert load_certificates(certificate.public_bytes(Encoding.DER)) == (certificate,)


def test_text_between_the_blocks_is_ignored(certificates):
    bundle = b"# a root\r\n".join(encode_certificate(certificate) for certificate in certificates) + b"\n\nend\n"

    assert list(split_certificates(bundle.replace(b"\n", b"\r\n"))) == certificates


def test_a_byte_order_mark_hides_no_certificate(certificates):
    bundle = b"\xef\xbb\xbf" + join_certificates(certificates).replace(b"\n", b"\r\n")

    assert list(split_certificates(bundle)) == certificates


@pytest.mark.parametrize("between", [b" ", b"  # ", b"\t"])
def test_a_block_that_does_not_begin_its_line_is_refused_and_not_left_out(certificates, between):
    first, *rest = map(encode_certificate, certificates)

    with pytest.raises(MalformedCertificate, match="lines of its own"):
        split_certificates(first + between.join([b"", *rest]))
    with pytest.raises(MalformedCertificate, match="lines of its own"):
        split_certificates(first.rstrip() + b"".join(rest))


def test_a_bundle_where_one_certificate_is_expected_is_refused(certificates):
    with pytest.raises(MalformedCertificate, match="there are 3 certificates, give exactly one"):
        load_certificate(join_certificates(certificates))


def test_a_private_key_among_certificates_is_refused_without_showing_it(certificates, private_key):
    key = encode_private_key(private_key(KeyType.EC_P256))

    with pytest.raises(MalformedCertificate, match="PRIVATE KEY among the certificates") as refusal:
        split_certificates(join_certificates(certificates) + key)

    assert key.splitlines()[1].decode() not in str(refusal.value)


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b"", "no certificate"),
        (b"hello", "no certificate"),
        (b"0\x03\x02\x01\x00", "not a certificate in DER"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "damaged"),
        (b"-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n", "no base64"),
        (b"-----BEGIN CERTIFICATE-----\nAAAAA\n-----END CERTIFICATE-----\n", "no base64"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n", "cut short"),
        (b"-----BEGIN TRUSTED CERTIFICATE-----\nAAAA\n-----END TRUSTED CERTIFICATE-----\n", "keep certificates apart"),
        (b" " * (MAX_BUNDLE_OCTETS + 1), "at most"),
    ],
)
def test_what_is_no_certificate_is_malformed(data: bytes, hint: str):
    with pytest.raises(MalformedCertificate, match=hint):
        load_certificates(data)


def test_the_number_of_certificates_is_bounded(certificates):
    with pytest.raises(MalformedCertificate, match=f"at most {MAX_CERTIFICATES}"):
        split_certificates(encode_certificate(certificates[0]) * (MAX_CERTIFICATES + 1))


def test_a_cut_bundle_is_refused_rather_than_shortened(certificates):
    bundle = join_certificates(certificates)

    for cut in range(40, len(bundle) - 2, 97):
        with pytest.raises(MalformedCertificate):
            assert len(split_certificates(bundle[:cut])) == len(bundle)


def test_octets_after_a_der_certificate_are_refused(certificates):
    with pytest.raises(MalformedCertificate):
        load_certificate(certificates[0].public_bytes(Encoding.DER) + b"\0")


def test_a_certificate_with_an_extension_twice_is_refused(certificates):
    extension = bytes.fromhex("300c0603551d130101ff04023000")
    once, twice = _element(0xA3, _element(0x30, extension)), _element(0xA3, _element(0x30, extension * 2))
    signed = certificates[0].tbs_certificate_bytes
    assert signed.endswith(once)
    _, begin, end = read_element(signed, 0)
    doubled = _element(0x30, signed[begin : end - len(once)] + twice)
    der = certificates[0].public_bytes(Encoding.DER)
    rest = der[read_element(der, 0)[1] + len(signed) :]

    with pytest.raises(MalformedCertificate, match="extension twice"):
        load_certificate(_element(0x30, doubled + rest))


@given(st.binary(max_size=400))
def test_any_octets_are_malformed(octets: bytes):
    for data in (octets, b"-----BEGIN CERTIFICATE-----\n" + octets + b"\n-----END CERTIFICATE-----\n"):
        with pytest.raises(MalformedCertificate):
            load_certificates(data)


@pytest.mark.parametrize("serial", ["0200", "020100", "0201ff", "0202ff7f"])
def test_a_serial_that_is_not_positive_is_refused_without_a_warning(certificates, serial: str):
    signed = certificates[0].tbs_certificate_bytes
    _, begin, end = read_element(signed, 0)
    _, _, version = read_element(signed, begin)
    _, _, number = read_element(signed, version)
    der = certificates[0].public_bytes(Encoding.DER)
    rest = der[read_element(der, 0)[1] + len(signed) :]
    changed = _element(0x30, signed[begin:version] + bytes.fromhex(serial) + signed[number:end])

    with pytest.raises(MalformedCertificate):
        load_certificate(_element(0x30, changed + rest))


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_damage_at_any_octet_is_survived(certificates, flip: int):
    der = certificates[0].public_bytes(Encoding.DER)
    for position in range(len(der)):
        damaged = bytearray(der)
        damaged[position] ^= flip
        with suppress(MalformedCertificate):
            load_certificate(bytes(damaged))


@given(data=st.data())
def test_a_damaged_certificate_is_read_or_malformed(certificates, data: st.DataObject):
    der = bytearray(certificates[0].public_bytes(Encoding.DER))
    der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    try:
        certificate = load_certificate(bytes(der))
    except MalformedCertificate:
        return
    assert certificate.public_bytes(Encoding.DER) == bytes(der)


def _element(tag: int, value: bytes) -> bytes:
    if len(value) < 0x80:
        return bytes([tag, len(value)]) + value
    length = len(value).to_bytes(1 if len(value) < 0x100 else 2, "big")
    return bytes([tag, 0x80 | len(length)]) + length + value
