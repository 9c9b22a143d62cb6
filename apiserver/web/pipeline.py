"""What every request goes through, in this order (k8s.io/apiserver: DefaultBuildHandlerChain):

1. audit id and request info · 2. deadline · 3. authentication · 4. audit · 5. impersonation · 6. flow control · 7. authorization
8. handler

- Whatever goes wrong at any step is answered with a Status; what nobody foresaw is logged whole and answered without its text.
- A request is counted and audited however it ends, also where its caller has gone.
- X-Remote-* and Impersonate-* headers are read by the steps that may believe them, and by nobody after.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from apiserver.ambient import Entropy
from apiserver.audit.auditor import Auditor, Origin
from apiserver.audit.policy import Stage
from apiserver.errors import ApiError, BadRequest, Forbidden, ServiceUnavailable, TimedOut, Unauthorized
from apiserver.flow_control import FlowControl
from apiserver.identity.authentication import Authenticator
from apiserver.identity.authorization import Authorizer
from apiserver.identity.impersonation import Impersonation
from apiserver.identity.user import MASTERS_GROUP, Attributes, User
from apiserver.metrics import Metrics, RequestLabels
from apiserver.requests.path import read_path
from apiserver.requests.selectors import FieldSelector, LabelSelector
from apiserver.requests.timeouts import deadline
from apiserver.statuses import row_of
from apiserver.web.answers import failure, not_found
from apiserver.web.calls import Call
from apiserver.web.resources import ResourceHandlers
from store.errors import StoreError

if TYPE_CHECKING:
    from serving.tracing import Tracing

PathHandler = Callable[[Call], Awaitable[web.StreamResponse]]

_CALLER_GONE = 499
"""In audit events alone: nobody is there to get an answer."""

_VERBS: Mapping[str, str] = {
    "get": "GET",
    "list": "LIST",
    "watch": "WATCH",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETECOLLECTION",
}

_log = structlog.get_logger("chancery.apiserver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """Those who see a request before its handler does."""

    authenticator: Authenticator
    authorizer: Authorizer
    impersonation: Impersonation
    flow: FlowControl
    auditor: Auditor
    metrics: Metrics


class Pipeline:
    """`handle` is the application's one handler."""

    def __init__(
        self,
        guards: Guards,
        *,
        resources: ResourceHandlers,
        paths: Callable[[str], PathHandler | None],
        request_timeout: timedelta,
        entropy: Entropy,
        monotonic: Callable[[], float],
        tracing: "Tracing | None" = None,
    ) -> None:
        """`paths` finds the handler of what is no resource."""
        self._guards = guards
        self._resources = resources
        self._paths = paths
        self._request_timeout = request_timeout.total_seconds()
        self._entropy = entropy
        self._monotonic = monotonic
        self._tracing = tracing

    async def handle(self, request: web.Request) -> web.StreamResponse:
        call = Call(request=request, query=dict(request.query), audit_id=self._audit_id(request))
        if self._tracing is None:
            return await self._handled(call)
        said = {"http.request.method": request.method, "chancery.request_id": call.audit_id}
        with self._tracing.request(request.method, request.headers, said) as span:
            response = await self._handled(call)
            labels = self._labels(call)
            span.update_name(f"{labels.verb} {labels.resource}".strip())
            place = {"chancery.group": labels.group, "chancery.version": labels.version, "chancery.scope": labels.scope}
            status = {"http.response.status_code": response.status}
            self._tracing.describe({**place, **status}, failed=response.status >= 500)
            return response

    async def _handled(self, call: Call) -> web.StreamResponse:
        begun = self._monotonic()
        try:
            response = await self._answered(call)
        except (ConnectionError, asyncio.CancelledError):
            self._guards.metrics.aborted(self._labels(call))
            await self._tell(call, Stage.RESPONSE_COMPLETE, 200 if call.has_begun else _CALLER_GONE, None)
            raise
        self._count(call, response, self._monotonic() - begun)
        return response

    async def _answered(self, call: Call) -> web.StreamResponse:
        """The answer, whatever happens; audited where it got that far."""
        try:
            response = await self._handle(call)
        except (ApiError, StoreError) as err:
            if row_of(type(err)) is None:
                _log.exception("a request failed", audit_id=call.audit_id)
            response = _failed(call, err)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as err:  # noqa: BLE001 - the last place that can answer
            request = call.request
            _log.exception("a request failed", audit_id=call.audit_id, method=request.method, path=request.path)
            response = _failed(call, err)
            await self._tell(call, Stage.PANIC, 500, None)
            return response
        body = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else None
        if not await self._tell(call, Stage.RESPONSE_COMPLETE, response.status, body):
            return failure(call, ServiceUnavailable("audit events cannot be written; try again", retry_after=1))
        return response

    async def _handle(self, call: Call) -> web.StreamResponse:
        request, guards = call.request, self._guards
        call.info = read_path(request.method, _raw_path(request), call.query)  # 1
        async with AsyncExitStack() as stack:
            if not call.info.is_long_running:  # 2
                stack.enter_context(_timeouts_told())
                seconds = deadline(call.query, self._request_timeout)
                await stack.enter_async_context(asyncio.timeout(seconds))
            attributes = attributes_of(call)
            user = await self._authenticate(call)  # 3
            call.audit = await guards.auditor.begin(_origin(call), user, attributes)  # 4
            call.user = await guards.impersonation.assume(user, request.headers)  # 5
            if call.user is not user:
                call.audit.impersonates(call.user)
            if not call.info.is_long_running:  # 6
                read_only, probe = call.info.is_read_only, call.info.is_probe
                resource = f"{call.info.resource}.{call.info.group}" if call.info.is_resource else ""
                stack.enter_context(
                    guards.flow.admitted(call.user, read_only=read_only, probe=probe, resource=resource)
                )
                stack.callback(guards.metrics.started(_place_of(call.user, read_only=read_only, probe=probe)))
            else:
                gauge = guards.metrics.long_running.labels(*self._labels(call).values)
                gauge.inc()
                stack.callback(gauge.dec)
            call.take_octets = stack.enter_context(guards.flow.body(call.user))
            await self._authorize(call, attributes)  # 7
            return await self._dispatch(call)  # 8

    async def _authenticate(self, call: Call) -> User:
        request, guards = call.request, self._guards
        is_open = not call.info.is_resource and guards.authorizer.is_open(call.info.path)
        try:
            user = await guards.authenticator.authenticate(
                request.get_extra_info("ssl_object"), request.headers, is_open=is_open
            )
        except Unauthorized:
            guards.metrics.authenticated("failure")
            call.audit = await guards.auditor.begin(_origin(call), None, attributes_of(call))
            raise
        except ApiError:
            guards.metrics.authenticated("error")
            raise
        guards.metrics.authenticated("success", _kind_of(user))
        return user

    async def _authorize(self, call: Call, attributes: Attributes) -> None:
        if call.user is None or call.audit is None:
            raise RuntimeError("nobody has been authenticated")
        try:
            await self._guards.authorizer.authorize(call.user, attributes)
        except Forbidden as err:
            call.audit.annotate("authorization.k8s.io/decision", "forbid")
            call.audit.annotate("authorization.k8s.io/reason", err.message[:512])
            self._guards.metrics.authorized("denied")
            raise
        except ApiError:
            self._guards.metrics.authorized("error")
            raise
        call.audit.annotate("authorization.k8s.io/decision", "allow")
        self._guards.metrics.authorized("allowed")

    async def _dispatch(self, call: Call) -> web.StreamResponse:
        if call.info.is_resource:
            target = self._resources.target(call)
            if target is not None:
                return await self._resources.handle(call, target)
            missing = self._resources.missing(call)
            if missing is not None:
                raise missing
            return not_found(call)
        handler = self._paths(call.info.path)
        return not_found(call) if handler is None else await handler(call)

    async def _tell(self, call: Call, stage: Stage, code: int, body: bytes | None) -> bool:
        """Whether the event is where it must be."""
        if call.audit is None:
            return True
        try:
            await call.audit.tell(stage, code=code, response_object=body if call.audit.wants_response else None)
        except ServiceUnavailable:
            return False
        return True

    def _count(self, call: Call, response: web.StreamResponse, seconds: float) -> None:
        labels = self._labels(call)
        if call.info.verb == "watch" and response.status < 400:
            self._guards.metrics.watch_ended(labels, code=response.status)
            return
        octets = response.content_length or 0
        dry_run = "dryRun" in call.query
        self._guards.metrics.answered(labels, code=response.status, dry_run=dry_run, seconds=seconds, octets=octets)

    def _labels(self, call: Call) -> RequestLabels:
        """Of what there is; anything else is counted without its name."""
        info = call.info
        verb = _VERBS.get(info.verb, call.request.method)
        if not info.is_resource or self._resources.target(call) is None:
            return RequestLabels(verb=verb)
        scope = "resource" if info.name else "namespace" if info.namespace else "cluster"
        return RequestLabels(
            verb=verb,
            group=info.group,
            version=info.version,
            resource=info.resource,
            subresource=info.subresource,
            scope=scope,
        )

    def _audit_id(self, request: web.Request) -> str:
        """The caller's, where it is a proxy that has one already; only what looks like an identifier is taken over."""
        given = request.headers.get("Audit-ID", "")
        if 0 < len(given) <= 64 and given.replace("-", "").isalnum() and given.isascii():
            return given
        return str(uuid.UUID(bytes=self._entropy(16), version=4))


def _failed(call: Call, error: BaseException) -> web.StreamResponse:
    """A Status; where the caller has gone there is nobody to tell, and in the middle of an answer no way to."""
    if call.audit is not None:
        call.audit.failed(error)
    if call.has_begun and call.request.transport is not None:
        call.request.transport.abort()
    if call.has_begun or call.request.transport is None:
        raise ConnectionResetError
    return failure(call, error)


def _raw_path(request: web.Request) -> str:
    """Still encoded, without the query; of a target in absolute form, as proxies send it, too (RFC 9112 section 3.2.2)."""
    target = request.raw_path.partition("?")[0]
    scheme, separator, rest = target.partition("://")
    return f"/{rest.partition('/')[2]}" if separator and scheme.lower() in {"http", "https"} else target


def _origin(call: Call) -> Origin:
    """The addresses that proxies name come first, the one that is connected last (audit: sourceIPs)."""
    request = call.request
    forwarded = request.headers.get("X-Forwarded-For", "")[:1024]
    addresses = [address.strip() for address in forwarded.split(",") if address.strip()]
    if request.remote:
        addresses.append(request.remote)
    return Origin(
        audit_id=call.audit_id,
        uri=request.raw_path[:4096],
        addresses=tuple(addresses),
        user_agent=request.headers.get("User-Agent", "")[:1024],
    )


def _place_of(user: User, *, read_only: bool, probe: bool) -> str:
    """Where a request that is under way is counted."""
    if probe or MASTERS_GROUP in user.groups:
        return "exempt"
    return "readOnly" if read_only else "mutating"


def _kind_of(user: User) -> str:
    """What a user is counted as."""
    if user.name.startswith("system:"):
        return "system"
    return "admin" if MASTERS_GROUP in user.groups else "other"


def attributes_of(call: Call) -> Attributes:
    """What authorization is asked about. Selectors that cannot be read are the handler's to refuse."""
    info = call.info
    if not info.is_resource:
        return Attributes(verb=info.verb, path=info.path)
    labels, fields = LabelSelector(), FieldSelector()
    name = info.name
    if info.verb in {"list", "watch", "deletecollection"}:
        with suppress(BadRequest):
            labels = LabelSelector.parse(call.query.get("labelSelector", ""))
        with suppress(BadRequest):
            fields = FieldSelector.read(call.query.get("fieldSelector", ""))
            name = fields.exact("metadata.name") or name
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
