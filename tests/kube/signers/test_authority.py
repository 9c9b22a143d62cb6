"""The authority over real mTLS, as signers use it; and answers that are not taken."""

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ca.client.connection import Address, Connection
from ca.client.errors import ServerUnreachable
from ca.client.followed import FollowedConnection
from ca.client.identity import Identity
from ca.client.registrar import RegistrarClient
from ca.client.values import Pod
from certs.keys import KeyType
from certs.names import SubjectAlternativeNames, SubjectName
from certs.pem import encode_certificate, load_certificate
from certs.requests import CertificateRequest
from kube.signers.authority import RegistrarAuthority, issuing_root, verify_answer
from kube.signers.decisions import Sign
from kube.signers.errors import AnswerUnfit, OrderRefused
from tests.ca.server import RunningServer, running_server
from tests.ca.wire import identity_of
from tests.kube.signers.authority import certify, hierarchy
from tests.kube.signers.documents import NOW, csr
from tests.servers.ports import free_port


def order(*, key_type: KeyType = KeyType.EC_P256, **fields: Any) -> Sign:
    octets = csr(key_type=key_type)
    decided: dict[str, Any] = {
        "csr": octets,
        "request": CertificateRequest.from_bytes(octets),
        "subject": SubjectName(),
        "names": SubjectAlternativeNames(dns=("cart.shop.svc", "a.cart.shop.svc")),
        "profile": "server",
        "lifetime": timedelta(hours=24),
        "request_id": f"csr-{uuid.uuid4()}",
        "pod": None,
    }
    return Sign(**{**decided, **fields})


_POLICY = """\
apiVersion: chancery.dev/v1alpha1
kind: Policy
rules:
  - {name: all, callers: [{any: true}], operations: [register], profiles: [server], names: any, subject: any}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory: Path = tmp_path_factory.mktemp("authority")
    with running_server(directory / "data") as running:
        yield running


@pytest.fixture(scope="module")
def connection(server: RunningServer) -> Iterator[FollowedConnection]:
    shown = identity_of(server.office, common_name="registrar", organizations=("chancery:registrars",))
    identity = Identity.from_pem(
        chain_pem=shown.chain, private_key_pem=shown.private_key, roots_pem=server.administrator.roots
    )
    address = Address.from_text(server.grpc_target, default_port=0)
    with FollowedConnection(address, lambda: identity, timeout=20) as followed:
        yield followed


@pytest.fixture
def authority(connection: FollowedConnection) -> RegistrarAuthority:
    return RegistrarAuthority(connection)


def test_order_is_signed_once_whatever_is_repeated(authority: RegistrarAuthority):
    first, other = order(), order()
    certificates = [authority.sign(one) for one in (first, first, other)]

    assert [one.serial_number for one in certificates[:2]] == [certificates[0].serial_number] * 2
    assert certificates[2].serial_number != certificates[0].serial_number


def test_root_above_the_answer_is_among_the_roots(authority: RegistrarAuthority):
    assert issuing_root(authority.sign(order()), authority.roots()) is not None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"profile": "client", "names": SubjectAlternativeNames()}, "PolicyDenied"),
        ({"names": SubjectAlternativeNames(dns=("www.example.com",))}, "PolicyDenied"),
        ({"profile": "root"}, "InvalidArgument"),
        ({"profile": "workload"}, "NameNotAllowed"),
        ({"request_id": "a b"}, "RequestInvalid"),
    ],
    ids=str,
)
def test_order_that_is_never_signed_says_why(authority: RegistrarAuthority, changes: dict[str, Any], reason: str):
    with pytest.raises(OrderRefused) as refused:
        authority.sign(order(**changes))

    assert refused.value.condition_reason in {reason, "NameRequired"}


def test_request_id_of_another_key_is_refused(authority: RegistrarAuthority):
    first = order()
    authority.sign(first)
    with pytest.raises(OrderRefused) as refused:
        authority.sign(order(request_id=first.request_id, key_type=KeyType.ED25519))

    assert refused.value.condition_reason == "RequestIdReused"


def test_released_pod_gets_nothing_more(authority: RegistrarAuthority, connection: FollowedConnection):
    pod = Pod(namespace="shop", name="cart-1", uid=str(uuid.uuid4()), service_account="cart", node="node-1")
    names = SubjectAlternativeNames(uris=("spiffe://cluster.local/ns/shop/sa/cart",))
    one_use = {"key_type": KeyType.EC_P384, "names": names, "profile": "workload", "pod": pod}
    authority.sign(order(**one_use))
    with connection.use() as open_connection:
        revoked = RegistrarClient(open_connection).release_pod(pod.uid)
    with pytest.raises(OrderRefused) as refused:
        authority.sign(order(**one_use | {"key_type": KeyType.EC_P521}))

    assert (revoked, refused.value.condition_reason) == (1, "PodReleased")


class PlainConnection:
    """Stands where a connection is that follows an identity: there, clocks of certificates count, which no test can move."""

    def __init__(self, target: str) -> None:
        self._address = Address.from_text(target, default_port=0)

    @contextlib.contextmanager
    def use(self) -> Iterator[Connection]:
        with Connection.plain_text(self._address, timeout=20) as connection:
            yield connection


def test_lifetime_beyond_the_issuer_is_cut_to_it(tmp_path: Path):
    (tmp_path / "policy.yaml").write_text(_POLICY)
    settings = {"policy_file": tmp_path / "policy.yaml", "mtls": False, "rotation_automatic": False}
    with running_server(tmp_path / "data", **settings) as server:
        server.clock.advance(timedelta(days=364, hours=12))
        connection: Any = PlainConnection(server.grpc_target)
        certificate = RegistrarAuthority(connection).sign(order(lifetime=timedelta(days=60)))

    assert timedelta(hours=11) < certificate.not_after - certificate.not_before < timedelta(hours=13)


def test_authority_that_is_not_there_is_no_refusal(server: RunningServer):
    shown = server.administrator
    identity = Identity.from_pem(chain_pem=shown.chain, private_key_pem=shown.private_key, roots_pem=shown.roots)
    address = Address.from_text(f"localhost:{free_port()}", default_port=0)
    with FollowedConnection(address, lambda: identity, timeout=2) as followed, pytest.raises(ServerUnreachable):
        RegistrarAuthority(followed).sign(order())


class TestAnswers:
    @pytest.mark.parametrize(
        ("got", "why"),
        [
            (order(key_type=KeyType.ED25519), "another key"),
            (order(names=SubjectAlternativeNames(dns=("till.shop.svc",))), "other names"),
            (order(names=SubjectAlternativeNames(dns=("cart.shop.svc",))), "other names"),
            (order(lifetime=timedelta(hours=25)), "longer"),
        ],
    )
    def test_another_certificate_than_the_one_ordered_is_not_taken(self, got: Sign, why: str):
        with pytest.raises(AnswerUnfit, match=why):
            verify_answer(order(), certify(got, NOW))

    def test_order_of_names_does_not_matter(self):
        turned = order(names=SubjectAlternativeNames(dns=("a.cart.shop.svc", "cart.shop.svc")))

        verify_answer(order(), certify(turned, NOW))

    def test_ca_certificate_is_not_taken(self):
        issuer = hierarchy("2026-11-21")
        answer = replace(certify(order(), NOW), certificate_pem=encode_certificate(issuer.certificate))
        with pytest.raises(AnswerUnfit, match="CA certificate"):
            verify_answer(order(), answer)

    @pytest.mark.parametrize(
        "pem", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    )
    def test_garbage_is_not_taken(self, pem: bytes):
        with pytest.raises(AnswerUnfit, match="cannot be read"):
            verify_answer(order(), replace(certify(order(), NOW), certificate_pem=pem))

    def test_what_was_ordered_is_taken(self):
        certificate = certify(order(), NOW)
        verify_answer(order(), certificate)

        assert load_certificate(certificate.certificate_pem)
