"""The shortest way to each driver, for what happens at every certificate.

- SQLAlchemy looks every statement and row over again; on this path that would be most of the cost.
- Values are what the driver takes: an id comes as octets here.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql

Row = tuple[object, ...]


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Adds `rows`, whose values stand in the order of the table's columns; returns how many were added.

    A row that breaks a unique index is left out, silently: compare the count.
    """
    if not rows:
        return 0
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        return int(driver.executemany(_values_statement(table), rows).rowcount)
    with driver.cursor() as cursor:
        cursor.execute(_unnest_statement(table), [list(column) for column in zip(*rows, strict=True)])
        return int(cursor.rowcount)


def fetch_row(connection: Connection, statement: str) -> tuple[Any, ...] | None:
    """The first row of a query without parameters."""
    driver: Any = connection.connection.driver_connection
    row: tuple[Any, ...] | None = driver.execute(statement).fetchone()
    return row


@lru_cache
def _values_statement(table: Table) -> str:
    marks = ", ".join("?" * len(table.columns))
    return f"INSERT INTO {table.name} ({_columns(table)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608 - our names


@lru_cache
def _unnest_statement(table: Table) -> str:
    """One statement for any number of rows: each column travels as one array."""
    dialect = postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
    arrays = ", ".join(f"%s::{column.type.compile(dialect)}[]" for column in table.columns)
    columns = _columns(table)
    return f"INSERT INTO {table.name} ({columns}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"  # noqa: S608 - as above


def _columns(table: Table) -> str:
    return ", ".join(column.name for column in table.columns)
