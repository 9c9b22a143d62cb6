"""Health: /livez, /readyz and /healthz, as kube-apiserver answers them (k8s.io/apiserver/pkg/server/healthz).

- A check has a second; what it found is good for a second, so that probes cannot load what they look at.
- Reasons are logged, not told: everybody may ask.
- Not ready comes first when the process stops, while it goes on serving.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

Check = Callable[[], Awaitable[None]]
"""Returns where all is well, raises where it is not."""

_PATIENCE_SECONDS = 1.0
_MEMORY_SECONDS = 1.0

_log = structlog.get_logger("chancery.apiserver.health")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`text` is the body of the answer."""

    healthy: bool
    text: str


class Health:
    """Belongs to the event loop."""

    def __init__(
        self, *, live: Mapping[str, Check], ready: Mapping[str, Check], monotonic: Callable[[], float]
    ) -> None:
        """`ready` are checks beside the `live` ones, which readiness includes."""
        self._checks: Mapping[str, Check] = {"ping": _ping, **live, **ready, "shutdown": self._not_stopping}
        self._endpoints: Mapping[str, Sequence[str]] = {
            "livez": ("ping", *live),
            "healthz": ("ping", *live),
            "readyz": ("ping", *live, *ready, "shutdown"),
        }
        self._monotonic = monotonic
        self._known: dict[str, tuple[float, bool]] = {}
        self._stopping = False

    def stop(self) -> None:
        """From now on the server is not ready."""
        self._stopping = True
        self._known.pop("shutdown", None)

    async def ask(
        self, endpoint: str, check: str = "", *, verbose: bool = False, excluded: Iterable[str] = ()
    ) -> Verdict | None:
        """`check` names one of an endpoint's checks; None where there is no such thing."""
        names = self._endpoints.get(endpoint)
        if names is None or (check and check not in names):
            return None
        left_out = set(excluded)
        wanted = [check] if check else [name for name in names if name not in left_out]
        found = dict(zip(wanted, await asyncio.gather(*map(self._holds, wanted)), strict=True))
        healthy = all(found.values())
        if healthy and not verbose:
            return Verdict(healthy=True, text="ok")
        lines = [_line(name, good=good) for name, good in found.items()]
        lines += [f"[+]{name} excluded: ok" for name in names if name in left_out and not check]
        lines += [
            f'warn: some health checks cannot be excluded: no matches for "{name}"'
            for name in sorted(left_out - set(names))
        ]
        lines.append(f"{endpoint} check {'passed' if healthy else 'failed'}")
        return Verdict(healthy=healthy, text="\n".join(lines) + "\n")

    async def _holds(self, name: str) -> bool:
        now = self._monotonic()
        known = self._known.get(name)
        if known is not None and now - known[0] < _MEMORY_SECONDS:
            return known[1]
        try:
            await asyncio.wait_for(self._checks[name](), _PATIENCE_SECONDS)
        except Exception as err:  # noqa: BLE001 - whatever a check raises is its finding
            _log.warning("health check failed", check=name, error=str(err) or type(err).__name__)
            good = False
        else:
            good = True
        self._known[name] = (now, good)
        return good

    async def _not_stopping(self) -> None:
        if self._stopping:
            raise RuntimeError("the process is stopping")


async def _ping() -> None:
    return


def _line(name: str, *, good: bool) -> str:
    return f"[+]{name} ok" if good else f"[-]{name} failed: reason withheld"
