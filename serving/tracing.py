"""Spans of what a process does, in the terms of OpenTelemetry; where nobody asked for traces there is no Tracing, and no cost.

- Context comes and goes by W3C Trace Context: `traceparent` and `tracestate`, as HTTP headers or gRPC metadata.
- Whoever opens a span closes it, in the thread or task in which it was opened; `parts` are for work that others wait for.
- Attributes hold identifiers, names of methods and codes; never keys, tokens or requests.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_HEADERS = ("traceparent", "tracestate")
_LONGEST_HEADER = 1024
_FAULT = Status(StatusCode.ERROR)

Attributes = Mapping[str, str | int]


class Tracing:
    """Safe from any thread."""

    def __init__(self, tracer: Tracer, *, close: Callable[[], None] = lambda: None) -> None:
        """`close` sends what was not sent yet, and takes a bounded time."""
        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()
        self.close = close

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str], attributes: Attributes) -> Iterator[Span]:
        """A request that came in, as part of the trace that its headers name, if they name one."""
        carrier = {one: headers[one] for one in _HEADERS if len(headers.get(one, "")) in range(1, _LONGEST_HEADER)}
        parent = self._propagator.extract(carrier, context=Context())
        with self._opened(name, parent, SpanKind.SERVER, attributes) as span:
            yield span

    @contextmanager
    def part(self, name: str, attributes: Attributes) -> Iterator[Span]:
        """A part of what the present span is about, or the beginning of a trace."""
        with self._opened(name, None, SpanKind.INTERNAL, attributes) as span:
            yield span

    @contextmanager
    def parts(self, name: str, parents: Sequence[Context], attributes: Attributes) -> Iterator[None]:
        """What is done for many at once: a span for each of them."""
        spans = [self._tracer.start_span(name, parent, attributes=attributes) for parent in parents]
        try:
            yield
        finally:
            for span in spans:
                span.end()

    def present(self) -> Context:
        """For somebody who goes on in another thread."""
        return contexts.get_current()

    def describe(self, attributes: Attributes, *, failed: bool = False) -> None:
        """Says more of the present span; `failed` where the fault was ours."""
        span = trace.get_current_span()
        span.set_attributes(attributes)
        if failed:
            span.set_status(_FAULT)

    def outgoing(self) -> Mapping[str, str]:
        """Headers for a request to somebody else."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier

    @contextmanager
    def _opened(self, name: str, parent: Context | None, kind: SpanKind, attributes: Attributes) -> Iterator[Span]:
        """Errors are told by whoever turns them into an answer: their texts may name what is none of a trace's business."""
        with self._tracer.start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            yield span
