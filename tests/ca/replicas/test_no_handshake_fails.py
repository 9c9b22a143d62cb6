"""A fleet that goes from replica to replica, and to one another, through a rotation: no handshake fails."""

import itertools
import time
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from ca.client.authority import CaClient
from ca.client.following import TrustFollower
from ca.client.identity import Identity
from certs.keys import KeyType, encode_private_key, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import build_request
from tests.ca.replicas.replicas import running_replicas
from tests.ca.rotation.fleet import Member, Tally, acting, renewed
from tests.ca.serving_process import ServingProcess

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]

_MEMBERS = 5
_SECONDS = 100.0


class Roaming(Member):
    """Whatever it does next, it does at the next replica."""

    def __init__(self, name: str, identity: Identity, replicas: Sequence[ServingProcess], tally: Tally) -> None:
        first = replicas[0].endpoints
        super().__init__(name, identity, grpc=first["grpc"], http=first["http"], tally=tally)
        self._turns = itertools.cycle([replica.endpoints for replica in replicas])

    def _tried(self, kind, act):
        endpoints = next(self._turns)
        self.grpc, self.http = endpoints["grpc"], urllib.parse.urlsplit(endpoints["http"])
        super()._tried(kind, act)


@dataclass
class Administrator:
    """Follows a rotation at both replicas, and renews as anybody."""

    identity: Identity
    replicas: Sequence[ServingProcess]
    _follower: TrustFollower = field(default_factory=lambda: TrustFollower("administrator"))

    def rotate(self, kind: str) -> None:
        self._ask(0, lambda client: client.administration.start_rotation(kind, haste="now"))
        deadline = time.monotonic() + _SECONDS
        for number in itertools.cycle(range(len(self.replicas))):
            status = self._ask(number, lambda client: client.administration.get_rotation())
            if not status.is_under_way:
                return
            assert time.monotonic() < deadline, status
            self._ask(number, self._follow)
            time.sleep(0.2)

    def _follow(self, client: CaClient) -> None:
        """A replica that lags may renew by the old issuing CA once more: then it asks again."""
        bundle = client.trust.get_trust_bundle()
        if self._follower.asks_for_renewal(bundle, self.identity.certificate, self.identity.roots_pem):
            self.identity = renewed(client, bundle.roots_pem)

    def _ask(self, number, what):
        with CaClient.connect(self.replicas[number].endpoints["grpc"], self.identity) as client:
            return what(client)


@pytest.mark.timeout(300)
def test_no_handshake_fails_while_replicas_rotate_the_issuing_ca(tmp_path, postgresql_url):
    with running_replicas(tmp_path, postgresql_url, count=2, rotation_settle="1s") as replicas:
        made = replicas[0].administrator
        administrator = Administrator(
            Identity.from_pem(chain_pem=made.chain, private_key_pem=made.private_key, roots_pem=made.roots), replicas
        )
        tally = Tally()
        members = [member(f"member-{number}", administrator, tally) for number in range(_MEMBERS)]
        with acting(members):
            administrator.rotate("issuer")
            since = tally.authority
            deadline = time.monotonic() + _SECONDS
            while tally.authority < since + 10 * _MEMBERS and time.monotonic() < deadline:
                time.sleep(0.1)

    print(f"handshakes with peers and with replicas: {tally.peer}, {tally.authority}")
    assert tally.failures == []
    assert min(tally.peer, tally.authority) > 20 * _MEMBERS


def member(name: str, administrator: Administrator, tally: Tally) -> Roaming:
    key = generate_private_key(KeyType.EC_P256)
    names = SubjectAlternativeNames.parse(dns=["localhost", f"{name}.example"])
    request = build_request(key, SubjectName(), names)
    with CaClient.connect(administrator.replicas[0].endpoints["grpc"], administrator.identity) as client:
        signed = client.certificates.sign_csr(request, profile="peer")
    identity = Identity.from_pem(
        chain_pem=signed.full_chain_pem,
        private_key_pem=encode_private_key(key),
        roots_pem=administrator.identity.roots_pem,
    )
    return Roaming(name, identity, administrator.replicas, tally)
