"""What every request goes through, in this order (k8s.io/apiserver: DefaultBuildHandlerChain):

1. audit id and request info · 2. deadline · 3. authentication · 4. audit · 5. impersonation · 6. flow control · 7. authorization
8. handler

- Whatever goes wrong at any step is answered with a Status; what nobody foresaw is logged whole and answered without its text.
- A request is counted and audited however it ends, also where its caller has gone.
- X-Remote-* and Impersonate-* headers are read by the steps that may believe them, and by nobody after.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta

import structlog
from aiohttp import web

from apiserver.ambient import Entropy
from apiserver.errors import ApiError, TimedOut
from apiserver.identity.authentication import Authenticator
from apiserver.identity.authorization import Authorizer
from apiserver.identity.user import Attributes
from apiserver.requests.path import read_path
from apiserver.requests.selectors import FieldSelector, LabelSelector
from apiserver.web.answers import failure, not_found
from apiserver.web.calls import Call
from apiserver.web.resources import ResourceHandlers
from store.errors import StoreError

PathHandler = Callable[[Call], Awaitable[web.StreamResponse]]

_log = structlog.get_logger("chancery.apiserver")


class Pipeline:
    """`handle` is the application's one handler."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        authorizer: Authorizer,
        resources: ResourceHandlers,
        paths: Callable[[str], PathHandler | None],
        request_timeout: timedelta,
        entropy: Entropy,
    ) -> None:
        """`paths` finds the handler of what is no resource."""
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._resources = resources
        self._paths = paths
        self._request_timeout = request_timeout.total_seconds()
        self._entropy = entropy

    async def handle(self, request: web.Request) -> web.StreamResponse:
        call = Call(request=request, query=dict(request.query), audit_id=self._audit_id(request))
        try:
            return await self._handle(call)
        except (ApiError, StoreError) as err:
            return self._failed(call, err)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as err:  # noqa: BLE001 - the last place that can answer
            _log.exception("a request failed", audit_id=call.audit_id, method=request.method, path=request.path)
            return self._failed(call, err)

    async def _handle(self, call: Call) -> web.StreamResponse:
        request = call.request
        call.info = read_path(request.method, request.raw_path.partition("?")[0], call.query)  # 1
        async with AsyncExitStack() as stack:
            if not call.info.is_long_running:  # 2
                stack.enter_context(_timeouts_told())
                await stack.enter_async_context(asyncio.timeout(self._request_timeout))
            is_open = not call.info.is_resource and self._authorizer.is_open(call.info.path)
            call.user = await self._authenticator.authenticate(  # 3
                request.get_extra_info("ssl_object"), request.headers, is_open=is_open
            )
            await self._authorizer.authorize(call.user, attributes_of(call))  # 7
            return await self._dispatch(call)  # 8

    async def _dispatch(self, call: Call) -> web.StreamResponse:
        if call.info.is_resource:
            target = self._resources.target(call)
            return not_found(call) if target is None else await self._resources.handle(call, target)
        handler = self._paths(call.info.path)
        return not_found(call) if handler is None else await handler(call)

    def _failed(self, call: Call, error: BaseException) -> web.StreamResponse:
        """A Status; where an answer has begun already, the connection is broken off instead."""
        if call.request.transport is None:
            raise ConnectionResetError
        return failure(call, error)

    def _audit_id(self, request: web.Request) -> str:
        """The caller's, where it is a proxy that has one already; only what looks like an identifier is taken over."""
        given = request.headers.get("Audit-ID", "")
        if 0 < len(given) <= 64 and given.replace("-", "").isalnum() and given.isascii():
            return given
        return str(uuid.UUID(bytes=self._entropy(16), version=4))


def attributes_of(call: Call) -> Attributes:
    """What authorization is asked about. Selectors that cannot be read are the handler's to refuse."""
    info = call.info
    if not info.is_resource:
        return Attributes(verb=info.verb, path=info.path)
    labels, fields = LabelSelector(), FieldSelector()
    name = info.name
    if info.verb in {"list", "watch", "deletecollection"}:
        try:
            labels = LabelSelector.parse(call.query.get("labelSelector", ""))
            fields = FieldSelector.parse(call.query.get("fieldSelector", ""))
            name = fields.exact("metadata.name") or ""
        except ApiError:
            labels, fields = LabelSelector(), FieldSelector()
    return Attributes(
        verb=info.verb,
        path=info.path,
        group=info.group,
        version=info.version,
        resource=info.resource,
        subresource=info.subresource,
        namespace=info.namespace,
        name=name,
        label_requirements=labels.requirements,
        field_requirements=fields.requirements,
    )


@contextmanager
def _timeouts_told() -> Iterator[None]:
    """A deadline that passed, in kube-apiserver's words."""
    try:
        yield
    except TimeoutError as err:
        raise TimedOut("request did not complete within the allotted timeout", retry_after=1) from err
