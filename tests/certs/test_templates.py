from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import (
    IssuerExpired,
    KeyTypeNotAllowed,
    LifetimeOutOfRange,
    NameNotAllowed,
    NameRequired,
    ProfileViolation,
)
from certs.keys import KeyType
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import PROFILES
from certs.templates import validity, verify_names, verify_template

DAY = timedelta(days=1)
SERVER = PROFILES["server"]


def names(**kinds):
    return SubjectAlternativeNames.parse(**kinds)


def test_validity_begins_a_minute_ago_and_lasts_a_day(now):
    assert validity(SERVER, now) == (now - timedelta(seconds=60), now + DAY)


def test_validity_is_in_whole_seconds(now):
    not_before, not_after = validity(SERVER, now + timedelta(microseconds=999_999))

    assert (not_before.microsecond, not_after.microsecond) == (0, 0)


def test_a_default_lifetime_ends_with_the_issuers_chain(now):
    assert validity(SERVER, now, None, now + timedelta(hours=2))[1] == now + timedelta(hours=2)


def test_a_lifetime_asked_for_is_never_shortened_silently(now):
    with pytest.raises(LifetimeOutOfRange, match="ask for 2h or less"):
        validity(SERVER, now, timedelta(hours=3), now + timedelta(hours=2))


def test_validity_does_not_begin_before_its_issuer(now):
    assert validity(SERVER, now, None, now + DAY, issuer_not_before=now)[0] == now


@pytest.mark.parametrize("left", [timedelta(seconds=299), timedelta(0), -DAY])
def test_an_issuer_that_ends_too_soon_issues_nothing(now, left):
    with pytest.raises(IssuerExpired, match="rotate the issuer"):
        validity(SERVER, now, None, now + left)


@pytest.mark.parametrize("lifetime", [timedelta(seconds=299), timedelta(days=90, seconds=1), timedelta(0), -DAY])
def test_a_lifetime_outside_the_profile_is_refused(now, lifetime):
    with pytest.raises(LifetimeOutOfRange, match="5m to 90d"):
        validity(SERVER, now, lifetime)


@given(st.sampled_from(sorted(PROFILES)), st.none() | st.integers(0, 10**9), st.none() | st.integers(-(10**6), 10**9))
def test_validity_stays_within_profile_and_issuer(now, name, seconds, left):
    profile = PROFILES[name]
    issuer_not_after = None if left is None else now + timedelta(seconds=left)
    try:
        span = validity(profile, now, None if seconds is None else timedelta(seconds=seconds), issuer_not_after)
    except (LifetimeOutOfRange, IssuerExpired):
        return

    assert span[0] == now - timedelta(seconds=60)
    assert profile.minimum_lifetime <= span[1] - now <= profile.maximum_lifetime
    assert issuer_not_after is None or span[1] <= issuer_not_after


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "root"])
def test_a_template_within_its_profile_is_accepted(profile, make_template):
    verify_template(make_template(profile))


def test_a_key_type_that_the_profile_does_not_have_is_refused(make_template):
    with pytest.raises(KeyTypeNotAllowed, match="does not allow rsa-2048") as caught:
        verify_template(make_template("root", key_type=KeyType.RSA_2048))

    assert (caught.value.profile, caught.value.field) == ("root", "key_type")


@pytest.mark.parametrize("days", [-1, 0, 91])
def test_a_validity_outside_the_profile_is_refused(days, now, make_template):
    with pytest.raises(LifetimeOutOfRange):
        verify_template(make_template("server", not_before=now, not_after=now + timedelta(days=days)))


@pytest.mark.parametrize(
    ("profile", "given_names"),
    [
        ("server", {"dns": ["a.example"], "emails": ["a@example.com"]}),
        ("workload", {"uris": ["spiffe://a/b"], "emails": ["a@example.com"]}),
        ("workload", {"uris": ["spiffe://a/b", "spiffe://a/c"]}),
        ("workload", {"uris": ["spiffe://a/b", "https://a.example/"]}),
        ("workload", {"uris": ["https://a.example/"]}),
        ("workload", {"uris": ["spiffe://a"]}),
        ("workload", {"dns": ["a.example"]}),
        ("peer", {"dns": ["a.example"], "uris": ["spiffe://a/b", "https://a.example/"]}),
        ("server", {"dns": ["a.example"], "uris": ["spiffe://a/b"]}),
        ("client", {"uris": ["spiffe://a/b"]}),
        ("ocsp", {"dns": ["a.example"]}),
        ("intermediate", {"dns": ["a.example"]}),
        ("root", {"uris": ["spiffe://a"]}),
    ],
)
def test_names_that_a_profile_does_not_have_are_refused(profile, given_names):
    with pytest.raises(NameNotAllowed):
        verify_names(PROFILES[profile], names(**given_names))


@pytest.mark.parametrize("profile", ["server", "peer"])
def test_a_server_needs_a_host_name_or_address(profile):
    with pytest.raises(NameRequired, match="needs a dns or ip name"):
        verify_names(PROFILES[profile], names(uris=["https://a.example/"]))


@pytest.mark.parametrize("profile", ["root", "intermediate", "ocsp"])
def test_authorities_and_responders_need_a_common_name(profile, make_template):
    with pytest.raises(NameRequired, match="common name"):
        verify_template(make_template(profile, subject=SubjectName(organizations=("Example",))))


def test_a_certificate_that_names_nobody_is_refused(make_template):
    with pytest.raises(NameRequired, match="name nobody"):
        verify_template(make_template("client", subject=SubjectName(), names=SubjectAlternativeNames()))


def test_a_client_may_be_known_by_its_subject_alone(make_template):
    verify_template(make_template("client", names=SubjectAlternativeNames()))


def test_refusals_name_profile_and_field():
    with pytest.raises(ProfileViolation) as caught:
        verify_names(PROFILES["ocsp"], names(dns=["a.example"]))

    assert caught.value.metadata == {"profile": "ocsp", "field": "dns"}
