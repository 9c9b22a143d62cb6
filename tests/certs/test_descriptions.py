import json
from contextlib import suppress
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certs import der
from certs.descriptions import describe, render_text
from certs.errors import MalformedCertificate
from certs.keys import KeyType
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import CertificateRequest, build_request
from certs.signing import Signer

URLS = {
    "crl_distribution_point": "http://ca.example/crl/7.crl",
    "ocsp_url": "http://ca.example/ocsp",
    "ca_issuers_url": "http://ca.example/issuer.cer",
}


@pytest.fixture
def certificate(hierarchy, make_template):
    issuer = hierarchy().issuer
    return x509.load_der_x509_certificate(Signer(issuer).sign(make_template("workload", issuer=issuer, **URLS)))


def test_a_description_says_what_the_certificate_says(certificate, hierarchy, now):
    issuer = hierarchy().issuer

    found = describe(certificate)

    assert found.subject == "CN=test workload,O=Example"
    assert found.issuer == "CN=test issuer ec-p256"
    assert found.serial == f"{certificate.serial_number:032x}"
    assert (found.not_before, found.not_after) == (now - timedelta(seconds=60), now + timedelta(days=1))
    assert found.names == (("dns", "web.a.svc"), ("uri", "spiffe://cluster.local/ns/a/sa/web"))
    assert (found.key, found.signature_algorithm) == ("ec-p256", "ecdsa-with-SHA256")
    assert (found.is_ca, found.path_length) == (False, None)
    assert found.key_usages == ("digitalSignature",)
    assert found.extended_key_usages == ("serverAuth", "clientAuth")
    assert found.authority_key_identifier == issuer.subject_key_identifier.hex()
    assert found.crl_distribution_points == ("http://ca.example/crl/7.crl",)
    assert (found.ocsp_urls, found.ca_issuers_urls) == (("http://ca.example/ocsp",), ("http://ca.example/issuer.cer",))
    assert found.extensions[:2] == ("2.5.29.19!", "2.5.29.15!")
    assert found.fingerprint == certificate.fingerprint(SHA256()).hex()


def test_a_description_is_json(certificate):
    found = json.loads(json.dumps(describe(certificate).to_json()))

    assert found["notAfter"] == "2026-11-22T12:00:00Z"
    assert found["names"][0] == {"kind": "dns", "value": "web.a.svc"}
    assert len(found) == 19


def test_text_is_a_heading_and_aligned_lines(certificate):
    heading, *lines = render_text(certificate).splitlines()

    assert heading == "certificate"
    assert "  subject     CN=test workload,O=Example" in lines
    assert "  valid to    2026-11-22T12:00:00Z (1d1m)" in lines
    assert "  usage       digitalSignature, serverAuth, clientAuth" in lines
    assert not any(line.startswith("  CA  ") for line in lines)


def test_an_authority_shows_its_path_length(hierarchy):
    assert "  CA          yes, path length 0" in render_text(hierarchy().issuer.certificate)


def test_a_request_is_described_too(private_key):
    names = SubjectAlternativeNames.parse(dns=["a.example"])
    request = build_request(private_key(KeyType.ED25519), SubjectName(common_name="a"), names)

    text = render_text(CertificateRequest.from_bytes(request))

    assert text.splitlines() == [
        "certificate request",
        "  subject     CN=a",
        "  name        dns:a.example",
        "  key         ed25519",
    ]


@pytest.fixture
def foreign(now):
    """A certificate that we would never issue."""

    def make(key, subject="foreign", *extensions):
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
        builder = x509.CertificateBuilder(name, name, key.public_key(), 10, now, now + timedelta(days=1))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(key, SHA256())

    return make


@pytest.mark.parametrize(
    ("key", "name"),
    [(rsa.generate_private_key(65537, 1024), "rsa-1024"), (ec.generate_private_key(ec.SECP256K1()), "ec-secp256k1")],
)
def test_keys_that_we_never_certify_are_named(key, name, foreign):
    assert describe(foreign(key)).key == name


def test_other_algorithms_are_named_as_well_as_can_be(foreign, signed_again, private_key):
    key = private_key(KeyType.EC_P256)
    certificate = foreign(key)

    def with_key(info):
        return describe(signed_again(certificate, key, lambda tbs: [*tbs[:6], info, *tbs[7:]])).key

    ed448_key = ed448.Ed448PrivateKey.generate().public_key()
    unknown = der.sequence(der.sequence(der.object_identifier("1.2.3")), der.bit_string(b"key"))
    assert with_key(ed448_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)) == "ed448"
    assert with_key(unknown) == "unknown (1.2.3)"


def test_names_and_usages_that_are_not_ours_are_shown(foreign):
    oid = x509.ObjectIdentifier("1.2.3")
    names = x509.SubjectAlternativeName(
        [x509.OtherName(oid, b"\x05\x00"), x509.RegisteredID(oid), x509.DirectoryName(x509.Name([]))]
    )

    found = describe(foreign(ec.generate_private_key(ec.SECP256R1()), "a", names, x509.ExtendedKeyUsage([oid])))

    assert found.names == (("other", "1.2.3=0500"), ("other", "1.2.3"), ("other", ""))
    assert found.extended_key_usages == ("1.2.3",)
    assert found.serial == "0a"
    assert (found.subject_key_identifier, found.authority_key_identifier, found.ocsp_urls) == (None, None, ())


def test_nothing_in_a_certificate_reaches_the_terminal_as_a_control(foreign):
    text = render_text(foreign(ec.generate_private_key(ec.SECP256R1()), "\x1b]0;owned\x07\r\u202e"))

    assert all(character.isprintable() or character == "\n" for character in text)
    assert "\\x1b]0\\;owned\\x07" in text


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(position=st.integers(0, 10_000), octet=st.integers(0, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_certificate_is_described_or_malformed(position, octet, certificate):
    data = bytearray(certificate.public_bytes(Encoding.DER))
    data[position % len(data)] = octet
    try:
        damaged = x509.load_der_x509_certificate(bytes(data))
    except (ValueError, x509.InvalidVersion):
        return

    with suppress(MalformedCertificate):
        render_text(damaged)
