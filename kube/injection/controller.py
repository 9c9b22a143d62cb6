"""The controller that keeps the trust bundle in whatever carries the label."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial

from kube.collections import Collection
from kube.controllers import Key, Watch
from kube.documents import JsonObject, name_of
from kube.events import EventType
from kube.injection.decisions import Injection, decide, held, is_opted_in
from kube.injection.kinds import KINDS, LeftAlone, TargetKind
from kube.trust.gate import Observed, Target
from kube.trust.publishing import PublisherParts, Tell, version_of
from kube.vocabulary import OPTED_IN


class InjectionController:
    """Keys are kinds and names."""

    name = "ca-bundle-injection"

    def __init__(self, parts: PublisherParts, *, propagation: timedelta) -> None:
        """`propagation` is how long every API server takes to use what was written."""
        self._parts = parts
        self._propagation = propagation.total_seconds()
        self._kinds = {kind.name: kind for kind in KINDS}
        self._collections: dict[str, Collection] = {
            kind.name: parts.collections.of(kind.resource, query=OPTED_IN, projection=kind.project) for kind in KINDS
        }

    def watches(self) -> Sequence[Watch]:
        return [
            Watch(resource=kind.resource, query=OPTED_IN, projection=kind.project, keys=partial(_keys, kind.name))
            for kind in KINDS
        ]

    def tell_by(self, tell: Tell) -> None:
        """`tell` is called with every key when the roots change."""
        self._parts.roots.subscribe(lambda: tell(Key(kind=kind.name, name=name_of(one)) for kind, one in self._all()))

    def reconcile(self, key: Key) -> timedelta | None:
        roots, kind = self._parts.roots.get(), self._kinds[key.kind]
        document = self._collections[key.kind].get("", key.name)
        if document is None:
            self._parts.reporter.forget(key)
            return None
        if roots is None:
            return None  # the bundle is told when it is there
        decision = decide(kind, document, roots)
        if isinstance(decision, Injection):
            with self._parts.reporter.writing(key, document):
                self._parts.cluster.patch(kind.resource.path(name=key.name), decision.patch, kind=decision.kind)
            self._say(key, document, decision, roots.generation)
        elif isinstance(decision, LeftAlone):
            self._parts.reporter.say(key, document, EventType.WARNING, decision.reason, decision.message)
        return None

    def observed(self) -> Iterator[Observed]:
        for kind, document in self._all():
            fields = kind.fields(document)
            if isinstance(fields, LeftAlone) or not fields or not is_opted_in(document):
                continue
            ends = [one.contents.not_after for one in fields if one.contents.not_after is not None]
            yield Observed(
                target=Target(kind=kind.name, name=name_of(document)),
                fingerprints=held(fields),
                version=version_of(document),
                propagation=self._propagation,
                not_after=min(ends, default=None),
                about=document,
            )

    def _all(self) -> Iterator[tuple[TargetKind, JsonObject]]:
        for kind in KINDS:
            for document in self._collections[kind.name].all():
                yield kind, document

    def _say(self, key: Key, document: JsonObject, injection: Injection, generation: int) -> None:
        where = ", ".join(injection.fields)
        if injection.garbage:
            self._parts.reporter.garbage_was_replaced(key, document, ", ".join(injection.garbage))
        message = f"generation {generation} of the trust bundle was injected into {where}"
        self._parts.reporter.say_again(key, document, EventType.NORMAL, "CaBundleInjected", message)


def _keys(kind: str, document: JsonObject) -> Iterable[Key]:
    return (Key(kind=kind, name=name_of(document)),)
