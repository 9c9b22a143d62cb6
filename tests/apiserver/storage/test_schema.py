"""The schema's own lineage of migrations: it ends where the code stands, and shares a database with the authority's."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.schema import CreateIndex

import apiserver.storage.migrations
from apiserver.storage.migrations import CHANGE_LOG
from apiserver.storage.opening import open_change_log
from apiserver.storage.schema import metadata
from store.database import open_database
from store.errors import SchemaTooNew
from store.schema import metadata as authority_metadata
from tests.apiserver.storage.samples import create, key
from tests.store.test_migrations import _INDEXES, _plain


def test_migrated_schema_is_the_schema_of_the_code(log):
    def differences(connection: Connection) -> list[object]:
        ours = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
        )
        return list(compare_metadata(ours, metadata))

    assert log.database.read(differences) == []


def test_indexes_are_those_of_the_code(log):
    def found(connection: Connection) -> set[str]:
        rows = connection.execute(text(_INDEXES[connection.dialect.name])).scalars()
        return {_plain(row) for row in rows if "alembic" not in row and "_pkey" not in row}

    def expected(connection: Connection) -> set[str]:
        indexes = [index for table in metadata.tables.values() for index in table.indexes]
        return {_plain(str(CreateIndex(index).compile(dialect=connection.dialect))) for index in indexes}

    assert log.database.read(found) == log.database.read(expected)


def test_revisions_are_the_files():
    files = Path(apiserver.storage.migrations.__file__).parent / "versions"

    assert [path.name.partition("_")[0] for path in sorted(files.glob("*.py"))] == list(CHANGE_LOG.revisions)


@pytest.mark.parametrize("first", ["authority", "change log"])
def test_authority_and_change_log_share_a_database(url, directory, first):
    if first == "authority":
        open_database(url).close()
    log = open_change_log(url, directory)
    create(log, "a")
    log.close()

    authority = open_database(url)
    tables = authority.read(lambda connection: set(inspect(connection).get_table_names()))
    authority.close()

    assert tables >= {*metadata.tables, *authority_metadata.tables, "alembic_version", CHANGE_LOG.version_table}
    again = open_change_log(url, directory)
    assert again.get(key("a")) is not None
    again.close()


def test_newer_schema_is_refused(log, url, directory):
    log.database.write(
        lambda connection: connection.execute(text(f"UPDATE {CHANGE_LOG.version_table} SET version_num = '9999'"))
    )
    log.close()

    with pytest.raises(SchemaTooNew, match="9999"):
        open_change_log(url, directory)
