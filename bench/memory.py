"""What each component of the chart holds: at rest, and with 1,000 pods that have certificates and a policy report each.

- Helm installs the chart into a real kube-apiserver; its pods run as processes, as they say (`tests/servers/kubernetes/node`).
- The 1,000 are of `bench.thousand_pods`: no agent runs for them, so that of a pod that does run stands for all.
- Resident sets: what processes share of libraries counts for each of them.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bench.cpu import forget_peak, peak_mebibytes, resident_mebibytes
from bench.figures import Figure, Finding, Skipped
from bench.storage_api import policy_report
from bench.thousand_pods import ThousandPods
from kube.admission.names import AGENT_CONTAINER

if TYPE_CHECKING:
    from tests.end_to_end.installation import Installation

PODS, QUICK_PODS = 1000, 100
WATCHES = 5
SECTION = f"memory of what the chart installs; {WATCHES} watches of reports"
_REST_SECONDS, _QUICK_REST_SECONDS = 20.0, 5.0
_LATER_SECONDS, _QUICK_LATER_SECONDS = 60.0, 10.0
_PATIENCE_SECONDS = 120.0
_MOST = 2.0
_REPORTS = "/apis/wgpolicyk8s.io/v1alpha2/policyreports"


_COMPONENTS = (
    ("chancery-ca", "ca", "authority"),
    ("chancery-controller", "controller", "controller"),
    ("chancery-injector", "injector", "injector"),
    ("chancery-apiserver", "apiserver", "storage API server"),
    ("chancery-apiserver", "agent", "agent of the storage API server"),
    ("first", AGENT_CONTAINER, "agent in a pod"),
)
"""Beginnings of pods' names, containers in them, and what these are."""


def measure(*, quick: bool) -> list[Finding]:
    from tests.servers.helm.programs import MAJORS, find_helm  # noqa: PLC0415 - of the tests, which need not be there
    from tests.servers.kubernetes.binaries import find_binaries  # noqa: PLC0415 - likewise

    binaries = find_binaries(os.environ)
    if not (binaries.are_complete and binaries.has_controller_manager):
        return [Skipped(section=SECTION, name="everything", reason="no control plane: run scripts/build_kubernetes.sh")]
    if not find_helm(MAJORS[0], os.environ).is_there:
        return [Skipped(section=SECTION, name="everything", reason="no Helm: run scripts/build_helm.sh")]
    from tests.end_to_end.conftest import cluster_for  # noqa: PLC0415 - likewise

    with cluster_for({"controller": {"replicaCount": 2}}) as installation:
        return [*_figures(installation, quick=quick)]


def _figures(installation: "Installation", *, quick: bool) -> Iterator[Finding]:
    count = QUICK_PODS if quick else PODS
    _install(installation)
    time.sleep(_QUICK_REST_SECONDS if quick else _REST_SECONDS)
    processes = _processes(installation)
    at_rest = _resident(processes)
    for pid in processes.values():
        forget_peak(pid)
    pods = ThousandPods(plane=installation.cluster, directory=installation.node.directory / "thousand", count=count)
    with _watched(installation, count), _names_of(installation):
        pods.create()
        pods.enroll()
        pods.report(policy_report)
        pods.look()
        then = _resident(processes)
        pods.look()
        time.sleep(_QUICK_LATER_SECONDS if quick else _LATER_SECONDS)
        later = _resident(processes)
    for name, pid in processes.items():
        peak = f"{peak_mebibytes(pid):.0f} at most"
        yield _figure(f"{name}, at rest", at_rest[name], "MiB")
        yield _figure(f"{name}, {count:,} pods", then[name], "MiB", f"{later[name]:.0f} a while later, {peak}")
        yield _figure("… beside at rest", max(then[name], later[name]) / at_rest[name], "x", budget=_MOST)
    assert processes == _processes(installation), "a process was started again, or another leads"


def _resident(processes: Mapping[str, int]) -> Mapping[str, float]:
    return {name: resident_mebibytes(pid) for name, pid in processes.items()}


def _figure(name: str, value: float, unit: str, note: str = "", budget: float | None = None) -> Figure:
    return Figure(section=SECTION, name=name, value=value, unit=unit, note=note, budget=budget)


def _install(installation: "Installation") -> None:
    from tests.end_to_end import objects  # noqa: PLC0415 - of the tests, which need not be there

    installation.apply(objects.namespace())
    installation.install()
    pods = f"/api/v1/namespaces/{objects.SHOP}/pods"
    installation.cluster.admin.create(pods, objects.labelled_pod("first"))

    def runs() -> bool:
        pod = installation.cluster.admin.get(f"{pods}/first")
        return pod.status == 200 and pod.document["status"]["phase"] == "Running"

    installation.wait_until(runs, "a labelled pod runs")


def _processes(installation: "Installation") -> Mapping[str, int]:
    """By what they are. Of injectors the first stands for both."""
    from tests.end_to_end.installation import NAMESPACE  # noqa: PLC0415 - of the tests, which need not be there
    from tests.end_to_end.objects import SHOP  # noqa: PLC0415 - likewise

    lease = installation.read("lease", "chancery-controller", f"--namespace={NAMESPACE}")
    found: dict[str, int] = {}
    for prefix, container, what in _COMPONENTS:
        for pod in [one for namespace in (NAMESPACE, SHOP) for one in installation.node.pods_of(namespace, prefix)]:
            leads = lease["spec"]["holderIdentity"].startswith(pod.document["metadata"]["name"])
            role = what + (", leading" if leads else ", standing by") * (container == "controller")
            found.setdefault(role, pod.containers[container].pid)
    return dict(sorted(found.items()))


@contextlib.contextmanager
def _watched(installation: "Installation", count: int) -> Iterator[None]:
    """By a few, through the kube-apiserver; at the end each has seen a report of each pod."""
    from tests.servers.kubernetes.node.informer import Informer  # noqa: PLC0415 - of the tests, which need not be there

    watches = [Informer(installation.cluster.admin, _REPORTS, lambda: None) for _ in range(WATCHES)]
    for watch in watches:
        watch.start()
    try:
        yield
        installation.wait_until(lambda: all(len(each.objects()) == count for each in watches), "all reports are seen")
    finally:
        for watch in watches:
            watch.end()


@contextlib.contextmanager
def _names_of(installation: "Installation") -> Iterator[None]:
    """Names of Services lead where they do in pods."""
    resolve, names = socket.getaddrinfo, installation.node.network.names

    def resolve_here(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        address, number = json.loads(names.read_text()).get(f"{host} {port}", (host, port))
        return resolve(address, number, *arguments, **options)

    socket.getaddrinfo = resolve_here
    try:
        yield
    finally:
        socket.getaddrinfo = resolve
