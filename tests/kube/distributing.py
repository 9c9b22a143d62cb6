"""A registrar that does nothing but bring a trust bundle into a real cluster, with the rights that its page asks for."""

import contextlib
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ca.client.connection import Address
from ca.client.followed import FollowedConnection
from ca.client.identity import Identity
from ca.client.values import TrustBundle
from kube.cluster import Cluster
from kube.election import LeaseTiming
from kube.process import Ambient, ControllerProcess, Tuning
from kube.settings import ControllerSettings
from kube.trust.authority import TrustSource
from kube.trust.making import trust_controllers
from tests.kube.ambient import real_clock
from tests.servers.kubernetes.control_plane import ControlPlane

PAGE = Path("docs/injection.md")
FAST = {
    "config_map_propagation": "0s",
    "cluster_trust_bundle_propagation": "0s",
    "ca_bundle_propagation": "0s",
    "trust_interval": "1s",
}


@dataclass(slots=True)
class FakeTrust:
    """An authority that has a trust bundle and nothing else, and remembers what was reported to it."""

    roots_pem: bytes
    generation: int = 1
    reports: list[int] = field(default_factory=list)

    def trust_bundle(self, *, held_generation: int) -> TrustBundle:
        self.reports.append(held_generation)
        return TrustBundle(
            generation=self.generation, roots_pem=self.roots_pem, sha256_fingerprints=(), trust_domain="cluster.local"
        )

    def publish(self, *roots: bytes) -> int:
        self.roots_pem = b"".join(roots)
        self.generation += 1
        return self.generation


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    process: ControllerProcess

    def metric(self, metric: str, /, **labels: str) -> float | None:
        return self.process.metrics.registry.get_sample_value(metric, labels)


@contextlib.contextmanager
def running_registrar(
    cluster: ControlPlane,
    source: TrustSource | None = None,
    *,
    authority: FollowedConnection | None = None,
    **settings: Any,
) -> Iterator[Registrar]:
    """Leads when the block begins. Asks `source`, or where there is none the authority by gRPC."""
    kubeconfig = kubeconfig_of_registrar(cluster)
    values = {"kubeconfig": kubeconfig, "namespace": "default", "lease_name": f"registrar-{secrets.token_hex(4)}"}
    access = Cluster.open(kubeconfig)
    process = ControllerProcess(
        ControllerSettings.from_mapping({**values, **FAST, **settings}),
        cluster=access,
        authority=authority or nobody(),
        make=lambda parts: trust_controllers(parts, source),
        ambient=Ambient(
            clock=real_clock,
            monotonic=time.monotonic,
            boottime=lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
            entropy=secrets.token_bytes,
            instance=secrets.token_hex(4),
        ),
        tuning=Tuning(lease=LeaseTiming(duration=6.0, renew_deadline=4.0, retry_period=0.5)),
    )
    process.start()
    try:
        cluster.wait_until(lambda: process.leadership.is_leading, "the registrar leads")
        yield Registrar(process=process)
    finally:
        process.stop()
        access.close()


def nobody() -> FollowedConnection:
    def load() -> Identity:
        raise AssertionError("there is no authority in this test")

    return FollowedConnection(Address(host="127.0.0.1", port=1), load)


def kubeconfig_of_registrar(cluster: ControlPlane) -> Path:
    """Of a user who may do what the page says, and what every process of controllers must: have a lease."""
    [block] = re.findall(r"```yaml\n(apiVersion: rbac.*?)```", PAGE.read_text(), re.DOTALL)
    role = yaml.safe_load(block)
    role["rules"] += [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}
    ]
    cluster.kubectl("apply", "--filename=-", document=role)
    binding = {
        "apiVersion": role["apiVersion"],
        "kind": "ClusterRoleBinding",
        "metadata": role["metadata"],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["metadata"]["name"]},
        "subjects": [{"kind": "User", "name": "registrar", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    cluster.kubectl("apply", "--filename=-", document=binding)
    return cluster.kubeconfig_for_user("registrar")


def events_about(cluster: ControlPlane, name: str, *, namespace: str = "default") -> dict[str, str]:
    """By reason, the last message of each."""
    items = cluster.admin.get(f"/api/v1/namespaces/{namespace}/events").document["items"]
    return {one["reason"]: one["message"] for one in items if one["involvedObject"]["name"] == name}


def seconds_until(condition: Callable[[], object], what: str, *, seconds: float = 60.0) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"{what}: not after {seconds} seconds"
        time.sleep(0.01)
    return time.monotonic() - began
