"""Serves a service of a .proto from an object whose methods bear the same names in snake_case.

    async def sign_csr(self, request, call) -> response            one answer
    async def watch_certificates(self, request, call)              an async generator, for a stream of answers
    async def sign_csrs(self, requests, call)                      the same, over a stream of requests

- Around every method stand the same steps: identify the call, authenticate the caller, run, map errors, count, log.
- On a stream the caller is asked for again while it goes on: one whose certificate is revoked or expires is told nothing more.
- A stream may last longer than its caller's certificate: each message, either way, is judged by it again.
- A method of the .proto without its counterpart stops the start.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from ca.ambient import Entropy
from ca.authentication import Authenticator
from ca.callers import Caller
from ca.calls import Call
from ca.denials import DenialLog
from ca.errors import CertificateRequired, Unauthenticated
from ca.metrics import Metrics
from ca.rpc.reading import Unreadable, reader, verify_readable
from ca.rpc.statuses import status_code, to_status

if TYPE_CHECKING:
    from serving.tracing import Tracing

_TLS_1_3 = b"TLSv1.3"
_STATUS_DETAILS = "grpc-status-details-bin"
_Context = grpc.aio.ServicerContext[Any, Any]
_Serve = Callable[[Any, _Context], Awaitable[Any]]
_FAULTS = frozenset({"INTERNAL", "UNKNOWN", "UNAVAILABLE"})

_log = structlog.get_logger("chancery.rpc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What every call of one listener passes. Without an authenticator all callers are anonymous."""

    authenticator: Authenticator | None
    tls: bool
    entropy: Entropy
    metrics: Metrics
    denials: DenialLog
    tracing: "Tracing | None" = None

    def enter(self, method: str) -> "Passage":
        return Passage(self, method)

    async def identify(self, context: _Context) -> Caller:
        """Raises Unauthenticated leaves."""
        peer: Mapping[str, Any] = context.auth_context()
        if self.tls and peer.get("ssl_tls_version") != [_TLS_1_3]:
            raise Unauthenticated("TLS 1.3 is required")
        if self.authenticator is None:
            return Caller.anonymous()
        encoded = peer.get("x509_pem_cert")
        if not encoded:
            raise CertificateRequired("present a client certificate")
        known = self.authenticator.recall(encoded[0])
        return known if known is not None else await asyncio.to_thread(self.authenticator.authenticate, encoded[0])


class Passage:
    """One call on its way through the gate."""

    def __init__(self, gate: Gate, method: str) -> None:
        self._gate = gate
        self._method = method
        self._id = gate.entropy(8).hex()
        self._started = time.perf_counter()
        self._call: Call | None = None

    async def admit(self, context: _Context) -> Call:
        """Raises Unauthenticated leaves."""
        source = context.peer().rpartition(":")[0]
        self._call = Call(caller=await self._gate.identify(context), id=self._id, source=source)
        return self._call

    def verify(self) -> None:
        """Raises Unauthenticated leaves where the certificate of the caller that was admitted no longer counts."""
        if self._gate.authenticator is not None and self._call is not None:
            self._gate.authenticator.verify(self._call.caller)

    async def verified(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The requests of a stream, for as long as the caller's certificate counts."""
        async for request in requests:
            self.verify()
            if isinstance(request, Unreadable):
                verify_readable(request)
            yield request

    async def refuse(self, context: _Context, error: Exception) -> NoReturn:
        """Answers with the error's status, and tells log, audit and metrics."""
        status = to_status(error, self._id)
        code = status_code(error)
        await self._gate.denials.note(self._call, self._method, error)
        if code is grpc.StatusCode.INTERNAL:
            _log.error("call failed", method=self._method, request=self._id, caller=self._caller, exc_info=error)
        else:
            _log.info(
                "call refused",
                method=self._method,
                request=self._id,
                caller=self._caller,
                code=code.name,
                error=str(error),
            )
        self.finish(code.name)
        await context.abort(code, status.message, trailing_metadata=((_STATUS_DETAILS, status.SerializeToString()),))
        raise AssertionError("abort always raises")

    def finish(self, code: str) -> None:
        seconds = time.perf_counter() - self._started
        self._gate.metrics.observe_call(self._method, code, seconds)
        if self._gate.tracing is not None:
            said = {"rpc.grpc.status_code": grpc.StatusCode[code].value[0], "chancery.request_id": self._id}
            self._gate.tracing.describe(said, failed=code in _FAULTS)
        _log.debug(
            "call", method=self._method, request=self._id, caller=self._caller, code=code, seconds=round(seconds, 6)
        )

    @property
    def _caller(self) -> str:
        return "" if self._call is None else self._call.caller.name


def service_handler(
    service: ServiceDescriptor, implementation: object, gate: Gate
) -> "grpc.GenericRpcHandler[Any, Any]":
    """Builds what a grpc.aio server registers. Raises AttributeError for a method that the implementation lacks."""
    handlers = {
        method.name: _method_handler(method, getattr(implementation, _snake_case(method.name)), gate)
        for method in service.methods
    }
    return grpc.method_handlers_generic_handler(service.full_name, handlers)


def _method_handler(method: MethodDescriptor, run: Callable[..., Any], gate: Gate) -> "grpc.RpcMethodHandler[Any, Any]":
    coders: dict[str, Any] = {
        "request_deserializer": reader(method.input_type),
        "response_serializer": GetMessageClass(method.output_type).SerializeToString,
    }
    if not method.server_streaming:
        serve = _unary(method.full_name, run, gate)
        traced = serve if gate.tracing is None else _traced(method, serve, gate.tracing)
        return grpc.unary_unary_rpc_method_handler(traced, **coders)
    build = grpc.stream_stream_rpc_method_handler if method.client_streaming else grpc.unary_stream_rpc_method_handler
    return build(_streaming(method, run, gate), **coders)


def _unary(method: str, run: Callable[..., Awaitable[Any]], gate: Gate) -> _Serve:
    async def serve(request: Any, context: _Context) -> Any:
        passage = gate.enter(method)
        try:
            call = await passage.admit(context)
            verify_readable(request)
            response = await run(request, call)
        except Exception as err:  # noqa: BLE001 - the edge: every error becomes a status
            await passage.refuse(context, err)
        except asyncio.CancelledError:
            passage.finish("CANCELLED")
            raise
        passage.finish("OK")
        return response

    return serve


def _traced(method: MethodDescriptor, serve: _Serve, tracing: "Tracing") -> _Serve:
    """Streams go untraced: they may last for days, and what happens on them has spans of its own."""
    service = method.containing_service.full_name
    said = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method.name}

    async def trace(request: Any, context: _Context) -> Any:
        sent = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        with tracing.request(f"{service}/{method.name}", sent, said):
            return await serve(request, context)

    return trace


def _streaming(
    method: MethodDescriptor, run: Callable[..., AsyncIterator[Any]], gate: Gate
) -> Callable[[Any, _Context], AsyncIterator[Any]]:
    async def serve(request: Any, context: _Context) -> AsyncIterator[Any]:
        passage = gate.enter(method.full_name)
        asked = passage.verified(request) if method.client_streaming else request
        try:
            call = await passage.admit(context)
            if not method.client_streaming:
                verify_readable(request)
            async for response in run(asked, call):
                passage.verify()
                yield response
        except Exception as err:  # noqa: BLE001 - the edge: every error becomes a status
            await passage.refuse(context, err)
        except (asyncio.CancelledError, GeneratorExit):
            passage.finish("CANCELLED")
            raise
        passage.finish("OK")

    return serve


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
