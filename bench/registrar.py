"""A registrar that watches a large cluster: what it holds, and what it takes to tell the authority about everybody.

- `ca-cli controller` and `ca-cli serve` in processes of their own; the API server is the one of the tests, in this process: what
  it spends is not counted. Pods are as large as they are in a cluster, with managedFields, probes, volumes and conditions.
- Every pod is selected by a Service and has its names registered; then pods change, as they do, and some are deleted.
"""

import contextlib
import os
import re
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cpu import peak_mebibytes, process_seconds, resident_mebibytes
from bench.figures import Figure, Finding, Skipped
from bench.large_cluster import KINDS, change_pods, fill, pod_path
from bench.servers import RunningServer, authority, command_line
from ca.client.authority import CaClient
from ca.client.connection import Address, Connection
from ca.client.errors import ClientError
from ca.client.identity import Identity
from ca.client.registrar import RegistrarClient
from certs.keys import KeyType, encode_private_key, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import build_request

if TYPE_CHECKING:
    from tests.kube.api_server import FakeCluster

SECTION = "registrar of a large cluster, SQLite"
PODS, QUICK_PODS = 10_000, 1_000
_PAUSE_SECONDS = 0.3  # asking is not what is measured
_PATIENCE_SECONDS = 300.0
_ONLY_PODS = ("--no-signing", "--no-injection", "--no-trust", "--health-port", "0", "--log-level", "error")


def measure(*, quick: bool) -> list[Finding]:
    program = command_line()
    if program is None:
        return [Skipped(section=SECTION, name="everything", reason="ca-cli is not installed beside this Python")]
    from tests.kube.api_server import fake_cluster  # noqa: PLC0415 - of the tests, which need not be there

    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        server = stack.enter_context(authority(program, directory, core=None))
        cluster = stack.enter_context(fake_cluster(directory))
        cluster.kinds.update(KINDS)
        _make_registrar(server, directory / "registrar")
        client = RegistrarClient(stack.enter_context(_connection(server, directory / "registrar")))
        command = [program, "controller", *_ONLY_PODS, "--namespace", "chancery"]
        command += ["--kubeconfig", str(cluster.kubeconfig), "--server", _localhost(server), "--identity"]
        command.append(str(directory / "registrar"))
        empty = _empty(command, cluster)
        pods = QUICK_PODS if quick else PODS
        octets = fill(cluster, pods)
        return [*_figures(command, cluster, server, client, pods=pods, empty=empty, octets=octets)]


def _empty(command: list[str], cluster: "FakeCluster") -> float:
    with _controller(command) as registrar:
        _await(lambda: _leads(cluster), "the registrar leads")
        _await(lambda: _is_quiet(registrar.pid), "the registrar rests")
        return resident_mebibytes(registrar.pid)


def _figures(
    command: list[str],
    cluster: "FakeCluster",
    server: RunningServer,
    client: RegistrarClient,
    *,
    pods: int,
    empty: float,
    octets: int,
) -> Iterator[Figure]:
    with _controller(command) as registrar:
        pid = registrar.pid
        began, authority_before = time.monotonic(), process_seconds(server.pid)
        _await(lambda: registrar.reconciled() > pods and _known(client) == pods, "every pod is registered")
        seconds, spent = time.monotonic() - began, process_seconds(pid)
        at_authority = process_seconds(server.pid) - authority_before
        _await(lambda: _is_quiet(pid), "the registrar rests")
        resident = resident_mebibytes(pid)
        yield _figure(
            f"resident, {pods:,} pods watched",
            resident,
            "MiB",
            f"{empty:.0f} without a pod, {peak_mebibytes(pid):.0f} at most; {(resident - empty) * 1024 / pods:.1f} KiB for each "
            f"of {octets / pods / 1024:.1f} KiB of JSON",
        )
        yield _figure(
            f"from its start until all {pods:,} are registered", seconds, "s", f"{pods / seconds:,.0f} a second"
        )
        yield _figure("CPU of that for each pod, registrar", spent / pods * 1e6, "us", "its start included")
        yield _figure(
            "CPU of that for each pod, authority", at_authority / pods * 1e6, "us", "its transaction included"
        )
        yield from _changes(cluster, pid, pods)
        yield from _deletions(cluster, client, registrar, pods)


def _changes(cluster: "FakeCluster", pid: int, pods: int) -> Iterator[Figure]:
    """Statuses, as kubelets write them: nothing is to be told."""
    before = process_seconds(pid)
    count = change_pods(cluster, pods)
    marker = len(cluster.asked)
    _await(lambda: _is_quiet(pid), "the registrar has seen them")
    spent = process_seconds(pid) - before
    asked = len([one for one in cluster.asked[marker:] if not one.is_watch and "leases" not in one.path])
    yield _figure(
        "CPU of a pod's change that concerns nobody", spent / count * 1e6, "us", f"{asked} calls to the API server"
    )
    yield _figure(f"resident after {count:,} changes", resident_mebibytes(pid), "MiB")


def _deletions(cluster: "FakeCluster", client: RegistrarClient, registrar: "_Registrar", pods: int) -> Iterator[Figure]:
    count, pid, done = pods // 10, registrar.pid, registrar.reconciled()
    before, began = process_seconds(pid), time.monotonic()
    for number in range(count):
        cluster.remove(pod_path(number))
    _await(
        lambda: registrar.reconciled() >= done + count and _known(client) == pods - count,
        "the deleted pods are released",
    )
    seconds = time.monotonic() - began
    each = (process_seconds(pid) - before) / count * 1e6
    note = f"each confirmed at the API server; {each:,.0f} us of the registrar's CPU for each"
    yield _figure(f"from the deletion of {count:,} pods to the last release", seconds, "s", note)


def _figure(name: str, value: float, unit: str, note: str = "") -> Figure:
    return Figure(section=SECTION, name=name, value=value, unit=unit, note=note)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Registrar:
    """`url` is that of its metrics."""

    pid: int
    url: str

    def reconciled(self) -> float:
        """Keys worked on with success."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            found = re.search(rb'reconciles_total\{controller="pods",outcome="done"\} (\S+)', answer.read())
        return float(found[1]) if found else 0.0


@contextlib.contextmanager
def _controller(command: list[str]) -> Iterator[_Registrar]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        try:
            assert process.stdout is not None
            yield _Registrar(pid=process.pid, url=process.stdout.readline().split()[-1])
        finally:
            process.terminate()
            process.wait(30)


def _make_registrar(server: RunningServer, directory: Path) -> None:
    administrator = Identity.from_directory(server.identity)
    key = generate_private_key(KeyType.EC_P256)
    subject = SubjectName(common_name="registrar", organizations=("chancery:registrars",))
    with CaClient.connect(_localhost(server), administrator) as client:
        made = client.certificates.sign_csr(build_request(key, subject, SubjectAlternativeNames()), profile="client")
    directory.mkdir(mode=0o700)
    files = {"tls.crt": made.full_chain_pem, "tls.key": encode_private_key(key), "ca.crt": administrator.roots_pem}
    for name, content in files.items():
        (directory / name).write_bytes(content)
        (directory / name).chmod(0o600)


def _connection(server: RunningServer, directory: Path) -> Connection:
    address = Address.from_text(_localhost(server), default_port=8112)
    return Connection.mutual_tls(address, Identity.from_directory(directory))


def _localhost(server: RunningServer) -> str:
    return server.target.replace("127.0.0.1", "localhost")


def _known(client: RegistrarClient) -> int:
    try:
        return sum(1 for _ in client.list_pods())
    except ClientError:
        return -1


def _leads(cluster: "FakeCluster") -> bool:
    leases: list[Any] = [one for path, one in cluster.objects.items() if "/leases/" in path]
    return any(one["spec"].get("holderIdentity") for one in leases)


def _is_quiet(pid: int) -> bool:
    before = process_seconds(pid)
    time.sleep(1.0)
    return process_seconds(pid) - before < 0.05


def _await(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not after {_PATIENCE_SECONDS:.0f} seconds")
        time.sleep(_PAUSE_SECONDS)
