"""A stand-in for the cluster's API server: HTTPS on loopback, told by the test what to answer, and how badly."""

import base64
import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import trustme
from kubernetes import client

from apiserver.cluster.connection import ClusterConnection
from serving.kubeconfig import ApiServerAccess, KubeconfigClient
from tests.servers.threaded import ThreadedServer, serving

Answer = Callable[["Asked"], tuple[int, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    method: str
    path: str
    body: Any


@dataclass(slots=True)
class Backend:
    """`answers` are given in turn, the last one for ever; `asked` is all that was asked."""

    url: str
    ca: bytes
    answers: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    def connection(self) -> ClusterConnection:
        configuration = client.Configuration(host=self.url)
        configuration.ca_cert_data = self.ca.decode()
        configuration.retries = False
        return ClusterConnection(ApiServerAccess(KubeconfigClient(client.ApiClient(configuration))))

    @property
    def cluster(self) -> dict[str, str]:
        """As a kubeconfig names it."""
        return {"server": self.url, "certificate-authority-data": base64.b64encode(self.ca).decode()}

    def answer(self, asked: Asked) -> tuple[int, Any]:
        self.asked.append(asked)
        number = min(len(self.asked), len(self.answers)) - 1
        return self.answers[number](asked)

    def silent(self, _asked: Asked) -> tuple[int, Any]:
        """Says nothing until the test is over."""
        self.release.wait(60)
        return 503, {}


@contextlib.contextmanager
def backend(*answers: Answer) -> Iterator[Backend]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, document = served.answer(Asked(method=self.command, path=self.path, body=body))
            octets = document if isinstance(document, bytes) else json.dumps(document).encode()
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

        do_GET = do_POST = handle_any  # noqa: N815

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(ThreadedServer(Handler, context)) as server:
        served = Backend(server.url, authority.cert_pem.bytes(), list(answers))
        try:
            yield served
        finally:
            served.release.set()
