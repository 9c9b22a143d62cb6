"""Health of a process of controllers: whether its threads move, and whether what they know is fresh.

- Not being the leader is no fault: a process that stands by is ready.
- An API server that is away does not make a process dead, as a restart would help nobody; after ten minutes it is not ready.
"""

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from kube.metrics import CONTENT_TYPE, Metrics

Check = Callable[[], str]
"""What is wrong; empty where nothing is. Returns at once."""


def health_application(
    *, live: Sequence[Check], ready: Sequence[Check], metrics: Metrics, refresh: Callable[[], None]
) -> web.Application:
    """/livez, /readyz and /metrics; `refresh` is called before metrics are shown."""

    async def answer_metrics(_request: web.Request) -> web.Response:
        refresh()
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application(client_max_size=0)
    application.router.add_get("/livez", _answering(live))
    application.router.add_get("/readyz", _answering([*live, *ready]))
    application.router.add_get("/metrics", answer_metrics)
    return application


def _answering(checks: Sequence[Check]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        faults = [fault for fault in (check() for check in checks) if fault]
        return web.Response(text="\n".join(faults or ["ok"]) + "\n", status=503 if faults else 200)

    return answer
