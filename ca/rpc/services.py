"""Serves a service of a .proto from an object whose methods bear the same names in snake_case.

    async def sign_csr(self, request, call) -> response            one answer
    async def watch_certificates(self, request, call)              an async generator, for a stream of answers
    async def sign_csrs(self, requests, call)                      the same, over a stream of requests

- Around every method stand the same steps: identify the call, authenticate the caller, run, map errors, count, log.
- A method of the .proto without its counterpart stops the start.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from ca.ambient import Entropy
from ca.authentication import Authenticator
from ca.callers import Caller
from ca.calls import Call
from ca.errors import CertificateRequired, Unauthenticated
from ca.metrics import Metrics
from ca.rpc.statuses import status_code, to_status

_TLS_1_3 = b"TLSv1.3"
_STATUS_DETAILS = "grpc-status-details-bin"
_Context = grpc.aio.ServicerContext[Any, Any]

_log = structlog.get_logger("chancery.rpc")


class Gate:
    """What every call of one listener passes. Without an authenticator all callers are anonymous."""

    def __init__(self, *, authenticator: Authenticator | None, tls: bool, entropy: Entropy, metrics: Metrics) -> None:
        self._authenticator = authenticator
        self._tls = tls
        self._entropy = entropy
        self._metrics = metrics

    async def admit(self, call_id: str, context: _Context) -> Call:
        """Raises Unauthenticated."""
        peer: Mapping[str, Any] = context.auth_context()
        if self._tls and peer.get("ssl_tls_version") != [_TLS_1_3]:
            raise Unauthenticated("TLS 1.3 is required")
        if self._authenticator is None:
            return Call(caller=Caller.anonymous(), id=call_id)
        encoded = peer.get("x509_pem_cert")
        if not encoded:
            raise CertificateRequired("present a client certificate")
        caller = self._authenticator.recall(encoded[0])
        if caller is None:
            caller = await asyncio.to_thread(self._authenticator.authenticate, encoded[0])
        return Call(caller=caller, id=call_id)

    def new_call_id(self) -> str:
        return self._entropy(8).hex()

    def finish(self, method: str, call_id: str, caller: str, started: float, error: BaseException | None) -> None:
        elapsed = time.perf_counter() - started
        code = "OK" if error is None else status_code(error).name if isinstance(error, Exception) else "CANCELLED"
        self._metrics.calls.labels(method=method, code=code).inc()
        self._metrics.call_seconds.labels(method=method).observe(elapsed)
        if error is None:
            _log.debug("call", method=method, request=call_id, caller=caller, seconds=round(elapsed, 6))
            return
        if code == "INTERNAL":
            _log.error("call failed", method=method, request=call_id, caller=caller, exc_info=error)
        elif code != "CANCELLED":
            _log.info("call refused", method=method, request=call_id, caller=caller, code=code, error=str(error))


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
        "request_deserializer": GetMessageClass(method.input_type).FromString,
        "response_serializer": GetMessageClass(method.output_type).SerializeToString,
    }
    if not method.server_streaming:
        return grpc.unary_unary_rpc_method_handler(_unary(method.full_name, run, gate), **coders)
    build = grpc.stream_stream_rpc_method_handler if method.client_streaming else grpc.unary_stream_rpc_method_handler
    return build(_streaming(method.full_name, run, gate), **coders)


def _unary(method: str, run: Callable[..., Awaitable[Any]], gate: Gate) -> Callable[[Any, _Context], Awaitable[Any]]:
    async def serve(request: Any, context: _Context) -> Any:
        call_id, caller, started = gate.new_call_id(), "", time.perf_counter()
        try:
            call = await gate.admit(call_id, context)
            caller = call.caller.name
            response = await run(request, call)
        except Exception as err:  # noqa: BLE001 - the edge: every error becomes a status
            gate.finish(method, call_id, caller, started, err)
            await _abort(context, err, call_id)
        except asyncio.CancelledError as err:
            gate.finish(method, call_id, caller, started, err)
            raise
        gate.finish(method, call_id, caller, started, None)
        return response

    return serve


def _streaming(
    method: str, run: Callable[..., AsyncIterator[Any]], gate: Gate
) -> Callable[[Any, _Context], AsyncIterator[Any]]:
    async def serve(request: Any, context: _Context) -> AsyncIterator[Any]:
        call_id, caller, started = gate.new_call_id(), "", time.perf_counter()
        try:
            call = await gate.admit(call_id, context)
            caller = call.caller.name
            async for response in run(request, call):
                yield response
        except Exception as err:  # noqa: BLE001 - the edge: every error becomes a status
            gate.finish(method, call_id, caller, started, err)
            await _abort(context, err, call_id)
        except (asyncio.CancelledError, GeneratorExit) as err:
            gate.finish(method, call_id, caller, started, err)
            raise
        gate.finish(method, call_id, caller, started, None)

    return serve


async def _abort(context: _Context, error: Exception, call_id: str) -> NoReturn:
    status = to_status(error, call_id)
    await context.abort(
        status_code(error), status.message, trailing_metadata=((_STATUS_DETAILS, status.SerializeToString()),)
    )
    raise AssertionError("abort always raises")


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
