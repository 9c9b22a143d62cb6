from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from certs import der, inspection
from certs.errors import InspectionFailed
from certs.inspection import verify_issued
from certs.keys import KeyType, generate_private_key, subject_public_key_info
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import LEAF_PROFILES, PROFILES
from certs.serials import Serial
from certs.signing import Signer, self_sign, sign_with_builder

URLS = {"crl_distribution_point": "http://ca.example/crl/7.crl", "ocsp_url": "http://ca.example/ocsp"}


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("profile", LEAF_PROFILES)
def test_what_was_decided_is_what_is_found(profile, key_type, hierarchy, make_template):
    issuer = hierarchy(key_type).issuer
    template = make_template(profile, issuer=issuer, **URLS)
    certificate = Signer(issuer).sign(template)

    found = verify_issued(certificate, template=template, issuer=issuer, verify_signature=True)

    assert found.public_bytes(Encoding.DER) == certificate


def test_authorities_pass(hierarchy, make_template):
    root = hierarchy().root
    template = make_template("intermediate", issuer=root)

    verify_issued(Signer(root).sign(template), template=template, issuer=root)


def test_a_root_passes_as_its_own_issuer(make_template, hierarchy):
    key = hierarchy().root.private_key
    template = make_template("root", key=key)
    certificate = self_sign(template, key)
    issuer = replace(hierarchy().root, certificate=x509.load_der_x509_certificate(certificate))

    verify_issued(certificate, template=template, issuer=issuer)


OTHER_KEY = generate_private_key(KeyType.EC_P256).public_key()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"serial": Serial(octets=b"\x1a" + bytes(15))}, "serial number"),
        ({"subject": SubjectName(common_name="other")}, "subject"),
        ({"subject": SubjectName()}, "subject"),
        ({"names": SubjectAlternativeNames.parse(dns=["evil.example"])}, "extensions"),
        ({"public_key_info": subject_public_key_info(OTHER_KEY)}, "public key"),
        ({"crl_distribution_point": "http://ca.example/crl/8.crl"}, "extensions"),
        ({"ocsp_url": None}, "extensions"),
        ({"ca_issuers_url": "http://ca.example/issuer.cer"}, "extensions"),
        ({"profile": PROFILES["peer"]}, "extensions"),
        ({"profile": PROFILES["client"]}, "extensions"),
        ({"profile": PROFILES["intermediate"]}, "extensions"),
    ],
)
def test_a_certificate_that_says_something_else_fails(change, what, hierarchy, make_template):
    issuer = hierarchy().issuer
    template = make_template("server", issuer=issuer, **URLS)
    certificate = Signer(issuer).sign(template)

    with pytest.raises(InspectionFailed, match=f"wrong {what}"):
        verify_issued(certificate, template=replace(template, **change), issuer=issuer)


@pytest.mark.parametrize("field", ["not_before", "not_after"])
def test_another_validity_fails(field, hierarchy, make_template):
    issuer = hierarchy().issuer
    template = make_template("server", issuer=issuer)
    changed = replace(template, **{field: getattr(template, field) + timedelta(seconds=1)})

    with pytest.raises(InspectionFailed, match="wrong validity"):
        verify_issued(Signer(issuer).sign(template), template=changed, issuer=issuer)


def test_a_profile_that_grew_too_long_fails_here_although_it_is_signed(hierarchy, make_template):
    issuer = hierarchy().issuer
    loose = replace(PROFILES["server"], maximum_lifetime=timedelta(days=200))
    template = make_template("server", issuer=issuer)
    template = replace(template, profile=loose, not_after=template.not_before + timedelta(days=120))

    with pytest.raises(InspectionFailed, match="beyond its profile"):
        verify_issued(Signer(issuer).sign(template), template=template, issuer=issuer)


@pytest.mark.parametrize(
    ("profile", "names"),
    [
        ("workload", {"uris": ["https://a.example/"]}),
        ("workload", {"uris": ["spiffe://a"]}),
        ("workload", {"uris": ["spiffe://a/b", "https://a.example/"]}),
        ("server", {"uris": ["https://a.example/"]}),
        ("server", {"dns": ["a.example"], "emails": ["a@a.example"]}),
        ("ocsp", {"dns": ["a.example"]}),
        ("client", {"uris": ["spiffe://a/b"]}),
    ],
)
def test_names_that_do_not_fit_the_profile_fail_although_they_are_signed(profile, names, hierarchy, make_template):
    issuer = hierarchy().issuer
    loose = replace(PROFILES["client"], **{
        field: getattr(PROFILES[profile], field) for field in ("name", "extended_key_usages", "ocsp_no_check")
    })  # fmt: skip
    template = replace(make_template("client", issuer=issuer), names=SubjectAlternativeNames.parse(**names))
    certificate = unchecked(issuer, replace(template, profile=loose))

    with pytest.raises(InspectionFailed, match=f"names for profile {profile}"):
        verify_issued(certificate, template=replace(template, profile=PROFILES[profile]), issuer=issuer)


def unchecked(issuer, template):
    """A certificate of whatever the template says, signed by the issuer without the checks of `Signer.sign`."""
    signer = Signer(issuer)
    tbs = signer.encode(template)
    algorithm = der.split(der.content(tbs))[2]
    return der.sequence(tbs, algorithm, der.bit_string(signer._sign(tbs)))


def test_another_issuer_fails(hierarchy, make_template):
    issuer, other = hierarchy().issuer, hierarchy(KeyType.EC_P384).issuer
    template = make_template("server", issuer=issuer)

    with pytest.raises(InspectionFailed):
        verify_issued(Signer(issuer).sign(template), template=template, issuer=other)


def test_a_signature_of_another_key_is_seen_where_it_is_asked_for(hierarchy, make_template):
    issuer = hierarchy().issuer
    template = make_template("server", issuer=issuer)
    forged = sign_with_builder(issuer, template, private_key=generate_private_key(KeyType.EC_P256))

    verify_issued(forged, template=template, issuer=issuer)
    with pytest.raises(InspectionFailed, match="does not verify"):
        verify_issued(forged, template=template, issuer=issuer, verify_signature=True)


def test_the_signature_of_a_ca_certificate_is_always_verified(hierarchy, make_template):
    root = hierarchy().root
    template = make_template("intermediate", issuer=root)
    forged = sign_with_builder(root, template, private_key=generate_private_key(KeyType.EC_P256))

    with pytest.raises(InspectionFailed, match="does not verify"):
        verify_issued(forged, template=template, issuer=root)


def test_any_bit_of_the_signed_part_that_flips_is_seen_without_the_signature(hierarchy, make_template):
    issuer = hierarchy().issuer
    template = make_template("peer", issuer=issuer, **URLS)
    certificate = Signer(issuer).sign(template)
    signed_part = der.split(der.content(certificate))[0]
    start = certificate.index(signed_part)

    for bit in range(8 * start, 8 * (start + len(signed_part))):
        damaged = bytearray(certificate)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InspectionFailed):
            verify_issued(bytes(damaged), template=template, issuer=issuer)


@given(st.binary(max_size=400))
def test_anything_else_fails(hierarchy, make_template, data):
    issuer = hierarchy().issuer

    with pytest.raises(InspectionFailed):
        verify_issued(data, template=make_template("server", issuer=issuer), issuer=issuer)


def test_a_profile_without_written_expectations_fails(hierarchy, make_template):
    issuer = hierarchy().issuer
    template = replace(make_template("server", issuer=issuer), profile=replace(PROFILES["server"], name="mine"))

    with pytest.raises(InspectionFailed, match="no expectation"):
        verify_issued(Signer(issuer).sign(template), template=template, issuer=issuer)


def test_every_profile_has_its_expectations_written_down():
    assert inspection._EXPECTATIONS.keys() == PROFILES.keys()
