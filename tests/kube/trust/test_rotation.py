"""A rotation of the root goes on when the cluster was read back with it; calls of a webhook and an API service never fail."""

import base64
import contextlib
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from ca.client.authority import CaClient
from ca.client.connection import Address
from ca.client.errors import ClientError
from ca.client.followed import FollowedConnection
from ca.client.following import TrustFollower
from ca.client.identity import Identity
from certs.keys import KeyType, encode_private_key, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.pem import split_certificates
from certs.requests import build_request
from serving.tls import load_pair
from tests.apiserver.client import Answer
from tests.ca.rotation.fleet import renewed, running, with_roots
from tests.ca.server import RunningServer, running_server
from tests.kube.distributing import events_about, running_registrar, seconds_until
from tests.kube.injection.webhook_server import webhook_server
from tests.kube.trust.test_on_a_real_api_server import BUNDLES, path_in
from tests.servers.kubernetes.extension import API_SERVICES, Extension
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
PROPAGATION = 3.0
NAMESPACE = "rotating"
GROUP = "rotating.example.com"
LABEL = {"chancery.dev/inject": "true"}


@dataclass
class Follower:
    """An identity that renews when it is asked to, and trusts what is to be trusted."""

    target: str
    name: str
    identity: Identity
    failures: list[ClientError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._follower = TrustFollower(self.name)

    def follow(self, stopping: threading.Event) -> None:
        while not stopping.wait(0.3):
            try:
                self._follow()
            except ClientError as err:
                self.failures.append(err)

    def _follow(self) -> None:
        with CaClient.connect(self.target, self.identity) as client:
            bundle = self._follower.look(client.trust, self.identity.roots_pem)
            if self._follower.asks_for_renewal(bundle, self.identity.certificate, bundle.roots_pem):
                self.identity = renewed(client, bundle.roots_pem)
            elif bundle.roots_pem != self.identity.roots_pem:
                self.identity = with_roots(self.identity, bundle.roots_pem)

    def context(self) -> ssl.SSLContext:
        """For a server that asks nobody for a certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        identity = self.identity
        load_pair(context, private_key=identity.private_key_pem, chain=identity.chain_pem)
        return context


@dataclass
class Rotating:
    cluster: object
    server: RunningServer
    administrator: Follower

    def get(self, path):
        return self.cluster.admin.get(path).document

    def read_back(self) -> list[bytes]:
        """What is trusted by each of the four ways."""
        webhook = self.get(f"{CONFIGURATIONS}/rotating")["webhooks"][0]["clientConfig"].get("caBundle", "")
        items = self.get(f"{BUNDLES}?labelSelector=chancery.dev/live%3Dtrue")["items"]
        config_map = self.cluster.admin.get(path_in(NAMESPACE)).document.get("data", {}).get("ca.crt", "")
        return [
            decoded(webhook),
            decoded(self.get(f"{API_SERVICES}/v1.{GROUP}")["spec"].get("caBundle", "")),
            config_map.encode(),
            b"".join(one["spec"]["trustBundle"].encode() for one in items),
        ]

    def status(self):
        with CaClient.connect(self.server.grpc_target, self.administrator.identity) as client:
            return client.administration.get_rotation()

    def start(self) -> None:
        with CaClient.connect(self.server.grpc_target, self.administrator.identity) as client:
            client.administration.start_rotation("root", haste="now")


def decoded(text: str) -> bytes:
    return base64.b64decode(text)


def webhook_identity(server: RunningServer, administrator: Identity) -> Identity:
    key = generate_private_key(KeyType.EC_P256)
    names = SubjectAlternativeNames.parse(dns=[f"things.{NAMESPACE}.svc"], ips=["127.0.0.1"])
    with CaClient.connect(server.grpc_target, administrator) as client:
        signed = client.certificates.sign_csr(build_request(key, SubjectName(), names), profile="peer")
    return Identity.from_pem(
        chain_pem=signed.full_chain_pem,
        private_key_pem=encode_private_key(key),
        roots_pem=server.administrator.roots,
    )


def configuration(port: int):
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    return {
        "metadata": {"name": "rotating", "labels": LABEL},
        "webhooks": [
            {
                "name": "rotating.example.com",
                "clientConfig": {"url": f"https://127.0.0.1:{port}/"},
                "rules": [{**rule, "scope": "Namespaced"}],
                "objectSelector": {"matchLabels": {"asked-about": "yes"}},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def api_service(port: int):
    spec = {
        "group": GROUP,
        "version": "v1",
        "groupPriorityMinimum": 1000,
        "versionPriority": 15,
        "service": {"namespace": NAMESPACE, "name": "things", "port": port},
    }
    return {"metadata": {"name": f"v1.{GROUP}", "labels": LABEL}, "spec": spec}


@pytest.fixture
def rotating(control_plane, tmp_path) -> Iterator[Rotating]:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running_server(tmp_path / "data", rotation_settle="2s"))
        made = server.administrator
        identity = Identity.from_pem(chain_pem=made.chain, private_key_pem=made.private_key, roots_pem=made.roots)
        administrator = Follower(server.grpc_target, "administrator", identity)
        webhook = Follower(server.grpc_target, "webhook", webhook_identity(server, identity))
        port, _ = stack.enter_context(webhook_server(webhook.context))
        authority = FollowedConnection(
            Address.from_text(server.grpc_target, default_port=0), lambda: administrator.identity
        )
        stack.callback(authority.close)
        stack.enter_context(running([administrator.follow, webhook.follow]))
        settings = {"config_map_propagation": f"{PROPAGATION:.0f}s", "cluster_trust_bundle_propagation": "2s"}
        stack.enter_context(running_registrar(control_plane, authority=authority, **settings))
        extension = Extension.publish(control_plane, namespace=NAMESPACE, name="things")
        control_plane.admin.patch(f"/api/v1/namespaces/{NAMESPACE}", {"metadata": {"labels": LABEL}})
        for path, document in ((CONFIGURATIONS, configuration(port)), (API_SERVICES, api_service(port))):
            answer = control_plane.admin.create(path, document)
            assert answer.status == 201, answer.octets
            stack.callback(control_plane.admin.delete, f"{path}/{document['metadata']['name']}")
        extension.wait_until_available(f"v1.{GROUP}")
        yield Rotating(cluster=control_plane, server=server, administrator=administrator)


def ask(rotating: Rotating) -> list[Answer]:
    """A call that the webhook is asked about, and one that the extension server answers: with a new connection each, where the API
    server makes one."""
    document = {"metadata": {"generateName": "asked-", "labels": {"asked-about": "yes"}}}
    return [
        rotating.cluster.admin.create("/api/v1/namespaces/default/configmaps", document, dryRun="All"),
        rotating.cluster.admin.get(f"/apis/{GROUP}/v1"),
    ]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_root_is_rotated_when_the_cluster_holds_it_and_no_call_fails(rotating):
    old = rotating.server.administrator.roots
    seconds_until(lambda: rotating.read_back() == [old] * 4, "everything trusts the old root")
    seconds_until(lambda: held_by_registrar(rotating) == 1, "the authority hears of it", seconds=30)
    failures: list[str] = []
    calls = []

    def keep_asking(stopping: threading.Event) -> None:
        while not stopping.is_set():
            for answer in ask(rotating):
                calls.append(answer.status)
                if answer.status not in {200, 201}:
                    failures.append(answer.octets.decode())

    # somebody's own ConfigMap takes the place of ours before the rotation begins
    theirs = {"metadata": {"labels": {"chancery.dev/published-by": None}}, "data": {"ca.crt": "theirs"}}
    with running([keep_asking]):
        rotating.cluster.admin.patch(path_in(NAMESPACE), theirs)
        rotating.start()
        seconds_until(lambda: len(split_certificates(rotating.read_back()[0])) == 2, "the webhook trusts both roots")
        time.sleep(2 * PROPAGATION)  # longer than the rotation takes where nobody is waited for
        waiting = rotating.status()
        rotating.cluster.admin.delete(path_in(NAMESPACE))
        seconds_until(lambda: rotating.status().rotation.phase != "publishing", "it moves on", seconds=60)
        signing = time.monotonic()
        both = rotating.read_back()
        seconds_until(lambda: not rotating.status().is_under_way, "it ends", seconds=120)
        new = rotating.administrator.identity.roots_pem
        seconds_until(lambda: rotating.read_back() == [new] * 4, "everything trusts the new root")
        more = len(calls) + 20
        seconds_until(lambda: len(calls) >= more, "calls go on")

    print(f"{len(calls)} calls, {len(failures)} failed; {time.monotonic() - signing:.1f} s from signing to the end")
    assert waiting.rotation.phase == "publishing"
    assert [one.name.split()[-1] for one in waiting.consumers if one.held_generation < 2] == ["registrar"]
    assert "ConfigMapNotOurs" in events_about(rotating.cluster, "chancery-roots", namespace=NAMESPACE)
    assert [len(split_certificates(one)) for one in both] == [2, 2, 2, 2]
    assert old not in new
    assert rotating.administrator.failures == []
    assert failures == []


def held_by_registrar(rotating: Rotating) -> int:
    return max(
        (one.held_generation for one in rotating.status().consumers if one.name.endswith(" registrar")), default=-1
    )
