"""Migrations end where the code stands, run once, and leave alone what a newer release has written."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.schema import CreateIndex

import store.migrations
from store.database import Database, open_database
from store.errors import SchemaTooNew
from store.migrations import AUTHORITY, migrate
from store.schema import metadata


def test_migrated_schema_is_the_schema_of_the_code(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    assert database.read(differences) == []


def test_indexes_are_those_of_the_code(database: Database) -> None:
    def found(connection: Connection) -> set[str]:
        rows = connection.execute(text(_INDEXES[connection.dialect.name])).scalars()
        return {_plain(row) for row in rows if "alembic" not in row and "_pkey" not in row}

    def expected(connection: Connection) -> set[str]:
        indexes = [index for table in metadata.tables.values() for index in table.indexes]
        return {_plain(str(CreateIndex(index).compile(dialect=connection.dialect))) for index in indexes}

    assert database.read(found) == database.read(expected)


_INDEXES = {
    "sqlite": "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
    "postgresql": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
}


def _plain(statement: str) -> str:
    """Without what PostgreSQL adds when it says a statement in its own words."""
    return re.sub(r"WHERE \((.*)\)$", r"WHERE \1", statement.replace("public.", "").replace(" USING btree", ""))


def test_revisions_are_the_files() -> None:
    files = Path(store.migrations.__file__).parent / "versions"

    assert [path.name.partition("_")[0] for path in sorted(files.glob("*.py"))] == list(AUTHORITY.revisions)


def test_migrating_again_does_nothing(database: Database) -> None:
    migrate(database)

    assert database.read(
        lambda connection: connection.execute(text("SELECT version_num FROM alembic_version")).all()
    ) == [(AUTHORITY.newest,)]


def test_newer_schema_is_refused_and_left_alone(database: Database, url: str) -> None:
    def age(connection: Connection) -> None:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    database.write(age)
    database.close()

    with pytest.raises(SchemaTooNew, match="9999") as refusal:
        open_database(url)
    assert (refusal.value.found, refusal.value.newest) == ("9999", AUTHORITY.newest)


def test_processes_that_start_together_migrate_once(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        databases = list(pool.map(open_database, [url] * 4))

    for database in databases:
        assert database.read(lambda connection: inspect(connection).has_table("certificates"))
        database.close()
