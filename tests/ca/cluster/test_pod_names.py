"""DNS names of pods, and their end: enrollment by service-account token beside a registrar's word."""

import http.client
import json
import ssl
from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from urllib.parse import urlsplit

import grpc
import pytest

from ca.callers import Caller
from ca.calls import Call
from ca.client.certificates import CertificateClient
from ca.client.connection import Address, Connection
from ca.client.errors import CallOutOfTurn, CallUnauthenticated
from ca.client.identity import Identity
from ca.orders import PodIdentity
from ca.registrar import Registrar
from certs.keys import KeyType, PrivateKey, encode_private_key, generate_private_key
from certs.names import TrustDomain
from protos.chancery.ca.v1 import certificate_pb2 as wire
from tests.ca.cluster.api_server import BoundToken, FakeApiServer
from tests.ca.cluster.test_enrollment import CART, enroll, newest_event, verify_opaque
from tests.ca.offices import request_for
from tests.ca.server import RunningServer, running_server
from tests.ca.wire import failing

NAMES = ("cart.shop.svc", "cart.shop.svc.cluster.local")
REGISTRAR = Call(caller=Caller.hypothetical(common_name="registrar", organizations=("chancery:registrars",)), id="test")


def registrar_of(server: RunningServer) -> Registrar:
    office = server.office
    return Registrar(
        pods=office.pods,
        revocations=office.revocations,
        policy=office.policy,
        clock=office.clock,
        trust_domain=TrustDomain.parse("cluster.local"),
    )


def register(server: RunningServer, token: BoundToken, *dns: str, **changes: str) -> None:
    fields = {
        "namespace": token.namespace,
        "service_account": token.service_account,
        "pod_name": token.pod_name,
        "pod_uid": token.pod_uid,
        "node_name": token.node_name,
    }
    registrar_of(server).register(REGISTRAR, PodIdentity(**{**fields, **changes}), dns)


def release(server: RunningServer, token: BoundToken) -> int:
    return registrar_of(server).release(REGISTRAR, token.pod_uid, 5)


def ask_json(server: RunningServer, token: str, csr: bytes, dns_names: object) -> tuple[int, Any]:
    address = urlsplit(server.url)
    context = ssl.create_default_context(cadata=server.administrator.roots.decode())
    connection = http.client.HTTPSConnection(str(address.hostname), address.port, context=context, timeout=60)
    body = {"token": token, "csr": b64encode(csr).decode(), "dns_names": dns_names}
    connection.request("POST", "/v1/enroll/service-account", json.dumps(body))
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, content


def holder_of(server: RunningServer, certificate: wire.Certificate, key: PrivateKey) -> CertificateClient:
    identity = Identity.from_pem(
        chain_pem=(certificate.certificate_pem + certificate.chain_pem).encode(),
        private_key_pem=encode_private_key(key),
        roots_pem=server.administrator.roots,
    )
    connection = Connection.mutual_tls(Address.from_text(server.grpc_target, default_port=0), identity, timeout=60)
    server._channels.append(connection.channel)
    return CertificateClient(connection)


def living(server: RunningServer, token: BoundToken) -> Sequence[str]:
    return [one.id for one in server.office.pod_certificates.of_pod(token.pod_uid) if one.revoked_at is None]


def test_names_are_given_once_they_are_registered(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    token = BoundToken(pod_name="early")
    text, csr = cluster.knows(token), request_for()

    with failing() as failure:
        enroll(enrolling, text, csr, dns_names=NAMES, request_id="early")
    register(enrolling, token, *NAMES)
    certificate = enroll(enrolling, text, csr, dns_names=("CART.shop.svc", NAMES[1]), request_id="early")

    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "NAMES_NOT_REGISTERED")
    assert "cart.shop.svc" in failure.message
    assert sorted(certificate.names.dns_names) == sorted(NAMES)
    assert list(certificate.names.uris) == [CART]
    assert certificate.requester == CART


def test_names_by_the_json_twin(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    token = BoundToken(pod_name="json")
    text, csr = cluster.knows(token), request_for()

    early, problem = ask_json(enrolling, text, csr, ["cart.shop.svc"])
    register(enrolling, token, *NAMES)
    late, answer = ask_json(enrolling, text, csr, ["cart.shop.svc"])
    odd, fault = ask_json(enrolling, text, csr, {"cart": "shop"})

    assert (early, problem["reason"]) == (503, "NAMES_NOT_REGISTERED")
    assert (late, answer["certificate"]["names"]["dns_names"]) == (200, ["cart.shop.svc"])
    assert (odd, fault["reason"]) == (400, "REQUEST_INVALID")


def test_pod_that_asks_for_no_names_gets_none(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    token = BoundToken(pod_name="plain")
    register(enrolling, token, *NAMES)

    certificate = enroll(enrolling, cluster.knows(token), request_for("cart.shop.svc"))

    assert (list(certificate.names.dns_names), list(certificate.names.uris)) == ([], [CART])


@pytest.mark.parametrize(
    "dns", [("db.shop.svc",), ("cart.shop.svc", "kubernetes.default.svc"), ("*.shop.svc",), ("cart.shop",)], ids=str
)
def test_names_of_others_are_not_given(enrolling: RunningServer, cluster: FakeApiServer, dns: tuple[str, ...]) -> None:
    token = BoundToken(pod_name="curious")
    register(enrolling, token, *NAMES)

    with failing() as failure:
        enroll(enrolling, cluster.knows(token), dns_names=dns)

    assert failure.reason in {"NAMES_NOT_REGISTERED", "ENROLLMENT_REFUSED"}
    assert living(enrolling, token) == []


@pytest.mark.parametrize(
    ("dns", "reason"),
    [
        (("a..b",), "MALFORMED_NAME"),
        (("x" * 300,), "MALFORMED_NAME"),
        (tuple(f"w{number}.shop.svc" for number in range(10_000)), "TOO_MANY_NAMES"),
        (tuple(f"w{number}.shop.svc" for number in range(100)), "TOO_MANY_NAMES"),
    ],
    ids=["no name", "a long one", "10,000", "one too many"],
)
def test_odd_names_are_refused_as_such(
    enrolling: RunningServer, cluster: FakeApiServer, dns: tuple[str, ...], reason: str
) -> None:
    with failing() as failure:
        enroll(enrolling, cluster.knows(BoundToken()), dns_names=dns)

    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


def test_pod_that_is_registered_as_another_is_refused(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    token = BoundToken(pod_name="twice")
    register(enrolling, token, *NAMES, service_account="other")

    with failing() as failure:
        enroll(enrolling, cluster.knows(token))

    verify_opaque(failure)
    assert "POD_MISMATCH" in newest_event(enrolling).details


def test_certificate_renews_itself_for_as_long_as_its_names_are_registered(
    enrolling: RunningServer, cluster: FakeApiServer
) -> None:
    token, key = BoundToken(pod_name="long"), generate_private_key(KeyType.EC_P256)
    text = cluster.knows(token)
    register(enrolling, token, *NAMES)
    holder = holder_of(enrolling, enroll(enrolling, text, request_for(key=key), dns_names=NAMES), key)

    renewed = holder.renew_certificate(request_for())
    register(enrolling, token, NAMES[0])
    for attempt in (
        lambda: holder.renew_certificate(request_for()),
        holder.renew_certificate,
        lambda: holder.sign_csr(request_for(*NAMES, uris=(CART,)), profile="workload"),
    ):
        with pytest.raises(CallOutOfTurn) as refused:
            attempt()
        assert refused.value.reason == "RENEWAL_REFUSED"
    fewer = enroll(enrolling, text, request_for(key=key), dns_names=NAMES[:1])

    assert sorted(renewed.names.dns) == sorted(NAMES)
    assert list(fewer.names.dns_names) == [NAMES[0]]


def test_released_pod_is_refused_as_anybody_is(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    """The API server may vouch for its token for some seconds more."""
    token, key = BoundToken(pod_name="gone"), generate_private_key(KeyType.EC_P256)
    text, csr = cluster.knows(token), request_for(key=key)
    register(enrolling, token, *NAMES)
    held = enroll(enrolling, text, csr, request_id="gone", dns_names=NAMES)

    assert release(enrolling, token) == 1

    for fields in ({}, {"request_id": "gone", "dns_names": NAMES}, {"dns_names": ("db.shop.svc",)}):
        with failing() as failure:
            enroll(enrolling, text, request_for(), **fields)
        verify_opaque(failure)
        assert "POD_RELEASED" in newest_event(enrolling).details
    with pytest.raises(CallUnauthenticated):
        holder_of(enrolling, held, key).renew_certificate(request_for())
    assert living(enrolling, token) == []


def test_pod_is_released_before_it_has_enrolled(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    token = BoundToken(pod_name="brief")

    assert release(enrolling, token) == 0

    with failing() as failure:
        enroll(enrolling, cluster.knows(token))
    verify_opaque(failure)


def test_enrolled_pods_are_listed_without_being_registered(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    token = BoundToken(pod_name="listed")
    enroll(enrolling, cluster.knows(token))

    found = enrolling.office.pods.find(token.pod_uid)

    assert found is not None
    assert (found.namespace, found.name, found.service_account) == ("shop", "listed", "cart")
    assert found in registrar_of(enrolling).page(REGISTRAR, page_size=1000, page_token="").items


def test_release_in_the_midst_of_enrollments_leaves_nothing_behind(
    enrolling: RunningServer, cluster: FakeApiServer
) -> None:
    for attempt in range(5):
        first = BoundToken(pod_name=f"race-{attempt}")
        tokens = [first, *(BoundToken(pod_name=first.pod_name, pod_uid=first.pod_uid) for _ in range(7))]
        texts = [cluster.knows(token) for token in tokens]

        def act(number: int, texts: list[str] = texts, token: BoundToken = first) -> grpc.StatusCode | None:
            try:
                if number == 4:
                    release(enrolling, token)
                else:
                    enroll(enrolling, texts[number])
            except grpc.RpcError as err:
                return cast("grpc.Call", err).code()
            return None

        with ThreadPoolExecutor(8) as pool:
            outcomes = set(pool.map(act, range(8)))

        assert outcomes <= {None, grpc.StatusCode.UNAUTHENTICATED}
        assert living(enrolling, first) == []


def test_release_outlives_the_authority(cluster: FakeApiServer, tmp_path: Any) -> None:
    token = BoundToken(pod_name="remembered")
    text = cluster.knows(token)
    settings = {"kubernetes_enrollment": True, "kubernetes_kubeconfig": cluster.kubeconfig}
    with running_server(tmp_path / "data", **settings) as server:
        enroll(server, text)
        assert release(server, token) == 1

    with running_server(tmp_path / "data", **settings) as server:
        with failing() as failure:
            enroll(server, text)
        verify_opaque(failure)
