"""The proof: a fleet goes on opening connections through a rotation of the issuing CA and one of the root, and none fails."""

import ssl
import time
from collections.abc import Callable

import pytest

from ca.client.authority import CaClient
from ca.client.identity import Identity
from certs.keys import KeyType, encode_private_key, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import build_request
from tests.ca.rotation.fleet import Member, Tally, acting, ask, greet, make_context, renewed, running
from tests.ca.server import RunningServer, running_server

MEMBERS = 20
_SECONDS = 120.0


@pytest.fixture
def server(tmp_path):
    with running_server(tmp_path / "data", rotation_settle="1s") as server:
        yield server


def member(server: RunningServer, name: str, tally: Tally) -> Member:
    key = generate_private_key(KeyType.EC_P256)
    names = SubjectAlternativeNames.parse(dns=["localhost", f"{name}.example"])
    with CaClient.connect(server.grpc_target, administrator_of(server)) as client:
        signed = client.certificates.sign_csr(build_request(key, SubjectName(), names), profile="peer")
    identity = Identity.from_pem(
        chain_pem=signed.full_chain_pem,
        private_key_pem=encode_private_key(key),
        roots_pem=server.administrator.roots,
    )
    return Member(name, identity, grpc=server.grpc_target, http=server.url, tally=tally)


def administrator_of(server: RunningServer) -> Identity:
    made = server.administrator
    return Identity.from_pem(chain_pem=made.chain, private_key_pem=made.private_key, roots_pem=made.roots)


def rotate(administrator: Identity, server: RunningServer, kind: str) -> Identity:
    """Starts it and follows it to its end, renewing as anybody; returns the administrator's identity after it."""
    with CaClient.connect(server.grpc_target, administrator) as client:
        client.administration.start_rotation(kind, haste="now")
        reach(client, lambda status: status.rotation.phase == "signing")
        administrator = renewed(client, client.trust.get_trust_bundle().roots_pem)
    with CaClient.connect(server.grpc_target, administrator) as client:
        reach(client, lambda status: not status.is_under_way)
        return renewed(client, client.trust.get_trust_bundle().roots_pem)


def reach(client: CaClient, condition: Callable[[object], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition(status := client.administration.get_rotation()):
        assert time.monotonic() < deadline, status
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_handshake_fails_through_a_rotation_of_the_issuing_ca_and_one_of_the_root(server):
    tally = Tally()
    administrator = administrator_of(server)
    members = [member(server, f"member-{number}", tally) for number in range(MEMBERS)]
    before = members[0].identity
    root_before = server.office.issuers.bundle.roots

    with acting(members):
        administrator = rotate(administrator, server, "issuer")
        after_issuer = tally.peer, tally.authority
        rotate(administrator, server, "root")
        last = tally.peer, tally.authority
        reach_more(tally, last)

    print(f"handshakes with peers and with the authority: {last}")
    assert tally.failures == []
    assert min(after_issuer) > 10 * MEMBERS
    assert last[0] > after_issuer[0] + 10 * MEMBERS
    assert set(server.office.issuers.bundle.roots).isdisjoint(root_before)
    show_that_old_trust_is_gone(server, before, members[1])


def reach_more(tally: Tally, last: tuple[int, int]) -> None:
    deadline = time.monotonic() + _SECONDS
    while tally.peer < last[0] + 10 * MEMBERS and time.monotonic() < deadline:
        time.sleep(0.1)


def show_that_old_trust_is_gone(server: RunningServer, before: Identity, now: Member) -> None:
    """Neither is the old certificate let in, nor does who trusts the old root alone accept anybody."""
    trusting_new = Identity.from_pem(
        chain_pem=before.chain_pem, private_key_pem=before.private_key_pem, roots_pem=now.identity.roots_pem
    )
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        ask(make_context(trusting_new, server_side=False), now.http.port)
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(make_context(before, server_side=False), now.http.port)
    old_server = Member("old", before, grpc=now.grpc, http=server.url, tally=Tally())
    with running([old_server.serve]), pytest.raises(ssl.SSLCertVerificationError):
        greet(now.client_context, old_server.port)
