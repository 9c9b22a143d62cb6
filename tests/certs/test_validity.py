"""A leaf never outlives a certificate of its chain, whatever their windows are; what cannot be is refused with what could."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.errors import IssuerExpired, IssuerNotYetValid, LifetimeOutOfRange
from certs.inspection import verify_issued
from certs.issuers import Issuer
from certs.keys import KeyType, generate_private_key, key_identifier, subject_public_key_info
from certs.lifetimes import parse_lifetime
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import BACKDATE, LEAF_PROFILES, PROFILES
from certs.serials import Serial
from certs.signing import Signer, key_usage_extension
from certs.templates import CertificateTemplate, validity

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SERVER = LEAF_PROFILES["server"]
_ROOT_KEY, _ISSUER_KEY, _LEAF_KEY = (generate_private_key(KeyType.EC_P256) for _ in range(3))
_SPKI = subject_public_key_info(_LEAF_KEY.public_key())

seconds = st.integers(-3_000_000, 12_000_000)
windows = st.tuples(seconds, seconds).filter(lambda window: window[0] < window[1])
lifetimes = st.none() | st.integers(300, 90 * 86400).map(lambda count: timedelta(seconds=count))


def authority(name, key, window, issuer_name, signer, path_length):
    above = key_identifier(subject_public_key_info(signer.public_key()))
    own = key_identifier(subject_public_key_info(key.public_key()))
    return (
        x509.CertificateBuilder(
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer_name)]),
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
            key.public_key(),
            x509.random_serial_number(),
            NOW + timedelta(seconds=window[0]),
            NOW + timedelta(seconds=window[1]),
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(key_usage_extension(PROFILES["root"]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier(own), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier(above, None, None), critical=False)
        .sign(signer, hashes.SHA256())
    )


def issued(issuer, lifetime):
    """A server certificate, by all the steps that a leaf takes."""
    window = validity(SERVER, NOW, lifetime, issuer.not_after, issuer_not_before=issuer.not_before)
    template = CertificateTemplate(
        profile=SERVER,
        serial=Serial.mint(NOW, lambda size: bytes(range(size))),
        subject=SubjectName(),
        names=SubjectAlternativeNames.parse(dns=["web.example"]),
        public_key=_LEAF_KEY.public_key(),
        public_key_info=_SPKI,
        not_before=window[0],
        not_after=window[1],
    )
    return template, verify_issued(Signer(issuer).sign(template), template=template, issuer=issuer)


@settings(max_examples=300, deadline=None)
@given(root=windows, issuing=windows, lifetime=lifetimes)
def test_no_leaf_outlives_its_chain_and_a_refusal_says_what_is_possible(root, issuing, lifetime):
    top = authority("root", _ROOT_KEY, root, "root", _ROOT_KEY, None)
    middle = authority("issuing", _ISSUER_KEY, issuing, "root", _ROOT_KEY, 0)
    issuer = Issuer(certificate=middle, private_key=_ISSUER_KEY, chain=(top,))
    remaining = min(root[1], issuing[1])
    wanted = (lifetime or SERVER.default_lifetime).total_seconds()

    if max(root[0], issuing[0]) > 0:
        with pytest.raises(IssuerNotYetValid, match="check the clock"):
            issued(issuer, lifetime)
    elif wanted > remaining and remaining < 300:
        with pytest.raises(IssuerExpired, match="rotate"):
            issued(issuer, lifetime)
    elif lifetime is not None and wanted > remaining:
        with pytest.raises(LifetimeOutOfRange) as refusal:
            issued(issuer, lifetime)
        longest = parse_lifetime(re.search(r"ask for (\S+) or less", str(refusal.value))[1])
        assert longest.total_seconds() == remaining
        _, leaf = issued(issuer, longest)
        assert leaf.not_valid_after_utc == issuer.not_after
    else:
        _, leaf = issued(issuer, lifetime)
        for above in (top, middle):
            assert above.not_valid_before_utc <= leaf.not_valid_before_utc
            assert leaf.not_valid_after_utc <= above.not_valid_after_utc
        assert NOW - BACKDATE <= leaf.not_valid_before_utc <= NOW
        assert leaf.not_valid_after_utc == NOW + timedelta(seconds=min(wanted, remaining))


@given(beyond=st.integers(1, 10**8), early=st.booleans())
def test_what_a_template_says_beyond_its_chain_is_never_signed(beyond, early):
    top = authority("root", _ROOT_KEY, (-1000, 10**7), "root", _ROOT_KEY, None)
    middle = authority("issuing", _ISSUER_KEY, (-30, 7200), "root", _ROOT_KEY, 0)
    issuer = Issuer(certificate=middle, private_key=_ISSUER_KEY, chain=(top,))
    template, _ = issued(issuer, None)
    span = timedelta(seconds=min(beyond, 86400))
    moved = (
        replace(template, not_before=template.not_before - span)
        if early
        else replace(template, not_after=template.not_after + span)
    )

    with pytest.raises((IssuerExpired, LifetimeOutOfRange)):
        Signer(issuer).sign(moved)
