"""Answers as HTTP: a document with its headers, a Status, or a stream.

- Compressed where the caller takes gzip and it is worth it; in a worker, as it takes a while.
- Nothing is answered in a shape that the caller did not ask for, but errors: those are always JSON Statuses.
"""

import asyncio
import gzip
from collections.abc import Mapping
from concurrent.futures import Executor

from aiohttp import web
from multidict import CIMultiDict

from apiserver.errors import MethodNotAllowed
from apiserver.statuses import status_of
from apiserver.web.calls import Call

JSON = "application/json"
_WORTH_PACKING = 128 << 10
_PACKING_LEVEL = 1  # what kube-apiserver takes as well: speed counts, and reports shrink tenfold all the same


def headers_of(call: Call, *, content_type: str = JSON, more: Mapping[str, str] | None = None) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict(call.headers)
    headers["Content-Type"] = content_type
    headers.update(more or {})
    for value in call.warnings.values:
        headers.add("Warning", value)
    return headers


async def answer(
    call: Call, octets: bytes, *, workers: Executor, status: int = 200, content_type: str = JSON
) -> web.Response:
    """One whole document."""
    headers = headers_of(call, content_type=content_type)
    if len(octets) > _WORTH_PACKING and takes_gzip(call.request):
        octets = await asyncio.get_running_loop().run_in_executor(
            workers, lambda: gzip.compress(octets, _PACKING_LEVEL, mtime=0)
        )
        headers["Content-Encoding"] = "gzip"
        headers.add("Vary", "Accept-Encoding")
    return web.Response(status=status, body=octets, headers=headers)


def failure(call: Call, error: BaseException) -> web.Response:
    """The Status of an error."""
    code, octets, retry_after = status_of(error)
    more = {"Retry-After": str(retry_after)} if retry_after else {}
    if isinstance(error, MethodNotAllowed):
        more["Allow"] = ", ".join(error.methods)  # RFC 9110 section 15.5.6; kube-apiserver leaves it out
    return web.Response(status=code, body=octets, headers=headers_of(call, more=more))


def not_found(call: Call) -> web.Response:
    """What is at no path of ours: plain text, as kube-apiserver answers it."""
    headers = headers_of(call, content_type="text/plain; charset=utf-8", more={"X-Content-Type-Options": "nosniff"})
    return web.Response(status=404, body=b"404 page not found\n", headers=headers)


def takes_gzip(request: web.Request) -> bool:
    """Whether Accept-Encoding names gzip, and not with q=0 (RFC 9110 section 12.5.3)."""
    for part in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, _, parameters = part.strip().partition(";")
        if coding.strip() == "gzip":
            return parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
