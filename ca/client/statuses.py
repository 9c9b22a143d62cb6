"""gRPC statuses as errors of ours: the client's edge table.

- A status that carries `google.rpc.ErrorInfo` was given by the authority; without one it comes from the transport.
"""

from collections.abc import Mapping
from typing import cast

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from ca.client.errors import (
    CallBroken,
    CallDenied,
    CallFailed,
    CallInvalid,
    CallNotFound,
    CallOutOfTurn,
    CallUnauthenticated,
    CallUnavailable,
    ClientError,
    ConnectionRejected,
    DeadlineExceeded,
    ServerUnreachable,
    ServerUntrusted,
)

_CLASSES: Mapping[grpc.StatusCode, type[CallFailed]] = {
    grpc.StatusCode.UNAUTHENTICATED: CallUnauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: CallDenied,
    grpc.StatusCode.INVALID_ARGUMENT: CallInvalid,
    grpc.StatusCode.OUT_OF_RANGE: CallInvalid,
    grpc.StatusCode.NOT_FOUND: CallNotFound,
    grpc.StatusCode.FAILED_PRECONDITION: CallOutOfTurn,
    grpc.StatusCode.ALREADY_EXISTS: CallOutOfTurn,
    grpc.StatusCode.ABORTED: CallOutOfTurn,
    grpc.StatusCode.UNAVAILABLE: CallUnavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: CallUnavailable,
    grpc.StatusCode.CANCELLED: CallUnavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: CallUnavailable,
}
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_HUNG_UP = ("connection reset", "socket closed", "eof", "broken pipe", "handshake", "ssl", "wrong_version", "alpn")


def client_error(error: grpc.RpcError, *, address: str) -> ClientError:
    """The error of ours that says what a failed call to `address` means."""
    if not hasattr(error, "trailing_metadata"):
        return ServerUnreachable(f"the call to {address} failed before it was made: {error}")
    call = cast("grpc.Call", error)
    status = rpc_status.from_call(call)
    if status is not None:
        return status_error(status)
    return _transport_error(call.code(), call.details() or "", address)


def status_error(status: status_pb2.Status) -> CallFailed:
    """The error of ours for a status that the authority gave, alone or inside a stream."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            break
    return _call_failed(code, status.message, reason=info.reason, metadata=dict(info.metadata))


def _call_failed(
    code: grpc.StatusCode, message: str, *, reason: str = "", metadata: Mapping[str, str] | None = None
) -> CallFailed:
    failure = _CLASSES.get(code, CallBroken)
    return failure(message or code.name.lower(), status=code.name, reason=reason, metadata=metadata)


def _transport_error(code: grpc.StatusCode, details: str, address: str) -> ClientError:
    lowered = details.lower()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(
            f"{address} did not answer in time; see whether the server runs, or give it more --timeout"
        )
    if "certificate_verify_failed" in lowered or "hostname verification" in lowered or "peer name" in lowered:
        return ServerUntrusted(
            f"the server at {address} shows a certificate that the trusted roots do not vouch for under that name; "
            "see whether the address is right and the identity's ca.crt is of this authority"
        )
    if code is grpc.StatusCode.UNAVAILABLE and any(sign in lowered for sign in _HUNG_UP):
        return ConnectionRejected(
            f"{address} closed the connection: it refuses the client's certificate, or speaks something else"
        )
    if code is grpc.StatusCode.UNAVAILABLE:
        return ServerUnreachable(
            f"cannot reach {address}: {_first_sentence(details)}; see whether the server runs there"
        )
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return _call_failed(
            code, f"{address} does not offer this call; it may be another port of the server, or an older one"
        )
    return _call_failed(code, details)


def _first_sentence(details: str) -> str:
    """The part of gRPC's nested message that says what happened."""
    if "onnection refused" in details:
        return "connection refused"
    if "DNS" in details or "resolution" in details:
        return "the name does not resolve"
    return details.split(";", maxsplit=1)[0].split("; last error", maxsplit=1)[0].strip() or "no connection"
