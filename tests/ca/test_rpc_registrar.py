"""RegistrarService over real mTLS, by the Python client: what a registrar may say and have signed, and what nobody may."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.client.certificates import CertificateClient
from ca.client.connection import Address, Connection
from ca.client.errors import CallDenied, CallFailed, CallInvalid, CallOutOfTurn, CallUnauthenticated
from ca.client.identity import Identity
from ca.client.registrar import RegistrarClient
from ca.client.values import CertificateState, IssuedCertificate, Pod, RevocationReason
from ca.office import AdministratorIdentity
from certs.holders import public_key
from certs.keys import KeyType, encode_private_key, generate_private_key, subject_public_key_info
from certs.names import SubjectAlternativeNames, SubjectName
from certs.pem import load_certificate
from tests.ca.offices import request_for
from tests.ca.server import RunningServer, running_server
from tests.ca.wire import identity_of

SPIFFE = "spiffe://cluster.local/ns/{}/sa/{}"
NO_SUBJECT = SubjectName()

_POLICY = """\
apiVersion: chancery.dev/v1alpha1
kind: Policy
rules:
  - name: registrar-of-the-shop
    callers: [{certificate: {common_names: [shop-registrar]}}]
    operations: [register]
    profiles: [workload, server]
    names: {uris: ["spiffe://cluster.local/ns/shop/sa/*"], dns: ["*.shop.svc"]}
  - name: issuers
    callers: [{certificate: {common_names: [issuer]}}]
    operations: ["*", administer]
    profiles: ["*"]
    names: any
    subject: any
  - name: registrars
    callers: [{certificate: {organizations: ["chancery:registrars"]}}]
    operations: [register]
    profiles: [workload, server]
    names: {uris: ["spiffe://cluster.local/ns/*/sa/*"], dns: ["**.svc"]}
    subject: {common_names: ["*"]}
  - name: holders
    callers: [{certificate: {}}]
    operations: [issue, renew]
    profiles: [workload]
    names: own
    subject: own
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory: Path = tmp_path_factory.mktemp("registrar")
    (directory / "policy.yaml").write_text(_POLICY)
    with running_server(directory / "data", policy_file=directory / "policy.yaml") as running:
        yield running


def client_of(server: RunningServer, identity: AdministratorIdentity) -> Connection:
    address = Address.from_text(server.grpc_target, default_port=0)
    shown = Identity.from_pem(
        chain_pem=identity.chain, private_key_pem=identity.private_key, roots_pem=server.administrator.roots
    )
    connection = Connection.mutual_tls(address, shown, timeout=60)
    server._channels.append(connection.channel)
    return connection


def registrar_of(server: RunningServer, **fields: Any) -> RegistrarClient:
    return RegistrarClient(client_of(server, identity_of(server.office, **fields)))


@pytest.fixture(scope="module")
def registrar(server: RunningServer) -> RegistrarClient:
    return registrar_of(server, common_name="registrar", organizations=("chancery:registrars",))


@pytest.fixture
def pod() -> Pod:
    uid = str(uuid.uuid4())
    return Pod(namespace="shop", name=f"web-{uid[:8]}", uid=uid, service_account="web", node="node-1")


def names_for(pod: Pod, *dns: str) -> SubjectAlternativeNames:
    return SubjectAlternativeNames.parse(uris=(SPIFFE.format(pod.namespace, pod.service_account),), dns=dns)


def sign(registrar: RegistrarClient, pod: Pod, /, *dns: str, csr: bytes = b"", **fields: Any) -> IssuedCertificate:
    wanted: dict[str, Any] = {
        "subject": NO_SUBJECT,
        "names": names_for(pod, *dns),
        "profile": "workload",
        "lifetime": None,
        "request_id": "",
        "pod": pod,
    }
    return registrar.sign_request(csr or request_for(), **{**wanted, **fields})


def state_of(server: RunningServer, certificate: IssuedCertificate) -> str:
    record = server.office.inventory.find(certificate.id)
    return "valid" if record.revoked_at is None else f"revoked for {record.revocation_reason}"


def test_of_the_request_only_the_key_counts(registrar: RegistrarClient, pod: Pod) -> None:
    key = generate_private_key(KeyType.EC_P256)
    asked = request_for("evil.example.com", key=key, common_name="system:admin")

    certificate = sign(registrar, pod, "web.shop.svc", csr=asked, lifetime=timedelta(hours=2))

    leaf = load_certificate(certificate.certificate_pem)
    assert subject_public_key_info(public_key(leaf)) == subject_public_key_info(key.public_key())
    assert not list(leaf.subject)
    assert certificate.names.all() == ("web.shop.svc", SPIFFE.format("shop", "web"))
    assert certificate.profile == "workload"
    assert certificate.state is CertificateState.VALID
    assert certificate.not_after - certificate.issued_at == timedelta(hours=2)
    assert load_certificate(certificate.chain_pem).subject == leaf.issuer


def test_serving_certificate_of_no_pod(registrar: RegistrarClient, server: RunningServer) -> None:
    certificate = registrar.sign_request(
        request_for(),
        subject=SubjectName(common_name="hook.shop.svc"),
        names=SubjectAlternativeNames.parse(dns=("hook.shop.svc",)),
        profile="server",
        lifetime=None,
        request_id="",
        pod=None,
    )

    assert certificate.subject == "CN=hook.shop.svc"
    assert certificate.requester == "CN=registrar,O=chancery:registrars"
    assert state_of(server, certificate) == "valid"


def test_request_id_makes_a_retry_safe(registrar: RegistrarClient, pod: Pod) -> None:
    csr, request_id = request_for(), uuid.uuid4().hex

    first = sign(registrar, pod, csr=csr, request_id=request_id)

    assert sign(registrar, pod, csr=csr, request_id=request_id).id == first.id
    with pytest.raises(CallInvalid) as refused:
        sign(registrar, pod, "web.shop.svc", csr=csr, request_id=request_id)
    assert refused.value.reason == "REQUEST_ID_REUSED"


def test_request_without_proof_of_its_key_is_refused(registrar: RegistrarClient, pod: Pod) -> None:
    signed = x509.load_pem_x509_csr(request_for()).public_bytes(Encoding.DER)
    forged = signed[:-1] + bytes([signed[-1] ^ 1])

    with pytest.raises(CallInvalid):
        sign(registrar, pod, csr=forged)
    with pytest.raises(CallInvalid):
        sign(registrar, pod, csr=b"no request")


def test_release_revokes_what_was_signed_and_what_followed(
    registrar: RegistrarClient, server: RunningServer, pod: Pod
) -> None:
    key = generate_private_key(KeyType.EC_P256)
    first = sign(registrar, pod, csr=request_for(key=key))
    holder = CertificateClient(_holding(server, first, key))
    second = holder.renew_certificate(request_for())
    third = holder.sign_csr(request_for(uris=first.names.uris), profile="workload")
    other = sign(registrar, replace(pod, uid=str(uuid.uuid4()), name="other"))

    assert registrar.release_pod(pod.uid) == 3

    assert [state_of(server, one) for one in (first, second, third)] == ["revoked for 5"] * 3
    assert state_of(server, other) == "valid"
    assert registrar.release_pod(pod.uid, RevocationReason.KEY_COMPROMISE) == 0
    with pytest.raises(CallUnauthenticated) as refused:
        holder.renew_certificate(request_for())
    assert refused.value.reason == "CALLER_REVOKED"


def test_release_gives_the_reason_that_it_was_told(registrar: RegistrarClient, server: RunningServer, pod: Pod) -> None:
    certificate = sign(registrar, pod)

    registrar.release_pod(pod.uid, RevocationReason.KEY_COMPROMISE)

    assert state_of(server, certificate) == "revoked for 1"


@pytest.mark.parametrize("known", [True, False])
def test_released_pod_can_have_nothing_more(registrar: RegistrarClient, pod: Pod, known: bool) -> None:
    if known:
        registrar.register_pod(pod, ("web.shop.svc",))
    assert registrar.release_pod(pod.uid) == 0

    for attempt in (lambda: sign(registrar, pod), lambda: registrar.register_pod(pod, ())):
        with pytest.raises(CallOutOfTurn) as refused:
            attempt()
        assert refused.value.reason == "POD_RELEASED"
    assert pod not in registrar.list_pods()


def test_audit_tells_of_pods_once_for_each_change(registrar: RegistrarClient, server: RunningServer, pod: Pod) -> None:
    def events() -> list[Any]:
        return list(server.office.audit.page(page_size=10, subject_id=pod.uid).items)

    for _ in range(3):
        registrar.register_pod(pod, ("b.shop.svc", "a.shop.svc"))
    registrar.register_pod(pod, ("A.shop.svc", "b.shop.svc", "b.shop.svc"))
    certificate = sign(registrar, pod)
    for _ in range(2):
        registrar.release_pod(pod.uid)

    released, registered = events()
    assert (registered.action, released.action) == ("pod.register", "pod.release")
    assert registered.actor == "CN=registrar,O=chancery:registrars"
    assert orjson.loads(registered.details)["names"] == ["b.shop.svc", "a.shop.svc"]
    assert orjson.loads(released.details) == {"pod": f"shop/{pod.name}", "reason": 5, "revoked": 1}
    (revoked, _issued) = server.office.audit.page(subject_id=certificate.id).items
    assert orjson.loads(revoked.details)["pod_uid"] == pod.uid
    server.office.audit.verify_chain()


def test_listing_shows_pods_as_they_were_registered(registrar: RegistrarClient, pod: Pod) -> None:
    others = [replace(pod, uid=str(uuid.uuid4()), name=f"web-{number}", node="") for number in range(3)]
    registrar.register_pod(pod, ("web.shop.svc",))
    for other in others[:2]:
        sign(registrar, other)
    registrar.register_pod(others[2], ())

    listed = list(registrar.list_pods())

    assert pod in listed
    assert all(other in listed for other in others[:2])
    assert others[2] not in listed
    registrar.register_pod(pod, ())
    assert pod not in registrar.list_pods()


ATTEMPTS = {
    "sign_request": sign,
    "register_pod": lambda registrar, pod: registrar.register_pod(pod, ()),
    "release_pod": lambda registrar, pod: registrar.release_pod(pod.uid),
    "list_pods": lambda registrar, pod: list(registrar.list_pods()),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
@pytest.mark.parametrize(
    "caller",
    [
        {"common_name": "web"},
        {"common_name": "issuer"},
        {"common_name": "registrar", "organizations": ("chancery:administrators",)},
        {"common_name": "registrar", "organizations": ("chancery:registrars ",)},
        {"profile": "workload", "uris": (SPIFFE.format("shop", "web"),)},
        {"profile": "workload", "uris": (SPIFFE.format("chancery", "chancery-registrar"),)},
    ],
    ids=[
        "anybody",
        "who may issue and administer",
        "administrator",
        "lookalike",
        "the workload",
        "unwritten registrar",
    ],
)
def test_nobody_else_is_a_registrar(server: RunningServer, pod: Pod, caller: dict[str, Any], attempt: str) -> None:
    with pytest.raises(CallDenied) as refused:
        ATTEMPTS[attempt](registrar_of(server, **caller), pod)

    assert refused.value.reason == "POLICY_DENIED"
    assert server.office.pods.find(pod.uid) is None


@pytest.mark.parametrize(
    "dns",
    [("db.bank.svc",), ("web.shop.svc", "db.bank.svc"), ("*.shop.svc",), ("a.b.shop.svc",), ("kubernetes",)],
    ids=str,
)
def test_names_beyond_the_policy_are_neither_signed_nor_registered(
    server: RunningServer, pod: Pod, dns: tuple[str, ...]
) -> None:
    registrar = registrar_of(server, common_name="shop-registrar")
    registrar.register_pod(pod, ("web.shop.svc",))

    for attempt in (lambda: sign(registrar, pod, *dns), lambda: registrar.register_pod(pod, dns)):
        with pytest.raises(CallDenied):
            attempt()
    assert server.office.pods.find(pod.uid).dns_names == ("web.shop.svc",)  # type: ignore[union-attr]


def test_registrar_of_one_namespace_says_nothing_about_another(
    server: RunningServer, registrar: RegistrarClient, pod: Pod
) -> None:
    limited = registrar_of(server, common_name="shop-registrar")
    banks = replace(pod, namespace="bank")
    registrar.register_pod(banks, ("db.bank.svc",))
    certificate = sign(registrar, banks)

    for attempt in (
        lambda: limited.register_pod(banks, ()),
        lambda: limited.release_pod(banks.uid),
        lambda: sign(limited, banks),
        lambda: sign(limited, pod, pod=banks),
        lambda: sign(limited, pod, profile="client"),
        lambda: sign(limited, pod, subject=SubjectName(common_name="web")),
    ):
        with pytest.raises(CallDenied):
            attempt()
    assert banks in registrar.list_pods()
    assert banks not in limited.list_pods()
    assert state_of(server, certificate) == "valid"


@pytest.mark.parametrize("reserved", ["system:masters", "chancery:administrators", "chancery:registrars"])
def test_registrar_gives_out_no_reserved_names(registrar: RegistrarClient, pod: Pod, reserved: str) -> None:
    for subject in (SubjectName(organizations=(reserved,)), SubjectName(common_name=reserved)):
        with pytest.raises(CallDenied):
            sign(registrar, pod, subject=subject)


@pytest.mark.parametrize("profile", ["client", "peer", "ocsp", "intermediate", "root", "nonsense", ""])
def test_profiles_beyond_the_policy_are_refused(registrar: RegistrarClient, pod: Pod, profile: str) -> None:
    with pytest.raises(CallFailed) as refused:
        sign(registrar, pod, profile=profile)

    assert isinstance(refused.value, (CallDenied, CallInvalid))


def test_uid_of_another_pod_is_refused(registrar: RegistrarClient, server: RunningServer, pod: Pod) -> None:
    registrar.register_pod(pod, ("web.shop.svc",))

    for forged in (
        replace(pod, namespace="bank"),
        replace(pod, name="another"),
        replace(pod, service_account="admin"),
    ):
        for attempt in (
            lambda forged=forged: registrar.register_pod(forged, ("db.bank.svc",)),
            lambda forged=forged: sign(registrar, forged),
        ):
            with pytest.raises(CallInvalid) as refused:
                attempt()
            assert refused.value.reason == "POD_MISMATCH"
    assert server.office.pods.find(pod.uid).dns_names == ("web.shop.svc",)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "changes",
    [
        {"namespace": ""},
        {"namespace": "shop/../kube-system"},
        {"namespace": "a.b"},
        {"name": "Web"},
        {"name": "x" * 254},
        {"uid": ""},
        {"uid": "u" * 65},
        {"uid": "a\nb"},
        {"uid": "é"},
        {"service_account": "web sa"},
        {"node": "node/1"},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_what_can_be_no_pod_is_refused(registrar: RegistrarClient, pod: Pod, changes: dict[str, str]) -> None:
    odd = replace(pod, **changes)

    for attempt in (lambda: registrar.register_pod(odd, ()), lambda: sign(registrar, pod, pod=odd)):
        with pytest.raises(CallInvalid) as refused:
            attempt()
        assert refused.value.metadata["field"] == f"pod.{next(iter(changes))}"


@pytest.mark.parametrize("uid", ["", "x" * 65, "a b", "../.."])
def test_what_can_be_no_uid_is_not_released(registrar: RegistrarClient, uid: str) -> None:
    with pytest.raises(CallInvalid) as refused:
        registrar.release_pod(uid)

    assert refused.value.metadata["field"] == "pod_uid"


@pytest.mark.parametrize(
    ("dns", "reason"),
    [
        (tuple(f"w{number}.shop.svc" for number in range(10_000)), "TOO_MANY_NAMES"),
        (tuple(f"w{number}.shop.svc" for number in range(100)), "TOO_MANY_NAMES"),
        (("a..shop.svc",), "MALFORMED_NAME"),
        (("-a.shop.svc",), "MALFORMED_NAME"),
        (("10.0.0.1",), "MALFORMED_NAME"),
        (("a.*.svc",), "MALFORMED_NAME"),
        (("web.shop.svc b.shop.svc",), "MALFORMED_NAME"),
        (("",), "MALFORMED_NAME"),
    ],
    ids=lambda value: f"{len(value)} names" if len(value) > 5 else str(value),
)
def test_odd_names_are_not_registered(
    registrar: RegistrarClient, server: RunningServer, pod: Pod, dns: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(CallInvalid) as refused:
        registrar.register_pod(pod, dns)

    assert refused.value.reason == reason
    assert server.office.pods.find(pod.uid) is None


def test_certificate_that_a_registrar_signed_is_not_renewed_with_names_that_are_not_registered(
    registrar: RegistrarClient, server: RunningServer, pod: Pod
) -> None:
    key = generate_private_key(KeyType.EC_P256)
    holder = CertificateClient(_holding(server, sign(registrar, pod, "web.shop.svc", csr=request_for(key=key)), key))

    for attempt in (
        lambda: holder.renew_certificate(request_for()),
        lambda: holder.sign_csr(request_for("web.shop.svc", uris=(SPIFFE.format("shop", "web"),)), profile="workload"),
    ):
        with pytest.raises(CallOutOfTurn) as refused:
            attempt()
        assert refused.value.reason == "RENEWAL_REFUSED"

    registrar.register_pod(pod, ("web.shop.svc",))
    assert holder.renew_certificate(request_for()).names.dns == ("web.shop.svc",)


def test_certificate_that_was_signed_for_no_pod_gets_no_successor_from_its_holder(
    registrar: RegistrarClient, server: RunningServer, pod: Pod
) -> None:
    """Nobody would say when it ends: whoever had a namespace once would be its Services for ever."""
    key = generate_private_key(KeyType.EC_P256)
    first = sign(registrar, pod, csr=request_for(key=key), pod=None, request_id="cr-1")
    again = sign(registrar, pod, csr=request_for(key=key), pod=None, request_id="cr-1")
    holder = CertificateClient(_holding(server, first, key))

    for attempt in (
        lambda: holder.renew_certificate(request_for()),
        lambda: holder.sign_csr(request_for(uris=first.names.uris), profile="workload"),
    ):
        with pytest.raises(CallOutOfTurn) as refused:
            attempt()
        assert refused.value.reason == "RENEWAL_REFUSED"
        assert "make another request" in str(refused.value)
    assert again.id == first.id
    assert sign(registrar, pod, pod=None, request_id="cr-2").id != first.id


def _holding(server: RunningServer, certificate: IssuedCertificate, key: Any) -> Connection:
    identity = AdministratorIdentity(
        private_key=encode_private_key(key),
        chain=certificate.full_chain_pem,
        roots=server.administrator.roots,
        certificate_id=certificate.id,
    )
    return client_of(server, identity)
