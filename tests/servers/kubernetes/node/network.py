"""The network of a cluster on loopback: Services lead to ready pods, for pods and for the API server alike.

- As kube-proxy: each port of a Service with ready endpoints (or, where none is ready, terminating ones that serve) is listened on;
  without any, connections are refused. Which endpoint, is random for each connection.
- The API server reaches Services as in a cluster whose control plane is elsewhere: by an egress proxy, HTTP CONNECT on a socket.
- Names are those that cluster DNS has for Services, beside addresses of the cluster, in a file that processes of
  the node read.
"""

import asyncio
import contextlib
import itertools
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.apiserver.client import ApiClient
from tests.servers.kubernetes.node.addresses import Addresses
from tests.servers.kubernetes.node.informer import Informer

Endpoint = tuple[str, int]
_CLUSTER_DOMAIN = "cluster.local"
_CHUNK = 1 << 16


@dataclass(kw_only=True)
class Network:
    """`client` may see Services and EndpointSlices, as system:kube-proxy may."""

    client: ApiClient
    addresses: Addresses
    directory: Path
    make_socket: Callable[[], socket.socket] = socket.socket
    """Of the network in which pods are."""
    api_server: Endpoint | None = None
    """Where pods look for it, if that is not where it is for us."""
    followers: list[Callable[[Mapping[str, str]], None]] = field(default_factory=list)
    """Are told of names of Services and where these are."""
    _routes: dict[Endpoint, list[Endpoint]] = field(default_factory=dict)
    _listeners: dict[Endpoint, asyncio.Server] = field(default_factory=dict)
    _informers: list[Informer] = field(default_factory=list)
    _connections: set["asyncio.Task[None] | None"] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def __post_init__(self) -> None:
        self.names.write_text("{}")
        self._applying = asyncio.Lock()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="network")
        self._informers = [
            Informer(self.client, path, self._changed)
            for path in ("/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices")
        ]

    @property
    def names(self) -> Path:
        return self.directory / "names.json"

    @property
    def egress_socket(self) -> Path:
        return self.directory / "egress"

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(60)
        for informer in self._informers:
            informer.start()

    def end(self) -> None:
        for informer in self._informers:
            informer.end()
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(60)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _close(self) -> None:
        for server in (self._egress, *self._listeners.values(), *([self._to_api_server] if self.api_server else [])):
            server.close()
        await asyncio.sleep(0)  # a task that is cancelled before it runs closes nothing
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _listen(self) -> None:
        self._egress = await asyncio.start_unix_server(self._tunnel, self.egress_socket)
        if self.api_server:
            listening = self._bound(self.api_server)
            self._to_api_server = await asyncio.start_server(self._call_api_server, sock=listening)

    def _changed(self) -> None:
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._apply(), self._loop)

    async def _apply(self) -> None:
        async with self._applying:
            services, slices = (informer.objects() for informer in self._informers)
            names: dict[str, Endpoint] = {}
            hosts: dict[str, str] = {}
            routes: dict[Endpoint, list[Endpoint]] = {}
            for (namespace, name), service in services.items():
                address = service["spec"].get("clusterIP", "None")
                for port in service["spec"].get("ports", []) if address not in {"", "None"} else ():
                    place = self.addresses.of_service(address, port["port"])
                    routes[place] = self._endpoints(slices.values(), namespace, name, port.get("name", ""))
                    for host in (address, f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.{_CLUSTER_DOMAIN}"):
                        names[f"{host} {port['port']}"] = place
                        hosts[host] = place[0]
            for each in slices.values():
                for endpoint in each.get("endpoints") or ():
                    for address, number in itertools.product(endpoint["addresses"], each.get("ports") or ()):
                        names[f"{address} {number['port']}"] = self.addresses.of_pod(address), number["port"]
            self._routes = routes
            beside = self.names.with_suffix(".new")
            beside.write_text(json.dumps(names))
            beside.replace(self.names)
            for follow in self.followers:
                follow(hosts)
            await self._open({place for place, endpoints in routes.items() if endpoints})

    async def _open(self, wanted: set[Endpoint]) -> None:
        for place in self._listeners.keys() - wanted:
            self._listeners.pop(place).close()
        for place in wanted - self._listeners.keys():
            self._listeners[place] = await asyncio.start_server(self._forwarder(place), sock=self._bound(place))

    def _bound(self, place: Endpoint) -> socket.socket:
        bound = self.make_socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(place)
        return bound

    def _endpoints(self, slices: Any, namespace: str, service: str, port: str) -> list[Endpoint]:
        ready, serving = [], []
        for each in slices:
            labels = each["metadata"].get("labels", {})
            if (each["metadata"]["namespace"], labels.get("kubernetes.io/service-name")) != (namespace, service):
                continue
            numbers = [number["port"] for number in each.get("ports") or () if number.get("name", "") == port]
            for endpoint in each.get("endpoints") or ():
                conditions = endpoint.get("conditions", {})
                found = [(self.addresses.of_pod(endpoint["addresses"][0]), number) for number in numbers]
                ready += found if conditions.get("ready", True) else []
                serving += found if conditions.get("serving") and conditions.get("terminating") else []
        return ready or serving

    def _forwarder(self, place: Endpoint) -> Any:
        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with self._held(writer):
                await self._connect(reader, writer, self._routes.get(place, []), b"")

        return forward

    async def _call_api_server(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self.api_server
        with self._held(writer), contextlib.suppress(OSError):
            await _join(reader, writer, *await asyncio.open_connection(*self.api_server))

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One CONNECT of the API server."""
        with self._held(writer):
            head = await reader.readuntil(b"\r\n\r\n")
            host, _, port = head.split(b" ", 2)[1].decode().rpartition(":")
            greeting = b"HTTP/1.1 200 Connection established\r\n\r\n"
            if self.addresses.is_of_pod(host):  # as for the proxy of the API server, which chooses an endpoint itself
                await self._connect(reader, writer, [(self.addresses.of_pod(host), int(port))], greeting)
            else:
                place = self.addresses.of_service(host, int(port))
                await self._connect(reader, writer, self._routes.get(place, []), greeting)

    @contextlib.contextmanager
    def _held(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        """The loop has weak references to tasks only. What is connected is closed at the end, whichever that is."""
        task = asyncio.current_task()
        self._connections.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError):
                yield
        finally:
            self._connections.discard(task)
            writer.close()

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, endpoints: list[Endpoint], greeting: bytes
    ) -> None:
        try:
            if not endpoints:
                raise ConnectionRefusedError("no endpoint")
            remote = await self._open_connection(random.choice(endpoints))
        except OSError:
            if greeting:
                writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            return
        writer.write(greeting)
        await _join(reader, writer, *remote)

    async def _open_connection(self, endpoint: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connecting = self.make_socket()
        connecting.setblocking(False)
        try:
            await self._loop.sock_connect(connecting, endpoint)
        except BaseException:
            connecting.close()
            raise
        return await asyncio.open_connection(sock=connecting)


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, remote: asyncio.StreamReader, sink: asyncio.StreamWriter
) -> None:
    try:
        await asyncio.gather(_pump(reader, sink), _pump(remote, writer))
    finally:
        sink.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while octets := await source.read(_CHUNK):
            sink.write(octets)
            await sink.drain()
    with contextlib.suppress(OSError, RuntimeError):
        sink.write_eof()
