"""The injector webhook: `ca-cli injector` on one core, the load on the other; reviews of pods of 8 KB over TLS 1.3.

- S is one raw P-256 signature, measured in the same run.
- As the API server does it, connections are kept; a new one for each review shows what TLS costs beside it.
"""

import asyncio
import base64
import contextlib
import json
import os
import ssl
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import trustme
import uvloop

from bench.cpu import compare, cores, pin, process_seconds, resident_mebibytes
from bench.crypto import raw_variants
from bench.figures import Figure, Finding, Skipped
from bench.http_client import Connection, Turn, drive, request
from bench.servers import command_line
from kube.admission.webhooks import PATH

SECTION = "admission: a webhook over TLS, one server core"

_IN_FLIGHT = 32
_SERVICE, _NAMESPACE = "injector", "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    pid: int
    port: int
    context: ssl.SSLContext


def measure(*, quick: bool) -> list[Finding]:
    program = command_line()
    if program is None:
        return [Skipped(section=SECTION, name="everything", reason="ca-cli is not installed beside this Python")]
    placement = cores()
    server_core, client_core = placement if placement is not None else (None, None)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as temporary,
        _server(program, Path(temporary), server_core) as served,
    ):
        pin(os.getpid(), client_core)
        unit = compare(raw_variants(), reference="sign", rounds=20, slice_seconds=0.02)["sign"].microseconds / 1e6
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_measure(served, unit, seconds=1.0 if quick else 6.0))


async def _measure(served: Served, unit: float, *, seconds: float) -> list[Finding]:
    review, large = request("POST", PATH, _review()), request("POST", PATH, _review(filling=3 << 20))
    findings: list[Finding] = []
    async with _connections(served, 1) as one:
        await drive(one, lambda _number: review, 0.3)
        alone = await drive(one, lambda _number: review, seconds / 2)
    findings += _latencies("one at a time", alone, budget=10)
    async with _connections(served, _IN_FLIGHT) as many:
        await drive(many, lambda _number: review, 0.3)
        before = process_seconds(served.pid)
        turn = await drive(many, lambda _number: review, seconds)
        spent = (process_seconds(served.pid) - before) / len(turn.latencies)
    findings.append(_figure(f"reviews, {_IN_FLIGHT} in flight", turn.rate, "/s"))
    findings.append(_figure("… server CPU for each", spent * 1e6, "µs", note=f"{spent / unit:.1f} S"))
    findings += _latencies(f"{_IN_FLIGHT} in flight", turn, budget=100)
    before, fresh = process_seconds(served.pid), await _on_new_connections(served, review, seconds / 2)
    spent = (process_seconds(served.pid) - before) / len(fresh.latencies)
    findings += _latencies("a new connection for each, 8 at a time", fresh)
    findings.append(_figure("… server CPU for each", spent * 1e6, "µs", note=f"{spent / unit:.1f} S"))
    async with _connections(served, 1) as one:
        findings += _latencies("pods of 3 MiB", await drive(one, lambda _number: large, seconds / 2), budget=1000)
    findings.append(_figure("memory after it", resident_mebibytes(served.pid), "MiB"))
    return findings


async def _on_new_connections(served: Served, review: bytes, seconds: float) -> Turn:
    turn, begun = Turn(), time.perf_counter()

    async def work() -> None:
        while time.perf_counter() - begun < seconds:
            sent = time.perf_counter()
            async with _connections(served, 1) as (connection,):
                status, _ = await connection.send(review)
            if status == 200:
                turn.latencies.append(time.perf_counter() - sent)
            else:
                turn.failures += 1

    await asyncio.gather(*(work() for _ in range(8)))
    turn.seconds = time.perf_counter() - begun
    return turn


def _latencies(name: str, turn: Turn, *, budget: float | None = None) -> list[Finding]:
    return [
        _figure(f"{name}, p50", turn.quantile(0.5) * 1e3, "ms"),
        _figure("… p99", turn.quantile(0.99) * 1e3, "ms", budget=budget, note=f"{turn.failures} failed"),
    ]


def _figure(name: str, value: float, unit: str, *, budget: float | None = None, note: str = "") -> Figure:
    return Figure(section=SECTION, name=name, value=value, unit=unit, budget=budget, note=note)


def _review(*, filling: int = 0) -> bytes:
    environment = [{"name": f"SETTING_{number}", "value": "x" * 40} for number in range(30)]
    container = {
        "image": "registry.example/web@sha256:" + "0" * 64,
        "env": environment,
        "volumeMounts": [{"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    annotations = {"chancery.dev/dns": "web.shop.svc", "chancery.dev/dir": "/etc/tls", "filling": "x" * filling}
    pod = {
        "metadata": {
            "generateName": "web-",
            "labels": {"chancery.dev/inject": "true"},
            "annotations": annotations,
        },
        "spec": {
            "initContainers": [{"name": "migrate", **container}],
            "containers": [{"name": "web", **container}, {"name": "logs", **container}],
            "volumes": [{"name": "kube-api-access", "projected": {"sources": []}}],
        },
    }
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "00000000-0000-4000-8000-000000000000",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "namespace": "shop",
            "object": pod,
        },
    }
    return json.dumps(review).encode()


@contextlib.asynccontextmanager
async def _connections(served: Served, count: int) -> AsyncIterator[list[Connection]]:
    opened: list[Connection] = []
    try:
        opened.extend([await Connection.open(served.port, served.context) for _ in range(count)])
        yield opened
    finally:
        for connection in opened:
            await connection.close()


@contextlib.contextmanager
def _server(program: str, directory: Path, core: int | None) -> Iterator[Served]:
    """With an identity that others keep, and a cluster that is never there: the mode is fixed."""
    ca = trustme.CA()
    serving = ca.issue_cert("localhost")
    serving.private_key_pem.write_to_path(str(directory / "tls.key"))
    (directory / "tls.crt").write_bytes(b"".join(blob.bytes() for blob in serving.cert_chain_pems))
    ca.cert_pem.write_to_path(str(directory / "ca.crt"))
    _write_kubeconfig(directory / "kubeconfig", ca.cert_pem.bytes())
    command = [
        *(program, "injector", "--image=chancery", "--mode=sidecar", "--webhook-port=0", "--health-port=0"),
        *(f"--identity={directory}", f"--kubeconfig={directory / 'kubeconfig'}"),
        *(f"--namespace={_NAMESPACE}", f"--service={_SERVICE}", "--shutdown-delay=0s", "--log-level=error"),
    ]
    with (
        (directory / "log").open("wb") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        pin(process.pid, core)
        try:
            assert process.stdout is not None
            url = process.stdout.readline().decode().split()[1]
            context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
            yield Served(pid=process.pid, port=int(url.rpartition(":")[2]), context=context)
        finally:
            process.terminate()
            process.wait(20)


def _write_kubeconfig(path: Path, roots: bytes) -> None:
    cluster = {"server": "https://127.0.0.1:1", "certificate-authority-data": base64.b64encode(roots).decode()}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "none", "cluster": cluster}],
        "users": [{"name": "nobody", "user": {"token": "none"}}],
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "nobody"}}],
        "current-context": "none",
    }
    path.write_text(json.dumps(document))
