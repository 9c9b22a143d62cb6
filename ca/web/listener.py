"""The HTTP listener: routing, callers, errors and TLS around what `twin` and `public` answer.

- A client certificate is optional in the handshake and required by each path that is not public.
- A renewed serving certificate is used from the next handshake on; open connections stay.
- Bodies are bounded, and so is the time that a client may take to send one.
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from ca.authentication import Authenticator
from ca.callers import Caller
from ca.calls import Call
from ca.denials import DenialLog
from ca.errors import CertificateRequired, SettingsInvalid
from ca.metrics import Metrics
from ca.office import Office
from ca.serving import ServingCertificate, ServingPair
from ca.web.contexts import server_context
from ca.web.problems import problem, problem_response
from ca.web.public import MycaPaths, PublicDocuments
from ca.web.twin import Route, read_message, twin_routes, write_message

if TYPE_CHECKING:
    from ca.process import Handlers

MAXIMUM_BODY = 256 * 1024
_HANDSHAKE_SECONDS = 10.0
_REQUEST_SECONDS = 30.0
_KEEPALIVE_SECONDS = 75.0

_log = structlog.get_logger("chancery.web")
_CALL_ID = web.RequestKey("call_id", str)
_CALL = web.RequestKey("call", Call)
_Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebListener:
    """One aiohttp server on one port. Without an authenticator every caller is anonymous, and there is no TLS."""

    def __init__(
        self,
        handlers: "Handlers",
        *,
        office: Office,
        metrics: Metrics,
        serving: ServingCertificate,
        authenticator: Authenticator | None,
        denials: DenialLog,
    ) -> None:
        self._office = office
        self._metrics = metrics
        self._serving = serving
        self._authenticator = authenticator
        self._denials = denials
        self._context: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        application = web.Application(client_max_size=MAXIMUM_BODY, middlewares=[self._middleware])
        self._add_routes(application, handlers)
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, keepalive_timeout=_KEEPALIVE_SECONDS
        )

    async def start(self, address: str, port: int) -> str:
        """Listens and returns the base URL. Raises SettingsInvalid where the address cannot be had."""
        await self._runner.setup()
        if self._authenticator is not None:
            self._serving.subscribe(self._adopt)
            self._adopt(self._serving.pair)
        protocols = self._runner.server
        if protocols is None:
            raise RuntimeError("the runner was set up and has no server")
        try:
            self._server = await asyncio.get_running_loop().create_server(
                protocols,
                address,
                port,
                ssl=self._context,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS if self._context else None,
            )
        except OSError as err:
            raise SettingsInvalid([f"cannot listen on {address}:{port}: {err.strerror or err}"]) from err
        bound = self._server.sockets[0].getsockname()[1]
        host = f"[{address}]" if ":" in address else address
        return f"{'https' if self._context else 'http'}://{host}:{bound}"

    async def stop(self, grace: float) -> None:
        if self._server is not None:
            self._server.close()
        await self._runner.shutdown()
        if self._runner.server is not None:
            await self._runner.server.shutdown(grace)
        await self._runner.cleanup()

    def _adopt(self, pair: ServingPair) -> None:
        """The listening context hands every handshake over to the newest one, for clients with and without SNI."""
        newest = server_context(pair, self._office.issuers.client_trust_pem)
        if self._context is None:
            self._context = newest

        def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = newest

        self._context.sni_callback = choose

    def _add_routes(self, application: web.Application, handlers: "Handlers") -> None:
        documents = PublicDocuments(
            issuers=self._office.issuers,
            crls=handlers.trust.crls,
            database=self._office.database,
            metrics=self._metrics,
            stopping=handlers.trust.stopping,
        )
        paths = MycaPaths(handlers.myca)
        router = application.router
        router.add_get("/roots.pem", documents.roots)
        router.add_get(r"/crl/{issuer:[0-9a-f]{32}}/{shard:\d+}.crl", documents.crl)
        router.add_get("/healthz", documents.ready)
        router.add_get("/readyz", documents.ready)
        router.add_get("/livez", documents.live)
        router.add_get("/metrics", documents.metrics)
        router.add_get("/csr-template", self._with_call(paths.template))
        router.add_post("/csr", self._with_call(paths.sign))
        for route in twin_routes(handlers):
            router.add_route(route.verb, route.path, self._twin(route))

    def _twin(self, route: Route) -> _Answer:
        async def answer(request: web.Request) -> web.StreamResponse:
            call = Call(caller=Caller.anonymous(), id=request[_CALL_ID]) if route.public else await self._admit(request)
            return write_message(await route.handler(await read_message(request, route), call))

        return answer

    def _with_call(self, handler: Callable[[web.Request, Call], Awaitable[web.Response]]) -> _Answer:
        async def answer(request: web.Request) -> web.StreamResponse:
            return await handler(request, await self._admit(request))

        return answer

    async def _admit(self, request: web.Request) -> Call:
        """Raises Unauthenticated leaves."""
        call_id = request[_CALL_ID]
        caller = (
            Caller.anonymous() if self._authenticator is None else await self._identify(request, self._authenticator)
        )
        call = request[_CALL] = Call(caller=caller, id=call_id)
        return call

    async def _identify(self, request: web.Request, authenticator: Authenticator) -> Caller:
        connection = None if request.transport is None else request.transport.get_extra_info("ssl_object")
        encoded = None if connection is None else connection.getpeercert(binary_form=True)
        if not encoded:
            raise CertificateRequired("present a client certificate")
        known = authenticator.recall(encoded)
        return known if known is not None else await asyncio.to_thread(authenticator.authenticate, encoded)

    @web.middleware
    async def _middleware(self, request: web.Request, handler: _Answer) -> web.StreamResponse:
        call_id = request[_CALL_ID] = self._office.entropy(8).hex()
        started = time.perf_counter()
        response = await self._answer(request, handler, call_id)
        resource = request.match_info.route.resource
        method = f"{request.method} {resource.canonical if resource else 'unknown'}"
        self._metrics.calls.labels(method=method, code=str(response.status)).inc()
        self._metrics.call_seconds.labels(method=method).observe(time.perf_counter() - started)
        return response

    async def _answer(self, request: web.Request, handler: _Answer, call_id: str) -> web.StreamResponse:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                return await handler(request)
        except web.HTTPException as err:
            return problem_response(
                err.status, reason=err.reason.upper().replace(" ", "_"), detail=err.reason, call_id=call_id
            )
        except TimeoutError:
            return problem_response(
                408, reason="REQUEST_TIMEOUT", detail="the request took too long; send it again", call_id=call_id
            )
        except Exception as err:  # noqa: BLE001 - the edge: every error becomes an answer
            response = problem(err, call_id)
            await self._denials.note(request.get(_CALL), f"{request.method} {request.path}", err)
            if response.status >= 500:
                _log.error("request failed", path=request.path, request=call_id, exc_info=err)
            else:
                _log.info("request refused", path=request.path, request=call_id, status=response.status, error=str(err))
            return response
