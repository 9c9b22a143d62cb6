import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import InspectionFailed, IssuerExpired, KeyMismatch, KeyTypeNotAllowed, NotAnIssuer, ProfileViolation
from certs.inspection import verify_issued
from certs.issuers import Issuer
from certs.keys import KeyType, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import LEAF_PROFILES, PROFILES
from certs.signatures import signature_algorithm_identifier
from certs.signing import CertificateEncoder, Signer, self_sign, sign_with_builder

URL_FIELDS = ("crl_distribution_point", "ocsp_url", "ca_issuers_url")


def to_be_signed(certificate):
    return x509.load_der_x509_certificate(certificate).tbs_certificate_bytes


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("profile", LEAF_PROFILES)
def test_both_encoders_make_the_same_certificate(profile, key_type, hierarchy, make_template):
    issuer = hierarchy(key_type).issuer
    template = make_template(profile, issuer=issuer, key_type=key_type)

    spliced, built = Signer(issuer).sign(template), Signer(issuer, encoder=CertificateEncoder.BUILDER).sign(template)

    assert to_be_signed(spliced) == to_be_signed(built)
    x509.load_der_x509_certificate(spliced).verify_directly_issued_by(issuer.certificate)


text = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=30)
printable = st.text(string.ascii_letters + string.digits + " '()+,-./:=?", min_size=1, max_size=20).map(
    lambda s: "x" + s
)
label = st.from_regex(r"[a-z]([a-z0-9]{0,12})", fullmatch=True)
host = st.lists(label, min_size=2, max_size=5).map(".".join)
subjects = st.builds(
    SubjectName,
    common_name=st.none() | text,
    serial_number=st.none() | printable,
    countries=st.lists(st.text(string.ascii_uppercase, min_size=2, max_size=2), max_size=2).map(tuple),
    **{
        field: st.lists(text, max_size=3).map(tuple)
        for field in (
            "organizations",
            "organizational_units",
            "localities",
            "provinces",
            "street_addresses",
            "postal_codes",
        )
    },
)
alternative_names = st.builds(
    SubjectAlternativeNames.parse,
    dns=st.lists(host | host.map("*.".__add__), max_size=20),
    ips=st.lists(st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6, network="fd00::/8").map(str), max_size=10),
    uris=st.lists(host.map(lambda name: f"https://{name}/path"), max_size=4),
    emails=st.lists(host.map("someone@".__add__), max_size=4),
)
url = st.none() | host.map(lambda name: f"http://{name}/x")


@given(subject=subjects, names=alternative_names, urls=st.tuples(url, url, url), minutes=st.integers(5, 129_600))
def test_both_encoders_agree_on_any_client(subject, names, urls, minutes, hierarchy, make_template):
    issuer = hierarchy().issuer
    fields = dict(zip(URL_FIELDS, urls, strict=True))
    template = make_template(
        "client", issuer=issuer, lifetime=timedelta(minutes=minutes), subject=subject, names=names, **fields
    )
    if subject.is_empty and names.is_empty:
        return

    certificate = Signer(issuer).sign(template)

    assert to_be_signed(certificate) == to_be_signed(sign_with_builder(issuer, template))
    verify_issued(certificate, template=template, issuer=issuer, verify_signature=True)


def test_a_root_signs_itself(make_template):
    key = generate_private_key(KeyType.EC_P384)
    template = make_template("root", key=key)

    certificate = x509.load_der_x509_certificate(self_sign(template, key))

    certificate.verify_directly_issued_by(certificate)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 2)
    authority_key = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    subject_key = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert authority_key.key_identifier == subject_key.digest


def test_a_root_is_not_signed_with_another_key(make_template):
    with pytest.raises(KeyMismatch):
        self_sign(make_template("root"), generate_private_key(KeyType.EC_P256))


def test_only_roots_sign_themselves(make_template, private_key):
    with pytest.raises(ProfileViolation, match="use root"):
        self_sign(make_template("server"), private_key(KeyType.EC_P256))


@pytest.mark.parametrize("encoder", CertificateEncoder)
class TestRefusals:
    def test_a_root_is_never_issued(self, encoder, hierarchy, make_template):
        with pytest.raises(ProfileViolation, match="signed by itself"):
            Signer(hierarchy().root, encoder=encoder).sign(make_template("root"))

    def test_an_issuing_ca_issues_no_ca(self, encoder, hierarchy, make_template):
        issuer = hierarchy().issuer

        with pytest.raises(NotAnIssuer):
            Signer(issuer, encoder=encoder).sign(make_template("intermediate", issuer=issuer))

    def test_what_the_profile_forbids_is_not_signed(self, encoder, hierarchy, make_template):
        profile = replace(PROFILES["server"], key_types=frozenset({KeyType.ED25519}))

        with pytest.raises(KeyTypeNotAllowed):
            Signer(hierarchy().issuer, encoder=encoder).sign(replace(make_template("server"), profile=profile))

    def test_nothing_outlives_its_issuer(self, encoder, hierarchy, make_template):
        issuer = hierarchy().issuer
        late = {
            "not_before": issuer.not_after - timedelta(hours=1),
            "not_after": issuer.not_after + timedelta(seconds=1),
        }

        with pytest.raises(IssuerExpired):
            Signer(issuer, encoder=encoder).sign(make_template("server", **late))

    def test_nothing_is_valid_before_its_issuer(self, encoder, hierarchy, make_template):
        issuer = hierarchy().issuer
        early = {
            "not_before": issuer.not_before - timedelta(seconds=1),
            "not_after": issuer.not_before + timedelta(days=1),
        }

        with pytest.raises(IssuerExpired):
            Signer(issuer, encoder=encoder).sign(make_template("server", **early))


def test_times_after_2049_agree_too(make_template):
    key = generate_private_key(KeyType.EC_P256)
    begin = datetime(2049, 12, 31, 12, tzinfo=UTC)
    root_template = make_template("root", key=key, not_before=begin, not_after=begin + timedelta(days=3000))
    root = x509.load_der_x509_certificate(self_sign(root_template, key))
    issuer = Issuer(certificate=root, private_key=key)
    template = make_template("server", not_before=begin, not_after=begin + timedelta(days=1))

    assert to_be_signed(Signer(issuer).sign(template)) == to_be_signed(sign_with_builder(issuer, template))


def test_a_cached_profile_is_not_taken_for_another_of_the_same_name(hierarchy, make_template):
    issuer = hierarchy().issuer
    signer = Signer(issuer)
    signer.sign(make_template("server"))
    other = replace(make_template("server"), profile=replace(PROFILES["peer"], name="server"))

    assert to_be_signed(signer.sign(other)) == to_be_signed(sign_with_builder(issuer, other))


def test_any_number_of_urls_agree(hierarchy, make_template):
    issuer = hierarchy().issuer
    signer, template = Signer(issuer), make_template("server", issuer=issuer)
    urls = (f"http://ca.example/crl/{number}.crl" for number in range(1100))
    for last in (replace(template, crl_distribution_point=one) for one in urls):
        signer.encode(last)

    assert signer.encode(last) == to_be_signed(sign_with_builder(issuer, last))


def test_ca_certificates_are_never_spliced(hierarchy, make_template):
    root = hierarchy().root

    with pytest.raises(InspectionFailed, match="not encoded by splicing"):
        Signer(root).encode(make_template("intermediate", issuer=root))


@pytest.mark.parametrize("key_type", KeyType)
def test_algorithm_identifiers_are_those_of_cryptography(key_type, hierarchy):
    certificate = hierarchy(key_type).issuer.certificate

    assert (
        signature_algorithm_identifier(key_type if not key_type.startswith("rsa") else KeyType.RSA_3072)
        in (certificate.tbs_certificate_bytes[:60])
    )
