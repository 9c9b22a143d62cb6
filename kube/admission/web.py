"""The injector's HTTP edge: /mutate for the API server. Health and metrics are on another port (`kube.health`).

- A body is read within bounds of size and time, and so are all bodies together: where another one would be too much, the one
  goes that has been coming for longest. Anybody may begin to send; the API server's are here within milliseconds.
- What is no review is answered as the API server answers, by a Status; what is one always gets an AdmissionReview.
"""

import asyncio
from collections.abc import Callable

import orjson
import structlog
from aiohttp import web

from kube.admission.errors import FeaturesUnknown, ReviewUnreadable
from kube.admission.features import ClusterFeatures
from kube.admission.metrics import Metrics
from kube.admission.reviews import Reviewed, parse_review, review
from kube.admission.settings import Injection
from kube.admission.webhooks import PATH
from kube.ambient import Monotonic

LARGEST_BODY = 8 << 20
"""The API server takes requests of 3 MiB; a review holds the object and what surrounds it, escaped anew."""

LARGEST_BODIES = 64 << 20
"""Octets of all bodies that are in memory at once."""

BODY_SECONDS = 5.0

_JSON = "application/json"
_STATUS_REASONS = {
    400: "BadRequest",
    408: "Timeout",
    411: "LengthRequired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
}

_log = structlog.get_logger("chancery.injector")


class Mutating:
    """Answers reviews; belongs to the event loop."""

    def __init__(
        self,
        injection: Injection,
        *,
        features: Callable[[], ClusterFeatures | None],
        metrics: Metrics,
        monotonic: Monotonic,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._injection = injection
        self._features = features
        self._metrics = metrics
        self._monotonic = monotonic
        self._body_seconds = body_seconds
        self._coming: dict[asyncio.Timeout, int] = {}

    def application(self) -> web.Application:
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_post(PATH, self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.Response:
        started = self._monotonic()
        try:
            reviewed = await self._review(request)
        except _NotRead as err:
            return self._failed(err.code, "unreadable", str(err))
        except ReviewUnreadable as err:
            return self._failed(400, "unreadable", str(err))
        except FeaturesUnknown as err:
            return self._failed(503, "unavailable", str(err))
        self._count(reviewed)
        answer = web.Response(body=orjson.dumps(reviewed.document), content_type=_JSON)
        self._metrics.seconds.observe(self._monotonic() - started)
        return answer

    async def _review(self, request: web.Request) -> Reviewed:
        """Raises _NotRead, ReviewUnreadable, FeaturesUnknown."""
        body = await self._body(request, _length(request))
        return review(parse_review(body), injection=self._injection, features=self._features())

    async def _body(self, request: web.Request, length: int) -> bytes:
        """Raises _NotRead."""
        is_superseded = False
        try:
            async with asyncio.timeout(self._body_seconds) as patience:
                self._make_room(length)
                self._coming[patience] = length
                try:
                    return await request.read()
                finally:
                    is_superseded = self._coming.pop(patience, None) is None
        except TimeoutError as err:
            if is_superseded:
                raise _NotRead(429, "too many reviews at once; try again") from err
            raise _NotRead(408, f"the body was not here within {self._body_seconds:g} seconds") from err

    def _make_room(self, length: int) -> None:
        now = asyncio.get_running_loop().time()
        while self._coming and sum(self._coming.values()) + length > LARGEST_BODIES:
            oldest = next(iter(self._coming))
            del self._coming[oldest]
            oldest.reschedule(now)

    def _count(self, reviewed: Reviewed) -> None:
        refusal = reviewed.refusal
        outcome = "refused" if refusal is not None else "injected" if reviewed.patched else "unchanged"
        self._metrics.admissions.labels(outcome, reviewed.mode or "").inc()
        if refusal is not None:
            for fault in refusal.faults:
                self._metrics.refusals.labels(fault.reason).inc()
        log = _log.info if refusal is not None else _log.debug
        log(
            "admission",
            outcome=outcome,
            namespace=reviewed.namespace[:63],
            mode=reviewed.mode,
            dry_run=reviewed.dry_run,
            why=str(refusal)[:500] if refusal is not None else "",
        )

    def _failed(self, code: int, outcome: str, message: str) -> web.Response:
        self._metrics.admissions.labels(outcome, "").inc()
        _log.warning("a review was not answered", code=code, why=message)
        status = {
            "apiVersion": "v1",
            "kind": "Status",
            "status": "Failure",
            "code": code,
            "reason": _STATUS_REASONS[code],
            "message": message,
        }
        return web.Response(body=orjson.dumps(status), status=code, content_type=_JSON)


class _NotRead(Exception):
    """`code` is that of HTTP."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def _length(request: web.Request) -> int:
    """Of the body that is announced. Raises _NotRead."""
    if request.content_type != _JSON or request.headers.get("Content-Encoding", "identity") != "identity":
        raise _NotRead(415, f"the body must be {_JSON}, as it is")
    length = request.content_length
    if length is None:
        raise _NotRead(411, "the length of the body must be said beforehand")
    if length > LARGEST_BODY:
        raise _NotRead(413, f"the body is larger than {LARGEST_BODY} octets")
    return length
