"""What is served over HTTP: the edge around every request, and the two applications that share it.

- A client certificate is optional in the handshake and required by each path that is not public.
- A browser that holds one shows it on behalf of any web page, so what comes from a page (Origin, RFC 6454) is refused there.
- Bodies are bounded, and so is the time that a request may take, sending it included.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from ca.ambient import Entropy
from ca.authentication import Authenticator
from ca.callers import Caller
from ca.calls import Call
from ca.denials import DenialLog
from ca.errors import CertificateRequired, PermissionDenied, Unauthenticated
from ca.metrics import Metrics
from ca.web.problems import problem, problem_response
from ca.web.public import MycaPaths, PublicDocuments
from ca.web.twin import Route, read_message, twin_routes, write_message

if TYPE_CHECKING:
    from ca.edges import Handlers
    from serving.tracing import Tracing

_INTERNAL = 500
MAXIMUM_BODY = 256 * 1024
_REQUEST_SECONDS = 30.0

_CLIENT_WENT_AWAY = 499  # as nginx counts it
_CALL_ID = web.RequestKey("call_id", str)
_CALL = web.RequestKey("call", Call)
_Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = structlog.get_logger("chancery.web")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What every request passes. Without an authenticator every caller is anonymous."""

    authenticator: Authenticator | None
    entropy: Entropy
    metrics: Metrics
    denials: DenialLog
    tracing: "Tracing | None" = None

    def twin(self, route: Route) -> _Answer:
        """A method of a service as a path."""

        async def answer(request: web.Request) -> web.StreamResponse:
            if route.public:
                call = Call(caller=Caller.anonymous(), id=request[_CALL_ID], source=request.remote or "")
            else:
                call = await (self._welcome(request) if route.welcoming else self._admit(request))
            return write_message(await route.handler(await read_message(request, route), call))

        return answer

    def with_call(self, handler: Callable[[web.Request, Call], Awaitable[web.Response]]) -> _Answer:
        async def answer(request: web.Request) -> web.StreamResponse:
            return await handler(request, await self._admit(request))

        return answer

    @web.middleware
    async def middleware(self, request: web.Request, handler: _Answer) -> web.StreamResponse:
        call_id = request[_CALL_ID] = self.entropy(8).hex()
        started = time.perf_counter()
        resource = request.match_info.route.resource
        method = f"{request.method} {resource.canonical if resource else 'unknown'}"
        if self.tracing is None:
            response = await self._answer(request, handler, call_id)
        else:
            said = {"http.request.method": request.method, "chancery.request_id": call_id}
            with self.tracing.request(method, request.headers, said):
                response = await self._answer(request, handler, call_id)
                self.tracing.describe({"http.response.status_code": response.status}, failed=response.status >= 500)
        self.metrics.observe_call(method, str(response.status), time.perf_counter() - started)
        return response

    async def _admit(self, request: web.Request) -> Call:
        """Raises PermissionDenied, Unauthenticated leaves."""
        if "Origin" in request.headers:
            raise PermissionDenied("web pages may not call this; use a program that sends no Origin")
        caller = Caller.anonymous() if self.authenticator is None else await self._identify(request, self.authenticator)
        call = request[_CALL] = Call(caller=caller, id=request[_CALL_ID])
        return call

    async def _welcome(self, request: web.Request) -> Call:
        """Nobody is turned away: a certificate that does not count, or comes by way of a web page, is as good as none."""
        try:
            return await self._admit(request)
        except (Unauthenticated, PermissionDenied):
            return Call(caller=Caller.anonymous(), id=request[_CALL_ID])

    async def _identify(self, request: web.Request, authenticator: Authenticator) -> Caller:
        connection = None if request.transport is None else request.transport.get_extra_info("ssl_object")
        encoded = None if connection is None else connection.getpeercert(binary_form=True)
        if not encoded:
            raise CertificateRequired("present a client certificate")
        known = authenticator.recall(encoded)
        return known if known is not None else await asyncio.to_thread(authenticator.authenticate, encoded)

    async def _answer(self, request: web.Request, handler: _Answer, call_id: str) -> web.StreamResponse:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                return await handler(request)
        except web.HTTPException as err:
            reason = err.reason.upper().replace(" ", "_")
            allowed = err.headers.get("Allow", "")
            return problem_response(
                err.status, reason=reason, detail=err.reason, call_id=call_id, allowed_methods=allowed
            )
        except TimeoutError:
            detail = "the request took too long; send it again"
            return problem_response(408, reason="REQUEST_TIMEOUT", detail=detail, call_id=call_id)
        except ConnectionError:
            return web.Response(status=_CLIENT_WENT_AWAY)  # nobody reads it; the metrics count it
        except Exception as err:  # noqa: BLE001 - the edge: every error becomes an answer
            await self.denials.note(request.get(_CALL), f"{request.method} {request.path}", err)
            response = problem(err, call_id)
            if response.status == _INTERNAL:
                _log.error("request failed", path=request.path, request=call_id, exc_info=err)
            else:
                _log.info("request refused", path=request.path, request=call_id, status=response.status, error=str(err))
            return response


def full_application(edge: Edge, documents: PublicDocuments, handlers: "Handlers") -> web.Application:
    """Everything that is served over HTTP."""
    application = _application(edge)
    _add_revocation(application, documents)
    router, paths = application.router, MycaPaths(handlers.myca)
    router.add_get("/healthz", documents.ready)
    router.add_get("/readyz", documents.ready)
    router.add_get("/livez", documents.live)
    router.add_get("/metrics", documents.metrics)
    router.add_get("/csr-template", edge.with_call(paths.template))
    router.add_post("/csr", edge.with_call(paths.sign))
    for route in twin_routes(handlers):
        router.add_route(route.verb, route.path, edge.twin(route))
    return application


def revocation_application(edge: Edge, documents: PublicDocuments) -> web.Application:
    """What may be had without TLS: signed documents only."""
    application = _application(edge)
    _add_revocation(application, documents)
    return application


def _application(edge: Edge) -> web.Application:
    return web.Application(client_max_size=MAXIMUM_BODY, middlewares=[edge.middleware])


def _add_revocation(application: web.Application, documents: PublicDocuments) -> None:
    router = application.router
    router.add_get("/roots.pem", documents.roots)
    router.add_get(r"/crl/{issuer:[0-9a-f]{32}}/{shard:\d{1,4}}.crl", documents.crl)
    router.add_post("/ocsp", documents.ocsp)
    router.add_get("/ocsp/{request:.{1,2048}}", documents.ocsp)
