"""The port itself, on every engine: transactions, snapshots, isolation of failures, closing."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import SQLAlchemyError

from store.database import Database, open_database, sqlite_path
from store.errors import StoreUnavailable, UnsupportedDatabase
from store.schema import sealing_keys


def put(name: str, wrapped: bytes = b"x"):
    def operation(connection: Connection) -> str:
        connection.execute(insert(sealing_keys).values(name=name, wrapped=wrapped))
        return name

    return operation


def names(connection: Connection) -> list[str]:
    return list(connection.execute(select(sealing_keys.c.name).order_by(sealing_keys.c.name)).scalars())


def test_engine_says_which_dialect_it_speaks(database: Database, url: str) -> None:
    assert url.startswith(database.dialect)


def test_write_returns_what_the_operation_returns(database: Database) -> None:
    assert database.write(put("a")) == "a"
    assert database.read(names) == ["a"]


def test_what_was_written_is_there_after_reopening(database: Database, url: str) -> None:
    database.write(put("a"))
    database.close()

    reopened = open_database(url)

    assert reopened.read(names) == ["a"]
    reopened.close()


def test_failed_operation_leaves_nothing_and_raises_its_own_error(database: Database) -> None:
    def operation(connection: Connection) -> None:
        put("a")(connection)
        raise LookupError("of the operation")

    with pytest.raises(LookupError, match="of the operation"):
        database.write(operation)
    assert database.read(names) == []


def test_failed_operation_does_not_disturb_those_beside_it(database: Database) -> None:
    database.write(put("taken"))

    futures = [database.submit(put("taken" if number % 3 == 0 else f"n{number}")) for number in range(9)]
    failed = [future.exception(timeout=30) for future in futures]

    assert [error is not None for error in failed] == [number % 3 == 0 for number in range(9)]
    assert database.read(names) == ["n1", "n2", "n4", "n5", "n7", "n8", "taken"]


def test_reading_sees_one_snapshot(database: Database) -> None:
    database.write(put("a"))

    def operation(connection: Connection) -> tuple[list[str], list[str]]:
        before = names(connection)
        database.write(put("b"))
        return before, names(connection)

    assert database.read(operation) == (["a"], ["a"])
    assert database.read(names) == ["a", "b"]


def test_reading_cannot_write(database: Database) -> None:
    with pytest.raises((SQLAlchemyError, StoreUnavailable)):
        database.read(put("a"))
    assert database.read(names) == []


def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    inside, leave = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        put("slow")(connection)
        inside.set()
        assert leave.wait(60)

    future = database.submit(slow)
    assert inside.wait(60)
    try:
        assert database.read(names) == []
    finally:
        leave.set()
    future.result(60)
    assert database.read(names) == ["slow"]


def test_many_threads_write_and_read(database: Database) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: (database.write(put(f"{number:03}")), database.read(names)), range(100)))

    assert len(database.read(names)) == 100


def test_submitted_work_is_finished_by_closing(database: Database, url: str) -> None:
    futures = [database.submit(put(f"{number}")) for number in range(20)]
    database.close()

    assert {future.result(0) for future in futures} == {f"{number}" for number in range(20)}


def test_closed_database_says_so(database: Database) -> None:
    database.close()
    database.close()

    for call in (database.read, database.write, database.submit):
        with pytest.raises(StoreUnavailable, match="closed"):
            call(names)


def test_check_and_integrity_pass_on_a_healthy_database(database: Database) -> None:
    database.check()
    database.verify_integrity()


@pytest.mark.parametrize("url", ["", "sqlite:", "sqlite://relative/path", "mysql://host/name", "/var/lib/chancery.db"])
def test_address_of_no_database_of_ours_is_refused(url: str) -> None:
    with pytest.raises(UnsupportedDatabase):
        open_database(url)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("sqlite:///var/lib/x.db", "/var/lib/x.db"),
        ("sqlite:////var/lib/x.db", "/var/lib/x.db"),
        ("sqlite://relative.db", None),
        ("postgresql://user@host/name", None),
    ],
)
def test_file_behind_an_address(address: str, path: str | None) -> None:
    assert sqlite_path(address) == (None if path is None else Path(path))
