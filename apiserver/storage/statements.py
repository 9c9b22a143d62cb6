"""The statements of the change log, given to the drivers themselves: this is the path of every request.

- Written once, with `?` for a parameter; PostgreSQL's driver wants `%s`.
- A row of `VERSION` becomes a Record by `record_of`; bodies are fetched apart.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from apiserver.storage.records import Body, Key, Record

Row = tuple[Any, ...]

VERSION = (
    "v.revision, v.storage, v.namespace, v.name, v.uid, v.deleted, v.metadata, v.projection, v.body_id, v.body_octets"
)
WIDTH = 10
"""Columns of `VERSION`."""

_IS_PRESENT = "v.superseded_at IS NULL AND NOT v.deleted"
_WAS_PRESENT = "v.revision <= ? AND (v.superseded_at IS NULL OR v.superseded_at > ?) AND NOT v.deleted"

PRESENT = (
    f"SELECT {VERSION} FROM object_versions v WHERE v.storage = ? AND v.namespace = ? AND v.name = ? AND {_IS_PRESENT}"  # noqa: S608 - our own text
)
NEXT_REVISION = "UPDATE log_state SET revision = revision + 1 WHERE id = 1 RETURNING revision"
STATE = "SELECT revision, oldest FROM log_state WHERE id = 1"
SUPERSEDE = "UPDATE object_versions SET superseded_at = ? WHERE revision = ?"
ADD_VERSION = (
    "INSERT INTO object_versions (revision, storage, namespace, name, uid, deleted, previous, superseded_at, metadata, "
    "projection, body_id, body_octets) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ADD_BODY = "INSERT INTO object_bodies (id, encoding, octets, content, digest) VALUES (?, ?, ?, ?, ?)"
BODY = "SELECT encoding, octets, content, digest FROM object_bodies WHERE id = ?"


def page(*, present: bool, namespaced: bool, after: bool) -> str:
    """Parameters: storage, [revision, revision], [namespace], [after namespace, after name], limit."""
    conditions = [
        "v.storage = ?",
        _IS_PRESENT if present else _WAS_PRESENT,
        *_places(namespaced=namespaced, after=after),
    ]
    return (
        f"SELECT {VERSION} FROM object_versions v WHERE {' AND '.join(conditions)} "  # noqa: S608 - our own text
        "ORDER BY v.namespace, v.name LIMIT ?"
    )


def count(*, namespaced: bool, after: bool) -> str:
    """Parameters as of `page` at a revision, without the limit."""
    conditions = ["v.storage = ?", _WAS_PRESENT, *_places(namespaced=namespaced, after=after)]
    return f"SELECT count(*) FROM object_versions v WHERE {' AND '.join(conditions)}"  # noqa: S608 - our own text


def changes(*, of_storage: bool) -> str:
    """Parameters: after, [storage], limit. A row is a version and, where there is one, the version before."""
    before = VERSION.replace("v.", "p.")
    condition = " AND v.storage = ?" if of_storage else ""
    return (
        f"SELECT {VERSION}, {before} FROM object_versions v "  # noqa: S608 - our own text
        f"LEFT JOIN object_versions p ON p.revision = v.previous WHERE v.revision > ?{condition} "
        "ORDER BY v.revision LIMIT ?"
    )


COUNTS = f"SELECT v.storage, count(*) FROM object_versions v WHERE {_IS_PRESENT} GROUP BY v.storage"  # noqa: S608 - our own text


def run(connection: Connection, statement: str, parameters: Sequence[object] = ()) -> Any:
    """Executes on the driver; returns its cursor."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql":
        statement = statement.replace("?", "%s")
    return driver.execute(statement, tuple(parameters))


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


def _places(*, namespaced: bool, after: bool) -> list[str]:
    conditions = ["v.namespace = ?"] if namespaced else []
    if after:
        conditions.append("(v.namespace, v.name) > (?, ?)")
    return conditions
