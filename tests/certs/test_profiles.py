from datetime import timedelta

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.errors import UnknownProfile
from certs.keys import KeyType
from certs.profiles import LEAF_PROFILES, PROFILES, KeyUsage, get_profile


def test_there_are_three_authorities_and_five_leaves():
    assert list(PROFILES) == ["root", "cross", "intermediate", "server", "client", "peer", "workload", "ocsp"]
    assert list(LEAF_PROFILES) == ["server", "client", "peer", "workload", "ocsp"]


def test_authorities_sign_and_do_nothing_else():
    for name, path_length in (("root", 2), ("cross", 1), ("intermediate", 0)):
        profile = PROFILES[name]

        assert (profile.is_ca, profile.path_length) == (True, path_length)
        assert profile.key_usages == {KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN}
        assert profile.extended_key_usages == ()


@pytest.mark.parametrize("profile", LEAF_PROFILES.values(), ids=list(LEAF_PROFILES))
def test_leaves_live_a_day_and_never_sign_certificates(profile):
    assert not profile.is_ca
    assert profile.path_length is None
    assert profile.key_usages == {KeyUsage.DIGITAL_SIGNATURE}
    assert profile.default_lifetime == timedelta(hours=24)
    assert (profile.minimum_lifetime, profile.maximum_lifetime) == (timedelta(minutes=5), timedelta(days=90))
    assert profile.key_types == frozenset(KeyType)
    assert ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in profile.extended_key_usages


def test_a_root_outlives_rsa_2048():
    assert KeyType.RSA_2048 not in PROFILES["root"].key_types


def test_the_registry_cannot_be_changed():
    with pytest.raises(TypeError):
        PROFILES["mine"] = PROFILES["server"]


def test_an_unknown_profile_is_named_beside_those_that_exist():
    with pytest.raises(UnknownProfile, match=r"no profile 'admin'.*root, cross, intermediate, server") as caught:
        get_profile("admin")

    assert caught.value.profile == "admin"
    assert get_profile("peer") is PROFILES["peer"]
