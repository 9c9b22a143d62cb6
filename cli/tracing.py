"""Traces, where the standard variables of OpenTelemetry ask for them: over OTLP and HTTP, in batches, bounded in memory."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cli import ambient

if TYPE_CHECKING:
    from serving.tracing import Tracing

_LAST_SPANS_MILLISECONDS = 2000


@contextlib.contextmanager
def traces(service: str) -> "Iterator[Tracing | None]":
    """What a process traces with; at the end what is left is sent, for as long as a moment."""
    tracing = make_tracing(service)
    try:
        yield tracing
    finally:
        if tracing is not None:
            tracing.close()


def make_tracing(service: str) -> "Tracing | None":
    """None where no endpoint is named. `service` is what the process is called, unless OTEL_SERVICE_NAME says otherwise.

    Endpoint, headers, certificates, sampler and batches are read by the SDK, under the names that OpenTelemetry gives them.
    """
    if not ambient.wants_traces():
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from cli.version import program_version
    from serving.tracing import Tracing

    named = ambient.environment("OTEL_SERVICE_NAME") or service
    resource = Resource.create({"service.name": named, "service.version": program_version()})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))

    def close() -> None:
        """A collector that is away holds nobody up for long."""
        provider.force_flush(_LAST_SPANS_MILLISECONDS)
        provider.shutdown()

    return Tracing(provider.get_tracer("chancery"), close=close)
