"""Storage API servers as processes, killed and started again in their pods, and the rotations that wait for them or do not."""

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ca.client.authority import CaClient
from ca.client.identity import Identity
from certs.keys import KeyType, encode_private_key, generate_private_key
from store.records import CertificateRecord
from tests.ca.cluster.api_server import BoundToken, FakeApiServer, fake_api_server
from tests.ca.cluster.test_enrollment import CART, enroll
from tests.ca.offices import request_for
from tests.ca.rotation.fleet import renewed
from tests.ca.rotation.worlds import ADMINISTRATOR
from tests.ca.server import RunningServer, running_server
from tests.cli.program import Program

_SECONDS = 60.0
_RULE = """\
  - name: storage-api-server
    callers: [{certificate: {spiffe_ids: ["spiffe://cluster.local/ns/shop/sa/cart"]}}]
    operations: [issue]
    profiles: [server]
    names: {dns: [localhost], ips: [127.0.0.1, "::1"]}
    subject: {common_names: [chancery-apiserver]}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One identity in one directory, and what of the pod's volumes its containers use."""

    server: RunningServer
    directory: Path
    identity: Identity

    @contextlib.contextmanager
    def api_server(self, data: str = "data", *, stop: signal.Signals = signal.SIGTERM) -> "Iterator[CertificateRecord]":
        """`ca-cli apiserver` until the end of the block, and how it ends; yields the certificate that it has got."""
        program = Program(home=self.directory / "home", directory=self.directory, variables={})
        process = program.start(
            *("apiserver", "--secure-port", "0", "--authorization-skip-lookup", "--log-level", "warning"),
            *("--data-directory", self.directory / data, "--server", self.server.grpc_target),
            *("--identity", self.directory / "identity"),
        )
        try:
            assert process.stdout is not None
            if not process.stdout.readline().startswith("apiserver"):
                raise AssertionError(process.communicate()[1])
            yield newest(self.server)
        finally:
            process.send_signal(stop)
            process.communicate(timeout=_SECONDS)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeApiServer]:
    with fake_api_server(tmp_path) as fake:
        yield fake


@pytest.fixture
def server(tmp_path: Path, cluster: FakeApiServer) -> Iterator[RunningServer]:
    settings = {"kubernetes_enrollment": True, "kubernetes_kubeconfig": cluster.kubeconfig}
    with running_server(tmp_path / "ca", rotation_settle="2s", **settings) as server:
        policy = tmp_path / "ca" / "policy.yaml"
        policy.write_text(policy.read_text().replace("rules:\n", f"rules:\n{_RULE}", 1))
        deadline = time.monotonic() + _SECONDS
        while "storage-api-server" not in server.office.policy().document:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield server


def pod_of(server: RunningServer, cluster: FakeApiServer, directory: Path, token: BoundToken | None = None) -> Pod:
    """With an identity that its token has got it, as the agent of the chart's pod does."""
    key = generate_private_key(KeyType.EC_P256)
    held = enroll(server, cluster.knows(token or BoundToken()), request_for(key=key))
    identity = Identity.from_pem(
        chain_pem=(held.certificate_pem + held.chain_pem).encode(),
        private_key_pem=encode_private_key(key),
        roots_pem=server.administrator.roots,
    )
    (directory / "identity").mkdir(mode=0o700, parents=True)
    for name, content in (
        ("tls.crt", identity.chain_pem),
        ("tls.key", identity.private_key_pem),
        ("ca.crt", identity.roots_pem),
    ):
        (directory / "identity" / name).write_bytes(content)
        (directory / "identity" / name).chmod(0o600)
    return Pod(server=server, directory=directory, identity=identity)


def newest(server: RunningServer) -> CertificateRecord:
    page = server.office.inventory.search(now=0, page_size=50)
    return next(one for one in page.items if one.profile == "server" and one.requester == CART)


def record(server: RunningServer, held: CertificateRecord) -> CertificateRecord:
    return server.office.inventory.find(held.id)


def begin(server: RunningServer, *identities: Identity) -> None:
    """A rotation of the issuing CA, until all are asked to renew; the administrator and these do so."""
    server.office.rotations.start("issuer", "now", ADMINISTRATOR)
    reach(server, "signing")
    made = server.administrator
    administrator = Identity.from_pem(chain_pem=made.chain, private_key_pem=made.private_key, roots_pem=made.roots)
    for identity in (administrator, *identities):
        with CaClient.connect(server.grpc_target, identity) as client:
            renewed(client, identity.roots_pem)


def reach(server: RunningServer, phase: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while (status := server.office.rotations.status()).rotation is None or status.rotation.phase != phase:
        assert time.monotonic() < deadline, (status.decision, status.observed)
        time.sleep(0.1)


def waited_for(server: RunningServer) -> set[str]:
    """Once what was renewed has settled."""
    deadline = time.monotonic() + _SECONDS
    while any(one.profile != "server" for one in server.office.rotations.status().observed.in_use):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return {one.id for one in server.office.rotations.status().observed.in_use}


@pytest.mark.timeout(180)
def test_rotation_does_not_wait_for_a_server_that_was_killed_and_started_again_in_its_place(server, cluster, tmp_path):
    pod = pod_of(server, cluster, tmp_path / "pod")
    with pod.api_server(stop=signal.SIGKILL) as killed:
        pass

    with pod.api_server() as present:
        begin(server, pod.identity)
        waited = waited_for(server)
    reach(server, "stable")

    assert record(server, present).renewed_from == killed.id
    assert waited == {present.id}
    assert [record(server, one).revocation_reason for one in (killed, present)] == [None, 5]


@pytest.mark.timeout(240)
def test_rotation_waits_for_each_container_and_each_replica(server, cluster, tmp_path):
    """Two containers of one pod; and another pod of the account that begins with a copy of the first one's volume."""
    token = BoundToken()
    one = pod_of(server, cluster, tmp_path / "one", token)
    other = pod_of(server, cluster, tmp_path / "other", BoundToken())
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(one.api_server("first"))
        (other.directory / "copy").mkdir(mode=0o700)
        memory = "serving-certificate.json"
        (other.directory / "copy" / memory).write_bytes((one.directory / "first" / memory).read_bytes())
        second = stack.enter_context(one.api_server("second", stop=signal.SIGKILL))
        third = stack.enter_context(other.api_server("copy"))
        begin(server, one.identity, other.identity)
        waited = waited_for(server)
    reached = server.office.rotations.status().rotation

    assert waited == {first.id, second.id, third.id}
    assert [record(server, each).renewed_from for each in (first, second, third)] == [None] * 3
    assert reached is not None
    assert reached.phase == "signing"
    assert {each.id for each in server.office.rotations.status().observed.in_use} == {second.id}
