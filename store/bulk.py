"""The shortest way to each driver, for what happens at every certificate.

- SQLAlchemy looks every statement and row over again; on this path that would be most of the cost.
- Values are what the driver takes: an id comes as octets here.
"""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table

Row = tuple[object, ...]


class RowExists(Exception):
    """A row breaks a unique index. The transaction is to be rolled back."""


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Adds `rows`, whose values stand in the order of the table's columns. Raises RowExists."""
    if not rows:
        return
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql":
        _copy(driver, table, rows)
    else:
        _insert(driver, table, rows)


def fetch_row(connection: Connection, statement: str) -> tuple[Any, ...] | None:
    """The first row of a query without parameters."""
    return next(iter(fetch_rows(connection, statement)), None)


def fetch_rows(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    """All rows of a query without parameters."""
    driver: Any = connection.connection.driver_connection
    rows: list[tuple[Any, ...]] = driver.execute(statement).fetchall()
    return rows


def _insert(driver: sqlite3.Connection, table: Table, rows: Sequence[Row]) -> None:
    try:
        driver.executemany(_insert_statement(table), rows)
    except sqlite3.IntegrityError as err:
        raise RowExists(table.name) from err


def _copy(driver: Any, table: Table, rows: Sequence[Row]) -> None:
    from store.postgresql_copy import UniqueViolation, copy_rows  # noqa: PLC0415 - the driver is loaded where it is used

    try:
        copy_rows(driver, table, rows)
    except UniqueViolation as err:
        raise RowExists(table.name) from err


@lru_cache
def _insert_statement(table: Table) -> str:
    columns = ", ".join(column.name for column in table.columns)
    marks = ", ".join("?" * len(table.columns))
    return f"INSERT INTO {table.name} ({columns}) VALUES ({marks})"  # noqa: S608 - our own names
