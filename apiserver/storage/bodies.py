"""Bodies of objects: into rows or files when they are written, out of them or out of memory when they are read.

- What is written is prepared beside the writing thread: packed, and durable as a file where it is large.
- A body's number is never used again, so what is in memory under it is right for ever.
- Bodies of one answer are read with few statements, and unpacked after the transaction has ended.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from apiserver.storage.body_cache import BodyCache
from apiserver.storage.body_files import BodyFiles
from apiserver.storage.encoding import decode_body, encode_body
from apiserver.storage.records import Body, Record
from apiserver.storage.statements import Row, run
from store.errors import StoreCorrupt

LARGE = 128 << 10
"""Octets of a packed body from which it is a file; below, a row is faster (measured: files win from 100-200 KB)."""

_AT_ONCE = 64
_MARKS = ", ".join("?" * _AT_ONCE)
_READ_ONE = "SELECT id, encoding, octets, content, digest FROM object_bodies WHERE id = ?"
_READ = f"SELECT id, encoding, octets, content, digest FROM object_bodies WHERE id IN ({_MARKS})"  # noqa: S608 - our own text

Gathered = Mapping[int, "bytes | Row"]
"""Bodies by number: their octets, or their columns but the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedBody:
    """As the columns of object_bodies hold it."""

    encoding: int
    octets: int
    content: bytes | None
    digest: bytes | None


class Bodies:
    """Used from any thread. Without `files` every body is in the database."""

    def __init__(self, files: BodyFiles | None, *, cache_octets: int) -> None:
        self._files = files
        self._cache = BodyCache(cache_octets)

    def prepare(self, body: bytes) -> PreparedBody:
        """Must be followed by `release`. Raises StoreFull, StoreUnavailable."""
        encoding, encoded = encode_body(body)
        if self._files is None or len(encoded) < LARGE:
            return PreparedBody(encoding=encoding, octets=len(body), content=encoded, digest=None)
        return PreparedBody(encoding=encoding, octets=len(body), content=None, digest=self._files.keep(encoded))

    def release(self, prepared: PreparedBody) -> None:
        """The row is committed, or there will be none."""
        if self._files is not None and prepared.digest is not None:
            self._files.let_go(prepared.digest)

    def remember(self, body_id: int, body: bytes) -> None:
        self._cache.put(body_id, body)

    def gather(self, connection: Connection, bodies: Iterable[Body]) -> "Gathered":
        """What memory or the database has of `bodies`, by number; what the database has is still packed."""
        found: dict[int, bytes | Row] = {}
        missing: set[int] = set()
        for body in bodies:
            octets = body.inline or self._cache.get(body.id)
            if octets is None:
                missing.add(body.id)
            else:
                found[body.id] = octets
        for some in _chunks(sorted(missing)):
            for row in run(connection, _READ_ONE if len(some) == 1 else _READ, some):
                found[row[0]] = row[1:]
        return found

    def attached(self, records: Sequence[Record], gathered: "Gathered", *, remember: bool) -> list[Record]:
        """`records` with their bodies inline. Raises StoreCorrupt, StoreUnavailable."""
        return [record.with_body(self.octets(record.body, gathered, remember=remember)) for record in records]

    def attached_where_sound(self, records: Sequence[Record], gathered: "Gathered") -> list[Record]:
        """As `attached`, but what is damaged has no body inline."""
        result: list[Record] = []
        for record in records:
            try:
                result.append(record.with_body(self.octets(record.body, gathered, remember=True)))
            except StoreCorrupt:
                result.append(record)
        return result

    def octets(self, body: Body, gathered: "Gathered", *, remember: bool) -> bytes:
        """Raises StoreCorrupt, StoreUnavailable."""
        found = gathered.get(body.id)
        if isinstance(found, bytes):
            return found
        if found is None:
            raise StoreCorrupt(f"the body of revision {body.id} is missing; restore a backup")
        encoding, octets, content, digest = found
        decoded = decode_body(encoding, self._encoded(content, digest), octets)
        if remember:
            self._cache.put(body.id, decoded)
        return decoded

    def _encoded(self, content: bytes | None, digest: bytes | None) -> bytes:
        if content is not None:
            return bytes(content)
        if self._files is None or digest is None:
            raise StoreCorrupt("a body is said to be in a file, and this database has none; restore a backup")
        return self._files.read(bytes(digest))


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Of one length, the last filled up with itself: few statements for the drivers to remember."""
    if len(ids) == 1:
        yield ids
        return
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        yield [*some, *[some[-1]] * (_AT_ONCE - len(some))]
