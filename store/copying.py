"""Everything that a database holds, read from one snapshot or written in one transaction, table by table.

- Tables are taken as they are in the database, so that a schema of an earlier release can be copied, too.
- Rows are plain values, the same on both engines: what one has written, the other can read.
- A few hundred rows are in memory at a time, however many there are.
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from sqlalchemy import Connection, MetaData, Table, func, insert, inspect, select, text, update

from store.bulk import insert_rows
from store.locks import Lock, take_lock
from store.migrations import AUTHORITY
from store.schema import metadata

Value: TypeAlias = int | str | bytes | bool | None

_ROWS = 500


def schema_revision(connection: Connection) -> str | None:
    """Of the authority's tables; None where there are none."""
    if not inspect(connection).has_table(AUTHORITY.version_table):
        return None
    query = text(f"SELECT version_num FROM {AUTHORITY.version_table}")  # noqa: S608 - our own name
    found = connection.execute(query).scalar()
    return None if found is None else str(found)


def holds_authority(connection: Connection) -> bool:
    """Whether there is anything that a restored database would be confused with."""
    return any(
        connection.execute(select(func.count()).select_from(table)).scalar_one() for table in _tables(connection)
    )


def read_tables(connection: Connection) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[Value]]]]:
    """Yields the name of a table, of its columns, and some of its rows; every table at least once."""
    for table in _tables(connection):
        columns = [str(column.name) for column in table.columns]
        yield str(table.name), columns, ()
        query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=_ROWS)
        for rows in connection.execute(query).partitions():
            yield str(table.name), columns, [[_plain(value) for value in row] for row in rows]


class TableWriter:
    """Writes what `read_tables` has read, in its order, into tables of the same schema that are empty."""

    def __init__(self, connection: Connection) -> None:
        take_lock(connection, Lock.APPEND)
        self._connection = connection
        self._tables = {table.name: table for table in _tables(connection)}

    def write(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
        """Raises KeyError for a table or columns that there are not, RowExists for a row that contradicts another."""
        table = self._tables[name]
        if list(columns) != [column.name for column in table.columns]:
            raise KeyError(f"{name}({', '.join(columns)})")
        insert_rows(self._connection, table, [tuple(row) for row in rows])


def move_ahead(connection: Connection, *, crl_numbers: int, shards: int, at: int) -> int:
    """Makes a copy that is put to use go on where the original may have got to since; returns how many tokens that took.

    No CRL number is given out twice: each is `crl_numbers` further, of each of `shards` shards of every authority. No token is
    spent twice: those that were open are withdrawn, as some may have been spent.
    """
    tables = {table.name: table for table in _tables(connection)}
    numbers, tokens, authorities = tables["crl_numbers"], tables["tokens"], tables["authorities"]
    connection.execute(update(numbers).values(number=numbers.c.number + crl_numbers))
    known = {(row.issuer_id, row.shard) for row in connection.execute(select(numbers.c.issuer_id, numbers.c.shard))}
    issuers = connection.execute(select(authorities.c.id)).scalars().all()
    missing = [
        {"issuer_id": issuer, "shard": shard, "number": crl_numbers}
        for issuer in issuers
        for shard in range(shards)
        if (issuer, shard) not in known
    ]
    if missing:
        connection.execute(insert(numbers), missing)
    is_open = (tokens.c.spent_at.is_(None), tokens.c.deleted_at.is_(None), tokens.c.expires_at > at)
    return int(connection.execute(update(tokens).where(*is_open).values(deleted_at=at)).rowcount)


def _tables(connection: Connection) -> list[Table]:
    """The authority's, as they are; those that others refer to come first."""
    found = MetaData()
    present = set(inspect(connection).get_table_names())
    found.reflect(connection, only=sorted(present & set(metadata.tables)))
    return [table for table in found.sorted_tables if table.name in metadata.tables]


def _plain(value: object) -> Value:
    return bytes(value) if isinstance(value, memoryview | bytearray) else value  # type: ignore[return-value]  # what columns hold
