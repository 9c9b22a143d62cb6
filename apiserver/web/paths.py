"""What is no resource: discovery, OpenAPI, health, version, metrics, profiles."""

from collections.abc import Mapping
from concurrent.futures import Executor

import orjson
from aiohttp import web

from apiserver.discovery.documents import DiscoveryDocuments, Document
from apiserver.errors import MethodNotAllowed, NotAcceptable
from apiserver.openapi.documents import OpenApiDocuments
from apiserver.web.answers import answer, headers_of, not_found
from apiserver.web.calls import Call
from apiserver.web.pipeline import PathHandler

_READING = ("GET", "HEAD")


class PathHandlers:
    """Finds the handler of a path."""

    def __init__(
        self, *, discovery: DiscoveryDocuments, openapi: OpenApiDocuments, version: Document, workers: Executor
    ) -> None:
        self._discovery = discovery
        self._openapi = openapi
        self._version = version
        self._workers = workers
        self._exact: dict[str, PathHandler] = {
            **dict.fromkeys(discovery.paths, self._discover),
            "/openapi/v2": self._openapi_2,
            "/openapi/v3": self._openapi_3,
            "/version": self._tell_version,
            "/": self._tell_paths,
        }
        self._prefixes: dict[str, PathHandler] = {"/openapi/v3/": self._openapi_3_version}

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

    async def _openapi_2(self, call: Call) -> web.StreamResponse:
        verify_reading(call)
        if not takes_json(call.request.headers.get("Accept", "")):
            raise NotAcceptable(["application/json"])
        return await answer_document(call, self._openapi.version2, workers=self._workers)

    async def _openapi_3(self, call: Call) -> web.StreamResponse:
        verify_reading(call)
        return await answer_document(call, self._openapi.root, workers=self._workers)

    async def _openapi_3_version(self, call: Call) -> web.StreamResponse:
        """Under its hash a document never changes; under another hash the caller is sent on to the present one."""
        verify_reading(call)
        path = call.info.path.removeprefix("/openapi/v3/")
        document = self._openapi.version3.get(path)
        if document is None:
            return not_found(call)
        asked, present = call.query.get("hash", ""), self._openapi.hash_of(path)
        if asked and asked != present:
            return web.Response(
                status=301, headers=headers_of(call, more={"Location": f"/openapi/v3/{path}?hash={present}"})
            )
        for_ever = {"Cache-Control": "public, immutable"} if asked else {}
        return await answer_document(call, document, workers=self._workers, more=for_ever)

    async def _tell_paths(self, call: Call) -> web.StreamResponse:
        verify_reading(call)
        octets = orjson.dumps({"paths": sorted({*self._exact, *self._prefixes} - {"/"})})
        return await answer(call, octets, workers=self._workers)

    async def _tell_version(self, call: Call) -> web.StreamResponse:
        verify_reading(call)
        return await answer_document(call, self._version, workers=self._workers)


def takes_json(accept: str) -> bool:
    """Whether JSON is among what a caller takes, in any version of it."""
    parts = [part.partition(";")[0].strip() for part in accept.split(",")]
    return not accept.strip() or bool({"application/json", "application/*", "*/*"} & set(parts))


def verify_reading(call: Call) -> None:
    """Raises MethodNotAllowed."""
    if call.request.method not in _READING:
        raise MethodNotAllowed(_READING)


async def answer_document(
    call: Call, document: Document, *, workers: Executor, more: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """A document, or, to whoever holds it already, that it is the same."""
    headers = {"Vary": "Accept"}
    if document.etag:
        headers |= {"ETag": document.etag, "Cache-Control": "public"}
    headers |= more or {}
    held = [tag.strip() for tag in call.request.headers.get("If-None-Match", "").split(",")]
    if document.etag and (document.etag in held or "*" in held):
        return web.Response(status=304, headers=headers_of(call, content_type=document.content_type, more=headers))
    response = await answer(call, document.octets, workers=workers, content_type=document.content_type)
    response.headers.update(headers)
    return response
