"""What there is of some objects in the cluster, as it was last seen.

- A read is a snapshot: what comes in later does not change it. Documents are shared and must not be changed.
- A collection is filled by one reflector and read by any thread.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kube.documents import JsonObject, name_of, namespace_of

Projection = Callable[[JsonObject], JsonObject]
"""What is kept of an object: a new document. apiVersion, kind and of the metadata name, namespace, uid and resourceVersion are
kept whatever it returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """`group` is empty for the core group."""

    group: str = ""
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """The path under which the group's version lists its resources."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Of one object, of a namespace's, or of all of them. Raises ValueError for what cannot be an object's name."""
        steps = [self.root]
        if namespace:
            if not self.namespaced:
                raise ValueError(f"{self.plural} are in no namespace")
            steps += ["namespaces", _segment(namespace)]
        steps.append(self.plural)
        if name:
            if self.namespaced and not namespace:
                raise ValueError(f"{self.plural} are in namespaces; name one")
            steps.append(_segment(name))
        if subresource:
            if not name:
                raise ValueError("a subresource is of an object; name it")
            steps.append(subresource)
        return "/".join(steps)


class Collection:
    """By namespace and name; the namespace is empty for what is in none."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], JsonObject] = {}
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._is_served = False
        self.synced = threading.Event()
        """Set once the objects were listed, or there was found to be no such kind."""

    @property
    def is_served(self) -> bool:
        """Whether the API server has this kind, as far as is known."""
        return self._is_served

    @property
    def size(self) -> int:
        return len(self._objects)

    def get(self, namespace: str, name: str) -> JsonObject | None:
        return self._objects.get((namespace, name))

    def all(self) -> Sequence[JsonObject]:
        with self._lock:
            return tuple(self._objects.values())

    def has_any_in(self, namespace: str) -> bool:
        """Without looking through the others."""
        return self._counts[namespace] > 0

    def fill(self, objects: Iterable[JsonObject]) -> Sequence[JsonObject]:
        """Takes these for all there is; returns what differs: objects as they were and as they are."""
        new = {_place(one): one for one in objects}
        with self._lock:
            old, self._objects = self._objects, new
            self._counts = Counter(namespace for namespace, _ in new)
            self._is_served = True
            self.synced.set()
        changed = [one for place, one in new.items() if old.get(place) != one]
        return [*changed, *(one for place, one in old.items() if new.get(place) != one)]

    def lose(self) -> Sequence[JsonObject]:
        """There is no such kind; returns what was there before."""
        gone = self.fill(())
        self._is_served = False
        return gone

    def put(self, one: JsonObject) -> JsonObject | None:
        """Returns what was there before."""
        place = _place(one)
        with self._lock:
            before = self._objects.get(place)
            self._objects[place] = one
            self._counts[place[0]] += before is None
        return before

    def remove(self, namespace: str, name: str) -> JsonObject | None:
        """Returns what was there."""
        with self._lock:
            gone = self._objects.pop((namespace, name), None)
            if gone is not None:
                self._counts[namespace] -= 1
                if not self._counts[namespace]:
                    del self._counts[namespace]
        return gone


class Collections:
    """The collections of a process: whoever asks for the same objects, cut down alike, shares one."""

    def __init__(self) -> None:
        self._known: dict[tuple[Resource, tuple[tuple[str, str], ...], Projection | None], Collection] = {}
        self._lock = threading.Lock()

    def of(
        self, resource: Resource, *, query: Mapping[str, str] | None = None, projection: Projection | None = None
    ) -> Collection:
        """`query` holds fieldSelector and labelSelector. The same `projection` is the same function object."""
        with self._lock:
            return self._known.setdefault((resource, tuple(sorted((query or {}).items())), projection), Collection())


def _segment(name: str) -> str:
    """Of a path: names of objects need no escape, bar `:` of RBAC and signers' names (path.IsValidPathSegmentName)."""
    if name in {".", ".."} or not name.isascii() or not name.isprintable() or set(name) & set("/%?# "):
        raise ValueError(f"{name!r} cannot be the name of an object")
    return name


def _place(one: JsonObject) -> tuple[str, str]:
    return namespace_of(one), name_of(one)
