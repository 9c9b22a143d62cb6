"""What the change log keeps, and the port to it.

- One integer, the revision, numbers all changes of all kinds in the order of their commits: it is the resourceVersion.
- A record is one version of one object. Metadata and projection are small and read with it; the body lies apart.
- A version is current from its own revision until `superseded_at`; a deletion is a version of its own, a tombstone.
- What a list makes by the hundred thousand is a msgspec Struct: as a dataclass, making it would be a third of the list's cost.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace


class Key(Struct, frozen=True, kw_only=True, order=True, gc=False):
    """Where an object is. `storage` names what several kinds may share (`Kind.storage`); `namespace` is "" for cluster scope."""

    storage: str
    namespace: str
    name: str


class ChangeType(StrEnum):
    """Also the type of a watch event."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class Body(Struct, frozen=True, kw_only=True, gc=False):
    """A reference to what an object holds beside apiVersion, kind and metadata.

    `octets` is its length as JSON, uncompressed. `inline` is that JSON where it was read along or has just been written.
    """

    id: int
    octets: int
    inline: bytes | None = None


class Record(Struct, frozen=True, kw_only=True, gc=False):
    """One version.

    `metadata` is the JSON object of ObjectMeta without resourceVersion. `projection` is a JSON object from JSONPath to value, for
    printer columns and selectable fields. A tombstone has the metadata, projection and body of the version that it ends.
    """

    key: Key
    revision: int
    uid: str
    metadata: bytes
    projection: bytes
    body: Body
    deleted: bool = False

    def with_body(self, octets: bytes) -> "Record":
        """The same, with its body inline."""
        return replace(self, body=Body(id=self.body.id, octets=self.body.octets, inline=octets))

    def at(self, revision: int) -> "Record":
        """The same, as of another revision."""
        return replace(self, revision=revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`previous` is the version before; None for a creation."""

    type: ChangeType
    record: Record
    previous: Record | None

    @property
    def revision(self) -> int:
        return self.record.revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One change to be made.

    `expected` is the revision that must be current: 0 means that there must be no object. `body` None keeps the body of the
    expected version. `deletes` ends the object; metadata, projection and body are then those of the last version.
    """

    key: Key
    expected: int
    uid: str
    metadata: bytes
    projection: bytes
    body: bytes | None
    deletes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`revision` is what the page was read at; `more` says that keys follow the last record."""

    records: Sequence[Record]
    revision: int
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What a storage holds now; `body_octets` as JSON, uncompressed, without metadata."""

    objects: int
    body_octets: int


class StaleWrite(Exception):
    """The object is not at the expected revision; `current` is what it is at, or None where there is none."""

    def __init__(self, current: Record | None) -> None:
        super().__init__("the object has changed")
        self.current = current


class Compacted(Exception):
    """A revision is asked for whose state or history is gone; `oldest` is the oldest that can be read."""

    def __init__(self, *, asked: int, oldest: int) -> None:
        super().__init__(f"revision {asked} is compacted; the oldest is {oldest}")
        self.asked = asked
        self.oldest = oldest


class ChangeLog(Protocol):
    """The port. Reads block and see one snapshot; call them from worker threads. Raises `store.errors` StorageFault leaves."""

    def commit(self, write: Write) -> "Future[Record]":
        """Resolves once the change is durable, or with StaleWrite. Futures resolve in the order of revisions (one process)."""

    def get(self, key: Key, *, with_body: bool = True) -> Record | None:
        """The current version."""

    def page(
        self,
        storage: str,
        *,
        namespace: str | None,
        at: int | None,
        after: tuple[str, str] | None,
        limit: int,
        with_bodies: bool,
        name: str | None = None,
    ) -> Page:
        """Objects by (namespace, name), as they were at revision `at` (None: now). `after` is exclusive. Raises Compacted.

        Fewer than `limit` where their bodies would be more than a few megabytes; `more` is the truth. One damaged body is
        StoreCorrupt for the page.
        """

    def count(self, storage: str, *, namespace: str | None, at: int, after: tuple[str, str] | None) -> int:
        """How many objects there were at `at` behind `after`."""

    def changes(
        self, *, after: int, limit: int, storage: str | None = None, with_bodies: bool = True
    ) -> Sequence[Change]:
        """Changes with a greater revision, oldest first. Raises Compacted where some of them are gone.

        Fewer than `limit` where their bodies would be more than a few megabytes; none: there are no more. A body that is damaged
        is not inline, so that one object does not end everybody's watch; `read_body` says what is wrong with it.
        """

    def read_body(self, body: Body) -> bytes:
        """The JSON of a body. Raises StoreCorrupt, and Compacted where the versions that it belongs to are gone."""

    def current_revision(self) -> int:
        """The newest revision; it never goes back."""

    def oldest_revision(self) -> int:
        """The oldest revision whose state can still be listed, and behind which changes can be followed."""

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """`wake` is called, in some thread, after commits of this or (PostgreSQL) another process. Returns how to end that."""
