"""A collector of traces: takes what OpenTelemetry's exporter sends over HTTP, and keeps the spans."""

import contextlib
import gzip
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.servers.threaded import ThreadedServer, serving

_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: Mapping[str, str | int]
    failed: bool
    events: int
    begun: int
    ended: int


@dataclass(slots=True, kw_only=True)
class Collector:
    endpoint: str
    spans: list[Span] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    refused: int = 0
    """Handshakes that whoever called broke off."""

    def await_span(self, fits: Callable[[Span], bool]) -> Span:
        deadline = time.monotonic() + _SECONDS
        while True:
            for span in list(self.spans):
                if fits(span):
                    return span
            assert time.monotonic() < deadline, sorted({(span.service, span.name) for span in self.spans})
            time.sleep(0.05)

    def take(self, octets: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(octets)
        for resource in request.resource_spans:
            named = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [
                    Span(
                        service=named["service.name"],
                        name=one.name,
                        trace=one.trace_id.hex(),
                        id=one.span_id.hex(),
                        parent=one.parent_span_id.hex(),
                        attributes={
                            each.key: each.value.string_value or each.value.int_value for each in one.attributes
                        },
                        failed=one.status.code == one.status.STATUS_CODE_ERROR,
                        events=len(one.events),
                        begun=one.start_time_unix_nano,
                        ended=one.end_time_unix_nano,
                    )
                    for one in scope.spans
                ]


@contextlib.contextmanager
def collector(tls: ssl.SSLContext | None = None) -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            octets = self.rfile.read(int(self.headers["Content-Length"]))
            running.paths.add(self.path)
            running.take(gzip.decompress(octets) if self.headers.get("Content-Encoding") == "gzip" else octets)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    class Server(ThreadedServer):
        def handle_error(self, *_about: object) -> None:
            running.refused += isinstance(sys.exc_info()[1], ssl.SSLError)

    with serving(Server(Handler, tls)) as server:
        running = Collector(endpoint=server.url.replace("127.0.0.1", "localhost"))
        yield running
