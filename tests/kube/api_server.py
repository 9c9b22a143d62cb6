"""An API server in memory, over real HTTPS on loopback: lists in pages, watches, writes with versions; and how badly it may behave.

- Knows no schema, no namespaces and no admission: what is created is there.
- `faults` are taken one after the other by requests that they fit; without any it is honest.
"""

import base64
import contextlib
import itertools
import json
import queue
import re
import ssl
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import trustme
import yaml

from kube.cluster import Cluster
from tests.servers.threaded import ThreadedServer, serving

_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]+))?(?:/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?)?"
)
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    body: Any
    authorization: str
    content_type: str

    @property
    def is_watch(self) -> bool:
        return "watch" in self.query


@dataclass(slots=True, kw_only=True)
class Fault:
    """What happens instead, `times` times, to requests for which `fits` says so."""

    fits: Callable[[Asked], bool]
    act: Callable[["Handler"], None]
    times: int = 1


@dataclass(slots=True, kw_only=True)
class FakeCluster:
    kubeconfig: Path
    kinds: dict[str, str] = field(default_factory=lambda: {"v1/configmaps": "ConfigMap", "v1/pods": "Pod"})
    """By `group/version/plural`, or `v1/plural`."""
    objects: dict[str, Json] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    log: list[tuple[int, str, Json]] = field(default_factory=list)
    version: int = 1000
    oldest: int = 0
    token: str = "good"
    lock: threading.RLock = field(default_factory=threading.RLock)
    watchers: "list[queue.Queue[tuple[int, str, Json] | None]]" = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    def open(self) -> Cluster:
        return Cluster.open(self.kubeconfig)

    def put(self, path: str, **document: Any) -> Json:
        """An object at its path, as somebody else would write it: made, or made another."""
        found = match(path)
        with self.lock:
            before = self.objects.get(path)
            metadata = {"uid": str(uuid.uuid4()), **document.pop("metadata", {})}
            if before is not None:
                metadata["uid"] = before["metadata"]["uid"]
            metadata["name"] = found["name"]
            if found["namespace"]:
                metadata["namespace"] = found["namespace"]
            self.version += 1
            metadata["resourceVersion"] = str(self.version)
            one = {**self.names(found), **document, "metadata": metadata}
            self.objects[path] = one
            self._tell("ADDED" if before is None else "MODIFIED", one)
        return one

    def remove(self, path: str) -> None:
        with self.lock:
            one = self.objects.pop(path)
            self.version += 1
            self._tell("DELETED", {**one, "metadata": {**one["metadata"], "resourceVersion": str(self.version)}})

    def forget(self) -> None:
        """Watches from before now, and pages, are too old."""
        self.oldest = self.version

    def restore(self, version: int, objects: dict[str, Json]) -> None:
        """Goes back in time, as after an etcd restore; watches that are open end."""
        with self.lock:
            self.version, self.objects, self.log = version, dict(objects), []
            self.hang_up()

    def hang_up(self) -> None:
        with self.lock:
            for watcher in self.watchers:
                watcher.put(None)

    def requests(self, method: str, path: str = "") -> list[Asked]:
        return [one for one in list(self.asked) if one.method == method and one.path.startswith(path)]

    def names(self, found: dict[str, str | None]) -> Json:
        return {"apiVersion": api_version(found), "kind": self.kinds.get(kind_key(found), "Thing")}

    def _tell(self, kind: str, one: Json) -> None:
        entry = (self.version, kind, one)
        self.log.append(entry)
        for watcher in self.watchers:
            watcher.put(entry)


def match(path: str) -> dict[str, str | None]:
    found = _PATH.fullmatch(path)
    assert found is not None, path
    return found.groupdict()


def api_version(found: dict[str, str | None]) -> str:
    return "v1" if found["core"] else f"{found['group']}/{found['version']}"


def kind_key(found: dict[str, str | None]) -> str:
    return f"{api_version(found)}/{found['plural']}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"
    asked: Asked

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        octets = self.rfile.read(length) if length else b""
        url = urllib.parse.urlsplit(self.path)
        self.asked = Asked(
            method=self.command,
            path=url.path,
            query=dict(urllib.parse.parse_qsl(url.query)),
            body=json.loads(octets) if octets else None,
            authorization=self.headers.get("Authorization", ""),
            content_type=self.headers.get("Content-Type", ""),
        )
        fake = self.server.fake
        fake.asked.append(self.asked)
        with contextlib.suppress(OSError):
            with fake.lock:
                fault = next((one for one in fake.faults if one.fits(self.asked)), None)
                if fault is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        fake.faults.remove(fault)
            if fault is not None:
                fault.act(self)
            elif self.asked.authorization.lower() != f"bearer {fake.token}":
                self.refuse(401, "Unauthorized", "Unauthorized")
            else:
                self.honest(fake)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def honest(self, fake: FakeCluster) -> None:
        found = _PATH.fullmatch(self.asked.path)
        parts = found.groupdict() if found else None
        if parts is None:
            self.refuse(404, "NotFound", "the server could not find the requested resource")
        elif not parts["plural"]:
            prefix = f"{api_version(parts)}/"
            names = [{"name": key.removeprefix(prefix)} for key in fake.kinds if key.startswith(prefix)]
            self.answer(200 if names else 404, {"kind": "APIResourceList", "resources": names})
        elif kind_key(parts) not in fake.kinds:
            self.refuse(404, "NotFound", "the server could not find the requested resource")
        elif self.asked.is_watch:
            self.stream_events(fake, parts)
        elif self.asked.method == "GET" and not parts["name"]:
            self.list_objects(fake, parts)
        else:
            with fake.lock:
                status, document = self.change(fake, parts)
            self.answer(status, document)

    def list_objects(self, fake: FakeCluster, parts: dict[str, str | None]) -> None:
        offset, version = 0, fake.version
        token = self.asked.query.get("continue")
        if token is not None:
            offset, version = map(int, token.split("."))
            if version < fake.oldest:
                self.refuse(410, "Expired", "The provided continue parameter is too old")
                return
        kind, _, name = self.asked.query.get("fieldSelector", "").partition("=")
        with fake.lock:
            if kind == "metadata.name":
                items = [fake.objects[path] for path in (f"{self.asked.path}/{name}",) if path in fake.objects]
            else:
                items = [one for path, one in sorted(fake.objects.items()) if self.is_of(parts, path)]
        limit = int(self.asked.query.get("limit") or len(items) or 1)
        metadata: Json = {"resourceVersion": str(version)}
        if offset + limit < len(items):
            metadata["continue"] = f"{offset + limit}.{version}"
        page = [{name: value for name, value in one.items() if name not in {"kind", "apiVersion"}} for one in items]
        names = fake.names(parts)
        kind = f"{names['kind']}List"
        self.answer(
            200,
            {
                "apiVersion": names["apiVersion"],
                "kind": kind,
                "metadata": metadata,
                "items": page[offset : offset + limit],
            },
        )

    def stream_events(self, fake: FakeCluster, parts: dict[str, str | None]) -> None:
        since = int(self.asked.query["resourceVersion"])
        if since < fake.oldest:
            self.refuse(410, "Expired", f"too old resource version: {since} ({fake.oldest})")
            return
        events: queue.Queue[tuple[int, str, Json] | None] = queue.Queue()
        with fake.lock:
            for entry in fake.log:
                events.put(entry)
            fake.watchers.append(events)
        self.begin_stream()
        ends = time.monotonic() + float(self.asked.query.get("timeoutSeconds", "3600"))
        try:
            while (left := ends - time.monotonic()) > 0:
                entry = events.get(timeout=left)
                if entry is None:
                    break
                version, kind, one = entry
                if version > since and self.is_of(parts, path_of(fake, one)):
                    self.chunk(json.dumps({"type": kind, "object": one}).encode() + b"\n")
        except queue.Empty:
            pass
        finally:
            with fake.lock:
                fake.watchers.remove(events)
        self.chunk(b"")

    @staticmethod
    def is_of(parts: dict[str, str | None], path: str) -> bool:
        one = match(path)
        same = kind_key(one) == kind_key(parts)
        return same and parts["namespace"] in {None, one["namespace"]}

    def change(self, fake: FakeCluster, parts: dict[str, str | None]) -> tuple[int, Json]:
        method, body = self.asked.method, self.asked.body
        path = self.asked.path.removesuffix(f"/{parts['sub']}") if parts["sub"] else self.asked.path
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in fake.objects:
                return 409, status(409, "AlreadyExists", f"{path} already exists")
            return 201, fake.put(path, **body)
        before = fake.objects.get(path)
        if before is None:
            return 404, status(404, "NotFound", f"{path} not found")
        if method == "GET":
            return 200, before
        wanted = (body or {}).get("metadata", {}) if method != "DELETE" else (body or {}).get("preconditions", {})
        if any(wanted.get(name) not in {None, before["metadata"][name]} for name in ("resourceVersion", "uid")):
            return 409, status(409, "Conflict", "the object has been modified; please apply your changes")
        if method == "DELETE":
            fake.remove(path)
            return 200, status(200, "", "deleted")
        changed = body if method == "PUT" else merge(before, body)
        changed = {name: value for name, value in changed.items() if name not in {"apiVersion", "kind"}}
        return 200, fake.put(path, **changed)

    def answer(self, code: int, document: Any, **headers: str) -> None:
        octets = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(octets)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(octets)

    def refuse(self, code: int, reason: str, message: str, **headers: str) -> None:
        self.answer(code, status(code, reason, message), **headers)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()

    def chunk(self, octets: bytes) -> None:
        self.wfile.write(f"{len(octets):x}\r\n".encode() + octets + b"\r\n")
        self.wfile.flush()

    def say_nothing(self) -> None:
        """Until the test is over."""
        self.server.fake.release.wait(60)
        self.close_connection = True


def path_of(fake: FakeCluster, one: Json) -> str:
    version, kind, metadata = one["apiVersion"], one["kind"], one["metadata"]
    plural = next(key.rpartition("/")[2] for key, name in fake.kinds.items() if name == kind)
    root = "/api/v1" if version == "v1" else f"/apis/{version}"
    namespace = f"/namespaces/{metadata['namespace']}" if metadata.get("namespace") else ""
    return f"{root}{namespace}/{plural}/{metadata['name']}"


def status(code: int, reason: str, message: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396; strategic merges of the documents in tests come to the same."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


class _Server(ThreadedServer):
    fake: FakeCluster


_numbers = itertools.count()


@contextlib.contextmanager
def fake_cluster(directory: Path) -> Iterator[FakeCluster]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    kubeconfig = directory / f"{next(_numbers)}.kubeconfig"
    with serving(_Server(Handler, context)) as server:
        server.fake = FakeCluster(kubeconfig=kubeconfig)
        write_kubeconfig(kubeconfig, server.url, authority.cert_pem.bytes(), "good")
        try:
            yield server.fake
        finally:
            server.fake.release.set()
            server.fake.hang_up()


def write_kubeconfig(path: Path, url: str, ca: bytes | None, token: str, **cluster: object) -> None:
    trust = {} if ca is None else {"certificate-authority-data": base64.b64encode(ca).decode()}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "fake", "cluster": {"server": url, **trust, **cluster}}],
        "users": [{"name": "controller", "user": {"token": token}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "controller"}}],
        "current-context": "fake",
    }
    path.write_text(yaml.safe_dump(document))
