"""What is read of a client's certificate, after OpenSSL has verified it."""

import hashlib
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from apiserver.identity.peer import Peers
from tests.apiserver.identity.handshakes import ANY, CLIENT, COMMON_NAME, DAY, ORGANIZATION, SERVER, Authority, trust_in

SECOND = timedelta(seconds=1)


@pytest.fixture
def peer(shown, client_ca):
    def of(credential, trust=None):
        return Peers().of(shown(trust or trust_in(client_ca), credential), 0)

    return of


def test_common_name_is_the_user_and_every_organization_a_group(peer, client_ca):
    bob = peer(client_ca.issue((COMMON_NAME, "bob"), (ORGANIZATION, "dev"), (ORGANIZATION, "ops"), (ORGANIZATION, "é")))

    assert (bob.common_name, bob.organizations) == ("bob", ("dev", "ops", "é"))


def test_organizations_keep_the_order_of_the_certificate_wherever_the_name_stands(peer, client_ca):
    bob = peer(client_ca.issue((ORGANIZATION, "z"), (COMMON_NAME, "bob"), (ORGANIZATION, "a")))

    assert (bob.common_name, bob.organizations) == ("bob", ("z", "a"))


def test_of_several_common_names_the_last_one_counts_as_for_kube_apiserver(peer, client_ca):
    assert peer(client_ca.issue((COMMON_NAME, "admin"), (COMMON_NAME, "bob"))).common_name == "bob"


def test_a_certificate_may_have_neither(peer, client_ca):
    nobody = peer(client_ca.issue())

    assert (nobody.common_name, nobody.organizations) == ("", ())


def test_the_fingerprint_is_that_of_the_leaf(peer, client_ca):
    credential = client_ca.issue((COMMON_NAME, "bob"))

    assert peer(credential).fingerprint == hashlib.sha256(credential.der).hexdigest()


@pytest.mark.parametrize("usages", [(), (CLIENT,), (SERVER, CLIENT)])
def test_usages_that_allow_to_be_a_client(peer, client_ca, usages):
    assert peer(client_ca.issue((COMMON_NAME, "bob"), usages=usages)).is_client


@pytest.mark.parametrize("usage", [SERVER, ANY])
def test_a_certificate_for_anything_else_fails_in_the_handshake(peer, client_ca, usage):
    with pytest.raises(ssl.SSLError, match="unsuitable certificate purpose"):
        peer(client_ca.issue((COMMON_NAME, "bob"), usages=(usage,)))


def test_a_certificate_of_an_unknown_ca_fails_in_the_handshake(peer, client_ca):
    with pytest.raises(ssl.SSLError):
        peer(Authority.root("clients").issue((COMMON_NAME, "bob")))


def test_validity_has_both_ends_included(peer, client_ca):
    now = datetime.now(UTC).replace(microsecond=0)
    bob = peer(client_ca.issue((COMMON_NAME, "bob"), not_before=now - DAY, not_after=now + DAY))

    assert bob.is_valid_at(now - DAY)
    assert bob.is_valid_at(now + DAY)
    assert not bob.is_valid_at(now - DAY - SECOND)
    assert not bob.is_valid_at(now + DAY + SECOND)


def test_a_chain_is_followed_to_the_root(peer, client_ca):
    between = client_ca.intermediate("between")

    bob = peer(between.issue((COMMON_NAME, "bob")))

    assert client_ca.bundle.anchors <= set(bob.anchors)
    assert between.bundle.anchors <= set(bob.anchors)


def test_an_intermediate_may_be_trusted_without_its_root(peer, client_ca):
    between = client_ca.intermediate("between")

    bob = peer(between.issue((COMMON_NAME, "bob")), trust_in(between))

    assert set(bob.anchors) == between.bundle.anchors


def test_nobody_is_behind_a_connection_without_a_certificate(shown, client_ca):
    assert Peers().of(shown(trust_in(client_ca)), 0) is None
    assert Peers().of(None, 0) is None


def test_what_was_read_is_remembered_until_trust_changes_and_within_bounds(shown, client_ca):
    trust = trust_in(client_ca)
    first, second = (shown(trust, client_ca.issue((COMMON_NAME, name))) for name in "ab")
    peers = Peers(capacity=1)
    known = peers.of(first, 0)

    assert peers.of(first, 0) is known
    assert peers.of(first, 1) is not known
    assert peers.of(second, 1).common_name == "b"
    assert peers.of(first, 0) is not known
