"""The statements of the change log, given to the drivers themselves: this is the path of every request.

- Written once, with `?` for a parameter; PostgreSQL's driver wants `%s`.
- A row of `VERSION` becomes a Record by `record_of`; bodies are fetched apart.
- Each of them runs along one index (`apiserver.storage.schema`); a test asks SQLite for its plans.
"""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from apiserver.storage.records import Body, Key, Record

Row = tuple[Any, ...]
Query = tuple[str, Sequence[object]]

VERSION = (
    "v.revision, v.storage, v.namespace, v.name, v.uid, v.deleted, v.metadata, v.projection, v.body_id, v.body_octets"
)
WIDTH = 10
"""Columns of `VERSION`."""

IS_PRESENT = "v.superseded_at IS NULL"
"""A tombstone is superseded by itself."""

# `+`, coalesce and the like keep engines that know nothing of sizes from an index that leads past the wanted order or most rows.
_IS_PRESENT_BY_ROW = "coalesce(v.superseded_at, 0) = 0"
_WAS_PRESENT = "+v.revision <= ? AND (v.superseded_at IS NULL OR v.superseded_at > ?)"
_GONE_SINCE = "v.superseded_at > ? AND +v.revision <= ?"

PRESENT = (
    f"SELECT {VERSION} FROM object_versions v WHERE v.storage = ? AND v.namespace = ? AND v.name = ? AND {IS_PRESENT}"  # noqa: S608 - our own text
)
REFERS = "SELECT 1 FROM object_versions v WHERE v.body_id = ? LIMIT 1"
STATE = "SELECT revision, oldest FROM log_state WHERE id = 1"
STATISTICS = (
    f"SELECT v.storage, count(*), sum(v.body_octets) FROM object_versions v WHERE {IS_PRESENT} GROUP BY v.storage"  # noqa: S608 - our own text
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Keys of a storage: in a namespace or in all, of a name or of all, behind a place."""

    storage: str
    namespace: str | None = None
    name: str | None = None
    after: tuple[str, str] | None = None

    @property
    def is_empty(self) -> bool:
        return self.namespace is not None and self.after is not None and self.namespace < self.after[0]

    def conditions(self) -> tuple[str, list[object]]:
        """Such that an index on storage, namespace and name goes straight to the first key."""
        terms, parameters = ["v.storage = ?"], [self.storage]
        if self.namespace is not None:
            terms.append("v.namespace = ?")
            parameters.append(self.namespace)
        if self.name is not None:
            terms.append("v.name = ?")
            parameters.append(self.name)
        if self.after is not None:
            if self.namespace is None:
                terms.append("(v.namespace, v.name) > (?, ?)")
                parameters += self.after
            elif self.namespace == self.after[0]:
                terms.append("v.name > ?")
                parameters.append(self.after[1])
        return " AND ".join(terms), [*parameters]


def page(span: Span, *, at: int | None, limit: int) -> Query:
    """`at` None: what is present."""
    where, parameters = span.conditions()
    validity, bounds = (IS_PRESENT, ()) if at is None else (_WAS_PRESENT, (at, at))
    return (
        f"SELECT {VERSION} FROM object_versions v WHERE {where} AND {validity} "  # noqa: S608 - our own text
        "ORDER BY v.namespace, v.name LIMIT ?"
    ), (*parameters, *bounds, limit)


def count_present(span: Span) -> Query:
    """Reads an index alone."""
    where, parameters = span.conditions()
    return f"SELECT count(*) FROM object_versions v WHERE {where} AND {IS_PRESENT}", parameters  # noqa: S608 - our own text


def count_come_since(span: Span, at: int) -> Query:
    """Of what is present, how much was not at `at`, or was another version."""
    where, parameters = span.conditions()
    return (
        f"SELECT count(*) FROM object_versions v WHERE {where} AND v.revision > ? AND {_IS_PRESENT_BY_ROW}",  # noqa: S608 - our own text
        (*parameters, at),
    )


def count_gone_since(span: Span, at: int) -> Query:
    """Of what was present at `at`, how much is gone, or another version."""
    where, parameters = span.conditions()
    where = where.replace("v.storage =", "v.storage || '' =")
    return (
        f"SELECT count(*) FROM object_versions v WHERE {where} AND {_GONE_SINCE}",  # noqa: S608 - our own text
        (*parameters, at, at),
    )


def changes(*, after: int, storage: str | None, limit: int) -> Query:
    """A row is a version and, where there is one, the version before."""
    before = VERSION.replace("v.", "p.")
    condition, parameters = ("", ()) if storage is None else (" AND v.storage = ?", (storage,))
    return (
        f"SELECT {VERSION}, {before} FROM object_versions v "  # noqa: S608 - our own text
        f"LEFT JOIN object_versions p ON p.revision = v.previous WHERE v.revision > ?{condition} "
        "ORDER BY v.revision LIMIT ?"
    ), (after, *parameters, limit)


def run(connection: Connection, statement: str, parameters: Sequence[object] = ()) -> Any:
    """Executes on the driver; returns its cursor."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql":
        # Binary: octets in hexadecimal would be twice as long, and have to be translated.
        return driver.execute(_for_psycopg(statement), tuple(parameters), binary=True)
    return driver.execute(statement, tuple(parameters))


def run_many(connection: Connection, statement: str, rows: Iterable[Sequence[object]]) -> None:
    """Executes on the driver once for each row."""
    driver: Any = connection.connection.driver_connection
    with closing(driver.cursor()) as cursor:
        cursor.executemany(_for_psycopg(statement) if connection.dialect.name == "postgresql" else statement, rows)


def record_of(row: Row) -> Record:
    """From the columns of `VERSION`."""
    revision, storage, namespace, name, uid, deleted, metadata, projection, body_id, body_octets = row
    return Record(
        key=Key(storage=storage, namespace=namespace, name=name),
        revision=revision,
        uid=uid,
        metadata=bytes(metadata),
        projection=bytes(projection),
        body=Body(id=body_id, octets=body_octets),
        deleted=bool(deleted),
    )


@lru_cache
def _for_psycopg(statement: str) -> str:
    return statement.replace("?", "%s")
