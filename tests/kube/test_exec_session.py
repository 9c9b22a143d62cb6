"""An API server that does not keep to the protocol: each time an error of ours, and an end."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trustme
import yaml
from aiohttp import WSMsgType, web

from kube.errors import ClusterUnreachable, Forbidden, KubeError, NotAuthenticated, Refused
from kube.exec_session import Container, execute
from serving.kubeconfig import ApiServerAccess
from tests.threads import join

CONTAINER = Container(namespace="chancery", pod="chancery-ca-0", name="ca")
SUCCESS = b'\x03{"kind":"Status","status":"Success"}'
Act = Callable[[web.WebSocketResponse], Awaitable[None]]


@contextlib.contextmanager
def api_server(
    directory: Path, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> Iterator[ApiServerAccess]:
    """One that answers everything by `handler`."""
    loop, port, stop = asyncio.new_event_loop(), [0], threading.Event()
    authority = trustme.CA()
    started = threading.Event()

    async def serve() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        port[0] = runner.addresses[0][1]
        started.set()
        await asyncio.to_thread(stop.wait, 60)
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(60)
    cluster = {"server": f"https://127.0.0.1:{port[0]}", "certificate-authority": str(directory / "ca.crt")}
    authority.cert_pem.write_to_path(str(directory / "ca.crt"))
    document = {
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "clusters": [{"name": "one", "cluster": cluster}],
        "users": [{"name": "one", "user": {"token": "secret"}}],
    }
    (directory / "config").write_text(yaml.safe_dump(document))
    try:
        yield ApiServerAccess.open(directory / "config")
    finally:
        stop.set()
        join(thread)
        loop.close()


def talking(
    act: Act, *, protocols: tuple[str, ...] = ("v4.channel.k8s.io",)
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=protocols)
        await socket.prepare(request)
        await act(socket)
        await socket.close()
        return socket

    return answer


def outcome(
    directory: Path, handler: Callable[[web.Request], Awaitable[web.StreamResponse]], *words: str
) -> tuple[int, bytes, bytes]:
    output, errors = bytearray(), bytearray()
    with api_server(directory, handler) as access:
        status = execute(access, CONTAINER, ["ca-cli", *words], output=output.extend, errors=errors.extend)
    return status, bytes(output), bytes(errors)


def test_output_and_errors_come_apart_and_words_as_they_are(tmp_path: Path) -> None:
    asked: list[web.Request] = []

    async def act(socket: web.WebSocketResponse) -> None:
        for message in (b"\x01out", b"\x02err", b"\x01", b"\x01put", SUCCESS):
            await socket.send_bytes(message)

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return await talking(act)(request)

    assert outcome(tmp_path, answer, "--name=a&command=b", "%2f;\n#") == (0, b"output", b"err")
    assert asked[0].path == "/api/v1/namespaces/chancery/pods/chancery-ca-0/exec"
    assert asked[0].query.getall("command") == ["ca-cli", "--name=a&command=b", "%2f;\n#"]
    assert asked[0].query["container"] == "ca"
    assert "stdin" not in asked[0].query
    assert asked[0].headers["Authorization"] == "Bearer secret"


async def nothing(_socket: web.WebSocketResponse) -> None: ...


async def text(socket: web.WebSocketResponse) -> None:
    await socket.send_str("\x01text")


async def unknown_channel(socket: web.WebSocketResponse) -> None:
    await socket.send_bytes(b"\x09x")


async def huge_frame(socket: web.WebSocketResponse) -> None:
    await socket.send_bytes(b"\x01" + bytes(2 << 20))
    await socket.receive()


async def no_status(socket: web.WebSocketResponse) -> None:
    await socket.send_bytes(b"\x03" + b"[" * 100_000)


@pytest.mark.parametrize("act", [nothing, text, unknown_channel, huge_frame, no_status], ids=lambda act: act.__name__)
def test_what_breaks_the_protocol_is_an_unreachable_cluster(tmp_path: Path, act: Act) -> None:
    with pytest.raises(ClusterUnreachable):
        outcome(tmp_path, talking(act))


def test_other_protocol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClusterUnreachable, match="another protocol"):
        outcome(tmp_path, talking(nothing, protocols=("base64.channel.k8s.io",)))


@pytest.mark.parametrize(
    ("code", "kind"),
    [(401, NotAuthenticated), (403, Forbidden), (400, Refused), (500, ClusterUnreachable), (302, ClusterUnreachable)],
)
def test_refusal_has_the_api_servers_words(tmp_path: Path, code: int, kind: type[KubeError]) -> None:
    async def refuse(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "Status", "message": "not for you"}, status=code)

    with pytest.raises(kind, match="not for you" if code >= 400 else "does not run a command"):
        outcome(tmp_path, refuse)


def test_words_of_a_kubelet_are_plain_text(tmp_path: Path) -> None:
    async def refuse(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="container\nnot found", status=404)

    with pytest.raises(KubeError, match="container not found"):
        outcome(tmp_path, refuse)


def test_error_of_a_sink_ends_it(tmp_path: Path) -> None:
    ended: list[WSMsgType] = []

    async def act(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01out")
        ended.append((await socket.receive()).type)

    def leave(_octets: bytes) -> None:
        raise BrokenPipeError

    with api_server(tmp_path, talking(act)) as access, pytest.raises(BrokenPipeError):
        execute(access, CONTAINER, ["ca-cli"], output=leave, errors=leave)
    assert ended == [WSMsgType.CLOSE]


def test_where_nobody_listens_the_cluster_is_unreachable(tmp_path: Path) -> None:
    with api_server(tmp_path, talking(nothing)) as access:
        pass

    with pytest.raises(ClusterUnreachable, match="chancery/chancery-ca-0"):
        execute(access, CONTAINER, ["ca-cli"], output=bytearray().extend, errors=bytearray().extend)


def test_names_that_can_be_none_reach_nobody(tmp_path: Path) -> None:
    with api_server(tmp_path, talking(nothing)) as access, pytest.raises(ValueError, match="name"):
        execute(
            access,
            Container(namespace="a/../b", pod="x", name="ca"),
            ["ca-cli"],
            output=bytearray().extend,
            errors=bytearray().extend,
        )
