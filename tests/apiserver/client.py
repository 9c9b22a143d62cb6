"""A plain HTTPS client for tests: what goes over the wire is what the test says, and what comes back is shown as it came."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import urllib3

WARDLE = "/apis/wardle.example.com/v1alpha1"
REPORTS = "/apis/wgpolicyk8s.io/v1alpha2"
OPEN_REPORTS = "/apis/openreports.io/v1alpha1"
PREXT = "/apis/prext.demo/v1alpha1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    octets: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.octets)

    @property
    def reason(self) -> str:
        return str(self.document.get("reason", ""))

    @property
    def message(self) -> str:
        return str(self.document["message"])

    @property
    def causes(self) -> list[dict[str, str]]:
        return list(self.document["details"].get("causes", []))

    @property
    def warnings(self) -> list[str]:
        """Every Warning header, without its code and agent (RFC 7234 section 5.5)."""
        return [text for name, text in self.headers.items() if name.lower() == "warning"]


@dataclass(slots=True, kw_only=True)
class Watch:
    """An open watch. `next` is the next event; `events` goes on until the server ends it."""

    response: urllib3.BaseHTTPResponse
    _lines: Iterator[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self._lines = self._read()

    @property
    def status(self) -> int:
        return self.response.status

    def next(self) -> Any:
        return json.loads(next(self._lines))

    def until_bookmark(self) -> tuple[list[Any], Any]:
        """The events before the next bookmark, and the bookmark."""
        events = []
        while (event := self.next())["type"] != "BOOKMARK":
            events.append(event)
        return events, event

    def rest(self) -> list[Any]:
        """What comes before the server ends the watch."""
        return [json.loads(line) for line in self._lines]

    def close(self) -> None:
        self.response.close()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _read(self) -> Iterator[bytes]:
        pending = b""
        for chunk in self.response.stream(amt=None, decode_content=True):
            *lines, pending = (pending + chunk).split(b"\n")
            yield from (line for line in lines if line)
        if pending:
            yield pending


class ApiClient:
    """As one identity (a context with a client certificate), or none."""

    def __init__(self, url: str, context: ssl.SSLContext, headers: Mapping[str, str] | None = None) -> None:
        self.url = url
        self._headers = dict(headers or {})
        self._pool = urllib3.PoolManager(ssl_context=context, maxsize=16, retries=False, timeout=60)

    def request(self, method: str, path: str, body: object = None, **options: Any) -> Answer:
        """`headers` is an option of its own; every other one goes into the query."""
        headers = {**self._headers, **options.pop("headers", {})}
        octets = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if octets is not None:
            headers.setdefault("Content-Type", "application/json")
        response = self._pool.request(
            method, self._url(path, options), body=octets, headers=headers, redirect=False, decode_content=False
        )
        return Answer(status=response.status, headers=response.headers, octets=response.data)

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def create(self, path: str, document: object, **options: Any) -> Answer:
        return self.request("POST", path, document, **options)

    def put(self, path: str, document: object, **options: Any) -> Answer:
        return self.request("PUT", path, document, **options)

    def delete(self, path: str, document: object = None, **options: Any) -> Answer:
        return self.request("DELETE", path, document, **options)

    def patch(self, path: str, document: object, *, kind: str = "merge-patch+json", **options: Any) -> Answer:
        headers = {"Content-Type": f"application/{kind}", **options.pop("headers", {})}
        return self.request("PATCH", path, document, headers=headers, **options)

    def apply(self, path: str, document: object, *, manager: str = "tester", **options: Any) -> Answer:
        return self.patch(path, document, kind="apply-patch+yaml", fieldManager=manager, **options)

    def watch(self, path: str, **options: Any) -> Watch:
        headers = {**self._headers, **options.pop("headers", {})}
        response = self._pool.request(
            "GET", self._url(path, {"watch": "true", **options}), headers=headers, preload_content=False, redirect=False
        )
        return Watch(response=response)

    def close(self) -> None:
        self._pool.clear()

    def _url(self, path: str, query: Mapping[str, Any]) -> str:
        return f"{self.url}{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")


def flunder(name: str = "", **fields: Any) -> dict[str, Any]:
    """A flunder; `metadata` among the fields is merged into its own."""
    metadata = {"name": name, **fields.pop("metadata", {})}
    return {
        "apiVersion": "wardle.example.com/v1alpha1",
        "kind": "Flunder",
        "metadata": {key: value for key, value in metadata.items() if value},
        "spec": {"reference": "x", "referenceType": "Flunder"},
        **fields,
    }


def report(name: str, **fields: Any) -> dict[str, Any]:
    """A PolicyReport with one result."""
    return {
        "apiVersion": "wgpolicyk8s.io/v1alpha2",
        "kind": "PolicyReport",
        "metadata": {"name": name},
        "summary": {"pass": 1, "fail": 2},
        "results": [{"policy": "p", "result": "fail", "severity": "high", "properties": {"cvss": "9.8"}}],
        **fields,
    }


def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Waits until a condition holds; fails where it does not in that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.01)


def in_background(function: Any) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread
