"""The storage API: `ca-cli apiserver` on one core, the load on the other; objects, lists, large bodies, watches.

- S is one raw P-256 signature, measured in the same run.
- A hundred thousand objects are put into the log before the server starts; everything else goes through HTTPS.
"""

import asyncio
import contextlib
import json
import os
import resource
import ssl
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
import uvloop

from apiserver.storage.opening import DataDirectory, open_change_log
from apiserver.storage.records import Key, Write
from bench.cpu import compare, cores, forget_peak, peak_mebibytes, pin, process_seconds, resident_mebibytes
from bench.crypto import raw_variants
from bench.figures import Figure, Finding, Skipped
from bench.http_client import Connection, drive, request
from bench.servers import command_line

SECTION = "storage API: HTTPS, client certificate, one server core"
START_SECONDS = 30.0

_REPORTS = "/apis/wgpolicyk8s.io/v1alpha2/namespaces/bench/policyreports"
_FLUNDERS = "/apis/wardle.example.com/v1alpha1"
_DOCUMENTS = "/apis/bench.chancery.dev/v1/namespaces/bench/documents"
_PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_KINDS = Path(__file__).with_name("kinds")
_IN_FLIGHT = 64


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
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        directory = Path(temporary)
        objects = 10_000 if quick else 100_000
        _fill(directory / "data", objects)
        with _server(program, directory, server_core) as served:
            pin(os.getpid(), client_core)
            costs = compare(raw_variants(), reference="sign", rounds=20, slice_seconds=0.02)
            unit = costs["sign"].microseconds / 1e6
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_measure(served, unit, objects, quick=quick))


async def _measure(served: Served, unit: float, objects: int, *, quick: bool) -> list[Finding]:
    findings: list[Finding] = [_figure("memory at rest", resident_mebibytes(served.pid), "MiB")]
    findings += await _creates(served, unit, seconds=1.0 if quick else 8.0)
    findings += await _pages(served, unit, seconds=0.5 if quick else 4.0)
    findings += await _whole_list(served, objects)
    findings += await _large_bodies(served, rounds=5 if quick else 40)
    findings += await _lag(served, watchers=100, seconds=2.0 if quick else 10.0)
    for watchers in (200,) if quick else (1_000, 10_000):
        findings += await _idle_watches(served, watchers)
    return findings


async def _creates(served: Served, unit: float, *, seconds: float) -> list[Finding]:
    """Durable creates of policy reports of 6 KB: parsed, pruned, validated, managed, audited, committed."""

    def create(number: int) -> bytes:
        return request("POST", _REPORTS, json.dumps(policy_report("bench", f"r-{number}")).encode())

    async with _connections(served, _IN_FLIGHT) as connections:
        await drive(connections, lambda number: create(number + 10**9), 0.5)
        before = process_seconds(served.pid)
        turn = await drive(connections, create, seconds)
        spent = (process_seconds(served.pid) - before) / len(turn.latencies)
    return [
        _figure("durable creates of 6 KB, 64 in flight", turn.rate, "/s", budget=600, at_least=True),
        _figure("… server CPU for each", spent * 1e6, "µs", note=f"{spent / unit:.1f} S"),
        _figure("… p50", turn.quantile(0.5) * 1e3, "ms"),
        _figure("… p99", turn.quantile(0.99) * 1e3, "ms", budget=1000),
        _figure("… that failed", turn.failures, ""),
    ]


def policy_report(namespace: str, name: str) -> dict[str, Any]:
    """6 KB."""
    results = [
        {
            "policy": "require-labels",
            "rule": f"rule-{index}",
            "result": "fail",
            "severity": "medium",
            "message": "x" * 100,
            "resources": [{"apiVersion": "v1", "kind": "Pod", "name": f"pod-{index}", "namespace": namespace}],
        }
        for index in range(20)
    ]
    return {
        "apiVersion": "wgpolicyk8s.io/v1alpha2",
        "kind": "PolicyReport",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": "bench"}},
        "summary": {"fail": 20},
        "results": results,
    }


async def _pages(served: Served, unit: float, *, seconds: float) -> list[Finding]:
    page = request("GET", f"{_FLUNDERS}/flunders?limit=500", accept=_PARTIAL)
    async with _connections(served, 1) as connections:
        await drive(connections, lambda _number: page, 0.3)
        before = process_seconds(served.pid)
        turn = await drive(connections, lambda _number: page, seconds)
        spent = (process_seconds(served.pid) - before) / len(turn.latencies)
    return [
        _figure("metadata of 500 objects, one page, p50", turn.quantile(0.5) * 1e3, "ms", budget=20),
        _figure("… server CPU for each", spent * 1e3, "ms", note=f"{spent / unit:.0f} S"),
    ]


async def _whole_list(served: Served, objects: int) -> list[Finding]:
    """Alone for what it costs, then again beside a caller of single objects for how long that one waits."""
    whole = request("GET", f"{_FLUNDERS}/flunders")
    single = request("GET", f"{_FLUNDERS}/namespaces/ns-000/flunders/f-000000")
    async with _connections(served, 2) as (listing, asking):
        at_rest = resident_mebibytes(served.pid)
        forget_peak(served.pid)
        before, begun = process_seconds(served.pid), time.perf_counter()
        status, octets = await listing.send(whole)
        seconds, spent = time.perf_counter() - begun, process_seconds(served.pid) - before
        assert status == 200, status
        meanwhile, _ = await asyncio.gather(drive([asking], lambda _number: single, seconds), listing.send(whole))
    return [
        _figure(
            f"list of {objects:,} objects", seconds, "s", note=f"{octets / 1e6:.0f} MB, {spent:.2f} s of server CPU"
        ),
        _figure("… objects", objects / spent, "/s of CPU"),
        _figure("… one object meanwhile, p99", meanwhile.quantile(0.99) * 1e3, "ms", budget=15),
        _figure("… peak memory above rest", peak_mebibytes(served.pid) - at_rest, "MiB", budget=32),
    ]


async def _large_bodies(served: Served, *, rounds: int) -> list[Finding]:
    """Documents of 3 MB whose spec is kept as it comes."""
    packages = [
        {
            "SPDXID": f"SPDXRef-Package-deb-library-{index}-{os.urandom(8).hex()}",
            "name": f"library-{index}",
            "versionInfo": f"1.{index % 40}.{index % 7}-2+deb12u1",
            "supplier": "Organization: Debian",
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "GPL-2.0-or-later AND LGPL-2.1-only",
            "externalRefs": [
                {
                    "referenceCategory": "PACKAGE-MANAGER",
                    "referenceType": "purl",
                    "referenceLocator": f"pkg:deb/debian/library-{index}@1.{index % 40}?arch=amd64&distro=debian-12",
                }
            ],
        }
        for index in range(6_000)
    ]
    spec = json.dumps({"packages": packages})
    size = len(spec) / 1e6
    forget_peak(served.pid)
    at_rest = resident_mebibytes(served.pid)
    async with _connections(served, 1) as (connection,):
        begun = time.perf_counter()
        for number in range(rounds):
            body = f'{{"metadata":{{"name":"d-{number}"}},"spec":{spec}}}'.encode()
            status, _ = await connection.send(request("POST", _DOCUMENTS, body))
            assert status == 201, status
        writing = time.perf_counter() - begun
        begun = time.perf_counter()
        for number in range(rounds):
            status, octets = await connection.send(request("GET", f"{_DOCUMENTS}/d-{number}"))
            assert status == 200, status
            assert octets > len(spec), octets
        reading = time.perf_counter() - begun
    return [
        _figure(
            f"write of {size:.1f} MB documents, one at a time",
            rounds * size / writing,
            "MB/s",
            budget=100,
            at_least=True,
        ),
        _figure("read of the same", rounds * size / reading, "MB/s", budget=100, at_least=True),
        _figure("… peak memory above rest", peak_mebibytes(served.pid) - at_rest, "MiB"),
    ]


async def _lag(served: Served, *, watchers: int, seconds: float) -> list[Finding]:
    """From the answer to a write to the event at each watcher, at a hundred writes a second."""
    collection = f"{_FLUNDERS}/namespaces/lag/flunders"
    lags: list[float] = []
    written: dict[str, float] = {}

    async def watch(connection: Connection) -> None:
        await connection.begin(request("GET", f"{collection}?watch=true&resourceVersion=0"))
        while True:
            for line in (await connection.chunk()).splitlines():
                name = json.loads(line)["object"]["metadata"]["name"]
                if name in written:
                    lags.append(time.perf_counter() - written[name])

    async with _connections(served, watchers + 1) as (writer, *others):
        tasks = [asyncio.create_task(watch(connection)) for connection in others]
        await asyncio.sleep(0.5)
        begun, number = time.perf_counter(), 0
        while (now := time.perf_counter()) - begun < seconds:
            name = f"l-{number}"
            written[name] = now
            flunder = {"metadata": {"name": name}, "spec": {"reference": "x" * 900}}
            await writer.send(request("POST", collection, json.dumps(flunder).encode()))
            number += 1
            await asyncio.sleep(max(begun + number / 100 - time.perf_counter(), 0))
        await asyncio.sleep(0.5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    ordered = sorted(lags)
    return [
        _figure(f"watch lag, {watchers} watchers, 100 events/s, p50", ordered[len(ordered) // 2] * 1e3, "ms"),
        _figure("… p99", ordered[int(len(ordered) * 0.99)] * 1e3, "ms", budget=1000),
        _figure("… delivered", len(lags) / max(number * watchers, 1) * 100, "%"),
    ]


async def _idle_watches(served: Served, watchers: int) -> list[Finding]:
    at_rest, begun = resident_mebibytes(served.pid), time.perf_counter()
    used = await _with_idle_watches(served, watchers) - at_rest
    seconds = time.perf_counter() - begun
    again = await _with_idle_watches(served, watchers) - at_rest
    return [
        _figure(f"{watchers:,} idle watches, memory", used, "MiB", budget=1024, note=f"opened in {seconds:.0f} s"),
        _figure("… for each", used * 1024 / watchers, "KiB"),
        _figure("… as many again, once those were left, beside the first", again / used, "x", budget=1.5),
    ]


async def _with_idle_watches(served: Served, watchers: int) -> float:
    """What the server holds meanwhile. They would live for an hour, and are left."""
    begin = request("GET", f"{_FLUNDERS}/namespaces/idle/flunders?watch=true&resourceVersion=0&timeoutSeconds=3600")
    async with _connections(served, watchers) as connections:
        for start in range(0, watchers, 100):
            await asyncio.gather(*(connection.begin(begin) for connection in connections[start : start + 100]))
        return resident_mebibytes(served.pid)


@contextlib.asynccontextmanager
async def _connections(served: Served, count: int) -> AsyncIterator[list[Connection]]:
    opened: list[Connection] = []
    try:
        for start in range(0, count, 32):
            opened += await asyncio.gather(
                *(Connection.open(served.port, served.context) for _ in range(start, min(start + 32, count)))
            )
        yield opened
    finally:
        for connection in opened:
            await connection.close()


def _fill(directory: Path, objects: int) -> None:
    """Flunders of about a kilobyte, in a hundred namespaces."""
    with DataDirectory(directory):
        log = open_change_log(f"sqlite:///{directory / 'apiserver.db'}", directory)
        body = json.dumps({"spec": {"reference": "x" * 400, "referenceType": "Flunder"}}).encode()
        futures = []
        for number in range(objects):
            namespace, name = f"ns-{number % 100:03}", f"f-{number:06}"
            metadata = {
                "name": name,
                "namespace": namespace,
                "uid": f"00000000-0000-4000-8000-{number:012}",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "generation": 1,
                "labels": {"app": "bench", "part": str(number % 7)},
                "managedFields": [
                    {
                        "manager": "bench",
                        "operation": "Update",
                        "apiVersion": "wardle.example.com/v1alpha1",
                        "time": "2026-01-01T00:00:00Z",
                        "fieldsType": "FieldsV1",
                        "fieldsV1": {"f:spec": {"f:reference": {}, "f:referenceType": {}}},
                    }
                ],
            }
            write = Write(
                key=Key(storage="flunders.wardle.example.com", namespace=namespace, name=name),
                expected=0,
                uid=str(metadata["uid"]),
                metadata=json.dumps(metadata).encode(),
                projection=b"{}",
                body=body,
            )
            futures.append(log.commit(write))
            if len(futures) >= 2_000:
                for future in futures:
                    future.result()
                futures.clear()
        for future in futures:
            future.result()
        log.close()


@contextlib.contextmanager
def _server(program: str, directory: Path, core: int | None) -> Iterator[Served]:
    ca = trustme.CA()
    serving = ca.issue_cert("localhost")
    serving.private_key_pem.write_to_path(str(directory / "tls.key"))
    (directory / "tls.crt").write_bytes(b"".join(blob.bytes() for blob in serving.cert_chain_pems))
    ca.cert_pem.write_to_path(str(directory / "ca.crt"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 32_768), hard))
    arguments = [program, "apiserver", "--secure-port", "0", "--authorization-skip-lookup", "--kinds", str(_KINDS),
                 "--client-ca-file", str(directory / "ca.crt"), "--tls-cert-file", str(directory / "tls.crt"),
                 "--tls-private-key-file", str(directory / "tls.key"), "--data-directory", str(directory / "data"),
                 "--log-level", "warning"]  # fmt: skip
    variables = {**os.environ, "CHANCERY_HOME": str(directory / "home")}
    with (
        (directory / "log").open("wb") as log,
        subprocess.Popen(arguments, env=variables, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        pin(process.pid, core)
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1].decode()
            context = ssl.create_default_context()
            ca.configure_trust(context)
            ca.issue_cert(common_name="bench", organization_name="system:masters").configure_cert(context)
            yield Served(pid=process.pid, port=int(url.rpartition(":")[2]), context=context)
        finally:
            process.terminate()
            process.wait(30)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _figure(
    name: str, value: float, unit: str, *, budget: float | None = None, at_least: bool = False, note: str = ""
) -> Figure:
    return Figure(section=SECTION, name=name, value=value, unit=unit, budget=budget, at_least=at_least, note=note)
