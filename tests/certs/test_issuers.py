from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from certs.errors import KeyMismatch, NotAnIssuer, SignatureMismatch
from certs.issuers import Issuer, subject_octets
from certs.keys import KeyType, generate_private_key
from certs.profiles import PROFILES
from certs.signing import sign_with_builder


@pytest.fixture
def ca_builder(now, private_key):
    """A CA certificate's builder for an outsider's hierarchy."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "outsider")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key(KeyType.EC_P256).public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
    )


BASIC_CONSTRAINTS = x509.BasicConstraints(ca=True, path_length=None)
KEY_USAGE = x509.KeyUsage(*[False] * 5, True, True, False, False)
SUBJECT_KEY = x509.SubjectKeyIdentifier(b"k" * 20)


def test_an_issuer_knows_its_chain(hierarchy):
    authority = hierarchy()

    issuer = authority.issuer

    assert issuer.full_chain == (issuer.certificate, authority.root.certificate)
    assert issuer.not_after == issuer.certificate.not_valid_after_utc < authority.root.not_after
    assert issuer.key_type is KeyType.EC_P256
    assert (authority.root.path_length, issuer.path_length) == (2, 0)
    assert subject_octets(issuer.certificate) == issuer.certificate.subject.public_bytes()


def test_an_issuer_never_shows_its_key(hierarchy):
    assert "private_key" not in repr(hierarchy().issuer)


def test_another_key_is_refused(hierarchy):
    with pytest.raises(KeyMismatch):
        Issuer(certificate=hierarchy().root.certificate, private_key=generate_private_key(KeyType.EC_P256))


def test_a_chain_of_another_root_is_refused(hierarchy):
    issuer, other = hierarchy().issuer, hierarchy(KeyType.ED25519).root

    with pytest.raises(SignatureMismatch, match="root last"):
        Issuer(certificate=issuer.certificate, private_key=issuer.private_key, chain=(other.certificate,))


def test_a_leaf_is_no_issuer(hierarchy, make_template, private_key):
    authority = hierarchy()
    leaf = x509.load_der_x509_certificate(sign_with_builder(authority.issuer, make_template("server")))

    with pytest.raises(NotAnIssuer, match="may not sign certificates"):
        Issuer(certificate=leaf, private_key=private_key(KeyType.EC_P256))


@pytest.mark.parametrize(
    "extensions",
    [
        [],
        [(BASIC_CONSTRAINTS, True), (SUBJECT_KEY, False)],
        [(BASIC_CONSTRAINTS, False), (KEY_USAGE, True), (SUBJECT_KEY, False)],
        [(BASIC_CONSTRAINTS, True), (KEY_USAGE, True)],
        [(BASIC_CONSTRAINTS, True), (x509.KeyUsage(True, *[False] * 8), True), (SUBJECT_KEY, False)],
    ],
    ids=[
        "version 3 without extensions",
        "no keyUsage",
        "basicConstraints not critical",
        "no key identifier",
        "no keyCertSign",
    ],
)
def test_a_ca_certificate_that_is_not_fit_is_refused(extensions, ca_builder, private_key):
    key = private_key(KeyType.EC_P256)
    for value, critical in extensions:
        ca_builder = ca_builder.add_extension(value, critical)

    with pytest.raises(NotAnIssuer):
        Issuer(certificate=ca_builder.sign(key, SHA256()), private_key=key)


def test_path_lengths_leave_no_room_below_the_issuing_ca(hierarchy):
    with pytest.raises(NotAnIssuer, match="no room for profile intermediate"):
        hierarchy().issuer.verify_may_issue(PROFILES["intermediate"])

    hierarchy().issuer.verify_may_issue(PROFILES["server"])
    hierarchy().root.verify_may_issue(PROFILES["intermediate"])


def test_a_root_without_path_length_may_have_any_ca_below_it(ca_builder, private_key):
    key = private_key(KeyType.EC_P256)
    for value, critical in ((BASIC_CONSTRAINTS, True), (KEY_USAGE, True), (SUBJECT_KEY, False)):
        ca_builder = ca_builder.add_extension(value, critical)

    issuer = Issuer(certificate=ca_builder.sign(key, SHA256()), private_key=key)

    assert issuer.path_length is None
    issuer.verify_may_issue(PROFILES["intermediate"])


def test_a_chain_longer_than_its_path_lengths_is_refused(hierarchy, ca_builder):
    authority = hierarchy()
    key = generate_private_key(KeyType.EC_P256)
    below = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "below")])
    certificate = (
        x509.CertificateBuilder(authority.issuer.certificate.subject, below, key.public_key(), 7)
        .not_valid_before(authority.now)
        .not_valid_after(authority.now + timedelta(days=1))
        .add_extension(BASIC_CONSTRAINTS, critical=True)
        .add_extension(KEY_USAGE, critical=True)
        .add_extension(SUBJECT_KEY, critical=False)
        .sign(authority.issuer.private_key, SHA256())
    )

    with pytest.raises(NotAnIssuer, match="path length too short"):
        Issuer(certificate=certificate, private_key=key, chain=authority.issuer.full_chain)
