"""A command in a container of a pod, by the API server's own `pods/exec`: its output as it comes, and its exit status.

- The arguments are the program's, one by one: no shell reads them. It gets no input and no terminal.
- Nothing is kept of the output, and no piece of it is large: whoever is handed it decides how much he takes.
- The API server decides who may (`pods/exec`); a connection that went away without a word is noticed within a minute.
- Blocks. The command is not begun again, whatever happens to the connection.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp
import orjson
import yarl

from kube.core_resources import PODS
from kube.errors import ClusterUnreachable
from kube.exec_channels import PROTOCOL, Channel, Frame, exit_status
from kube.statuses import error_of
from serving.kubeconfig import ApiServerAccess, CredentialsUnavailable, Dial, KubeconfigInvalid

_LARGEST_FRAME = 1 << 20
_LARGEST_REFUSAL = 1 << 16
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 30.0
_HEARTBEAT_SECONDS = 20.0
_CLOSE_SECONDS = 2.0

Sink = Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    namespace: str
    pod: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod}"


def execute(
    access: ApiServerAccess, container: Container, command: Sequence[str], *, output: Sink, errors: Sink
) -> int:
    """The exit status. Raises what a sink raises; Forbidden, NotThere, Refused, ClusterUnreachable, NotAuthenticated.

    ClusterUnreachable leaves open whether the command was done.
    """
    path = PODS.path(container.namespace, container.pod, "exec")
    query = [("container", container.name), ("stdout", "true"), ("stderr", "true")]
    try:
        dial = access.dial(path, [*query, *(("command", word) for word in command)])
    except (CredentialsUnavailable, KubeconfigInvalid) as err:
        raise ClusterUnreachable(f"there are no credentials for the cluster: {err}") from err
    return asyncio.run(_Session(dial, path, container, output, errors).run())


class _Session:
    def __init__(self, dial: Dial, path: str, container: Container, output: Sink, errors: Sink) -> None:
        self._dial = dial
        self._path = path
        self._container = container
        self._sinks = {Channel.OUTPUT: output, Channel.ERRORS: errors}
        self._transport: asyncio.BaseTransport | None = None

    async def run(self) -> int:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout, raise_for_status=self._verify_upgraded) as session:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    socket = await self._connect(session)
                try:
                    return await self._receive(socket)
                finally:
                    await socket.close()
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            if isinstance(err, BrokenPipeError):  # of a sink
                raise
            said = str(err) or type(err).__name__
            raise ClusterUnreachable(f"the cluster does not run a command in pod {self._container}: {said}") from err
        finally:
            await self._hang_up()

    async def _connect(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        socket = await session.ws_connect(
            yarl.URL(self._dial.url, encoded=True),
            headers=dict(self._dial.headers),
            protocols=[PROTOCOL],
            ssl=self._dial.tls,
            server_hostname=self._dial.server_hostname,
            proxy=self._dial.proxy,
            heartbeat=_HEARTBEAT_SECONDS,
            max_msg_size=_LARGEST_FRAME,
            timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS),
        )
        if socket.protocol != PROTOCOL:
            await socket.close()
            raise ClusterUnreachable(f"the cluster runs commands by another protocol than {PROTOCOL}")
        return socket

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> int:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY:
                break
            frame = Frame.parse(message.data)
            if frame.channel is Channel.STATUS:
                return exit_status(frame.octets)
            if frame.octets and (sink := self._sinks.get(frame.channel)):
                sink(frame.octets)
        raise ClusterUnreachable(
            f"the connection to pod {self._container} ended before the command did; it may have been done all the same"
        )

    async def _verify_upgraded(self, response: aiohttp.ClientResponse) -> None:
        """A refusal, in the API server's own words, or in the kubelet's, which are plain text."""
        if response.connection is not None:
            self._transport = response.connection.transport
        if response.status >= 400:
            body = await response.content.read(_LARGEST_REFUSAL)
            response.close()
            if response.content_type == "text/plain":
                body = orjson.dumps({"message": " ".join(body.decode("utf-8", "replace").split())})
            raise error_of("GET", self._path, response.status, response.headers, body)

    async def _hang_up(self) -> None:
        """All was said by the WebSocket's own end: nobody waits for that of TLS."""
        if isinstance(self._transport, asyncio.Transport):
            self._transport.abort()
            await asyncio.sleep(0)  # the loop ends after this, and the transport before it
