"""What those who write the trust bundle into the cluster have in common."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from kube.controllers import Key, Watch
from kube.documents import JsonObject, uid_of
from kube.errors import CallerFault, Conflict, KubeError, NotLeading
from kube.events import EventType
from kube.trust.gate import Observed
from kube.trust.metrics import TrustMetrics

_REMEMBERED = 10_000

_log = structlog.get_logger("chancery.kube.trust")

Tell = Callable[[Iterable[Key]], None]


class Recorder(Protocol):
    """`kube.events.Events`, as far as it is needed here."""

    def record(self, one: JsonObject, type: EventType, reason: str, message: str) -> None: ...  # noqa: A002 - as there


class Publisher(Protocol):
    """Who brings targets to the present roots, and says what they hold."""

    def watches(self) -> Sequence[Watch]: ...

    def observed(self) -> Iterable[Observed]:
        """Every target, as it was read back last."""


@dataclass(slots=True, kw_only=True)
class Reporter:
    """Says once what stays so: at an object, in the log and in metrics. Safe from any thread."""

    events: Recorder
    metrics: TrustMetrics
    _said: dict[Key, tuple[str, str, str]] = field(default_factory=dict)

    def say(self, key: Key, about: JsonObject, kind: EventType, reason: str, message: str) -> None:
        """Of one key the last thing said is remembered."""
        said = (uid_of(about), reason, message)
        if self._said.get(key) == said:
            return
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said[key] = said
        self._record(key, about, kind, reason, message)

    def say_again(self, key: Key, about: JsonObject, kind: EventType, reason: str, message: str) -> None:
        """What happened just now, whether or not it happened before."""
        self.forget(key)
        self._record(key, about, kind, reason, message)

    def forget(self, key: Key) -> None:
        """All is well with it."""
        self._said.pop(key, None)

    @contextmanager
    def writing(self, key: Key, about: JsonObject) -> Iterator[None]:
        """A write that fails counts; what will fail again is named at the object. Raises what the block does."""
        try:
            yield
        except (Conflict, NotLeading):
            raise  # somebody was faster, or leads
        except KubeError as err:
            self.metrics.failures.labels(key.kind, err.reason).inc()
            if isinstance(err, CallerFault):
                message = f"the trust bundle cannot be written: {err}"
                self.say(key, about, EventType.WARNING, "TrustBundleNotWritten", message)
            raise

    def _record(self, key: Key, about: JsonObject, kind: EventType, reason: str, message: str) -> None:
        self.events.record(about, kind, reason, message)
        log = _log.info if kind is EventType.NORMAL else _log.warning
        log(message, reason=reason, target=str(key))
