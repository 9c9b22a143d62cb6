"""What those who write the trust bundle into the cluster have in common."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from kube.cluster import Cluster, PatchKind
from kube.collections import Collections, Resource
from kube.controllers import Key, Watch
from kube.documents import JsonObject, resource_version_of, uid_of
from kube.errors import CallerFault, Conflict, KubeError, NotLeading, NotThere
from kube.events import EventType
from kube.trust.current import CurrentRoots
from kube.trust.gate import Observed
from kube.trust.metrics import TrustMetrics
from kube.trust.steps import Create, Delete, Foreign, Step, Update

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

    def garbage_was_replaced(self, key: Key, about: JsonObject, where: str) -> None:
        message = f"what cannot be read as certificates was replaced in {where}"
        self.say_again(key, about, EventType.WARNING, "GarbageReplaced", message)

    def _record(self, key: Key, about: JsonObject, kind: EventType, reason: str, message: str) -> None:
        self.events.record(about, kind, reason, message)
        log = _log.info if kind is EventType.NORMAL else _log.warning
        log(message, reason=reason, target=str(key))


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherParts:
    """What every publisher is made of."""

    cluster: Cluster
    collections: Collections
    roots: CurrentRoots
    reporter: Reporter

    def take(self, step: Step, resource: Resource, key: Key, about: JsonObject, *, generation: int) -> None:
        """And tells of it, at `about`. Raises KubeError."""
        if isinstance(step, Foreign):
            message = f"{key.kind} {step.name} is not ours and is not overwritten: remove it, and the trust bundle is published"
            self.reporter.say(key, about, EventType.WARNING, f"{key.kind}NotOurs", message)
            return
        with self.reporter.writing(key, about):
            self._write(step, resource, key.namespace)
        if isinstance(step, Update) and step.was_garbage:
            self.reporter.garbage_was_replaced(key, about, f"{key.kind} {step.name}")
        _log.info("published", target=str(key), step=type(step).__name__.lower(), generation=generation)

    def _write(self, step: Create | Update | Delete, resource: Resource, namespace: str) -> None:
        match step:
            case Create():
                self.cluster.create(resource.path(namespace), step.document)
            case Update():
                self.cluster.patch(resource.path(namespace, step.name), step.patch, kind=PatchKind.MERGE)
            case Delete():
                with suppress(NotThere):
                    self.cluster.delete(
                        resource.path(namespace, step.name), uid=step.uid, resource_version=step.resource_version
                    )


def version_of(document: JsonObject) -> str:
    """As what was observed says it: of no other object, and of this one only as it is now."""
    return f"{uid_of(document)}/{resource_version_of(document)}"
