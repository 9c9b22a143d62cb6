"""First starts on a real kube-apiserver and a real PostgreSQL, of several processes at once, killed wherever they are: one root."""

import base64
import contextlib
import itertools
import os
import random
import re
import shutil
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from protos.chancery.ca.v1 import admin_service_pb2 as admin
from protos.chancery.ca.v1.admin_service_pb2_grpc import AdminServiceStub
from store.authorities import Authorities
from tests.ca.replicas.replicas import SECONDS, opened
from tests.ca.serving_process import ServingProcess
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.fixtures import KUBERNETES
from tests.servers.postgresql import PostgresqlServer

pytestmark = [*KUBERNETES, pytest.mark.postgresql]

PASSPHRASE, ROOTS = "chancery-passphrase", "chancery-roots"
USER = "chancery-ca"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_MADE = re.compile(r'"action": "authority\.create", "id": "(\w+)"')
_numbers = itertools.count(1)

RULES = [
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
    {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [PASSPHRASE], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [ROOTS], "verbs": ["get", "update"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
]
"""Those of docs/kubernetes.md."""


@dataclass(slots=True, kw_only=True)
class Site:
    """An empty namespace and an empty database, and replicas that start there."""

    plane: ControlPlane
    namespace: str
    kubeconfig: Path
    database: str
    directory: Path
    replicas: list[ServingProcess] = field(default_factory=list)

    def replica(self) -> ServingProcess:
        settings = {
            "database": self.database,
            "kubernetes_kubeconfig": str(self.kubeconfig),
            "kubernetes_namespace": self.namespace,
            "kubernetes_passphrase_secret": PASSPHRASE,
            "kubernetes_roots_secret": ROOTS,
            "rotation_overlap": "0s",
            "rotation_settle": "1s",
        }
        made = ServingProcess(home=self.directory / f"replica-{len(self.replicas)}", settings=settings)
        self.replicas.append(made)
        return made

    def secret(self, name: str) -> dict[str, bytes] | None:
        answer = self.plane.admin.get(f"/api/v1/namespaces/{self.namespace}/secrets/{name}")
        if answer.status == 404:
            return None
        return {key: base64.b64decode(value) for key, value in answer.document["data"].items()}

    def roots_in_database(self) -> int:
        """None of the tables may be there yet."""
        with contextlib.suppress(Exception), opened(self.database) as database:
            return sum(record.profile == "root" for record in Authorities(database).list())
        return 0

    def authorities(self) -> list[str]:
        with opened(self.database) as database:
            return sorted(record.id for record in Authorities(database).list())

    def told_of_authorities(self) -> list[str]:
        """Ids of those that were made, as the logs of all replicas have it."""
        return sorted(one for replica in self.replicas for one in _MADE.findall(replica.log))

    def verify_one_authority_serves(self) -> None:
        passphrase, roots = self.secret(PASSPHRASE), self.secret(ROOTS)
        assert passphrase is not None
        assert roots is not None
        assert self.roots_in_database() == 1
        assert {served_roots(replica) for replica in self.replicas} == {roots["ca.crt"]}
        assert roots["ca.crt"].count(b"BEGIN CERTIFICATE") == 1


@pytest.fixture(scope="module")
def kubeconfig(control_plane: ControlPlane) -> Path:
    return control_plane.kubeconfig_for_user(USER)


@pytest.fixture
def site(
    control_plane: ControlPlane, kubeconfig: Path, postgresql_server: PostgresqlServer, tmp_path: Path
) -> Iterator[Site]:
    namespace = f"first-start-{next(_numbers)}"
    create(control_plane, "/api/v1/namespaces", {"metadata": {"name": namespace}})
    grant(control_plane, namespace)
    database = postgresql_server.lend_database()
    made = Site(plane=control_plane, namespace=namespace, kubeconfig=kubeconfig, database=database, directory=tmp_path)
    try:
        yield made
    finally:
        for replica in made.replicas:
            if replica._process is not None:
                replica.kill()
        postgresql_server.take_back(database)


def create(plane: ControlPlane, path: str, document: dict[str, Any]) -> None:
    answer = plane.admin.request("POST", path, document)
    assert answer.status == 201, answer.octets


def grant(plane: ControlPlane, namespace: str) -> None:
    create(plane, f"{_RBAC}/namespaces/{namespace}/roles", {"metadata": {"name": USER}, "rules": RULES})
    binding = {
        "metadata": {"name": USER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": USER},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
    }
    create(plane, f"{_RBAC}/namespaces/{namespace}/rolebindings", binding)


def served_roots(replica: ServingProcess) -> bytes:
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(replica.endpoints["http"] + "/roots.pem", context=anybody, timeout=SECONDS) as answer:
        return bytes(answer.read())


def make_administrator(replica: ServingProcess) -> None:
    """As whoever may exec into its pod."""
    subprocess.run(
        [sys.executable, "-m", "cli.main", "init", "--new-administrator"],
        env={**os.environ, "CHANCERY_HOME": str(replica.home)},
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def test_four_that_start_at_once_make_one_root_and_serve_it(site: Site) -> None:
    for replica in [site.replica() for _ in range(4)]:
        replica.launch()
    for replica in site.replicas:
        replica.await_listeners()

    site.verify_one_authority_serves()
    assert sum("roots published" in replica.log for replica in site.replicas) == 1
    assert site.told_of_authorities() == site.authorities()


STEPS: dict[str, Callable[[Site], object]] = {
    "before anything": lambda _site: True,
    "once there is a passphrase": lambda site: site.secret(PASSPHRASE),
    "once there is a root": lambda site: site.roots_in_database(),
    "once it is published": lambda site: site.secret(ROOTS),
}


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_instant_of_the_first_start_they_leave_one_root(site: Site, step: str) -> None:
    moments = random.Random(step)
    for replica in [site.replica() for _ in range(3)]:
        replica.launch()
    until(lambda: STEPS[step](site))
    for replica in site.replicas:
        time.sleep(moments.uniform(0, 0.1))
        replica.kill()

    for replica in site.replicas:
        replica.launch()
    for replica in site.replicas:
        replica.await_listeners()

    site.verify_one_authority_serves()


def test_root_rotation_reaches_the_secret(site: Site) -> None:
    """As union first; the registrar, the injector and agents of the namespace have it mounted."""
    replica = site.replica()
    replica.start()
    assert not (replica.home / "identity").exists()
    make_administrator(replica)
    before = site.secret(ROOTS)
    assert before is not None

    AdminServiceStub(replica.channel()).StartRotation(
        admin.StartRotationRequest(kind="ROTATION_KIND_ROOT"), timeout=SECONDS
    )

    until(lambda: (site.secret(ROOTS) or {})["ca.crt"].count(b"BEGIN CERTIFICATE") == 2)
    union = site.secret(ROOTS)
    assert union is not None
    assert before["ca.crt"].strip() in union["ca.crt"]
    assert served_roots(replica) == union["ca.crt"]
    replica.close_channels()


def test_volume_that_was_lost_is_told_as_an_event_and_by_exit_status(site: Site) -> None:
    site.database = f"sqlite:///{site.directory / 'volume.db'}"
    replica = site.replica()
    replica.start()
    replica.kill()
    (site.directory / "volume.db").unlink()
    shutil.rmtree(replica.home)

    replica.launch()

    assert replica.process.wait(SECONDS) == 7
    assert "ca-cli restore" in replica.log
    events = site.plane.admin.get(f"/api/v1/namespaces/{site.namespace}/events").document["items"]
    assert [(one["reason"], one["involvedObject"]["name"]) for one in events] == [("AuthorityLost", ROOTS)]
    assert not list((replica.home / "ca" / "keys").glob("*"))


def test_without_the_rights_the_start_says_which_call_was_refused(site: Site) -> None:
    site.kubeconfig = site.plane.kubeconfig_for_user("nobody-in-particular")
    replica = site.replica()

    replica.launch()

    assert replica.process.wait(SECONDS) == 7
    assert f"GET /api/v1/namespaces/{site.namespace}/secrets/{ROOTS}: 403" in replica.log
    assert "docs/kubernetes.md" in replica.log
    assert site.secret(PASSPHRASE) is None
