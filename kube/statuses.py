"""What the API server's refusals mean: a Status (metav1.Status) as one of `kube.errors`."""

import json
from collections.abc import Mapping

from kube.documents import JsonObject, text
from kube.errors import (
    AlreadyThere,
    ClusterUnreachable,
    Conflict,
    Forbidden,
    KubeError,
    NotAuthenticated,
    NotThere,
    Refused,
    TooOld,
)

_LONGEST_MESSAGE = 1000
_LONGEST_ADVICE = 300.0
_KINDS: Mapping[int, type[KubeError]] = {
    401: NotAuthenticated,
    403: Forbidden,
    404: NotThere,
    409: Conflict,
    410: TooOld,
}


def error_of(method: str, path: str, code: int, headers: Mapping[str, str], body: bytes) -> KubeError:
    """`code` is of HTTP and not a success."""
    status = _status(body)
    said = text(status, "message")[:_LONGEST_MESSAGE] or f"{code} {_plain_words(body) or 'without a reason'}"
    message = f"{method} {path}: {said}"
    kind = _KINDS.get(code)
    if code == 409 and text(status, "reason") == "AlreadyExists":
        return AlreadyThere(message)
    if kind is not None:
        return kind(message)
    if code in {408, 429} or not 400 <= code < 500:
        return ClusterUnreachable(message, retry_after=_advice(headers))
    return Refused(message)


def _plain_words(body: bytes) -> str:
    """Of what is no Status: the aggregator and proxies answer in plain text where nobody is behind them."""
    words = " ".join(body[:_LONGEST_MESSAGE].decode("utf-8", "replace").split())
    return words if words.isprintable() and not words.startswith(("<", "{")) else ""


def _status(body: bytes) -> JsonObject:
    try:
        status = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return status if isinstance(status, dict) else {}


def _advice(headers: Mapping[str, str]) -> float:
    """Retry-After in whole seconds (RFC 9110 §10.2.3); dates are not what an API server sends."""
    value = headers.get("Retry-After") or ""
    return min(float(value), _LONGEST_ADVICE) if value.isascii() and value.isdecimal() else 0.0
