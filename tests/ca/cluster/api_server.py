"""A stand-in for the cluster's API server: HTTPS on loopback, which answers as the test says, and how badly."""

import base64
import contextlib
import json
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import trustme
import yaml

from tests.servers.threaded import ThreadedServer, serving

AUDIENCE = "chancery.dev"
EXTRA = "authentication.kubernetes.io/"
Answer = Callable[["Asked"], tuple[int, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    method: str
    path: str
    authorization: str
    body: Any


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@dataclass(slots=True, kw_only=True)
class BoundToken:
    """A service-account token as a test wants it, and what a good API server says of it."""

    namespace: str = "shop"
    service_account: str = "cart"
    pod_name: str = "cart-7d4b9-x2x7q"
    pod_uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    node_name: str = "node-1"
    jti: str = field(default_factory=lambda: str(uuid.uuid4()))
    audiences: Any = (AUDIENCE,)
    expires_in: float = 3600

    def text(self) -> str:
        claims = {"aud": self.audiences, "exp": int(time.time() + self.expires_in), "jti": self.jti}
        return f"{part({'alg': 'RS256'})}.{part(claims)}.c2lnbmF0dXJl"

    def status(self) -> dict[str, Any]:
        return {
            "authenticated": True,
            "user": {
                "username": f"system:serviceaccount:{self.namespace}:{self.service_account}",
                "uid": str(uuid.uuid4()),
                "groups": [
                    "system:serviceaccounts",
                    f"system:serviceaccounts:{self.namespace}",
                    "system:authenticated",
                ],
                "extra": {
                    f"{EXTRA}pod-name": [self.pod_name],
                    f"{EXTRA}pod-uid": [self.pod_uid],
                    f"{EXTRA}node-name": [self.node_name],
                    f"{EXTRA}node-uid": [str(uuid.uuid4())],
                    f"{EXTRA}credential-id": [f"JTI={self.jti}"],
                },
            },
            "audiences": [AUDIENCE],
        }

    def pod(self) -> dict[str, Any]:
        return {
            "kind": "Pod",
            "metadata": {"name": self.pod_name, "namespace": self.namespace, "uid": self.pod_uid},
            "spec": {"serviceAccountName": self.service_account, "nodeName": self.node_name},
            "status": {"phase": "Running"},
        }


@dataclass(slots=True, kw_only=True)
class FakeApiServer:
    """Knows the tokens that it was told of and nothing else, unless `answer` is replaced."""

    kubeconfig: Path
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    answer: Answer | None = None
    drip_seconds: float = 0.0
    """Where set, each octet of an answer comes so long after the one before."""
    release: threading.Event = field(default_factory=threading.Event)

    def knows(self, token: BoundToken, **changes: Any) -> str:
        """The text of a token that is vouched for; `changes` are fields of the status instead of the right ones."""
        text = token.text()
        self.tokens[text] = token.status() | changes
        self.pods[f"/api/v1/namespaces/{token.namespace}/pods/{token.pod_name}"] = token.pod()
        return text

    def respond(self, asked: Asked) -> tuple[int, Any]:
        self.asked.append(asked)
        return self.honest(asked) if self.answer is None else self.answer(asked)

    def honest(self, asked: Asked) -> tuple[int, Any]:
        if asked.method == "GET":
            pod = self.pods.get(asked.path)
            return (200, pod) if pod else (404, {"kind": "Status", "code": 404})
        unknown = {"error": f"invalid bearer token {asked.body['spec']['token']}"}
        return 201, {"kind": "TokenReview", "status": self.tokens.get(asked.body["spec"]["token"], unknown)}

    def silent(self, _asked: Asked) -> tuple[int, Any]:
        """Says nothing until the test is over."""
        self.release.wait(60)
        return 503, {}


@contextlib.contextmanager
def fake_api_server(directory: Path) -> Iterator[FakeApiServer]:
    directory.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(_Server(_Handler, context)) as server:
        kubeconfig = write_kubeconfig(directory / "kubeconfig", server.url, authority.cert_pem.bytes())
        server.fake = FakeApiServer(kubeconfig=kubeconfig)
        try:
            yield server.fake
        finally:
            server.fake.release.set()


def write_kubeconfig(path: Path, url: str, ca: bytes | None, **cluster: object) -> Path:
    trust = {} if ca is None else {"certificate-authority-data": base64.b64encode(ca).decode()}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "fake", "cluster": {"server": url, **trust, **cluster}}],
        "users": [{"name": "authority", "user": {"token": "the-authoritys-own"}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "authority"}}],
        "current-context": "fake",
    }
    path.write_text(yaml.safe_dump(document))
    return path


class _Server(ThreadedServer):
    fake: FakeApiServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        fake = self.server.fake
        asked = Asked(
            method=self.command, path=self.path, authorization=self.headers.get("Authorization", ""), body=body
        )
        status, document = fake.respond(asked)
        octets = document if isinstance(document, bytes) else json.dumps(document).encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            for piece in [octets] if not fake.drip_seconds else [bytes([octet]) for octet in octets]:
                self.wfile.write(piece)
                fake.release.wait(fake.drip_seconds)

    do_GET = do_POST = do_PUT = handle_any  # noqa: N815
