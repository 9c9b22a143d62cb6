"""What is no resource: discovery, OpenAPI, health, version, metrics, profiles."""

from collections.abc import Mapping
from concurrent.futures import Executor

from aiohttp import web

from apiserver.discovery.documents import DiscoveryDocuments, Document
from apiserver.errors import MethodNotAllowed
from apiserver.web.answers import answer, headers_of
from apiserver.web.calls import Call
from apiserver.web.pipeline import PathHandler


class PathHandlers:
    """Finds the handler of a path."""

    def __init__(self, *, discovery: DiscoveryDocuments, workers: Executor) -> None:
        self._discovery = discovery
        self._workers = workers
        self._exact: dict[str, PathHandler] = dict.fromkeys(discovery.paths, self._discover)
        self._prefixes: dict[str, PathHandler] = {}

    def add(self, path: str, handler: PathHandler) -> None:
        """`path` ends with a slash where everything below it is meant."""
        (self._prefixes if path.endswith("/") else self._exact)[path] = handler

    def find(self, path: str) -> PathHandler | None:
        known = self._exact.get(path) or self._exact.get(path.rstrip("/"))
        return known or next((handler for prefix, handler in self._prefixes.items() if path.startswith(prefix)), None)

    async def _discover(self, call: Call) -> web.StreamResponse:
        verify_reading(call)
        path = call.info.path.rstrip("/") or "/"
        return await answer_document(
            call, self._discovery.find(path, call.request.headers.get("Accept", "")), workers=self._workers
        )


def verify_reading(call: Call) -> None:
    """Raises MethodNotAllowed."""
    if call.request.method not in {"GET", "HEAD"}:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")


async def answer_document(
    call: Call, document: Document, *, workers: Executor, more: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """A document, or, to whoever holds it already, that it is the same."""
    headers = {**(more or {}), "Vary": "Accept"}
    if document.etag:
        headers |= {"ETag": document.etag, "Cache-Control": "public"}
        held = [tag.strip() for tag in call.request.headers.get("If-None-Match", "").split(",")]
        if document.etag in held or "*" in held:
            return web.Response(status=304, headers=headers_of(call, content_type=document.content_type, more=headers))
    response = await answer(call, document.octets, workers=workers, content_type=document.content_type)
    response.headers.update(headers)
    return response
