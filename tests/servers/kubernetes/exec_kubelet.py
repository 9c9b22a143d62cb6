"""A node whose kubelet does one thing: it runs a command in a container, which is a process of this machine.

- What kube-apiserver sends here for `pods/exec` by a WebSocket it passes on as it came (`v4.channel.k8s.io`).
- It believes nobody but the API server, by a client certificate of the cluster's, as a kubelet does.
- A container is an environment and a directory, and programs by name; nothing else can be run there.
"""

import asyncio
import contextlib
import json
import os
import signal
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, web

from tests.servers.kubernetes.control_plane import ControlPlane

OUTPUT, ERRORS, STATUS = b"\x01", b"\x02", b"\x03"
_PIECE = 1 << 15
_START_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeContainer:
    programs: Mapping[str, Sequence[str]]
    """What a name on its PATH stands for."""
    environment: Mapping[str, str]
    directory: Path


@dataclass(slots=True, kw_only=True)
class ExecKubelet:
    plane: ControlPlane
    name: str
    containers: dict[str, FakeContainer] = field(default_factory=dict)
    """By namespace/pod/container."""
    asked: list[list[str]] = field(default_factory=list)
    vanishes_after: int | None = None
    """Octets of output after which the connection is cut without a word."""
    port: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        command = request.query.getall("command")
        key = "/".join(request.match_info[part] for part in ("namespace", "pod", "container"))
        if (container := self.containers.get(key)) is None:
            raise web.HTTPNotFound(text=f"container not found: {key}")
        self.asked.append(command)
        answer = web.WebSocketResponse(protocols=("v4.channel.k8s.io",), heartbeat=None)
        await answer.prepare(request)
        running = asyncio.ensure_future(self._run(container, command, request, answer))
        reading = asyncio.ensure_future(_drain(answer))  # pings are answered, and an end is noticed, by who reads
        await asyncio.wait([running, reading], return_when=asyncio.FIRST_COMPLETED)
        for task in (running, reading):
            task.cancel()
        await asyncio.gather(running, reading, return_exceptions=True)  # who asked may be gone
        with contextlib.suppress(ConnectionError):
            await answer.close(code=WSCloseCode.OK)
        return answer

    async def _run(
        self, container: FakeContainer, command: list[str], request: web.Request, answer: web.WebSocketResponse
    ) -> None:
        if command[0] not in container.programs:
            message = f'exec: "{command[0]}": executable file not found in $PATH'
            await answer.send_bytes(STATUS + _status(status="Failure", reason="InternalError", message=message))
            return
        process = await asyncio.create_subprocess_exec(
            *container.programs[command[0]],
            *command[1:],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(container.environment),
            cwd=container.directory,
            start_new_session=True,
        )
        try:
            assert process.stdout
            assert process.stderr
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(process.stdout, OUTPUT, request, answer))
                group.create_task(self._pass_on(process.stderr, ERRORS, request, answer))
            await answer.send_bytes(STATUS + _ended(await process.wait()))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process._transport.close()  # its pipes, half read as they may be: nobody waits for their end
            await process.wait()

    async def _pass_on(
        self, source: asyncio.StreamReader, channel: bytes, request: web.Request, answer: web.WebSocketResponse
    ) -> None:
        sent = 0
        while octets := await source.read(_PIECE):
            await answer.send_bytes(channel + octets)
            sent += len(octets)
            if self.vanishes_after is not None and sent >= self.vanishes_after:
                assert request.transport
                request.transport.abort()
                raise ConnectionAbortedError


@contextlib.contextmanager
def exec_kubelet(plane: ControlPlane, name: str) -> Iterator[ExecKubelet]:
    """A node of that name, known to the API server, for the length of the block."""
    kubelet = ExecKubelet(plane=plane, name=name)
    loop = asyncio.new_event_loop()
    started = threading.Event()
    thread = threading.Thread(target=_serve, args=(kubelet, loop, started), daemon=True)
    thread.start()
    try:
        assert started.wait(_START_SECONDS), "the kubelet does not start"
        made = plane.admin.request("POST", "/api/v1/nodes", _node(kubelet))
        assert made.status == 201, made.octets
        yield kubelet
    finally:
        plane.admin.delete(f"/api/v1/nodes/{name}")
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_START_SECONDS)


def _serve(kubelet: ExecKubelet, loop: asyncio.AbstractEventLoop, started: threading.Event) -> None:
    asyncio.set_event_loop(loop)
    runner = loop.run_until_complete(_listening(kubelet))
    started.set()
    loop.run_forever()
    loop.run_until_complete(runner.cleanup())
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            loop.run_until_complete(task)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


async def _listening(kubelet: ExecKubelet) -> web.AppRunner:
    files = kubelet.plane.server_ca.issue_server("127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=kubelet.plane.client_ca.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(files.certificate, files.key)
    app = web.Application()
    app.router.add_get("/exec/{namespace}/{pod}/{container}", kubelet.answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    kubelet.port = runner.addresses[0][1]
    return runner


async def _drain(answer: web.WebSocketResponse) -> None:
    async for _ in answer:
        pass


def _node(kubelet: ExecKubelet) -> dict[str, Any]:
    return {
        "metadata": {"name": kubelet.name},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port}},
        },
    }


def _ended(code: int) -> bytes:
    if code == 0:
        return _status(status="Success")
    causes = [{"reason": "ExitCode", "message": str(code if code > 0 else 128 - code)}]
    message = f"command terminated with non-zero exit code: exit status {code}"
    return _status(status="Failure", reason="NonZeroExitCode", message=message, details={"causes": causes})


def _status(**fields: Any) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "Status", "metadata": {}, **fields}).encode()


def environment_of(**variables: str) -> dict[str, str]:
    """What a container of this machine needs to run Python, and no more."""
    return {"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parents[3]), "GRPC_VERBOSITY": "NONE", **variables}
