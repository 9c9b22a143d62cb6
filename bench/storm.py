"""A cluster that comes up: 1,000 pods ask for their first certificate at once, by tokens of a real kube-apiserver.

- Each over a connection of its own, as pods do; who is told to come later does, after a second, then two, then four.
- The authority reviews every token and looks every pod up. Keys, requests and tokens were made before the clock starts.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from bench.cpu import process_seconds
from bench.figures import Figure, Finding, Skipped
from bench.servers import RunningServer, authority, command_line
from certs.keys import KeyType, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import build_request
from protos.chancery.ca.v1 import enrollment_service_pb2 as enrollment
from protos.chancery.ca.v1.enrollment_service_pb2_grpc import EnrollmentServiceStub

if TYPE_CHECKING:
    from tests.servers.kubernetes.control_plane import ControlPlane

SECTION = "a thousand pods at once, kube-apiserver, SQLite"
PODS, QUICK_PODS, NODES = 1000, 200, 10
_LONGEST_PAUSE = 8.0
_CALL_SECONDS = 30.0
_LATER = frozenset({grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
_OPTIONS = (("grpc.use_local_subchannel_pool", 1),)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Seconds from the beginning to the certificate."""

    seconds: float
    attempts: int


def measure(*, quick: bool) -> list[Finding]:
    from tests.servers.kubernetes.binaries import find_binaries  # noqa: PLC0415 - of the tests, which need not be there
    from tests.servers.kubernetes.control_plane import ControlPlane  # noqa: PLC0415 - likewise

    program, binaries = command_line(), find_binaries(os.environ)
    if program is None:
        return [Skipped(section=SECTION, name="everything", reason="ca-cli is not installed beside this Python")]
    if not binaries.are_complete:
        return [
            Skipped(section=SECTION, name="everything", reason="no kube-apiserver: run scripts/build_kubernetes.sh")
        ]
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
        (directory / "cluster").mkdir()
        plane = ControlPlane.make(binaries, directory / "cluster")
        stack.callback(plane.end)
        plane.start()
        requests = _requests(plane, QUICK_PODS if quick else PODS)
        environment = {
            "CHANCERY_KUBERNETES_ENROLLMENT": "true",
            "CHANCERY_KUBERNETES_POD_CHECK": "true",
            "CHANCERY_KUBERNETES_KUBECONFIG": str(plane.admin_kubeconfig),
        }
        server = stack.enter_context(authority(program, directory, core=None, environment=environment))
        return _figures(plane, server, requests)


def _figures(plane: "ControlPlane", server: RunningServer, requests: list[bytes]) -> list[Finding]:
    processes = {"authority": server.pid, "kube-apiserver": plane.api_server.pid}
    before = {name: process_seconds(pid) for name, pid in processes.items()}
    asked = asyncio.run(_storm(server, requests))
    spent = {name: process_seconds(pid) - before[name] for name, pid in processes.items()}
    times = sorted(one.seconds for one in asked)
    attempts = sum(one.attempts for one in asked)
    count = len(times)
    return [
        _figure(f"to the last of {count:,} certificates", times[-1], "s", f"{attempts:,} attempts"),
        _figure("to half of them", times[count // 2], "s"),
        *(
            _figure(f"CPU for each, {name}", whole / count * 1e6, "us", f"{whole:.1f} s in all")
            for name, whole in spent.items()
        ),
    ]


def _figure(name: str, value: float, unit: str, note: str = "") -> Figure:
    return Figure(section=SECTION, name=name, value=value, unit=unit, note=note)


async def _storm(server: RunningServer, requests: list[bytes]) -> list[_Asked]:
    roots = (server.identity / "ca.crt").read_bytes()
    target = server.enrollment_target.replace("127.0.0.1", "localhost")
    began = time.monotonic()
    return await asyncio.gather(*(_ask(target, roots, request, began) for request in requests))


async def _ask(target: str, roots: bytes, request: bytes, began: float) -> _Asked:
    message = enrollment.EnrollServiceAccountRequest.FromString(request)
    attempts, pause = 0, 1.0
    async with grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(roots), options=_OPTIONS) as channel:
        while True:
            attempts += 1
            try:
                await EnrollmentServiceStub(channel).EnrollServiceAccount(message, timeout=_CALL_SECONDS)
            except grpc.aio.AioRpcError as err:
                if err.code() not in _LATER:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return _Asked(seconds=time.monotonic() - began, attempts=attempts)


def _requests(plane: "ControlPlane", pods: int) -> list[bytes]:
    """Of pods that are there, each with a token that is bound to it."""
    for number in range(NODES):
        _create(plane, "/api/v1/nodes", {"metadata": {"name": f"node-{number}"}})
    _create(plane, "/api/v1/namespaces", {"metadata": {"name": "storm"}})
    _create(plane, "/api/v1/namespaces/storm/serviceaccounts", {"metadata": {"name": "web"}})
    return [_request(plane, number) for number in range(pods)]


def _request(plane: "ControlPlane", number: int) -> bytes:
    spec = {
        "serviceAccountName": "web",
        "automountServiceAccountToken": False,
        "nodeName": f"node-{number % NODES}",
        "containers": [{"name": "web", "image": "web"}],
    }
    document = {"metadata": {"name": f"web-{number}"}, "spec": spec}
    metadata = _create(plane, "/api/v1/namespaces/storm/pods", document)["metadata"]
    bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
    token = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": ["chancery.dev"], "expirationSeconds": 3600, "boundObjectRef": bound},
    }
    answer = _create(plane, "/api/v1/namespaces/storm/serviceaccounts/web/token", token)
    csr = build_request(generate_private_key(KeyType.EC_P256), SubjectName(), SubjectAlternativeNames())
    request = enrollment.EnrollServiceAccountRequest(
        token=answer["status"]["token"], csr=csr, request_id=f"storm-{number}"
    )
    return request.SerializeToString()


def _create(plane: "ControlPlane", path: str, document: dict[str, Any]) -> Any:
    answer = plane.admin.request("POST", path, document)
    if answer.status != 201:
        raise RuntimeError(f"POST {path}: {answer.status} {answer.octets.decode(errors='replace')}")
    return answer.document
