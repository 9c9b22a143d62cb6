"""Health of a process beside the cluster: whether its threads move, whether what they know is fresh, and its metrics.

- Not being the leader is no fault: a process that stands by is ready.
- An API server that is away does not make a process dead, as a restart would help nobody; after ten minutes it is not ready.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

Check: TypeAlias = Callable[[], str | Awaitable[str]]
"""What is wrong; empty where nothing is. Returns at once, or is awaited."""


def health_application(
    *,
    live: Sequence[Check],
    ready: Sequence[Check],
    registry: CollectorRegistry,
    refresh: Callable[[], None] = lambda: None,
) -> web.Application:
    """/livez, /readyz and /metrics; `refresh` is called before metrics are shown."""

    async def answer_metrics(_request: web.Request) -> web.Response:
        refresh()
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    application = web.Application(client_max_size=0)
    application.router.add_get("/livez", _answering(live))
    application.router.add_get("/readyz", _answering([*live, *ready]))
    application.router.add_get("/metrics", answer_metrics)
    return application


def _answering(checks: Sequence[Check]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        said = [one if isinstance(one, str) else await one for one in (check() for check in checks)]
        faults = [fault for fault in said if fault]
        return web.Response(text="\n".join(faults or ["ok"]) + "\n", status=503 if faults else 200)

    return answer
