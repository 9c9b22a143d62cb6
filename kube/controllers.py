"""What a controller is: level-based, told keys, reading collections, writing through the (fenced) cluster.

- A controller is told that something about a key may have changed, never what: it compares what is with what should be.
- One key is worked on by one worker at a time. Errors of `kube.errors` and `ca.client.errors` are repeated with backoff.
- Nothing is reconciled before every collection that it watches, and the cluster serves, was listed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, runtime_checkable

from kube.collections import Projection, Resource
from kube.documents import JsonObject, name_of, namespace_of

FULL_PASS = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Key:
    """What is reconciled. `kind` tells keys apart where a controller has several sorts; it need not be one of Kubernetes."""

    kind: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)


def key_of(one: JsonObject) -> Key:
    return Key(namespace=namespace_of(one), name=name_of(one))


def itself(one: JsonObject) -> Iterable[Key]:
    """For a watch whose objects are what is reconciled."""
    return (key_of(one),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Objects whose change concerns a controller."""

    resource: Resource
    query: Mapping[str, str] = field(default_factory=dict)
    """labelSelector and fieldSelector."""
    projection: Projection | None = None
    keys: Callable[[JsonObject], Iterable[Key]] = itself
    """Asked about an object as it was and as it is; of what the projection kept."""
    full_pass: timedelta | None = FULL_PASS
    """How often all its objects are told anew, by the wall clock: the laptop that slept must catch up. None: never."""


class Controller(Protocol):
    @property
    def name(self) -> str:
        """In logs and metrics: lower case with hyphens."""

    def watches(self) -> Sequence[Watch]:
        """Always the same. The collection of a watch is `Collections.of` with its resource, query and projection."""

    def reconcile(self, key: Key) -> timedelta | None:
        """Returns when to look again without being told; None: when told."""


@runtime_checkable
class Seeded(Protocol):
    """A controller that has keys without an object: they are told at the start of leading and at each full pass."""

    def seeds(self) -> Iterable[Key]: ...


@runtime_checkable
class Termed(Protocol):
    """A controller that remembers what it did: told at the start of leading, before any key, as another may have led since."""

    def begin_term(self) -> None: ...


@runtime_checkable
class Prompted(Protocol):
    """A controller whose keys are concerned by what is in no collection: it is handed what tells keys, from any thread."""

    def tell_by(self, tell: Callable[[Iterable[Key]], None]) -> None: ...
