"""Errors as problem details (RFC 9457), from the same table that gives gRPC its statuses."""

from collections.abc import Mapping

import grpc
import orjson
from aiohttp import web

from ca.rpc.statuses import metadata_of, status_code

_HTTP: Mapping[grpc.StatusCode, int] = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.INTERNAL: 500,
}
_RETRY_SECONDS = "2"


def http_status(error: Exception) -> int:
    return _HTTP[status_code(error)]


def problem(error: Exception, call_id: str) -> web.Response:
    """An answer for an error; what is ours is withheld and only the call's identifier told."""
    status = http_status(error)
    internal = status == _HTTP[grpc.StatusCode.INTERNAL]
    detail = f"internal error; the server's log tells more under request {call_id}" if internal else str(error)
    reason = "INTERNAL" if internal else getattr(error, "reason", "INTERNAL")
    return problem_response(status, reason=reason, detail=detail, call_id=call_id, metadata=metadata_of(error))


def problem_response(
    status: int,
    *,
    reason: str,
    detail: str,
    call_id: str,
    metadata: Mapping[str, str] | None = None,
    allowed_methods: str = "",
) -> web.Response:
    body = {
        "type": "about:blank",
        "status": status,
        "reason": reason,
        "detail": detail.encode(errors="replace").decode(),  # it may quote what came, which may be no UTF-8
        "metadata": metadata or {},
        "request": call_id,
    }
    headers = {"Retry-After": _RETRY_SECONDS} if status in {429, 503} else {}
    if allowed_methods:
        headers["Allow"] = allowed_methods
    return web.Response(
        status=status, body=orjson.dumps(body), content_type="application/problem+json", headers=headers
    )
