from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from certs.crl import RevocationReason, RevokedCertificate, sign_crl, verify_crl, verify_not_revoked
from certs.errors import (
    CertificateExpired,
    CertificateNotYetValid,
    CertificateRevoked,
    ConstraintViolation,
    MalformedCrl,
    NotAnIssuer,
    SignatureMismatch,
    UsageNotAllowed,
)
from certs.issuers import Issuer
from certs.keys import KeyType
from certs.serials import Serial
from certs.signing import Signer

SHARD = "http://ca.example/crl/7.crl"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def sign(hierarchy):
    """Signs a CRL of the run's issuing CA; keyword arguments replace its fields."""

    def make(*entries, key_type=KeyType.EC_P256, **fields):
        authority = hierarchy(key_type)
        decided = {"number": 1, "this_update": authority.now, "next_update": authority.now + DAY, **fields}
        return sign_crl(authority.issuer, entries, **decided)

    return make


@pytest.fixture(scope="module")
def issuer(hierarchy):
    return hierarchy().issuer


@pytest.mark.parametrize("key_type", KeyType)
def test_a_crl_of_any_key_type_verifies(key_type, sign, hierarchy, now, entropy):
    entry = RevokedCertificate(serial=Serial.mint(now, entropy), revoked_at=now, reason=RevocationReason.SUPERSEDED)

    crl = verify_crl(sign(entry, key_type=key_type, number=2**80), hierarchy(key_type).issuer.certificate, at=now)

    (found,) = crl
    assert found.serial_number == entry.serial.to_int()
    assert found.revocation_date_utc == now
    assert found.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.superseded
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 2**80


@given(entries=st.lists(st.tuples(st.binary(min_size=11, max_size=11), st.sampled_from(RevocationReason)), max_size=20))
def test_the_splice_equals_the_builder(entries, issuer, now):
    revoked = [
        RevokedCertificate(serial=Serial.mint(now, lambda _, r=r: r), revoked_at=now, reason=why) for r, why in entries
    ]
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now)
        .next_update(now + DAY)
        .add_extension(x509.AuthorityKeyIdentifier(issuer.subject_key_identifier, None, None), critical=False)
        .add_extension(x509.CRLNumber(7), critical=False)
        .add_extension(
            x509.IssuingDistributionPoint(
                [x509.UniformResourceIdentifier(SHARD)], None, False, False, None, False, False
            ),
            critical=True,
        )
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.serial.to_int()).revocation_date(now)
        if one.reason:
            entry = entry.add_extension(x509.CRLReason(REASONS[one.reason]), critical=False)
        builder = builder.add_revoked_certificate(entry.build())

    ours = sign_crl(issuer, revoked, number=7, this_update=now, next_update=now + DAY, distribution_point=SHARD)

    theirs = builder.sign(issuer.private_key, SHA256())
    assert x509.load_der_x509_crl(ours).tbs_certlist_bytes == theirs.tbs_certlist_bytes


REASONS = {
    RevocationReason.KEY_COMPROMISE: x509.ReasonFlags.key_compromise,
    RevocationReason.CA_COMPROMISE: x509.ReasonFlags.ca_compromise,
    RevocationReason.AFFILIATION_CHANGED: x509.ReasonFlags.affiliation_changed,
    RevocationReason.SUPERSEDED: x509.ReasonFlags.superseded,
    RevocationReason.CESSATION_OF_OPERATION: x509.ReasonFlags.cessation_of_operation,
    RevocationReason.PRIVILEGE_WITHDRAWN: x509.ReasonFlags.privilege_withdrawn,
}


def test_openssl_refuses_what_the_shard_lists_and_accepts_the_rest(
    sign, hierarchy, make_template, now, openssl, tmp_path
):
    authority = hierarchy()
    leaves = [make_template("server", issuer=authority.issuer, crl_distribution_point=SHARD) for _ in range(2)]
    signer = Signer(authority.issuer)
    crl = sign(RevokedCertificate(serial=leaves[0].serial, revoked_at=now), distribution_point=SHARD)
    files = {
        "revoked.pem": pem(signer.sign(leaves[0])),
        "good.pem": pem(signer.sign(leaves[1])),
        "issuer.pem": authority.issuer.certificate.public_bytes(Encoding.PEM),
        "root.pem": authority.root.certificate.public_bytes(Encoding.PEM),
        "shard.crl": x509.load_der_x509_crl(crl).public_bytes(Encoding.PEM),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    arguments = ("verify", "-crl_check", "-x509_strict", "-attime", f"{now.timestamp():.0f}", "-CRLfile", "shard.crl",
                 "-CAfile", "root.pem", "-untrusted", "issuer.pem")  # fmt: skip

    assert openssl(*arguments, "good.pem") == "good.pem: OK\n"
    with pytest.raises(AssertionError, match="certificate revoked"):
        openssl(*arguments, "revoked.pem")


def pem(certificate):
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)


def test_a_listed_certificate_is_refused(sign, issuer, make_template, now):
    templates = [make_template("server", issuer=issuer) for _ in range(2)]
    listed, other = (x509.load_der_x509_certificate(Signer(issuer).sign(template)) for template in templates)
    crl = verify_crl(sign(RevokedCertificate(serial=templates[0].serial, revoked_at=now)), issuer.certificate, at=now)

    verify_not_revoked(other, crl)
    with pytest.raises(CertificateRevoked, match="ask for a new one"):
        verify_not_revoked(listed, crl)


def test_an_empty_crl_has_no_list(sign, issuer, now):
    assert list(verify_crl(sign(), issuer.certificate, at=now)) == []


def test_pem_is_read_too(sign, issuer, now):
    data = x509.load_der_x509_crl(sign()).public_bytes(Encoding.PEM)

    verify_crl(data, issuer.certificate, at=now)


@pytest.mark.parametrize(
    ("after", "error"),
    [(-timedelta(seconds=1), CertificateNotYetValid), (DAY + timedelta(seconds=1), CertificateExpired)],
)
def test_a_crl_holds_between_its_updates(after, error, sign, issuer, now):
    crl = sign()

    verify_crl(crl, issuer.certificate, at=now + DAY)
    with pytest.raises(error):
        verify_crl(crl, issuer.certificate, at=now + after)


def test_one_shard_is_not_taken_for_another(sign, issuer, now):
    crl = sign(distribution_point=SHARD)

    verify_crl(crl, issuer.certificate, at=now, distribution_point=SHARD)
    for other in (None, "http://ca.example/crl/8.crl"):
        with pytest.raises(ConstraintViolation, match="covers"):
            verify_crl(crl, issuer.certificate, at=now, distribution_point=other)


def test_a_full_crl_covers_every_shard(sign, issuer, now):
    verify_crl(sign(), issuer.certificate, at=now, distribution_point=SHARD)


def test_the_crl_of_another_issuer_is_refused(sign, hierarchy, now):
    with pytest.raises(SignatureMismatch, match="another issuer"):
        verify_crl(sign(), hierarchy().root.certificate, at=now)


def test_an_altered_crl_is_refused(sign, issuer, now, entropy):
    serial = Serial.mint(now, entropy)
    crl = sign(RevokedCertificate(serial=serial, revoked_at=now))
    altered = crl.replace(serial.octets, Serial.mint(now, entropy).octets)

    with pytest.raises(SignatureMismatch, match="altered"):
        verify_crl(altered, issuer.certificate, at=now)


def test_a_leaf_signs_no_crl(issuer, make_template, now, private_key):
    leaf = x509.load_der_x509_certificate(Signer(issuer).sign(make_template("server", issuer=issuer)))
    crl = (
        x509.CertificateRevocationListBuilder(leaf.subject, now, now + DAY)
        .sign(private_key(KeyType.EC_P256), SHA256())
    )  # fmt: skip

    with pytest.raises(UsageNotAllowed, match="cRLSign"):
        verify_crl(crl.public_bytes(Encoding.DER), leaf, at=now)


def test_a_critical_extension_that_is_not_understood_is_refused(issuer, now):
    crl = (
        x509.CertificateRevocationListBuilder(issuer.certificate.subject, now, now + DAY)
        .add_extension(x509.DeltaCRLIndicator(1), critical=True)
        .sign(issuer.private_key, SHA256())
    )

    with pytest.raises(ConstraintViolation, match="not understood"):
        verify_crl(crl.public_bytes(Encoding.DER), issuer.certificate, at=now)


@pytest.mark.parametrize(
    "scope",
    [
        {"only_contains_ca_certs": True},
        {"only_contains_user_certs": True},
        {"indirect_crl": True},
        {"only_some_reasons": frozenset({x509.ReasonFlags.key_compromise})},
    ],
)
def test_a_crl_of_some_certificates_or_reasons_is_refused(scope, issuer, now):
    decided = {
        "full_name": None, "relative_name": None, "only_contains_user_certs": False, "only_contains_ca_certs": False,
        "only_some_reasons": None, "indirect_crl": False, "only_contains_attribute_certs": False,
    }  # fmt: skip
    crl = (
        x509.CertificateRevocationListBuilder(issuer.certificate.subject, now, now + DAY)
        .add_extension(x509.IssuingDistributionPoint(**{**decided, **scope}), critical=True)
        .sign(issuer.private_key, SHA256())
    )

    with pytest.raises(ConstraintViolation, match="limited"):
        verify_crl(crl.public_bytes(Encoding.DER), issuer.certificate, at=now)


def test_an_issuer_without_crl_sign_signs_none(signed_again, issuer, hierarchy, now):
    root = hierarchy().root
    both, cert_sign = (x509.KeyUsage(*[False] * 5, True, crl, False, False).public_bytes() for crl in (True, False))

    def without(tbs):
        return [*tbs[:-1], tbs[-1].replace(both, cert_sign)]

    certificate = signed_again(issuer.certificate, root.private_key, without)
    unfit = Issuer(certificate=certificate, private_key=issuer.private_key, chain=issuer.chain)

    with pytest.raises(NotAnIssuer, match="no cRLSign"):
        sign_crl(unfit, [], number=1, this_update=now, next_update=now + DAY)


@pytest.mark.parametrize(
    "fields", [{"number": -1}, {"number": 2**160}, {"next_update": datetime(2020, 1, 1).astimezone()}]
)
def test_numbers_and_times_that_make_no_sense_are_refused(fields, sign):
    with pytest.raises(MalformedCrl):
        sign(**fields)


@given(data=st.binary(max_size=300) | st.binary(max_size=300).map(b"-----BEGIN X509 CRL-----\n".__add__))
def test_anything_else_is_malformed(data, issuer, now):
    with pytest.raises(MalformedCrl):
        verify_crl(data, issuer.certificate, at=now)


@given(position=st.integers(0, 10_000), octet=st.integers(0, 255))
def test_a_damaged_crl_is_refused_or_the_same(position, octet, sign, issuer, now):
    data = bytearray(sign(distribution_point=SHARD))
    position %= len(data)
    if data[position] == octet:
        return
    data[position] = octet

    with pytest.raises((MalformedCrl, SignatureMismatch, ConstraintViolation)):
        verify_crl(bytes(data), issuer.certificate, at=now, distribution_point=SHARD)
