"""Health: /livez, /readyz and /healthz, as kube-apiserver answers them (k8s.io/apiserver/pkg/server/healthz).

- A check has a second; what it found is good for a second, and whoever asks meanwhile gets the same finding, so that probes
  cannot load what they look at. One that hangs is not started again before it has come back.
- Reasons are logged when a check begins to fail and when it recovers, not told: everybody may ask.
- Not ready comes first when the process stops, while it goes on serving.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

Check = Callable[[], Awaitable[None]]
"""Returns where all is well, raises where it is not."""

_SHUTDOWN = "shutdown"
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
        self,
        *,
        live: Mapping[str, Check],
        ready: Mapping[str, Check],
        monotonic: Callable[[], float],
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        """`ready` are checks beside the `live` ones, which readiness includes. `patience` is in seconds."""
        checks = {"ping": _ping, **live, **ready}
        self._checks = {
            name: _Remembered(name, check, monotonic=monotonic, patience=patience) for name, check in checks.items()
        }
        self._endpoints: Mapping[str, Sequence[str]] = {
            "livez": ("ping", *live),
            "healthz": ("ping", *live),
            "readyz": ("ping", *live, *ready, _SHUTDOWN),
        }
        self._stopping = False

    def stop(self) -> None:
        """From now on the server is not ready."""
        self._stopping = True

    async def ask(
        self, endpoint: str, check: str = "", *, verbose: bool = False, excluded: Iterable[str] = ()
    ) -> Verdict | None:
        """`check` names one of an endpoint's checks; None where there is no such thing."""
        names = self._endpoints.get(endpoint)
        if names is None or (check and check not in names):
            return None
        if check:
            good = await self._holds(check)
            return Verdict(healthy=good, text="ok" if good else "internal server error: reason withheld\n")
        left_out = set(excluded)
        wanted = [name for name in names if name not in left_out]
        found = dict(zip(wanted, await asyncio.gather(*map(self._holds, wanted)), strict=True))
        healthy = all(found.values())
        if healthy and not verbose:
            return Verdict(healthy=True, text="ok")
        lines = [_line(name, found.get(name)) for name in names]
        if strangers := sorted(left_out - set(names)):
            quoted = ",".join(f'"{name}"' for name in strangers)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
        lines.append(f"{endpoint} check {'passed' if healthy else 'failed'}")
        return Verdict(healthy=healthy, text="\n".join(lines) + "\n")

    async def _holds(self, name: str) -> bool:
        return not self._stopping if name == _SHUTDOWN else await self._checks[name].holds()


class _Remembered:
    """A check with its last finding, and the run that is under way."""

    def __init__(self, name: str, check: Check, *, monotonic: Callable[[], float], patience: float) -> None:
        self._name = name
        self._check = check
        self._monotonic = monotonic
        self._patience = patience
        self._found: bool | None = None
        self._found_at = 0.0
        self._run: asyncio.Task[str] | None = None

    async def holds(self) -> bool:
        if self._found is not None and self._monotonic() - self._found_at < _MEMORY_SECONDS:
            return self._found
        if self._run is None:
            self._run = asyncio.create_task(self._find())
        run = self._run
        done, _ = await asyncio.wait([run], timeout=self._patience)
        if not done:
            self._note(f"no answer within {self._patience:g} seconds")
        elif self._run is run:
            self._run = None
            self._note(run.result())
        return bool(self._found)

    async def _find(self) -> str:
        """What is wrong; empty where nothing is."""
        try:
            await self._check()
        except Exception as err:  # noqa: BLE001 - whatever a check raises is its finding
            return str(err) or type(err).__name__
        return ""

    def _note(self, fault: str) -> None:
        if fault and self._found is not False:
            _log.warning("health check fails", check=self._name, error=fault)
        elif not fault and self._found is False:
            _log.info("health check holds again", check=self._name)
        self._found, self._found_at = not fault, self._monotonic()


async def _ping() -> None:
    return


def _line(name: str, good: bool | None) -> str:  # noqa: FBT001 - None: left out
    if good is None:
        return f"[+]{name} excluded: ok"
    return f"[+]{name} ok" if good else f"[-]{name} failed: reason withheld"
